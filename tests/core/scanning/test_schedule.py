"""When a manifest is looked up, started or asked for, and what each answer of ECR changes."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType, SkippedScan, SkipReason
from ecr_rescan.core.scanning.ledger import LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.scanning.schedule import (
    INTERVAL,
    MARGIN,
    QUOTA_REST,
    READ_REST,
    REFUSED_RESTS,
    UNSEEN_REST,
    Action,
    claim,
    decide,
    due_at,
    is_pending,
    take_no_result,
    take_result,
    take_skip,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
IMAGE = LedgerImage(pushed_at=NOW, tags={"1": NOW})
DIGEST = "sha256:" + "a" * 64


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def result(at: datetime, scan_type: ScanType = ScanType.BASIC) -> ScanResult:
    return ScanResult(DIGEST, at, scan_type, ())


def none(reason: NoResultReason) -> NoResult:
    return NoResult(DIGEST, reason, "because")


def scanned(at: datetime, *, claimed_at: datetime | None = None) -> ManifestRecord:
    record = ManifestRecord(claimed_at=claimed_at)
    take_result(record, result(at), ScanType.BASIC, at)
    return record


def test_an_unknown_image_is_looked_up_first() -> None:
    assert decide(ManifestRecord(), IMAGE, ScanType.BASIC, NOW) is Action.LOOK_UP


@pytest.mark.parametrize(
    ("age", "action"),
    [
        (INTERVAL, Action.WAIT),
        (INTERVAL + MARGIN - timedelta(seconds=1), Action.WAIT),
        (INTERVAL + MARGIN, Action.START),
    ],
)
def test_an_image_is_due_a_day_and_a_margin_after_its_completion(age: timedelta, action: Action) -> None:
    assert decide(scanned(NOW - age), IMAGE, ScanType.BASIC, NOW) is action


def test_an_accepted_start_later_than_the_completion_counts() -> None:
    record = scanned(NOW - hours(30))
    claim(record, NOW - hours(1))
    assert due_at(record) == NOW - hours(1) + INTERVAL + MARGIN


@pytest.mark.parametrize(
    ("asked", "since", "action"),
    [
        (0, hours(0.2), Action.WAIT),
        (0, hours(0.25), Action.ASK),
        (1, hours(0.4), Action.WAIT),
        (1, hours(0.5), Action.ASK),
        (3, hours(0.9), Action.WAIT),
        (3, hours(1), Action.ASK),
        (4, hours(1.9), Action.WAIT),
        (4, hours(2), Action.ASK),
        (8, hours(6), Action.ASK),
        (9, hours(12), Action.WAIT),
    ],
)
def test_an_unseen_result_is_asked_for_ever_more_rarely(asked: int, since: timedelta, action: Action) -> None:
    record = ManifestRecord(looked_up=True)
    claim(record, NOW - since)
    record.asked, record.asked_at = asked, NOW - hours(1)
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is action


@pytest.mark.parametrize("reason", [NoResultReason.FAILED, NoResultReason.NEVER_SCANNED, NoResultReason.EXPIRED])
def test_what_inspector_could_not_tell_holds_no_basic_scan_up(reason: NoResultReason) -> None:
    record = scanned(NOW - hours(20))
    take_no_result(record, NoResult(DIGEST, reason), ScanType.ENHANCED, NOW)
    assert due_at(record, ScanType.BASIC) == NOW + hours(4) + MARGIN
    assert decide(record, IMAGE, ScanType.ENHANCED, NOW + hours(5)) is Action.WAIT


def test_a_start_whose_result_enhanced_scanning_hid_keeps_its_24_hours() -> None:
    record = scanned(NOW - hours(25))
    claim(record, NOW - hours(1))
    take_result(record, result(NOW, ScanType.ENHANCED), ScanType.ENHANCED, NOW)
    assert due_at(record, ScanType.BASIC) == NOW + hours(23) + MARGIN


def test_an_enhanced_result_from_before_a_claim_shows_that_the_claim_came_to_nothing() -> None:
    record = ManifestRecord()
    take_result(record, result(NOW - hours(25), ScanType.ENHANCED), ScanType.ENHANCED, NOW - hours(25))
    claim(record, NOW - hours(1))
    take_result(record, result(NOW - hours(25), ScanType.ENHANCED), ScanType.ENHANCED, NOW)
    assert (record.claimed_at, record.basic_at) == (None, None)
    assert due_at(record, ScanType.BASIC) is None


def test_an_answer_that_an_image_is_archived_tells_of_no_scan() -> None:
    record = scanned(NOW - hours(20))
    take_no_result(record, NoResult(DIGEST, NoResultReason.ARCHIVED), ScanType.BASIC, NOW)
    assert record.basic_at is None


def test_an_older_result_soon_after_the_claim_leaves_it_standing_and_later_ends_it() -> None:
    record = scanned(NOW - hours(30))
    claim(record, NOW)
    take_result(record, result(NOW - hours(30)), ScanType.BASIC, NOW + hours(0.1))
    assert is_pending(record)
    take_result(record, result(NOW - hours(30)), ScanType.BASIC, NOW + hours(0.3))
    assert not is_pending(record)
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(0.3)) is Action.START


def test_a_failure_counts_once_however_often_it_is_seen() -> None:
    record = scanned(NOW - hours(25))
    claim(record, NOW)
    for minutes in (2, 3, 60):
        take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW + timedelta(minutes=minutes))
    assert (record.state, record.failures) == (ScanState.FAILED, 1)
    assert record.retry_at is not None
    assert record.retry_at < NOW + hours(25)


def test_a_failure_that_is_seen_late_does_not_push_the_next_scan_back_for_hours() -> None:
    record = scanned(NOW - hours(25))
    claim(record, NOW)
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW + hours(8))
    assert record.retry_at is not None
    assert record.retry_at <= NOW + hours(24.5)


def test_failures_in_a_row_rest_longer_and_a_result_forgets_them() -> None:
    record, rests = scanned(NOW - hours(25)), []
    at = NOW
    for _ in range(4):
        claim(record, at)
        take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, at, ended_at=at)
        assert record.retry_at is not None
        rests.append(round((record.retry_at - at) / timedelta(days=1)))
        at = record.retry_at
    assert rests == [1, 3, 7, 7]
    take_result(record, result(at), ScanType.BASIC, at)
    assert (record.failures, record.retry_at, record.state) == (0, None, ScanState.COMPLETE)


def test_the_failure_that_was_known_counts_once_though_a_start_was_claimed() -> None:
    record = scanned(NOW - hours(50))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW - hours(24), ended_at=NOW - hours(24))
    claim(record, NOW)
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW + hours(0.3))
    assert record.failures == 1
    assert record.retry_at == NOW + hours(24.25) + MARGIN


def test_a_scan_on_push_that_the_accounts_quota_prevented_is_no_failure() -> None:
    record = ManifestRecord()
    take_no_result(record, none(NoResultReason.LIMIT_EXCEEDED), ScanType.BASIC, NOW)
    assert record.state is ScanState.NEVER_SCANNED
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is Action.WAIT
    assert decide(record, IMAGE, ScanType.BASIC, NOW + QUOTA_REST) is Action.START


def test_under_enhanced_scanning_findings_are_read_once_a_day() -> None:
    record = ManifestRecord()
    take_result(record, result(NOW - hours(100), ScanType.ENHANCED), ScanType.ENHANCED, NOW)
    assert decide(record, IMAGE, ScanType.ENHANCED, NOW + hours(23)) is Action.WAIT
    assert decide(record, IMAGE, ScanType.ENHANCED, NOW + hours(24)) is Action.LOOK_UP


def test_an_image_that_inspector_has_not_scanned_is_not_looked_at_every_tick() -> None:
    record = ManifestRecord()
    take_no_result(record, none(NoResultReason.NEVER_SCANNED), ScanType.ENHANCED, NOW)
    assert decide(record, IMAGE, ScanType.ENHANCED, NOW + timedelta(minutes=5)) is Action.WAIT
    assert decide(record, IMAGE, ScanType.ENHANCED, NOW + UNSEEN_REST) is Action.LOOK_UP


def test_back_at_basic_scanning_only_the_last_basic_scan_holds_a_start_up() -> None:
    record = scanned(NOW - hours(10))
    take_result(record, result(NOW - hours(2), ScanType.ENHANCED), ScanType.ENHANCED, NOW - hours(1))
    assert due_at(record, ScanType.BASIC) == NOW - hours(10) + INTERVAL + MARGIN
    other = ManifestRecord()
    take_result(other, result(NOW - hours(2), ScanType.ENHANCED), ScanType.ENHANCED, NOW - hours(1))
    assert due_at(other, ScanType.BASIC) is None


def test_back_at_basic_scanning_an_image_is_looked_at_first() -> None:
    record = scanned(NOW - hours(30))
    claim(record, NOW - hours(2))
    take_result(record, result(NOW - hours(1), ScanType.ENHANCED), ScanType.ENHANCED, NOW - hours(1))
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is Action.LOOK_UP
    take_no_result(record, none(NoResultReason.UNAVAILABLE), ScanType.BASIC, NOW)
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(0.2)) is Action.WAIT
    assert decide(record, IMAGE, ScanType.BASIC, NOW + READ_REST) is Action.LOOK_UP


def test_a_start_that_enhanced_scanning_hid_and_that_basic_results_do_not_show_came_to_nothing() -> None:
    before = scanned(NOW - hours(30))
    claim(before, NOW - hours(2))
    take_result(before, result(NOW - hours(1), ScanType.ENHANCED), ScanType.ENHANCED, NOW - hours(1))
    assert due_at(before, ScanType.BASIC) == NOW + hours(22) + MARGIN
    never = copy.copy(before)
    take_result(before, result(NOW - hours(30)), ScanType.BASIC, NOW)
    take_no_result(never, none(NoResultReason.NEVER_SCANNED), ScanType.BASIC, NOW)
    assert {decide(record, IMAGE, ScanType.BASIC, NOW) for record in (before, never)} == {Action.START}


def test_a_failure_that_enhanced_scanning_hid_cools_down_from_when_it_was() -> None:
    record = scanned(NOW - hours(40))
    claim(record, NOW - hours(10))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW - hours(10), ended_at=NOW - hours(10))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.ENHANCED, NOW - hours(5))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW)
    assert due_at(record, ScanType.BASIC) == NOW + hours(14) + MARGIN


def test_a_failure_that_only_inspector_told_of_holds_no_basic_scan_up() -> None:
    record = ManifestRecord()
    take_no_result(record, none(NoResultReason.FAILED), ScanType.ENHANCED, NOW - hours(5))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW)
    assert due_at(record, ScanType.BASIC) == NOW + hours(24) + MARGIN


def test_where_inspector_s_results_do_not_end_the_next_start_tells_why() -> None:
    """The scan type of a registry can't always be asked for: only a refused start tells that it is enhanced."""
    record = ManifestRecord()
    take_result(record, result(NOW - hours(30), ScanType.ENHANCED), ScanType.BASIC, NOW)
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is Action.LOOK_UP
    take_result(record, result(NOW - hours(30), ScanType.ENHANCED), ScanType.BASIC, NOW, by_event=True)
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is Action.LOOK_UP
    take_result(record, result(NOW - hours(30), ScanType.ENHANCED), ScanType.BASIC, NOW)
    assert decide(record, IMAGE, ScanType.BASIC, NOW) is Action.START
    claim(record, NOW)
    take_skip(record, SkippedScan(DIGEST, SkipReason.ENHANCED, "disabled"), NOW)
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(10)) is Action.LOOK_UP


