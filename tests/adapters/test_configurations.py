"""The scan configurations in the bucket: what a listing costs, and what it survives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, DocumentError, StoreError

BUCKET = "records"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LEAST = {"region": "us-east-1", "registry": "123456789012", "repository": "team-a/api"}
IDS = [f"{number:08x}-9c3e-4e6e-8b1f-0a1b2c3d4e5f" for number in range(4)]


class Refusing(DocumentStore):
    """A store that is refused certain keys, as for an object encrypted with somebody else's key."""

    refused: frozenset[str] = frozenset()

    def get(self, key: str, **limits: int) -> Stored | None:
        if key in self.refused:
            self.calls["GetObject"] += 1
            raise StoreError(key, "AccessDenied")
        return super().get(key, **limits)


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
def documents(s3: Any) -> Refusing:
    return Refusing(s3, BUCKET)


@pytest.fixture
def store(documents: Refusing) -> ConfigurationStore:
    return ConfigurationStore(documents)


def configuration(id: str, **fields: object) -> ScanConfiguration:
    return ScanConfiguration.from_wire(LEAST | fields, id=id, now=NOW)


def test_a_listing_reads_only_what_changed(store: ConfigurationStore, documents: Refusing) -> None:
    """A tick every five minutes must not read every configuration again."""
    for id in IDS[:3]:
        store.put(configuration(id))
    assert [found.id for found in store.list_all().valid] == IDS[:3]
    documents.calls.clear()
    assert [found.id for found in store.list_all().valid] == IDS[:3]
    assert documents.calls == {"ListObjectsV2": 1}
    store.put(configuration(IDS[1], owner="b"))
    store.put(configuration(IDS[3]))
    documents.delete(keys.config_key(IDS[0]))
    documents.calls.clear()
    assert [(found.id, found.owner) for found in store.list_all().valid] == [
        (IDS[1], "b"),
        (IDS[2], None),
        (IDS[3], None),
    ]
    assert documents.calls == {"ListObjectsV2": 1, "GetObject": 2}


def test_bad_objects_are_problems_beside_the_others(store: ConfigurationStore, s3: Any, documents: Refusing) -> None:
    """Each kind of it, named; the good one is listed, and none is read again while it stays the same."""
    store.put(configuration(IDS[0]))
    bad = {
        "configs/notes.txt": b"hello",
        f"configs/{IDS[1].upper()}.json": json.dumps(LEAST).encode(),
        keys.config_key(IDS[1]): b"{",
        keys.config_key(IDS[2]): json.dumps(LEAST | {"schema": 2}).encode(),
        keys.config_key(IDS[3]): json.dumps(LEAST | {"newest": 0}).encode(),
        "configs/large.json": b"x" * 10,
    }
    for key, body in bad.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    s3.put_object(Bucket=BUCKET, Key="configs/", Body=b"")
    listed = store.list_all()
    assert [found.id for found in listed.valid] == [IDS[0]]
    assert {problem.key for problem in listed.problems} == set(bad)
    assert "newest" in next(p.problem for p in listed.problems if p.key == keys.config_key(IDS[3]))
    documents.calls.clear()
    assert store.list_all() == listed
    assert documents.calls == {"ListObjectsV2": 1}


def test_a_giant_object_is_not_read(store: ConfigurationStore, s3: Any, documents: Refusing) -> None:
    """A file copied to the wrong place must not cost every tick its memory."""
    s3.put_object(Bucket=BUCKET, Key=keys.config_key(IDS[0]), Body=b"x" * (1024 * 1024 + 1))
    assert [problem.key for problem in store.list_all().problems] == [keys.config_key(IDS[0])]
    assert "GetObject" not in documents.calls


def test_what_could_not_be_read_is_tried_again(store: ConfigurationStore, documents: Refusing) -> None:
    """A refusal is a problem of one configuration, and of now."""
    store.put(configuration(IDS[0]))
    store.put(configuration(IDS[1]))
    documents.refused = frozenset({keys.config_key(IDS[0])})
    listed = store.list_all()
    assert [found.id for found in listed.valid] == [IDS[1]]
    assert [problem.key for problem in listed.problems] == [keys.config_key(IDS[0])]
    documents.refused = frozenset()
    assert [found.id for found in store.list_all().valid] == IDS[:2]


def test_one_removed_while_listing_is_gone(
    store: ConfigurationStore, documents: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the read: neither there nor a problem."""
    store.put(configuration(IDS[0]))
    monkeypatch.setattr(documents, "get", lambda *_, **__: None)
    listed = store.list_all()
    assert (listed.valid, listed.problems) == ((), ())


def test_a_failing_listing_is_an_error(s3: Any) -> None:
    """No configurations is not the same as none that can be listed."""
    with pytest.raises(StoreError):
        ConfigurationStore(DocumentStore(s3, "no-such-bucket")).list_all()


def test_one_is_written_read_and_removed(store: ConfigurationStore) -> None:
    """By its ETag; a stale one conflicts."""
    etag = store.put(configuration(IDS[0]), if_none_match=True)
    assert store.get(IDS[0]) == (configuration(IDS[0]), etag)
    assert store.etag(IDS[0]) == etag
    with pytest.raises(ConflictError):
        store.put(configuration(IDS[0]), if_none_match=True)
    newer = store.put(configuration(IDS[0], owner="b"), if_match=etag)
    with pytest.raises(ConflictError):
        store.delete(IDS[0], if_match=etag)
    store.delete(IDS[0], if_match=newer)
    assert store.get(IDS[0]) is None
    assert store.etag(IDS[0]) is None


def test_an_unusable_one_has_an_etag(store: ConfigurationStore, s3: Any) -> None:
    """So that it can be replaced or removed."""
    s3.put_object(Bucket=BUCKET, Key=keys.config_key(IDS[0]), Body=b"{")
    with pytest.raises(DocumentError):
        store.get(IDS[0])
    assert store.etag(IDS[0])
