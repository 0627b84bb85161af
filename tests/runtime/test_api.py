"""What every HTTP function shares, tried on a small function of its own."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import BadRequestError

from ecr_rescan.core.errors import (
    ConflictError,
    DocumentError,
    EcrRescanError,
    MessageError,
    NotFoundError,
    NotReadyError,
    QuotaExceededError,
    SettingsError,
    StoreError,
    UnauthorizedError,
)
from ecr_rescan.runtime import wiring
from ecr_rescan.runtime.api import HttpError, base_url, choose_media_type, create_api, json_response
from ecr_rescan.runtime.observability import logger
from tests.rest import BASE, DOMAIN, Reply, answer, event

SECRET = "something that only the log may know"
app = create_api({"GET /things/{name}": ("token", "severity", "dry_run")})
raised: list[Exception] = []


@app.get("/things/<name>")
def get_thing(name: str) -> Response[str]:
    if raised:
        raise raised[0]
    return json_response(HTTPStatus.OK, {"name": name, "base": base_url(app.current_event)})


@app.get("/things/<name>/secrets")
def get_secrets(name: str) -> Response[str]:
    return json_response(HTTPStatus.OK, {"secret": name})


@app.get("/things")
def list_things() -> Response[str]:
    return json_response(HTTPStatus.OK, [])


@app.get("/feed")
def get_feed() -> Response[str]:
    return Response(200, "application/atom+xml", "<feed/>", headers={"Cache-Control": "max-age=60"})


@pytest.mark.parametrize(
    ("name", "shown"), [("a/secrets", "a%2Fsecrets"), ("/secrets", "%2Fsecrets"), ("", "%"), ("/", "%2F")]
)
def test_the_resource_decides_the_route(name: str, shown: str) -> None:
    """API Gateway allowed a call to that resource; a parameter must not lead to another one's handler."""
    reply = get(name)
    assert (reply.status, reply.json()["name"], reply.json()["base"]) == (200, shown, BASE)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"serverity": "HIGH"}, "is not a known query parameter; did you mean severity?"),
        ({"dryrun": "true"}, "is not a known query parameter; did you mean dry_run?"),
        ({"Severity": "HIGH"}, "is not a known query parameter; did you mean severity?"),
        ({"sev": "HIGH"}, "is not a known query parameter; did you mean severity?"),
        ({"xyz": ""}, "is not a known query parameter; known are token, severity, dry_run"),
    ],
)
def test_a_misspelt_parameter_is_400(query: dict[str, str], problem: str) -> None:
    """Ignored, it would do something else than was asked for."""
    reply = get(query=query)
    (name,) = query
    assert (reply.status, reply.json()["error"]["details"]) == (400, [{"field": name, "problem": problem}])
    assert get(query={"severity": "HIGH"}).status == 200


def test_a_route_without_parameters_takes_none() -> None:
    """Whatever its name is; HEAD as GET."""
    for method in ("GET", "HEAD"):
        assert answer(app.resolve, event(method, "/feed", query={"token": "x"})).status == 400


@pytest.fixture(autouse=True)
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BUCKET_NAME", "records")
    monkeypatch.setenv("ACCOUNT_ID", "123456789012")
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    wiring.reset()
    yield
    raised.clear()
    wiring.reset()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def get(name: str = "a", **kwargs: Any) -> Reply:
    return answer(app.resolve, event("GET", "/things/{name}", parameters={"name": name}, **kwargs))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFoundError("thing a"), 404, "NotFound"),
        (UnauthorizedError("no"), 401, "Unauthorized"),
        (ConflictError("a"), 409, "Conflict"),
        (NotReadyError("nothing yet", 300), 503, "NotReady"),
        (StoreError(SECRET, "SlowDown"), 503, "StoreUnavailable"),
        (DocumentError(SECRET, "broken"), 500, "UnreadableDocument"),
        (SettingsError(SECRET, "is not set"), 500, "InternalError"),
        (MessageError(SECRET, "SlowDown"), 500, "InternalError"),
        (HttpError(HTTPStatus.GONE, "Gone", "it is gone"), 410, "Gone"),
        (ValueError(SECRET), 500, "InternalError"),
        (KeyError(SECRET), 500, "InternalError"),
    ],
)
def test_errors_have_one_shape_and_keep_secrets(error: Exception, status: int, code: str, log: io.StringIO) -> None:
    """A status, a code, a message; what is inside goes to the log, with its traceback, and nowhere else."""
    raised.append(error)
    reply = get()
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)
    assert SECRET not in reply.body
    if SECRET in str(error):
        assert SECRET in log.getvalue()
        assert '"exception"' in log.getvalue()


