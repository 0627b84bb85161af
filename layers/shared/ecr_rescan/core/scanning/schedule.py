"""When a manifest is scanned again, and what to do about it at a tick.

Facts: StartImageScan, "an image can only be scanned once per 24 hours, including if it was scanned on initial push"
(ECR API reference). Whether the 24 hours run from the start or from the completion is not documented; we take the
later of the two. The rules in words are in ``docs/scanning.md``.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType, SkippedScan, SkipReason
from ecr_rescan.core.scanning.ledger import LedgerImage, ManifestRecord, ScanState

INTERVAL = timedelta(hours=24)
MARGIN = timedelta(minutes=1)
"""On top of ECR's 24 hours, for clocks that differ."""

SHARED = timedelta(minutes=2)
"""Images of a repository that are due so soon after each other are started together: with the margin, the time to the
next tick and the scan itself, that stays within the promise."""

LATEST = timedelta(hours=24, minutes=10)
"""The promise: no image's last scan is older, as long as ECR's quotas allow it."""

ASK_AFTER = (
    *(timedelta(minutes=minutes) for minutes in (15, 30, 45)),
    *(timedelta(hours=hour) for hour in range(1, 7)),
)
"""When a result that was not seen is asked for, counted from the start; then every six hours. So often at first that a
scan which ran longer than usual is shown in time where no event tells of it; then hourly, so that what was asked for in
a time of trouble is asked for again within an hour of its end."""

UNSEEN_FOR = timedelta(hours=1)
"""How long after its start a result may be unseen before the image counts as overdue."""

COOL_DOWNS = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
"""How long a manifest rests after its first, second, and every later scan in a row that failed."""

UNSUPPORTED_REST = timedelta(days=7)
"""Support for a distribution may come: unsupported images are tried again after this."""

QUOTA_REST = timedelta(minutes=30)
"""How long an account's starts stop when its daily quota is spent."""

READ_REST = timedelta(minutes=15)
"""How long to leave alone what ECR could not be asked about."""

REFUSED_RESTS = tuple(timedelta(hours=hours) for hours in (0.25, 1, 6, 24))
"""How long to leave alone what ECR refuses, after the first refusal, the second, the third, and every later one in a
row: nobody but people can end it, and they may do so at any time."""

UNSEEN_REST = timedelta(hours=6)
"""How soon an image that Inspector has not scanned is looked at again; its first scan is announced by an event."""


_REFUSED = frozenset({ScanState.UNAVAILABLE, ScanState.ARCHIVED})
"""States that a refused call tells of, whoever scans."""


class Action(enum.StrEnum):
    """What a tick does with a manifest."""

    WAIT = "WAIT"
    LOOK_UP = "LOOK_UP"
    START = "START"
    ASK = "ASK"


def due_at(record: ManifestRecord, scan_type: ScanType | None = None) -> datetime | None:
    """When the manifest may, and should, be scanned again; None where nothing is known against now.

    ``scan_type`` is the registry's: back at basic scanning, nothing that Inspector said last holds a start up.
    """
    completed_at, retry_at = record.completed_at, record.retry_at
    if scan_type is ScanType.BASIC:
        completed_at = _last_basic(record)
        if record.seen_by is ScanType.ENHANCED and record.state not in _REFUSED:
            retry_at = None
    last = max((at for at in (record.claimed_at, completed_at) if at is not None), default=None)
    due = None if last is None else last + INTERVAL + MARGIN
    if retry_at is not None and (due is None or retry_at > due):
        return retry_at
    return due


def _last_basic(record: ManifestRecord) -> datetime | None:
    """When the newest basic scan ended; enhanced results hide it, but its 24 hours go on."""
    completed = None if record.scan_type is ScanType.ENHANCED else record.completed_at
    return max((at for at in (record.basic_at, completed) if at is not None), default=None)


