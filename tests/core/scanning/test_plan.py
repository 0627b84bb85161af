"""What a tick has to do in one repository."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.scanning.plan import (
    LISTING_FOR,
    LISTING_FOR_WITH_EVENTS,
    MISSING_FOR,
    Plan,
    listing_due,
    make_plan,
)
from ecr_rescan.core.scanning.schedule import INTERVAL, MARGIN, claim
from tests.builders import AT, REGION, REGISTRY, configuration, digest


def ledger(*completed: datetime | None, listed_at: datetime | None = AT) -> Ledger:
    """A repository of images that completed then (None: looked up, never scanned)."""
    made = Ledger(REGISTRY, REGION, "team/app", since=AT, listed_at=listed_at)
    for number, at in enumerate(completed):
        name = digest(str(number))
        made.images[name] = LedgerImage(pushed_at=AT, tags={str(number): AT}, media_type="image")
        state = ScanState.COMPLETE if at else ScanState.NEVER_SCANNED
        made.manifests[name] = ManifestRecord(state=state, looked_up=True, completed_at=at)
    return made


def plan(made: Ledger, now: datetime = AT) -> Plan:
    return make_plan(made, [configuration()], ScanType.BASIC, now)


def due(**ago: float) -> datetime:
    """The completion of an image that was due so long ago."""
    return AT - INTERVAL - MARGIN - timedelta(**ago)


def test_the_longest_waiting_start_first() -> None:
    assert plan(ledger(due(hours=1), due(hours=3), due(hours=2))).starts == [digest("1"), digest("2"), digest("0")]


def test_images_due_within_two_minutes_are_started_together() -> None:
    held = plan(ledger(due(seconds=30), due(seconds=-60)))
    assert held.starts == []
    assert held.next_at == AT + timedelta(seconds=60)


def test_nobody_waits_for_what_is_due_later() -> None:
    assert plan(ledger(due(seconds=30), due(minutes=-10))).starts == [digest("0")]


def test_nobody_waits_longer_than_two_minutes() -> None:
    assert plan(ledger(due(minutes=2), due(seconds=-30))).starts == [digest("0")]


def test_a_new_image_waits_for_nobody() -> None:
    assert plan(ledger(None, due(seconds=30), due(seconds=-60))).starts == [digest("0")]


def test_a_result_that_is_only_not_seen_yet_is_not_overdue() -> None:
    made = ledger(due(hours=1))
    claim(made.manifests[digest("0")], AT)
    assert plan(made, AT + timedelta(minutes=30)).overdue(AT + timedelta(minutes=30)) == 0
    assert plan(made, AT + timedelta(minutes=30)).overdue(AT + timedelta(hours=2)) == 1


def test_what_is_never_scanned_keeps_no_baseline_waiting() -> None:
    made = ledger(None)
    made.manifests[digest("0")] = ManifestRecord(state=ScanState.UNSUPPORTED)
    assert plan(made).waiting == 0


@pytest.mark.parametrize("good_for", [LISTING_FOR, LISTING_FOR_WITH_EVENTS])
def test_a_listing_is_good_for_hours(good_for: timedelta) -> None:
    assert listing_due(ledger(), good_for, AT) == AT + good_for


def test_a_missing_repository_is_looked_for_ever_more_rarely() -> None:
    made = ledger()
    made.missing_since, waits = AT, []
    for _ in range(12):
        next_at = listing_due(made, LISTING_FOR, AT)
        assert made.listed_at is not None
        waits.append(next_at - made.listed_at)
        made.listed_at = next_at
    assert waits[0] == MISSING_FOR
    assert waits == sorted(waits)
    assert waits[-1] == LISTING_FOR
