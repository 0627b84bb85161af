"""A small HTTP/1.1 server for one handler function: keep-alive, HEAD, bodies of any size, 127.0.0.1 only."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``target`` is path and query as they came, header names are as sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    client: str

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(slots=True)
class Response:
    """An answer; ``Content-Length``, ``Date`` and ``Connection`` are the server's. ``aborts`` breaks the connection."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    aborts: bool = False


_STRANGER = Response(403, [("Content-Type", "text/plain")], b"Only this machine's own names are answered to.\n")
_OWN_NAME = re.compile(r"(?:127\.0\.0\.1|(?:[a-z0-9.-]+\.)?localhost)(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def is_from_here(request: Request) -> bool:
    """Whether a request is this machine's own, and not a web page's in a browser on it.

    A page's host may be made to resolve to 127.0.0.1 (DNS rebinding), but its name stays in ``Host``; what it sends to
    us by our own name has the page's in ``Origin``. Names under localhost, such as a bucket's, are nobody else's.
    """
    host, origin = request.header("Host"), request.header("Origin")
    if host is None or not _OWN_NAME.fullmatch(host):
        return False
    return origin is None or _OWN_NAME.fullmatch(origin.partition("://")[2]) is not None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers at once: with Nagle's algorithm a keep-alive client waits 40 ms for each.
    disable_nagle_algorithm = True
    server: WebServer

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self._body()
            request = Request(self.command, self.path, self.headers.items(), body, self.client_address[0])
            self._answer(self.server.handle(request) if is_from_here(request) else _STRANGER)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return _read_chunks(self.rfile)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, response: Response) -> None:
        if response.aborts:
            self.close_connection = True
            return
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = ""
        self.send_response(response.status, phrase)
        for name, value in response.headers:
            self.send_header(name, value)
        bodiless = response.status in (204, 304) or 100 <= response.status < 200
        # A handler of HEAD that knows how long the body would be says so itself.
        if not bodiless and not any(name.lower() == "content-length" for name, _ in response.headers):
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if response.body and not bodiless and self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are the functions' to log."""


class WebServer(ThreadingHTTPServer):
    """Serves ``handle`` on a port (0 = any free one); OSError when the port is taken."""

    daemon_threads = True
    # A closing server must not wait for clients that keep their connections open.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, handle: Callable[[Request], Response]) -> None:
        super().__init__((HOST, port), _Handler)
        self.handle = handle
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://{HOST}:{self.server_port}"

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()


def _read_chunks(stream: BufferedIOBase) -> bytes:
    parts: list[bytes] = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(parts)