def is_pending(record: ManifestRecord) -> bool:
    """Whether a scan was, or may have been, started whose result has not been seen."""
    claimed = record.claimed_at
    return claimed is not None and (record.completed_at is None or record.completed_at < claimed)


def is_hidden(record: ManifestRecord, scan_type: ScanType) -> bool:
    """Whether enhanced scanning has hidden what became of basic scans, and nobody has looked since it ended.

    A start may have been accepted or not, and somebody else's scan may have ended.
    """
    return scan_type is ScanType.BASIC and record.seen_by is ScanType.ENHANCED


def decide(record: ManifestRecord, image: LedgerImage, scan_type: ScanType, now: datetime) -> Action:
    """What to do with a manifest of an image at a tick.

    An unseen result is asked for, again and again, before another scan is started: whoever claimed it may have died
    after ECR accepted, and ECR may only be slow.
    """
    if image.archived or not image.is_scannable:
        return Action.WAIT
    if is_pending(record) and record.looked_up:
        if record.retry_at is not None:
            # It is not known whether this start was accepted: no event will tell, so the tick looks itself.
            return Action.LOOK_UP if record.retry_at <= now else Action.WAIT
        return Action.ASK if _is_overdue(record, now) else Action.WAIT
    if is_hidden(record, scan_type):
        # A longer wait is Inspector's; this one is of a look that failed.
        retry_at = record.retry_at or now
        failed = now < retry_at and (record.refusals > 0 or retry_at <= now + READ_REST)
        return Action.WAIT if failed else Action.LOOK_UP
    if not record.looked_up:
        return Action.WAIT if record.retry_at is not None and record.retry_at > now else Action.LOOK_UP
    due = due_at(record, scan_type)
    if due is not None and due > now:
        return Action.WAIT
    return Action.LOOK_UP if scan_type is ScanType.ENHANCED else Action.START


def _is_overdue(record: ManifestRecord, now: datetime) -> bool:
    assert record.claimed_at is not None
    if record.asked < len(ASK_AFTER):
        return now - record.claimed_at >= ASK_AFTER[record.asked]
    last = record.asked_at or record.claimed_at
    return now - last >= ASK_AFTER[-1]


def rest_after(refusals: int) -> timedelta:
    """How long to leave alone what ECR could not be asked about, or refused so many times in a row."""
    return REFUSED_RESTS[min(refusals, len(REFUSED_RESTS)) - 1] if refusals else READ_REST


def claim(record: ManifestRecord, now: datetime) -> None:
    """Note, before a start is sent, that it may have been accepted."""
    record.claimed_at = now
    record.state = ScanState.IN_PROGRESS
    record.reason, record.retry_at = "", None
    record.asked = 0
    record.asked_at = None


def take_result(
    record: ManifestRecord, result: ScanResult, scan_type: ScanType, now: datetime, *, by_event: bool = False
) -> None:
    """Note a complete result; one that is older than what is known says at most that a claim came to nothing.

    ``scan_type`` is the registry's, as far as is known. Where a look, for which no event was the reason, finds
    Inspector's results nevertheless, a start will tell.
    """
    record.looked_up, record.refusals = True, 0
    record.seen_by = scan_type if is_hidden(record, scan_type) and not by_event else result.scan_type
    if record.claimed_at is not None and result.completed_at >= record.claimed_at:
        _set_claim_aside(record)
    _note_basic(record, result, now)
    record.read_at = now if result.scan_type is ScanType.ENHANCED else None
    if record.completed_at is None or result.completed_at >= record.completed_at:
        record.completed_at = result.completed_at
        record.scan_type = result.scan_type
        record.counts = dict(result.counts)
        record.state, record.reason = ScanState.COMPLETE, ""
        record.failures = 0
        record.retry_at = None
        if result.scan_type is ScanType.BASIC:
            record.basic_at = None
    if scan_type is ScanType.ENHANCED:
        # Enhanced results are re-read once a day, whenever Inspector scanned last.
        record.retry_at = now + INTERVAL
    if is_pending(record):
        if _may_be_running(record, now):
            record.state = ScanState.IN_PROGRESS
            return
        record.claimed_at = record.retry_at = None
        record.state, record.reason = ScanState.COMPLETE, ""
    record.asked, record.asked_at = 0, None


