"""The bucket as a store of documents, against moto's S3."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from ecr_rescan.adapters import documents
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.errors import ConflictError, DocumentError, StoreError

BUCKET = "documents"
LARGE = b"0123456789abcdef" * 4096


@pytest.fixture(scope="module")
def client() -> Any:
    """Made once: it takes longer than most of the tests."""
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client: Any) -> Iterator[Any]:
    with mock_aws():
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def store(s3: Any) -> DocumentStore:
    return DocumentStore(s3, BUCKET, sleep=lambda _: None, chance=lambda: 0.5)


class RacedStore(DocumentStore):
    """A store in which a rival writes just before each of our writes, as long as there are rivals."""

    def __init__(self, s3: Any, rivals: list[Callable[[], object]]) -> None:
        self.pauses: list[float] = []
        super().__init__(s3, BUCKET, sleep=self.pauses.append, chance=lambda: 1.0)
        self.rivals = rivals

    def put(self, *args: Any, **kwargs: Any) -> str:
        if self.rivals:
            self.rivals.pop(0)()
        return super().put(*args, **kwargs)


def body_of(store: DocumentStore, key: str) -> bytes:
    stored = store.get(key)
    assert stored is not None
    return stored.body


def test_what_is_put_is_got(store: DocumentStore) -> None:
    """With the ETag that the write answered, and a time in UTC."""
    etag = store.put("a/b", b"{}")
    stored = store.get("a/b")
    assert stored is not None
    assert (stored.key, stored.etag, stored.body) == ("a/b", etag, b"{}")
    assert stored.last_modified.utcoffset() is not None


def test_a_missing_document_is_none(store: DocumentStore) -> None:
    """It is an answer, not an error."""
    assert store.get("missing") is None


def test_a_refusal_is_not_missing(s3: Any) -> None:
    """Without s3:ListBucket S3 says 403 for a missing key: read as "missing", a record would be started anew."""
    with Stubber(s3) as stub:
        stub.add_client_error("get_object", "AccessDenied", http_status_code=403)
        with pytest.raises(StoreError) as caught:
            DocumentStore(s3, BUCKET).get("a")
    assert (caught.value.key, caught.value.code) == ("a", "AccessDenied")


def test_a_large_document_is_compressed_the_same_way_each_time(store: DocumentStore, s3: Any) -> None:
    """The same body has the same ETag, or everything would seem changed."""
    assert store.put("large", LARGE) == store.put("large", LARGE)
    raw = s3.get_object(Bucket=BUCKET, Key="large")
    compressed = raw["Body"].read()
    assert raw["ContentEncoding"] == "gzip"
    assert len(compressed) < len(LARGE) / 10
    # RFC 1952: these four bytes are the time of compression.
    assert compressed[4:8] == bytes(4)
    assert body_of(store, "large") == LARGE


def test_a_document_compressed_by_hand_is_read(store: DocumentStore, s3: Any) -> None:
    """Also without its Content-Encoding."""
    s3.put_object(Bucket=BUCKET, Key="a", Body=gzip.compress(b"{}"))
    assert body_of(store, "a") == b"{}"


def test_a_damaged_document_is_a_document_error(store: DocumentStore, s3: Any) -> None:
    """Half an upload is not an exception of a library."""
    for damaged in (gzip.compress(LARGE)[:-9], b"\x1f\x8bxxxxxxxxxxxx", gzip.compress(LARGE)[:40] + b"\0" * 40):
        s3.put_object(Bucket=BUCKET, Key="a", Body=damaged)
        with pytest.raises(DocumentError):
            store.get("a")


def test_a_listing_has_every_page(store: DocumentStore, s3: Any) -> None:
    """More than the 1,000 keys of one page, with the ETags that reads answer."""
    for number in range(1001):
        s3.put_object(Bucket=BUCKET, Key=f"p/{number:04}", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="q/other", Body=b"x")
    listed = list(store.list("p/"))
    assert [item.key for item in listed] == [f"p/{number:04}" for number in range(1001)]
    first = store.get("p/0000")
    assert first is not None
    assert (listed[0].etag, listed[0].size) == (first.etag, 1)
    assert store.calls == {"ListObjectsV2": 2, "GetObject": 1}


def test_a_failing_listing_is_a_store_error(s3: Any) -> None:
    """Also when it fails while it is read."""
    with pytest.raises(StoreError):
        list(DocumentStore(s3, "no-such-bucket").list("p/"))


def test_conditions_hold_or_conflict(store: DocumentStore) -> None:
    """412 and 404 alike: somebody else was there."""
    etag = store.put("a", b"1", if_none_match=True)
    with pytest.raises(ConflictError):
        store.put("a", b"2", if_none_match=True)
    newer = store.put("a", b"2", if_match=etag)
    with pytest.raises(ConflictError):
        store.put("a", b"3", if_match=etag)
    with pytest.raises(ConflictError):
        store.delete("a", if_match=etag)
    store.delete("a", if_match=newer)
    with pytest.raises(ConflictError):
        store.put("a", b"4", if_match=newer)
    with pytest.raises(ConflictError):
        store.delete("a", if_match=newer)
    assert store.get("a") is None


def test_deleting_nothing_is_fine(store: DocumentStore) -> None:
    """Without a condition it is gone either way."""
    store.delete("missing")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ConditionalRequestConflict", 409, ConflictError),
        ("PreconditionFailed", 412, ConflictError),
        ("NoSuchKey", 404, ConflictError),
        ("SlowDown", 503, StoreError),
        ("AccessDenied", 403, StoreError),
    ],
)
def test_a_failed_conditional_write_is_told_by_its_code(
    s3: Any, code: str, status: int, expected: type[Exception]
) -> None:
    """moto never says 409; S3 does, when two conditional writes race."""
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", code, http_status_code=status)
        with pytest.raises(expected):
            DocumentStore(s3, BUCKET).put("a", b"1", if_match='"x"')


def test_a_write_without_condition_never_conflicts(s3: Any) -> None:
    """A 404 is a missing bucket then, and must not be taken for a race."""
    with pytest.raises(StoreError):
        DocumentStore(s3, "no-such-bucket").put("a", b"1")


class LostReply:
    """An S3 that carries the first write out, loses its reply, and refuses the client's own retry."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> Any:
        self._s3.put_object(**request)
        reply: Any = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"RetryAttempts": 1}}
        raise ClientError(reply, "PutObject")


