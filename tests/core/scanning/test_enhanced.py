"""Enhanced scanning: as of when a result holds, and what the registry's filters leave out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType
from ecr_rescan.core.scanning.enhanced import LEFT_OUT, confirmed_at, explained, leaves_out
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.scanning.plan import make_plan
from ecr_rescan.core.scanning.schedule import take_no_result, take_result
from ecr_rescan.core.summary.image_state import ImageState, statuses
from tests.builders import AT, REGION, REGISTRY, configuration, digest

LATER = AT + timedelta(days=9)


def enhanced(completed: timedelta = timedelta(), read: timedelta = timedelta()) -> ManifestRecord:
    """A manifest that Inspector scanned so long after AT, and whose result was read so long after it."""
    record = ManifestRecord()
    result = ScanResult(digest("1"), AT + completed, ScanType.ENHANCED, ())
    take_result(record, result, ScanType.ENHANCED, AT + read)
    return record


def ledger(record: ManifestRecord) -> Ledger:
    """A repository with one image."""
    made = Ledger(REGISTRY, REGION, "team/app", since=AT, listed_at=LATER)
    made.images[digest("1")] = LedgerImage(pushed_at=AT, tags={"1": AT})
    made.manifests[digest("1")] = record
    return made


@pytest.mark.parametrize(
    ("read", "state", "overdue"),
    [(timedelta(days=9), ImageState.COMPLETE, 0), (timedelta(days=7), ImageState.STALE, 1)],
)
def test_an_enhanced_result_holds_as_of_its_reading(read: timedelta, state: ImageState, overdue: int) -> None:
    """However long ago Inspector had reason to scan: current as long as it was read within a day."""
    held = ledger(enhanced(read=read))
    (status,) = statuses(held, digest("1"), at=LATER)
    assert status.state is state
    plan = make_plan(held, [configuration()], ScanType.ENHANCED, LATER)
    assert plan.overdue(LATER) == overdue
    assert plan.oldest == AT + read


def test_what_inspector_no_longer_scans_is_stale_and_rings_nothing() -> None:
    """Its window ended: that is no lateness of ours."""
    record = enhanced(read=timedelta(days=8))
    take_no_result(record, NoResult(digest("1"), NoResultReason.EXPIRED), ScanType.ENHANCED, LATER)
    held = ledger(record)
    (status,) = statuses(held, digest("1"), at=LATER)
    assert status.state is ImageState.STALE
    assert "no longer scans" in status.reason
    assert make_plan(held, [configuration()], ScanType.ENHANCED, LATER).overdue(LATER) == 0


def test_a_first_scan_of_inspector_is_its_own_to_time() -> None:
    """Nothing of ours is late while it is pending."""
    record = ManifestRecord()
    take_no_result(record, NoResult(digest("1"), NoResultReason.IN_PROGRESS), ScanType.ENHANCED, AT)
    assert make_plan(ledger(record), [configuration()], ScanType.ENHANCED, LATER).overdue(LATER) == 0
    assert make_plan(ledger(record), [configuration()], ScanType.BASIC, LATER).overdue(LATER) == 1


def test_a_basic_result_holds_as_of_its_scan() -> None:
    """Reading it again renews nothing."""
    record = ManifestRecord()
    take_result(record, ScanResult(digest("1"), AT, ScanType.BASIC, ()), ScanType.BASIC, LATER)
    assert confirmed_at(record) == AT


@pytest.mark.parametrize(
    ("filters", "left_out"),
    [
        ((), False),
        (("team",), False),
        (("am/ap",), False),
        (("team/*",), False),
        (("*",), False),
        (("prod", "team/*"), False),
        (("prod",), True),
        (("prod/*",), True),
        (("app*",), True),
        (("team/a?p",), True),
    ],
)
def test_filters_match_as_ecr_s_do(filters: tuple[str, ...], left_out: bool) -> None:
    """With a star the whole name, without one any part of it; nothing else is special."""
    assert leaves_out(ScanType.ENHANCED, filters, "team/app") == left_out
    assert not leaves_out(ScanType.BASIC, filters, "team/app")


def test_what_is_left_out_says_so() -> None:
    """And is not waiting for its first scan."""
    never, failed = (NoResult(digest("1"), reason) for reason in (NoResultReason.NEVER_SCANNED, NoResultReason.FAILED))
    told = explained([never, failed], left_out=True)
    assert told == [NoResult(digest("1"), NoResultReason.NEVER_SCANNED, LEFT_OUT), failed]
    assert explained([never, failed], left_out=False) == [never, failed]
    record = ManifestRecord()
    take_no_result(record, told[0], ScanType.ENHANCED, AT)  # type: ignore[arg-type]
    (status,) = statuses(ledger(record), digest("1"), at=AT)
    assert record.state is ScanState.NEVER_SCANNED
    assert status.reason.startswith(LEFT_OUT)