def test_a_basic_result_that_an_enhanced_one_hid_gives_the_due_time_when_it_is_seen() -> None:
    record = ManifestRecord()
    take_result(record, result(NOW - hours(1), ScanType.ENHANCED), ScanType.ENHANCED, NOW)
    take_result(record, result(NOW - hours(5)), ScanType.BASIC, NOW)
    assert due_at(record, ScanType.BASIC) == NOW - hours(5) + INTERVAL + MARGIN


def test_a_refused_start_ends_the_claim_and_a_lost_answer_does_not() -> None:
    refused, lost = scanned(NOW - hours(25)), scanned(NOW - hours(25))
    for record, maybe in ((refused, False), (lost, True)):
        claim(record, NOW)
        take_skip(record, SkippedScan(DIGEST, SkipReason.UNAVAILABLE, "gone", maybe_started=maybe), NOW)
    assert not is_pending(refused)
    assert is_pending(lost)


def test_archived_images_and_other_artifacts_wait() -> None:
    archived = LedgerImage(pushed_at=NOW, archived=True)
    chart = LedgerImage(pushed_at=NOW, artifact_type="application/vnd.cncf.helm.config.v1+json")
    assert {decide(ManifestRecord(), image, ScanType.BASIC, NOW) for image in (archived, chart)} == {Action.WAIT}


