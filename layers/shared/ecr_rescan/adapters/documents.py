"""The bucket as a store of documents: read, listed, and written by compare-and-swap. botocore's errors end here."""

from __future__ import annotations

import gzip
import random
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import ConflictError, DocumentError, StoreError

JSON = "application/json"

LARGEST_BYTES = 128 * 1024 * 1024
"""A document's size when it is expanded; a larger one would not fit into a function's memory as objects either."""

_COMPRESS_OVER = 32 * 1024
# gzip's own 9 takes nearly twice as long, for 1 % less.
_COMPRESSION = 6
_GZIP_MAGIC = b"\x1f\x8b"
_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_CONCURRENCY = 16

# S3 API reference, PutObject and DeleteObject, conditional requests: the condition failed; another conditional write to
# the key was under way; the key that If-Match named is gone.
_CONFLICTS = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404"}
_MISSING = {"NoSuchKey", "404"}
_UNCHANGED = {"304", "NotModified"}


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it was read; ``last_modified`` is aware, UTC, and ``etag`` has its quotes."""

    key: str
    etag: str
    body: bytes
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a listing shows it; ``size`` is in bytes as stored, that is, maybe compressed."""

    key: str
    etag: str
    size: int
    last_modified: datetime


class DocumentStore:
    """The documents of one bucket. Bodies over 32 KiB are stored compressed, the same body as the same bytes.

    Needs s3:ListBucket on the bucket: without it S3 answers 403 for a missing key, which is an error here.

    Attributes:
        calls: requests made so far, by operation.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``sleep`` takes seconds, ``chance`` answers 0 to 1: they pace the retries of ``update``."""
        self._s3 = s3
        self._bucket = bucket
        self._sleep = sleep
        self._chance = chance
        self._counting = threading.Lock()
        self.calls: Counter[str] = Counter()

    def get(self, key: str, *, largest: int = LARGEST_BYTES) -> Stored | None:
        """The document, or None where there is none; ``largest`` is how many bytes it may have, expanded or not.

        Raises:
            StoreError: S3 failed or refused.
            DocumentError: it is compressed and damaged, or too large.
        """
        return self._get(key, largest)

    def get_unless(self, key: str, etag: str, *, largest: int = LARGEST_BYTES) -> Stored | None:
        """The document, or None where it still has that ETag, and where there is none; else as ``get``."""
        return self._get(key, largest, IfNoneMatch=etag)

    def _get(self, key: str, largest: int, **condition: str) -> Stored | None:
        self._count("GetObject")
        try:
            reply = self._s3.get_object(Bucket=self._bucket, Key=key, **condition)
            if reply["ContentLength"] > largest:
                reply["Body"].close()
                raise _too_large(key, largest)
            body = reply["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _MISSING or (condition and _code(error) in _UNCHANGED):
                return None
            raise StoreError(key, _code(error)) from error
        return Stored(key, reply["ETag"], _expanded(key, body, largest), reply["LastModified"].astimezone(UTC))

    def get_many(
        self, keys: Sequence[str], *, largest: int = LARGEST_BYTES
    ) -> list[Stored | StoreError | DocumentError | None]:
        """Documents read concurrently, in the order of the keys; one that can't be read is its error, not raised."""
        if not keys:
            return []
        with ThreadPoolExecutor(min(_CONCURRENCY, len(keys))) as pool:
            return list(pool.map(lambda key: self._get_or_error(key, largest), keys))

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every document whose key begins so, in the order of the keys, over all pages.

        Raises:
            StoreError: S3 failed or refused.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                self._count("ListObjectsV2")
                for item in page.get("Contents", ()):
                    yield Listed(item["Key"], item["ETag"], item["Size"], item["LastModified"].astimezone(UTC))
        except (ClientError, BotoCoreError) as error:
            raise StoreError(prefix, _code(error)) from error

    def put(
        self,
        key: str,
        body: bytes,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        content_type: str = JSON,
        compress: bool = True,
    ) -> str:
        """Write a document and answer its ETag.

        Args:
            if_match: only over the document with this ETag.
            if_none_match: only where there is none.
            compress: False keeps a large one readable, and its size as it is listed true.

        Raises:
            ConflictError: the condition does not hold.
            DocumentError: it is larger than would be read again.
            StoreError: S3 failed or refused.
        """
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "Body": body, "ContentType": content_type}
        if len(body) > LARGEST_BYTES:
            raise _too_large(key, LARGEST_BYTES)
        if compress and len(body) > _COMPRESS_OVER:
            # Without a fixed mtime the same body would get a new ETag, and seem changed, every time.
            request |= {"Body": gzip.compress(body, _COMPRESSION, mtime=0), "ContentEncoding": "gzip"}
        if if_match is not None:
            request["IfMatch"] = if_match
        if if_none_match:
            request["IfNoneMatch"] = "*"
        conditional = if_match is not None or if_none_match
        self._count("PutObject")
        try:
            etag: str = self._s3.put_object(**request)["ETag"]
        except (ClientError, BotoCoreError) as error:
            if not conditional or _code(error) not in _CONFLICTS:
                raise StoreError(key, _code(error)) from error
            if _was_retried(error) and (there := self.get(key)) is not None and there.body == body:
                # The first attempt was carried out and its reply was lost: the conflict is with ourselves.
                return there.etag
            raise ConflictError(key) from error
        return etag

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Remove a document; without a condition, a missing one is as good.

        Raises:
            ConflictError: it is not, or no longer, the document with that ETag.
            StoreError: S3 failed or refused.
        """
        condition = {} if if_match is None else {"IfMatch": if_match}
        self._count("DeleteObject")
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=key, **condition)
        except (ClientError, BotoCoreError) as error:
            if condition and _code(error) in _CONFLICTS:
                raise ConflictError(key) from error
            raise StoreError(key, _code(error)) from error

    def update(
        self, key: str, change: Callable[[bytes | None], bytes | None], *, known: Stored | None = None
    ) -> str | None:
        """Read, change and write back, again from the start when somebody else wrote in between.

        Args:
            change: from what is stored (None where nothing is) to what is to be; None, or the same, writes nothing.
            known: the document as it was read before, which saves reading it again unless it was changed since.

        Returns:
            The ETag of what is stored now; None where nothing is.

        Raises:
            ConflictError: somebody else wrote in between each of eight attempts.
            StoreError: S3 failed or refused.
            Whatever ``change`` raises.
        """
        for attempt in self.attempts(key):
            stored = known if known is not None and not attempt else self.get(key)
            body = change(stored.body if stored else None)
            if body is None or (stored and stored.body == body):
                return stored.etag if stored else None
            try:
                if stored:
                    return self.put(key, body, if_match=stored.etag)
                return self.put(key, body, if_none_match=True)
            except ConflictError:
                continue
        raise AssertionError("the attempts end with an error")

    def attempts(self, key: str) -> Iterator[int]:
        """The numbers, from 0, of the attempts to write what others may be writing, with pauses in between.

        Raises:
            ConflictError: after eight attempts.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
                self._sleep(longest * self._chance())
            yield attempt
        raise ConflictError(key, f"{key} was changed by somebody else {_ATTEMPTS} times in a row")

    def _get_or_error(self, key: str, largest: int) -> Stored | StoreError | DocumentError | None:
        try:
            return self.get(key, largest=largest)
        except (StoreError, DocumentError) as error:
            return error

    def _count(self, operation: str) -> None:
        with self._counting:
            self.calls[operation] += 1


def _code(error: ClientError | BotoCoreError) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def _was_retried(error: ClientError | BotoCoreError) -> bool:
    return isinstance(error, ClientError) and error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0


def _expanded(key: str, body: bytes, largest: int) -> bytes:
    # By its first bytes, not its Content-Encoding: a copy made by hand often loses the header.
    if not body.startswith(_GZIP_MAGIC):
        return body
    # A thousandth of the size is enough for gzip, so that what is small in the bucket may be too large for the memory.
    expanding = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        expanded = expanding.decompress(body, largest)
    except zlib.error as error:
        raise DocumentError(key, "is damaged: not valid gzip") from error
    if not expanding.eof and len(expanded) >= largest:
        raise _too_large(key, largest)
    if not expanding.eof or expanding.unused_data:
        raise DocumentError(key, "is damaged: not valid gzip")
    return expanded


def _too_large(key: str, largest: int) -> DocumentError:
    return DocumentError(key, f"is larger than {largest:,} bytes")
