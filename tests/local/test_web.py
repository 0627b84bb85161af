"""The local web server answers this machine, and no web page in a browser on it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from local.web import Request, Response, WebServer


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that has a secret."""

    def handle(_: Request) -> Response:
        return Response(200, body=b"secret")

    server = WebServer(0, handle)
    server.start()
    yield server.server_port
    server.stop()


def ask(port: int, host: str | None, origin: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    """One request with that ``Host``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, "/configs", skip_host=True)
    for name, value in (("Host", host), ("Origin", origin)):
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:3000", "localhost:4566", "LOCALHOST", "records.localhost:4566"]
)
def test_our_own_names_are_answered_to(port: int, host: str) -> None:
    """A bucket's name before it is botocore's way."""
    assert ask(port, host) == (200, b"secret")
    assert ask(port, host, f"http://{host}") == (200, b"secret")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", None),
        ("evil.example:3000", "http://evil.example:3000"),
        ("127.0.0.1.evil.example", None),
        ("evil-localhost", None),
        ("localhost.evil.example", None),
        ("", None),
        (None, None),
        ("127.0.0.1:3000", "https://evil.example"),
        ("127.0.0.1:3000", "null"),
        ("127.0.0.1:3000", "http://localhost.evil.example"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_web_page_is_not(port: int, host: str | None, origin: str | None, method: str) -> None:
    """Neither by a name of its own that leads here, nor by ours from elsewhere."""
    status, body = ask(port, host, origin, method)
    assert (status, b"secret" in body) == (403, False)
