"""Fetches the public sources of signals: over https from a fixed list of hosts, or as copies under an S3 prefix.

What comes is foreign: its size as sent and expanded, and the time it takes, are bounded. urllib3's errors end here.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import where

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.signals.places import HOSTS, PLACES, Place

USER_AGENT = "ecr-rescan/1"
_CHUNK = 64 * 1024
_SECONDS = 20.0
_REDIRECTS = 3
_GZIP = b"\x1f\x8b"
_NOT_MODIFIED = 304
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source sent, as sent, maybe compressed; ``etag`` and ``modified`` are "" where it gave none."""

    body: bytes
    etag: str = ""
    modified: str = ""


class Fetcher(Protocol):
    """Gets one source."""

    def fetch(self, place: Place, etag: str, modified: str) -> Fetched | None:
        """What is there, or None where it is what has this ETag or date already; SignalError otherwise."""

    def lines(self, place: Place) -> Iterator[bytes]:
        """The lines of what is there, read as far as they are asked for; SignalError as of ``fetch``.

        Not compressed. To be closed where it was not read to its end.
        """


class WebFetcher:
    """From the internet. ``base`` replaces scheme and hosts by a server of this machine, for local runs and tests."""

    def __init__(self, *, base: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._base = base
        self._clock = clock
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=len(PLACES),
            retries=False,
            timeout=urllib3.Timeout(connect=3, read=5),
            ca_certs=where(),
            cert_reqs="CERT_REQUIRED",
        )

    def fetch(self, place: Place, etag: str, modified: str) -> Fetched | None:
        """The first of its addresses that answers; the first one's trouble where none does."""
        troubles = []
        for url in place.urls:
            try:
                return self._get(place, url, etag, modified)
            except SignalError as error:
                troubles.append(error)
        raise troubles[0]

    def lines(self, place: Place) -> Iterator[bytes]:
        """From its first address; the connection is closed with the iterator."""
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        deadline = self._clock() + _SECONDS
        try:
            reply = self._pool.request(
                "GET", self._local(place.urls[0]), headers=headers, preload_content=False, redirect=False
            )
            try:
                if reply.status != 200:
                    raise SignalError(place.name, f"answered {reply.status}")
                yield from split_lines(place, self._chunks(place, reply, deadline))
            finally:
                reply.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SignalError(place.name, f"could not be reached ({type(error).__name__})") from error

    def _chunks(self, place: Place, reply: Any, deadline: float) -> Iterator[bytes]:
        size = 0
        while chunk := reply.read(_CHUNK, decode_content=False):
            size += len(chunk)
            if size > place.most:
                raise SignalError(place.name, f"sends more than {place.most} bytes")
            if self._clock() > deadline:
                raise SignalError(place.name, f"took longer than {_SECONDS:.0f} s")
            yield chunk

    def _get(self, place: Place, url: str, etag: str, modified: str) -> Fetched | None:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
        if etag:
            headers["If-None-Match"] = etag
        elif modified:
            headers["If-Modified-Since"] = modified
        deadline = self._clock() + _SECONDS
        for _ in range(_REDIRECTS + 1):
            try:
                reply = self._pool.request(
                    "GET", self._local(url), headers=headers, preload_content=False, redirect=False
                )
                try:
                    if reply.status in (301, 302, 303, 307, 308):
                        url = _listed(place, urljoin(url, reply.headers.get("Location", "")))
                        continue
                    return self._read(place, reply, deadline)
                finally:
                    reply.close()
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise SignalError(place.name, f"could not be reached ({type(error).__name__})") from error
        raise SignalError(place.name, "redirects without end")

    def _read(self, place: Place, reply: Any, deadline: float) -> Fetched | None:
        if reply.status == _NOT_MODIFIED:
            return None
        if reply.status != 200:
            raise SignalError(place.name, f"answered {reply.status}", absent=reply.status == _NOT_FOUND)
        length = reply.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > place.most:
            raise SignalError(place.name, f"sends more than {place.most} bytes")
        body = b"".join(self._chunks(place, reply, deadline))
        return Fetched(body, reply.headers.get("ETag", "")[:200], reply.headers.get("Last-Modified", "")[:100])

    def _local(self, url: str) -> str:
        if self._base is None:
            return url
        split = urlsplit(url)
        return f"{self._base}/{split.hostname}{split.path}"


class CopyFetcher:
    """From copies of the files under a prefix of an S3 bucket, where there is no way to the internet."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def fetch(self, place: Place, etag: str, modified: str) -> Fetched | None:
        """The copy."""
        condition = {"IfNoneMatch": etag} if etag else {}
        try:
            reply = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}{place.copy}", **condition)
            if reply["ContentLength"] > place.most:
                raise SignalError(place.name, f"has more than {place.most} bytes")
            return Fetched(reply["Body"].read(), reply["ETag"])
        except ClientError as error:
            if error.response["ResponseMetadata"].get("HTTPStatusCode") == _NOT_MODIFIED:
                return None
            code = error.response["Error"]["Code"]
            # Where listing the prefix is not allowed, S3 denies what is not there.
            absent = code in ("NoSuchKey", "AccessDenied")
            raise SignalError(place.name, f"S3 answered {code}", absent=absent) from error
        except BotoCoreError as error:
            raise SignalError(place.name, f"S3 failed ({type(error).__name__})") from error

    def lines(self, place: Place) -> Iterator[bytes]:
        """Of the copy, which is near enough to be read as a whole."""
        fetched = self.fetch(place, "", "")
        assert fetched is not None
        yield from lines(place, fetched.body)


def expanded(place: Place, body: bytes) -> bytes:
    """All of a body.

    Raises:
        SignalError: it is damaged, or larger than it may be.
    """
    return b"".join(parts(place, body))


def lines(place: Place, body: bytes) -> Iterator[bytes]:
    """The lines of a body, without their ends, expanded part by part; errors as of ``expanded``."""
    yield from split_lines(place, parts(place, body))


def split_lines(place: Place, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in parts."""
    rest = b""
    for part in chunks:
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > _CHUNK:
            raise SignalError(place.name, "has a line without end")
        for line in whole:
            yield line.rstrip(b"\r")
    if rest.strip():
        yield rest.rstrip(b"\r")


def parts(place: Place, body: bytes) -> Iterator[bytes]:
    """A body part by part, expanded; errors as of ``expanded``."""
    # By its first bytes, not its headers: servers and copies differ in what they call compressed.
    if not body.startswith(_GZIP):
        if len(body) > place.most_expanded:
            raise SignalError(place.name, f"has more than {place.most_expanded} bytes")
        yield body
        return
    engine = zlib.decompressobj(wbits=31)
    left, size = body, 0
    try:
        while not engine.eof:
            part = engine.decompress(left, _CHUNK)
            left = engine.unconsumed_tail
            size += len(part)
            if size > place.most_expanded:
                raise SignalError(place.name, f"expands to more than {place.most_expanded} bytes")
            if not part and not left and not engine.eof:
                raise SignalError(place.name, "is cut off")
            yield part
    except zlib.error as error:
        raise SignalError(place.name, "is damaged: not valid gzip") from error


def _listed(place: Place, url: str) -> str:
    split = urlsplit(url)
    if split.scheme != "https" or split.hostname not in HOSTS or split.port not in (None, 443):
        raise SignalError(place.name, "redirects to a host that is not on the list")
    return url