def subclasses(kind: type[EcrRescanError]) -> Iterator[type[EcrRescanError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_error_of_the_tree_has_an_answer() -> None:
    """A new error can't be forgotten: it gets its parent's answer, at worst the base's."""
    kinds = list(subclasses(EcrRescanError))
    assert len(kinds) > 10
    for kind in kinds:
        raised[:] = [kind.__new__(kind)]
        if kind in (HttpError, NotReadyError, QuotaExceededError):
            continue
        assert get().status >= 400


def test_the_frameworks_own_errors_keep_their_status() -> None:
    """A handler for everything else must not make a 500 of them."""
    raised.append(BadRequestError("no"))
    assert get().status == 400


def test_unauthorized_asks_for_basic_and_not_ready_for_patience() -> None:
    """The headers that belong to a status."""
    raised.append(UnauthorizedError("no"))
    assert get().headers["www-authenticate"].startswith("Basic ")
    raised[:] = [NotReadyError("nothing yet", 300)]
    assert get().headers["retry-after"] == "300"


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_conflict_with_a_condition_is_412(header: str) -> None:
    """The same error is a failed precondition where the caller stated one."""
    raised.append(ConflictError("a"))
    assert get(headers={header: "*"}).status == 412


def test_unknown_paths_are_404_and_unknown_methods_405() -> None:
    """HEAD is known wherever GET is."""
    assert answer(app.resolve, event("GET", "/nothing")).status == 404
    reply = answer(app.resolve, event("DELETE", "/things/{name}", parameters={"name": "a"}))
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_a_routes_own_headers_win() -> None:
    """A feed may be cached; it is not sniffed all the same."""
    reply = answer(app.resolve, event("GET", "/feed"))
    assert reply.headers["cache-control"] == "max-age=60"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, BASE),
        ({"slash": True}, BASE),
        ({"name": "with space"}, BASE),
        ({"domain": "scans.example.com", "path_before": ""}, "https://scans.example.com"),
        ({"domain": "scans.example.com", "path_before": "/security"}, "https://scans.example.com/security"),
        (
            {"domain": "127.0.0.1:3000", "path_before": "", "headers": {"X-Forwarded-Proto": "http"}},
            "http://127.0.0.1:3000",
        ),
        ({"headers": {"Host": "evil.example", "X-Forwarded-Proto": "javascript"}}, f"https://{DOMAIN}/v1"),
    ],
)
def test_requests_know_their_url(where: dict[str, Any], expected: str) -> None:
    """By the stage's URL, a custom domain's, its base path; never by a header that a client chooses."""
    reply = get(**where)
    assert (reply.status, reply.json()["base"]) == (200, expected)


def test_the_deployments_url_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what people use, whatever the request came in by."""
    monkeypatch.setenv("PUBLIC_URL", "https://scans.example.com/")
    wiring.reset()
    assert get().json()["base"] == "https://scans.example.com"


def test_the_log_has_the_route_not_the_path(log: io.StringIO) -> None:
    """A token may stand in a path or a query."""
    get("hidden", query={"token": "hidden"})
    assert "/things/{name}" in log.getvalue()
    assert "hidden" not in log.getvalue()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/plain", "text/plain"),
        ("text/*", "text/plain"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv;q=0.5, text/plain;q=0.9", "text/plain"),
        ("text/plain;q=0, */*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=nonsense, text/csv;q=0.1", "text/csv"),
        ("text/csv;charset=utf-8", "text/csv"),
    ],
)
def test_the_best_liked_type_is_chosen(accept: str | None, expected: str) -> None:
    """The first offered where the client doesn't care."""
    assert choose_media_type(accept, ("application/json", "text/plain", "text/csv")) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0"])
def test_a_type_that_nobody_offers_is_406(accept: str) -> None:
    """With what is offered."""
    with pytest.raises(HttpError, match="application/json") as caught:
        choose_media_type(accept, ("application/json",))
    assert (caught.value.status, caught.value.headers) == (406, {"Vary": "Accept"})