def test_a_start_whose_answer_was_lost_is_looked_at_every_quarter_of_an_hour_until_it_is_clear() -> None:
    record = scanned(NOW - hours(25))
    claim(record, NOW)
    take_skip(record, SkippedScan(DIGEST, SkipReason.UNAVAILABLE, "500", maybe_started=True), NOW)
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(0.2)) is Action.WAIT
    for quarter in range(1, 20):
        now = NOW + hours(quarter / 4)
        assert decide(record, IMAGE, ScanType.BASIC, now) is Action.LOOK_UP
        take_no_result(record, none(NoResultReason.UNAVAILABLE), ScanType.BASIC, now)
    take_result(record, result(NOW - hours(25)), ScanType.BASIC, NOW + hours(5))
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(5)) is Action.START


def test_an_old_failure_is_not_taken_for_the_result_of_a_start_whose_answer_was_lost() -> None:
    record = scanned(NOW - hours(50))
    claim(record, NOW - hours(25))
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW - hours(25))
    claim(record, NOW)
    take_skip(record, SkippedScan(DIGEST, SkipReason.UNAVAILABLE, "500", maybe_started=True), NOW)
    take_no_result(record, none(NoResultReason.FAILED), ScanType.BASIC, NOW + hours(1))
    assert record.failures == 1
    assert decide(record, IMAGE, ScanType.BASIC, NOW + hours(1)) is Action.START


