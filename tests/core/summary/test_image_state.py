"""What people are told of an image in every state that it can be in; only one may read as no vulnerabilities."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.core.scanning.ledger import ManifestRecord, ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary import as_text as summary_text
from ecr_rescan.core.summary.as_json import to_wire
from ecr_rescan.core.summary.image_state import ImageState
from tests.summary_records import (
    HIGH,
    INDEX,
    NOW,
    complete,
    configuration,
    everything,
    findings,
    hours,
    ledger,
    nonzero,
    one,
    only,
)

NO_RESULT = [
    pytest.param(None, {}, "NEVER_SCANNED", "never", "waiting for the first look-up", id="not in the ledger yet"),
    pytest.param(ManifestRecord(), {}, "NEVER_SCANNED", "never", "waiting for the first look-up", id="not looked up"),
    pytest.param(
        ManifestRecord(looked_up=True), {}, "NEVER_SCANNED", "never", "waiting for its first scan", id="never scanned"
    ),
    pytest.param(
        ManifestRecord(state=ScanState.UNAVAILABLE, reason="AccessDenied", retry_at=NOW + hours(0.25)),
        {},
        "NEVER_SCANNED",
        "never",
        "ECR could not be asked: AccessDenied, next 18:15Z",
        id="ECR out of reach",
    ),
    pytest.param(
        ManifestRecord(state=ScanState.EXPIRED, looked_up=True),
        {},
        "NEVER_SCANNED",
        "never",
        "Amazon Inspector no longer scans it",
        id="expired without a result",
    ),
    pytest.param(
        ManifestRecord(state=ScanState.IN_PROGRESS, looked_up=True, claimed_at=NOW - hours(0.1)),
        {},
        "IN_PROGRESS",
        "in_progress",
        "first scan in progress, started 6 min ago",
        id="first scan",
    ),
    pytest.param(
        ManifestRecord(
            state=ScanState.FAILED, reason="UnsupportedImageError: no\npackage manager", retry_at=NOW + hours(24)
        ),
        {},
        "FAILED",
        "failed",
        "scan failed: UnsupportedImageError: no package manager, next 2026-11-24 18:00Z",
        id="failed",
    ),
    pytest.param(
        complete(hours(30), reason="FAILED", retry_at=NOW),
        {"state": ScanState.FAILED},
        "FAILED",
        "failed",
        "scan failed (last result 30 h ago), due now",
        id="failed after a result",
    ),
    pytest.param(
        ManifestRecord(state=ScanState.UNSUPPORTED, reason="UNSUPPORTED_IMAGE", retry_at=NOW + hours(99)),
        {},
        "UNSUPPORTED",
        "unsupported",
        "ECR can't scan it: UNSUPPORTED_IMAGE",
        id="unsupported",
    ),
    pytest.param(
        complete(hours(50)),
        {"archived": True},
        "ARCHIVED",
        "archived",
        "archived, so ECR does not scan it (last result 2 d ago)",
        id="archived",
    ),
    pytest.param(
        ManifestRecord(state=ScanState.ARCHIVED),
        {},
        "ARCHIVED",
        "archived",
        "archived, so ECR does not scan it",
        id="archived says ECR",
    ),
    pytest.param(
        complete(hours(24.5)),
        {},
        "STALE",
        "stale",
        "not scanned since 24 h ago, due now",
        id="stale and clean then",
    ),
    pytest.param(
        None,
        {"media_type": INDEX},
        "NEVER_SCANNED",
        "never",
        "waiting for the platforms of this image index to be read",
        id="index not resolved",
    ),
    pytest.param(
        None,
        {"media_type": INDEX, "problem": "manifest\x1b unreadable"},
        "NEVER_SCANNED",
        "never",
        "manifest unreadable",
        id="index that can't be resolved",
    ),
    pytest.param(
        None,
        {"media_type": INDEX, "children": {}, "gone": {"sha256:" + "9" * 64: None}},
        "UNSUPPORTED",
        "unsupported",
        "this part of the image index was deleted",
        id="index of which a platform is gone",
    ),
    pytest.param(
        None,
        {"media_type": INDEX, "archived": True},
        "ARCHIVED",
        "archived",
        "archived, so ECR does not scan it",
        id="archived index",
    ),
]


@pytest.mark.parametrize(("record", "members", "state", "bucket", "reason"), NO_RESULT)
def test_nothing_but_a_fresh_result_reads_as_no_vulnerabilities(
    record: ManifestRecord | None, members: dict[str, Any], state: str, bucket: str, reason: str
) -> None:
    """Every other state is named, explained and counted, and has no counts, in JSON as in the plain report."""
    if record is not None and "state" in members:
        record = replace(record, state=members["state"])
        members = {}
    summary = everything([configuration()], ledger({"1.0": record}, **members), findings(("1.0",), {}))

    wire = json.loads(json.dumps(to_wire(summary)))
    (row,) = wire["configurations"][0]["images"]
    assert (row["state"], row["reason"]) == (state, reason)
    assert (row["counts"], row["suppressed"]) == (None, None)
    assert nonzero(wire["configurations"][0]["coverage"]) == {"selected": 1, bucket: 1}
    assert wire["totals"]["coverage"] == wire["configurations"][0]["coverage"]

    text = summary_text.to_text(summary)
    assert text == f"Results for team/app:1.0 in us-east-1:\n {state}: {reason}\n"


def test_nothing_recorded_at_all_has_no_counts_either() -> None:
    """A configuration whose repository is yet unknown says so, and counts nothing."""
    summary = everything([configuration()], None)
    assert summary.configurations[0].counts is None
    assert summary.totals.counts is None
    assert summary.configurations[0].problems == ("team/app: not seen in the registry yet",)
    assert "team/app: not seen in the registry yet" in summary_text.to_text(summary)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (complete(hours(3)), "scanned 3 h ago, next 2026-11-24 15:01Z"),
        (complete(hours(20)), "scanned 20 h ago, next 22:01Z"),
        (complete(hours(24.1)), "scanned 24 h ago, due now"),
        (complete(timedelta(seconds=20)), "scanned just now, next 2026-11-24 18:00Z"),
        (
            replace(complete(hours(24)), state=ScanState.IN_PROGRESS, claimed_at=NOW),
            "scanned 24 h ago, scan in progress, next 2026-11-24 18:01Z",
        ),
        (
            replace(complete(hours(1)), reason="ServerException"),
            "scanned 1 h ago, ECR could not be asked: ServerException, next 2026-11-24 17:01Z",
        ),
    ],
)
def test_a_clean_image_shows_zeros_and_how_fresh_they_are(record: ManifestRecord, reason: str) -> None:
    """Zeros are those of a complete result not older than 24 h 10 min, also while the next scan runs."""
    image = only(one(ledger({"1.0": record}), findings(("1.0",), {})))
    assert image.status.state is ImageState.COMPLETE
    assert image.status.reason == reason
    assert image.counts == dict.fromkeys(Severity, 0)
    assert image.status.scanned_at == record.completed_at


def test_a_result_is_stale_after_24_hours_and_10_minutes() -> None:
    """The limit of the promise, to the second."""
    limit = timedelta(hours=24, minutes=10)
    assert only(one(ledger({"1": complete(limit)}))).status.state is ImageState.COMPLETE
    assert only(one(ledger({"1": complete(limit + timedelta(seconds=1))}))).status.state is ImageState.STALE


def test_a_stale_image_keeps_its_findings_and_says_so() -> None:
    """Known vulnerabilities don't vanish because a scan is late, or because Inspector stopped scanning."""
    document = findings(("1",), {("CVE-1", "openssl"): {"3": {HIGH: 1}}})
    for record in (complete(hours(72)), replace(complete(hours(1)), state=ScanState.EXPIRED)):
        summary = everything([configuration()], ledger({"1": record}), document)
        image = only(summary.configurations[0])
        assert image.status.state is ImageState.STALE
        assert nonzero(image.counts) == {HIGH: 1}
        text = summary_text.to_text(summary)
        assert text.startswith("Results for team/app:1 in us-east-1:\n HIGH: 1\n STALE: not scanned since ")
