"""A strict S3 bucket in memory: conditional writes, pages, ETags, and the errors that S3 answers with."""

from __future__ import annotations

import gzip
import hashlib
import io
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from simulation.gate import Gate, Trouble

KEYS_PER_PAGE = 40
"""S3 answers up to 1,000 keys a page; so few show earlier whether all pages are read."""

_STATUS = {
    "NoSuchKey": 404,
    "PreconditionFailed": 412,
    "ConditionalRequestConflict": 409,
    "InternalError": 500,
    "SlowDown": 503,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object."""

    body: bytes
    etag: str
    modified: datetime

    @property
    def document(self) -> bytes:
        """The body as it was before it was stored: large ones are compressed."""
        return gzip.decompress(self.body) if self.body.startswith(b"\x1f\x8b") else self.body


class Bucket:
    """A boto3 S3 client, as far as the service uses one; there is one bucket.

    ``written``: told of each change of a key, with what was there and what is.
    """

    def __init__(self, gate: Gate, *, keys_per_page: int = KEYS_PER_PAGE) -> None:
        self._gate = gate
        self._keys_per_page = keys_per_page
        self._keys: list[str] = []
        self.objects: dict[str, Stored] = {}
        self.written: Callable[[str, Stored | None, Stored | None], None] = lambda *_: None

    @property
    def page_size(self) -> int:
        """How many keys a listing answers at once."""
        return self._keys_per_page

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """GetObject."""
        self._fail(self._gate.enter("s3", "GetObject", about=Key), "GetObject")
        found = self.objects.get(Key)
        if found is None:
            raise self._refused("GetObject", "NoSuchKey")
        self._gate.answer(found.etag)
        return {
            "Body": io.BytesIO(found.body),
            "ContentLength": len(found.body),
            "ETag": found.etag,
            "LastModified": found.modified,
        }

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        **_: str,
    ) -> dict[str, Any]:
        """PutObject."""
        trouble = self._gate.enter("s3", "PutObject", about=Key)
        if trouble is not None and trouble.kind in ("conflict", "race") and (IfMatch or IfNoneMatch):
            # Another conditional write was under way, or somebody wrote, and wrote back, in between.
            raise _error(
                "PutObject", "ConditionalRequestConflict" if trouble.kind == "conflict" else "PreconditionFailed"
            )
        if trouble is not None and not trouble.done:
            self._fail(trouble, "PutObject")
        self._check("PutObject", Key, IfMatch, IfNoneMatch)
        etag = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'
        before = self.objects.get(Key)
        if before is None:
            insort(self._keys, Key)
        self.objects[Key] = Stored(Body, etag, self._gate.clock.now())
        if trouble is None:
            self._gate.answer(f"wrote {etag}", IfMatch or "")
        self.written(Key, before, self.objects[Key])
        if trouble is not None and trouble.kind == "retried" and (IfMatch or IfNoneMatch):
            # The reply was lost, and botocore tried again by itself: the write meets itself.
            raise _error("PutObject", "PreconditionFailed", retries=1)
        self._fail(trouble, "PutObject")
        return {"ETag": etag}

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str | None = None) -> dict[str, Any]:
        """DeleteObject."""
        self._fail(self._gate.enter("s3", "DeleteObject", about=Key), "DeleteObject")
        self._check("DeleteObject", Key, IfMatch, None)
        before = self.objects.pop(Key, None)
        if before is not None:
            del self._keys[bisect_left(self._keys, Key)]
        self.written(Key, before, None)
        return {}

    def get_paginator(self, operation: str) -> Bucket:
        """The one that the service uses, of ListObjectsV2."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        """The pages of ListObjectsV2."""
        last = ""
        while True:
            self._fail(self._gate.enter("s3", "ListObjectsV2", about=Prefix), "ListObjectsV2")
            begin = bisect_left(self._keys, max(Prefix, last + "\0"))
            keys = [key for key in self._keys[begin : begin + self._keys_per_page] if key.startswith(Prefix)]
            yield {
                "Contents": [
                    {"Key": key, "ETag": found.etag, "Size": len(found.body), "LastModified": found.modified}
                    for key in keys
                    if (found := self.objects.get(key))
                ]
            }
            if len(keys) < self._keys_per_page:
                return
            last = keys[-1]

    def _check(self, operation: str, key: str, if_match: str | None, if_none_match: str | None) -> None:
        found = self.objects.get(key)
        if if_match is not None and found is None:
            raise self._refused(operation, "NoSuchKey", if_match)
        if if_match is not None and found is not None and found.etag != if_match:
            raise self._refused(operation, "PreconditionFailed", if_match)
        if if_none_match is not None and found is not None:
            raise self._refused(operation, "PreconditionFailed")

    def _refused(self, operation: str, code: str, version: str = "") -> ClientError:
        self._gate.answer(code, version)
        return _error(operation, code)

    @staticmethod
    def _fail(trouble: Trouble | None, operation: str) -> None:
        if trouble is None:
            return
        if trouble.kind == "lost":
            raise ReadTimeoutError(endpoint_url="https://s3.example")
        if trouble.kind == "error":
            raise _error(operation, "InternalError", retries=3)


def _error(operation: str, code: str, retries: int = 0) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": code},
            "ResponseMetadata": {"HTTPStatusCode": _STATUS[code], "RetryAttempts": retries},
        },
        operation,
    )