def test_a_refused_start_is_tried_ever_more_rarely_and_others_go_first() -> None:
    """At once, then after 15 minutes, 1, 6 and 24 hours: four on the first day, one on each day after."""
    record, now, sent = scanned(NOW - hours(25)), NOW, []
    for _ in range(7):
        assert decide(record, IMAGE, ScanType.BASIC, now - timedelta(seconds=1)) is not Action.START or not sent
        assert decide(record, IMAGE, ScanType.BASIC, now) is Action.START
        sent.append(now)
        claim(record, now)
        take_skip(record, SkippedScan(DIGEST, SkipReason.UNAVAILABLE, "no", refused=True), now)
        assert (record.state, record.reason) == (ScanState.UNAVAILABLE, "no")
        assert record.retry_at is not None
        now = record.retry_at
    assert tuple(after - before for before, after in zip(sent, sent[1:], strict=False)) == (
        *REFUSED_RESTS,
        hours(24),
        hours(24),
    )


def test_a_refusal_that_nobody_can_lift_is_forgotten_with_a_result() -> None:
    record = scanned(NOW - hours(25))
    for _ in range(3):
        claim(record, NOW)
        take_skip(record, SkippedScan(DIGEST, SkipReason.UNAVAILABLE, "no", refused=True), NOW)
    take_result(record, result(NOW + hours(1)), ScanType.BASIC, NOW + hours(1))
    assert (record.refusals, record.retry_at, record.reason) == (0, None, "")


@pytest.mark.parametrize("scan_type", ScanType)
def test_a_refused_look_is_tried_ever_more_rarely(scan_type: ScanType) -> None:
    record, waits = ManifestRecord(seen_by=ScanType.ENHANCED), []
    now = NOW
    for _ in range(5):
        assert decide(record, IMAGE, scan_type, now) is Action.LOOK_UP
        refused = NoResult(DIGEST, NoResultReason.UNAVAILABLE, "no", refused=True)
        take_no_result(record, refused, scan_type, now)
        take_no_result(record, refused, scan_type, now)
        assert record.retry_at is not None
        for moment in (now, now + (record.retry_at - now) / 2, record.retry_at - timedelta(seconds=1)):
            assert decide(record, IMAGE, scan_type, moment) is Action.WAIT
        waits.append(record.retry_at - now)
        now = record.retry_at
    assert tuple(waits) == (*REFUSED_RESTS, hours(24))


def test_trouble_that_passes_is_tried_again_every_quarter_of_an_hour() -> None:
    record, now = ManifestRecord(), NOW
    for _ in range(5):
        take_no_result(record, NoResult(DIGEST, NoResultReason.UNAVAILABLE, "timeout"), ScanType.BASIC, now)
        assert record.retry_at == now + READ_REST
        now = record.retry_at


def test_a_failure_that_an_archive_had_hidden_rests_no_second_time() -> None:
    """The image comes back, ECR shows the same failure, and its day counts from when it failed."""
    record = ManifestRecord(looked_up=True)
    claim(record, NOW - hours(23))
    failure = NoResult("sha256:a", NoResultReason.FAILED, "broken")
    take_no_result(record, failure, ScanType.BASIC, NOW - hours(22.9), ended_at=NOW - hours(22.9))
    rests_until = record.retry_at
    record.state, record.looked_up, record.retry_at = ScanState.NEVER_SCANNED, False, None
    take_no_result(record, failure, ScanType.BASIC, NOW)
    assert (record.state, record.retry_at) == (ScanState.FAILED, rests_until)
