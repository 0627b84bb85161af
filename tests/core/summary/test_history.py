"""The daily counts of open findings."""

from __future__ import annotations

import pytest

from ecr_rescan.core.changes.findings import Closing, Finding, Manifest, Opening
from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from ecr_rescan.core.summary.history import Snapshot, count_open
from tests.summary_records import CRITICAL, HIGH, LOW, NOW, REGION, REGISTRY, digest, findings


def test_open_findings_count_once_at_their_highest_severity() -> None:
    """Closed ones don't, and a repository without any result has no counts at all."""
    document = findings(("1", "2"), {("C1", "p"): {"1": {LOW: 1}, "2": {HIGH: 2}}, ("C2", "p"): {"1": {LOW: 1}}})
    closed = Opening(NOW, closed=Closing(NOW, "fixed", CRITICAL, ("1",)))
    document.findings["C3", "p"] = Finding(NOW, NOW, openings=[closed])
    assert count_open(document) == {HIGH: 1, LOW: 1}
    assert count_open(findings(("1",), {})) == {}
    waiting = findings(("1",), {})
    waiting.manifests[0] = Manifest(digest("1"))
    assert count_open(waiting) is None


def test_a_day_is_read_as_it_was_written() -> None:
    """And the same counts give the same bytes."""
    day = Snapshot(REGISTRY, REGION, NOW.date(), NOW, {"b": {LOW: 2, CRITICAL: 1}, "a": {}})
    assert Snapshot.from_json("key", day.to_json()) == day
    same = Snapshot(REGISTRY, REGION, NOW.date(), NOW, {"a": {HIGH: 0}, "b": {CRITICAL: 1, LOW: 2}})
    assert same.to_json() == day.to_json()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"schema": 1}', b'{"schema": 1, "registry": 1, "region": 1, "date": 1}']
)
def test_anything_else_is_refused(body: bytes) -> None:
    """With the key, so that a person finds it."""
    with pytest.raises(DocumentError, match="history/x"):
        Snapshot.from_json("history/x", body)


def test_a_later_schema_is_refused_by_name() -> None:
    """It is not read as something else."""
    with pytest.raises(UnknownSchemaError):
        Snapshot.from_json("key", b'{"schema": 2}')
