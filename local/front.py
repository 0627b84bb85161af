"""The HTTP front: what API Gateway's REST API does between a client and the functions, save for checking signatures."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.template import ACCOUNT, STACK
from local.web import HOST, Request, Response
from local.wiring import Api, Route

INTEGRATION_SECONDS = 29.0
LARGEST_REQUEST = 10 * 1024 * 1024
LARGEST_RESPONSE = 6 * 1024 * 1024
# API Gateway Developer Guide, "important notes": headers that leave under another name, or not at all.
REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "host",
        "server",
        "user-agent",
        "www-authenticate",
    }
)
DROPPED = frozenset({"te", "trailer", "transfer-encoding", "upgrade"})

MISSING_TOKEN = "Missing Authentication Token"
INTERNAL_ERROR = "Internal server error"


class Front:
    """Answers HTTP requests (``handle``) with the functions of an API.

    Args:
        api: routes and settings, from the template.
        invoke: takes a function's logical id and a proxy event; answers what the function answers, or raises.
        now: virtual time, for ``requestTimeEpoch``.
        seconds: how long a function may take; API Gateway's 29 unless a test is in a hurry.
    """

    def __init__(
        self,
        api: Api,
        invoke: Callable[[str, dict[str, Any]], Any],
        now: Callable[[], datetime],
        *,
        seconds: float = INTEGRATION_SECONDS,
    ) -> None:
        self._api = api
        self._invoke = invoke
        self._now = now
        self._seconds = seconds
        # Literal paths before those with parameters, as API Gateway prefers them.
        routes = sorted(api.routes, key=lambda route: [segment.startswith("{") for segment in route.path.split("/")])
        self._routes = [(_pattern(route.path), route) for route in routes]
        self._workers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="front")

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        path = urlsplit(request.target).path
        found = self._find(request.method, path)
        if found is None:
            return _message(403, MISSING_TOKEN)
        if len(request.body) > LARGEST_REQUEST:
            return _message(413, "Request Entity Too Large")
        route, parameters = found
        running = self._workers.submit(self._invoke, route.function, self._event(request, route, parameters))
        try:
            answer = running.result(self._seconds)
        except FutureTimeoutError:
            return _message(504, "Endpoint request timed out")
        except Exception:
            return _message(502, INTERNAL_ERROR)
        try:
            return self._response(request, answer)
        except (TypeError, ValueError, KeyError, AttributeError, binascii.Error):
            return _message(502, INTERNAL_ERROR)

    def stop(self) -> None:
        """Take no more work."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        # "/configs/" reaches the resource "/configs".
        path = path.rstrip("/") or "/"
        for pattern, route in self._routes:
            found = pattern.fullmatch(path)
            if found is not None and route.method in ("ANY", method):
                return route, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

    def _event(self, request: Request, route: Route, parameters: dict[str, str]) -> dict[str, Any]:
        url = urlsplit(request.target)
        headers: dict[str, list[str]] = {}
        for name, value in [*request.headers, ("X-Forwarded-For", request.client), ("X-Forwarded-Proto", "http")]:
            headers.setdefault(name, []).append(value)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        is_binary = self._is_binary(request.header("Content-Type"))
        body = base64.b64encode(request.body).decode() if is_binary else request.body.decode("utf-8", "replace")
        now = self._now()
        return {
            "resource": route.path,
            "path": unquote(url.path),
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self._api.id,
                "resourceId": route.path,
                "resourcePath": route.path,
                "httpMethod": request.method,
                # As behind a custom domain: the stage is not part of the path.
                "path": unquote(url.path),
                "stage": self._api.stage,
                "protocol": "HTTP/1.1",
                "domainName": request.header("Host") or HOST,
                "domainPrefix": STACK,
                "requestId": str(uuid.uuid4()),
                "extendedRequestId": uuid.uuid4().hex[:16],
                "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
                "requestTimeEpoch": int(now.timestamp() * 1000),
                "identity": {"sourceIp": request.client, "userAgent": request.header("User-Agent")},
            },
            "body": body if request.body else None,
            "isBase64Encoded": is_binary and bool(request.body),
        }

    def _is_binary(self, content_type: str | None) -> bool:
        kind = (content_type or "").split(";")[0].strip().lower()
        return any(fnmatchcase(kind, wanted.lower()) for wanted in self._api.binary_media_types)

    def _response(self, request: Request, answer: Any) -> Response:
        if len(json.dumps(answer).encode()) > LARGEST_RESPONSE:
            raise ValueError("larger than Lambda's 6 MB")
        if unknown := answer.keys() - {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}:
            raise ValueError(f"not a proxy response: {unknown}")
        status = int(answer["statusCode"])
        multiple: dict[str, list[Any]] = answer.get("multiValueHeaders") or {}
        given = {name: [value] for name, value in (answer.get("headers") or {}).items()} | multiple
        headers = [(_outgoing(name), str(value)) for name, values in given.items() for value in values]
        headers = [(name, value) for name, value in headers if name.lower() not in DROPPED]
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        headers.append(("x-amzn-RequestId", str(uuid.uuid4())))
        body = (answer.get("body") or "").encode()
        content_type = next(value for name, value in headers if name.lower() == "content-type")
        # Without a matching binary media type the text goes out as it is, base64 and all.
        if answer.get("isBase64Encoded") and self._is_binary(request.header("Accept") or content_type):
            body = base64.b64decode(body, validate=True)
        return self._compressed(request, Response(status, headers, body))

    def _compressed(self, request: Request, response: Response) -> Response:
        least = self._api.minimum_compression_size
        accepted = {part.split(";")[0].strip().lower() for part in (request.header("Accept-Encoding") or "").split(",")}
        encoded = any(name.lower() == "content-encoding" for name, _ in response.headers)
        if least is not None and len(response.body) >= least and "gzip" in accepted and not encoded:
            response.headers.append(("Content-Encoding", "gzip"))
            response.body = gzip.compress(response.body, mtime=0)
        return response


def _pattern(path: str) -> re.Pattern[str]:
    parts: list[str] = []
    for segment in path.split("/"):
        if segment.endswith("+}"):
            parts.append(f"(?P<{segment[1:-2]}>.+)")
        elif segment.startswith("{"):
            parts.append(f"(?P<{segment[1:-1]}>[^/]+)")
        else:
            parts.append(re.escape(segment))
    return re.compile("/".join(parts))


def _outgoing(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name


def _message(status: int, text: str) -> Response:
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    if text == MISSING_TOKEN:
        headers.append(("x-amzn-ErrorType", "MissingAuthenticationTokenException"))
    return Response(status, headers, json.dumps({"message": text}).encode())
