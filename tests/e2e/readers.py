"""Subscribers to feeds over HTTP: feedparser and the reader library, each remembering what it has shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import feedparser
import reader

from tests.rest import Reply

Answer = Callable[[str, dict[str, str], dict[str, str]], Reply]
"""(path, query, headers) → what the API answers."""


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """The API on a port of this machine; its URL."""

    class Handler(BaseHTTPRequestHandler):
        # Headers and body in one packet.
        wbufsize = -1

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            reply = answer(parts.path, dict(parse_qsl(parts.query)), dict(self.headers))
            body = reply.body.encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class FeedparserSubscriber:
    """Asks with the ETag that it was given last. ``status`` and ``entries`` are of the newest answer that had any."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._etag: str | None = None
        self._seen: set[str] = set()
        self.status = 0
        self.entries: list[Any] = []

    def read(self) -> list[Any]:
        """The entries that are new to it."""
        parsed = feedparser.parse(self._url, etag=self._etag)
        self.status = parsed.status
        if parsed.status == 304:
            return []
        assert parsed.status == 200, parsed.status
        assert not parsed.bozo, parsed.get("bozo_exception")
        self._etag = parsed.etag
        self.entries = parsed.entries
        ids = [entry.id for entry in parsed.entries]
        assert len(ids) == len(set(ids))
        new = [entry for entry in parsed.entries if entry.id not in self._seen]
        self._seen.update(ids)
        return new


class ReaderSubscriber:
    """The reader library, as a person uses it who reads everything every day."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reader = reader.make_reader(":memory:")
        self._reader.add_feed(url)

    def read(self) -> list[str]:
        """The ids of what it shows as unread."""
        self._reader.update_feed(self._url)
        unread = list(self._reader.get_entries(read=False))
        for entry in unread:
            self._reader.mark_entry_as_read(entry)
        return [entry.id for entry in unread]

    def close(self) -> None:
        """Close its database."""
        self._reader.close()