def _set_claim_aside(record: ManifestRecord) -> None:
    """Under enhanced scanning no result of a basic scan will be seen, but its hours go on."""
    if record.seen_by is ScanType.ENHANCED and record.claimed_at is not None:
        record.basic_at = max(record.claimed_at, record.basic_at or record.claimed_at)
        record.claimed_at = None


def _note_basic(record: ManifestRecord, result: ScanResult, now: datetime) -> None:
    """Keep when the last basic scan was: enhanced results hide it, but its 24 hours go on."""
    if result.scan_type is ScanType.ENHANCED and record.scan_type is ScanType.BASIC:
        record.basic_at = max((at for at in (record.basic_at, record.completed_at) if at is not None), default=None)
    elif result.scan_type is ScanType.BASIC and record.scan_type is ScanType.ENHANCED:
        record.retry_at = None
        if record.basic_at is None or result.completed_at > record.basic_at or now - record.basic_at >= ASK_AFTER[0]:
            # A start that was set aside has come to nothing, if it does not show by now.
            record.basic_at = result.completed_at


def _may_be_running(record: ManifestRecord, now: datetime) -> bool:
    """Whether a claimed scan may still be running though ECR shows an earlier result.

    A running scan is shown as PENDING or IN_PROGRESS; a short while after the start it may not be shown yet.
    """
    assert record.claimed_at is not None
    return now - record.claimed_at < ASK_AFTER[0]


def take_no_result(
    record: ManifestRecord, answer: NoResult, scan_type: ScanType, now: datetime, *, ended_at: datetime | None = None
) -> None:
    """Note that ECR has no complete result, and when to try again. ``ended_at``: when a scan ended, by an event."""
    if answer.reason is not NoResultReason.UNAVAILABLE:
        if is_hidden(record, scan_type):
            # What Inspector said holds no basic scan up.
            record.retry_at = None
        record.looked_up, record.seen_by, record.refusals = True, scan_type, 0
        _set_claim_aside(record)
    if answer.reason is NoResultReason.NEVER_SCANNED:
        _never_scanned(record, answer, scan_type, now)
    elif answer.reason is NoResultReason.IN_PROGRESS:
        if not is_pending(record):
            # Somebody else's scan: its 24 hours began before now, so now is safe to count from.
            claim(record, now)
        record.retry_at = None
    elif answer.reason is NoResultReason.LIMIT_EXCEEDED:
        # The account's quota was spent when ECR was to scan it: it has had no scan, and no 24 hours to wait.
        record.claimed_at, record.reason = None, with_reason(answer.reason, answer.detail)
        record.retry_at = now + QUOTA_REST
        record.state = ScanState.COMPLETE if record.completed_at else ScanState.NEVER_SCANNED
    elif answer.reason is NoResultReason.UNAVAILABLE:
        _could_not_ask(record, answer.detail, now, refused=answer.refused)
        if record.completed_at is None and not is_pending(record):
            record.state = ScanState.UNAVAILABLE
    else:
        _rest(record, answer, scan_type, now, ended_at)


def with_reason(reason: NoResultReason, detail: str) -> str:
    """ECR's description after its word for the reason, as code tells reasons apart by."""
    return f"{reason}: {detail}" if detail else reason.value


def _could_not_ask(record: ManifestRecord, detail: str, now: datetime, *, refused: bool) -> None:
    if refused and record.refusals and record.retry_at is not None and record.retry_at > now:
        # Told before.
        return
    record.refusals = record.refusals + 1 if refused else record.refusals
    record.reason = detail
    record.retry_at = now + (rest_after(record.refusals) if refused else READ_REST)