def test_a_conflict_with_our_own_lost_reply_is_success(s3: Any) -> None:
    """Otherwise a token would be stored that nobody was ever told."""
    store = DocumentStore(LostReply(s3), BUCKET)
    etag = store.put("a", b"1", if_none_match=True)
    stored = store.get("a")
    assert stored is not None
    assert (stored.etag, stored.body) == (etag, b"1")


def test_a_lost_connection_is_a_store_error(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own errors end here as well as S3's."""

    def fail(*_: Any, **__: Any) -> Any:
        raise ReadTimeoutError(endpoint_url="https://s3")

    monkeypatch.setattr(s3, "get_object", fail)
    with pytest.raises(StoreError):
        DocumentStore(s3, BUCKET).get("a")


def test_update_creates_and_changes(store: DocumentStore) -> None:
    """From nothing to something to something else."""
    store.update("a", lambda body: b"1" if body is None else b"wrong")
    etag = store.update("a", lambda body: (body or b"") + b"2")
    stored = store.get("a")
    assert stored is not None
    assert (stored.body, stored.etag) == (b"12", etag)


@pytest.mark.parametrize("change", [lambda body: body, lambda _: None, lambda _: b"1"])
def test_update_writes_nothing_for_nothing(store: DocumentStore, change: Any) -> None:
    """An unchanged document keeps its ETag and costs no write."""
    etag = store.put("a", b"1")
    store.calls.clear()
    assert store.update("a", change) == etag
    assert store.calls == {"GetObject": 1}


def test_update_of_nothing_to_nothing(store: DocumentStore) -> None:
    """There is no ETag of what isn't there."""
    assert store.update("a", lambda _: None) is None


def test_update_loses_no_rivals_change(store: DocumentStore, s3: Any) -> None:
    """Creation, change and deletion in between are all seen by the next attempt."""
    raced = RacedStore(
        s3,
        [lambda: store.put("a", b"rival,"), lambda: store.put("a", b"rival,rival,"), lambda: store.delete("a")],
    )
    raced.update("a", lambda body: (body or b"") + b"ours")
    assert body_of(store, "a") == b"ours"
    raced = RacedStore(s3, [lambda: store.put("a", b"rival,")])
    raced.update("a", lambda body: (body or b"") + b"ours")
    assert body_of(store, "a") == b"rival,ours"


def test_update_gives_up_after_eight_attempts(store: DocumentStore, s3: Any) -> None:
    """With longer pauses each time, at most two seconds."""
    raced = RacedStore(s3, [lambda n=n: store.put("a", b"%d" % n) for n in range(20)])  # type: ignore[misc]
    with pytest.raises(ConflictError):
        raced.update("a", lambda _: b"ours")
    assert raced.calls["PutObject"] == 8
    assert raced.pauses == sorted(raced.pauses)
    assert (len(raced.pauses), max(raced.pauses)) == (7, 2.0)


def test_many_are_read_in_order(store: DocumentStore, s3: Any) -> None:
    """What is missing or damaged takes its place among the others."""
    for number in range(40):
        store.put(f"{number}", b"%d" % number)
    s3.put_object(Bucket=BUCKET, Key="damaged", Body=b"\x1f\x8b")
    read = store.get_many([*(f"{number}" for number in range(40)), "missing", "damaged"])
    assert [item.body for item in read[:40] if isinstance(item, Stored)] == [b"%d" % number for number in range(40)]
    assert read[40] is None
    assert isinstance(read[41], DocumentError)
    assert store.calls["GetObject"] == 42
    assert store.get_many([]) == []


def test_what_expands_to_more_than_fits_is_a_document_error(store: DocumentStore, s3: Any) -> None:
    """A thousandth of it lies in the bucket: neither the memory nor the other documents may suffer."""
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 50_000
    s3.put_object(Bucket=BUCKET, Key="bomb", Body=bomb)
    s3.put_object(Bucket=BUCKET, Key="plain", Body=bytes(1_000_001))
    store.put("fine", b"x" * 1_000_000)
    tracemalloc.start()
    try:
        bombed, plain, fine = store.get_many(["bomb", "plain", "fine"], largest=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    for key, refused in (("bomb", bombed), ("plain", plain)):
        assert isinstance(refused, DocumentError)
        assert (refused.key, refused.problem) == (key, "is larger than 1,000,000 bytes")
    assert isinstance(fine, Stored)


def test_what_would_not_be_read_again_is_not_written(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document that is there stays readable."""
    monkeypatch.setattr(documents, "LARGEST_BYTES", 1000)
    store.put("a", b"x" * 1000)
    with pytest.raises(DocumentError):
        store.put("a", b"x" * 1001)
    assert body_of(store, "a") == b"x" * 1000
