"""Calls the API: signs by botocore, follows pages, and makes one line of every refusal."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cli.connection import Connection
from cli.errors import CommandError, NoAnswerError, UsageError

_TIMEOUT_SECONDS = 35
_ATTEMPTS = 3
_LONGEST_PAUSE_SECONDS = 10.0
# What a moment may mend: API Gateway's throttle, and an API that is busy or can't reach the record.
_PASSING = frozenset({429, 502, 503, 504})
_NEXT = re.compile(r'<([^>]*)>; *rel="next"')


@dataclass(frozen=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which is JSON; NoAnswerError where it is not."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise NoAnswerError(f"the API answered {self.status} without JSON; is the URL right?") from error


class Api:
    """The API of one deployment.

    Args:
        token: a token of the gate, to be used instead of a signature.
    """

    def __init__(self, connection: Connection, *, token: str | None = None) -> None:
        self.connection = connection
        self._token = token

    def get(self, path: str, query: Mapping[str, object] | None = None, *, accept: str = "application/json") -> Reply:
        """GET; CommandError for anything but 200."""
        return self._expect(self.send("GET", path, query, headers={"Accept": accept}))

    def post(self, path: str, body: object, query: Mapping[str, object] | None = None) -> Any:
        """POST, and the JSON that is answered."""
        return self._expect(self.send("POST", path, query, body=body)).json()

    def put(self, path: str, body: object, *, etag: str) -> Any:
        """PUT over what has this ETag, and the JSON that is answered."""
        return self._expect(self.send("PUT", path, body=body, headers={"If-Match": etag})).json()

    def delete(self, path: str, *, etag: str | None = None) -> None:
        """DELETE."""
        self._expect(self.send("DELETE", path, headers={"If-Match": etag} if etag else None))

    def pages(
        self, path: str, query: Mapping[str, object] | None = None, *, accept: str = "application/json"
    ) -> Iterator[Reply]:
        """GET, page after page."""
        reply = self.get(path, query, accept=accept)
        yield reply
        while following := _NEXT.search(reply.headers.get("link", "")):
            # Only the query: the link may name another host than the one that this caller gets through to.
            reply = self._expect(self._send("GET", f"{path}?{following[1].partition('?')[2]}", {"Accept": accept}, b""))
            yield reply

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request, whatever it is answered; NoAnswerError where nothing is."""
        asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        target = path + (f"?{urlencode(asked, quote_via=quote)}" if asked else "")
        sent = dict(headers or {})
        content = b""
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return self._send(method, target, sent, content)

    def _send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                reply = self._once(method, target, headers, content)
            except NoAnswerError:
                # Whether a change was carried out is not known then: it must not be repeated.
                if last or method != "GET":
                    raise
                time.sleep(0.5 * 2**attempt)
                continue
            if reply.status not in _PASSING or last or method != "GET":
                return reply
            time.sleep(min(_LONGEST_PAUSE_SECONDS, float(reply.headers.get("retry-after", 0.5 * 2**attempt))))
        raise AssertionError("unreachable")

    def _once(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, HTTPClientError
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        url = self.connection.base_url + target
        request = AWSRequest(method=method, url=url, data=content or None, headers=dict(headers))
        request.headers["User-Agent"] = "ecr-rescan-cli"
        if self._token is not None:
            request.headers["Authorization"] = "Basic " + base64.b64encode(f"gate:{self._token}".encode()).decode()
        elif not self.connection.is_local:
            sign(request, self.connection)
        verify = None if self.connection.is_local else self._bundle()
        session = URLLib3Session(verify=verify or True, proxies=get_environ_proxies(url), timeout=_TIMEOUT_SECONDS)
        try:
            answer = session.send(request.prepare())
            return Reply(
                answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content
            )
        except (HTTPClientError, BotoCoreError) as error:
            hint = "; is `make run` running?" if self.connection.is_local else "; is the URL right?"
            raise NoAnswerError(f"no answer from {self.connection.base_url}: {_first_line(error)}{hint}") from error
        finally:
            session.close()

    def _bundle(self) -> str | None:
        bundle: str | None = self.connection.session.get_config_variable("ca_bundle")
        return bundle

    def _expect(self, reply: Reply) -> Reply:
        if reply.status < 300:
            return reply
        raise refusal(reply)


def sign(request: Any, connection: Connection) -> None:
    """Sign a request as API Gateway wants it (SigV4, execute-api), with the token of temporary credentials."""
    from botocore.auth import SigV4Auth

    SigV4Auth(connection.credentials.get_frozen_credentials(), "execute-api", connection.signing_region).add_auth(
        request
    )


def refusal(reply: Reply) -> CommandError:
    """What an answer that is none says, in one line."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        told = {}
    error = told.get("error") if isinstance(told, dict) else None
    if isinstance(error, dict):
        message = str(error.get("message", ""))
        if reply.status == 401:
            return UsageError("the token is wrong or was revoked: make one with ecr-rescan gate-token new NAME")
        if reply.status == 412:
            return CommandError("somebody else changed it at the same time: look at it, and try again")
        if reply.status in (400, 404, 409):
            return UsageError(message)
        return NoAnswerError(f"the API failed ({reply.status}): {message}")
    message = str(told.get("message", "")) if isinstance(told, dict) else ""
    if reply.status == 403:
        return CommandError(
            f"the API refused the request ({message or 'Forbidden'}): check the URL and --region, that the "
            "credentials are current, and that they allow execute-api:Invoke"
        )
    return NoAnswerError(f"the API failed ({reply.status}): {message or 'no reason given'}")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