def _never_scanned(record: ManifestRecord, answer: NoResult, scan_type: ScanType, now: datetime) -> None:
    if is_pending(record) and _may_be_running(record, now):
        return
    if scan_type is ScanType.ENHANCED:
        # Basic scans are only hidden, and their 24 hours go on, should the registry go back to them.
        record.retry_at = max(now + UNSEEN_REST, due_at(record) or now)
    else:
        record.completed_at = record.basic_at = record.retry_at = None
    record.claimed_at = None
    record.state, record.reason = ScanState.NEVER_SCANNED, answer.detail


_RESTING = {
    NoResultReason.FAILED: ScanState.FAILED,
    NoResultReason.UNSUPPORTED: ScanState.UNSUPPORTED,
    NoResultReason.ARCHIVED: ScanState.ARCHIVED,
    NoResultReason.EXPIRED: ScanState.EXPIRED,
}


def _rest(
    record: ManifestRecord, answer: NoResult, scan_type: ScanType, now: datetime, ended_at: datetime | None
) -> None:
    state = _RESTING.get(answer.reason)
    if state is None:
        return
    ended = is_pending(record)
    if record.state is state and not ended and record.retry_at is not None and record.retry_at > now:
        # Told before: a scan that failed counts once, however often its event comes.
        return
    record.state, record.reason = state, answer.detail or answer.reason.value
    record.asked, record.asked_at = 0, None
    if ended and record.retry_at is not None and record.failures:
        # A start whose answer was lost, and a failure that may well be the one before: another start will tell.
        record.claimed_at, record.retry_at = None, now
        return
    # A failure has no time of its own, and may be seen long after it: its event was lost, or enhanced scanning or the
    # archive had hidden it. Without a start of ours it is the one that is known.
    known_at = record.claimed_at + ASK_AFTER[0] if ended and record.claimed_at else record.basic_at
    failed_at = min(now, known_at or now)
    if state is ScanState.FAILED:
        # Without an event it may well be the failure before, and the start may never have been sent.
        is_another = ended and (ended_at is not None and ended_at >= (record.claimed_at or now))
        record.failures = record.failures + 1 if is_another else max(record.failures, 1)
        rest = COOL_DOWNS[min(record.failures, len(COOL_DOWNS)) - 1] if is_another else COOL_DOWNS[0]
        record.retry_at = failed_at + rest + MARGIN
    else:
        record.retry_at = now + UNSUPPORTED_REST
    record.claimed_at = None
    if scan_type is ScanType.BASIC and state in (ScanState.FAILED, ScanState.UNSUPPORTED):
        record.basic_at = failed_at


def take_skip(record: ManifestRecord, skip: SkippedScan, now: datetime) -> None:
    """Note a refused start. LIMIT_EXCEEDED, where the result explains it, only ends the claim."""
    if skip.maybe_started:
        # The claim stands: the result is asked for, and only then it is known whether to start again.
        record.reason, record.retry_at = skip.detail, now + READ_REST
        return
    record.claimed_at = None
    if record.state is ScanState.IN_PROGRESS:
        record.state = ScanState.COMPLETE if record.completed_at else ScanState.NEVER_SCANNED
    if skip.refused or skip.reason is SkipReason.UNAVAILABLE:
        record.state = ScanState.UNAVAILABLE
        _could_not_ask(record, skip.detail, now, refused=skip.refused)
    elif skip.reason is SkipReason.UNSUPPORTED:
        record.state, record.reason = ScanState.UNSUPPORTED, skip.detail
        record.retry_at = now + UNSUPPORTED_REST
    elif skip.reason is SkipReason.ARCHIVED:
        record.state, record.reason = ScanState.ARCHIVED, skip.detail
        record.retry_at = now + INTERVAL
    elif skip.reason is SkipReason.ENHANCED:
        record.seen_by = ScanType.ENHANCED
