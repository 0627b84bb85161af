"""What a tick has to do in one repository, and when next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.core.changes.baseline_rule import marks_of
from ecr_rescan.core.changes.view import Selector
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.enhanced import confirmed_at
from ecr_rescan.core.scanning.lacking import answered_parts, lacking_parts
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord, ScanState
from ecr_rescan.core.scanning.listing import Selecting, selected_by, unresolved
from ecr_rescan.core.scanning.schedule import (
    ASK_AFTER,
    LATEST,
    SHARED,
    UNSEEN_FOR,
    Action,
    decide,
    due_at,
    is_hidden,
    is_pending,
    rest_after,
)

LISTING_FOR = timedelta(hours=6)
"""How long a complete listing is good for where no events tell what changes."""

LISTING_FOR_WITH_EVENTS = timedelta(hours=24)
"""The same where events arrive: it then only makes up for those that were lost."""

MISSING_FOR = timedelta(minutes=15)
"""How soon a repository that was not there is tried again at first."""


GIVES_WAY_FOR = timedelta(hours=1)
"""How long what was refused goes behind the others: long enough for each try to be another one's."""

_WAITING = frozenset({ScanState.NEVER_SCANNED, ScanState.IN_PROGRESS, ScanState.UNAVAILABLE})
_CURRENT = frozenset({ScanState.COMPLETE, ScanState.IN_PROGRESS, ScanState.UNAVAILABLE})


@dataclass(slots=True)
class Plan:
    """For one repository.

    ``look_ups``, ``starts``, ``asks``: digests of manifests, the longest waiting first. ``due_since``: when the first
    of the starts was due. ``next_at``: when there will be something to do again if all of it is done. ``states``: the
    selected manifests by state. ``waiting``: how many are to be looked up, or have a scan running for the first
    time. ``late_at``: when each of them is older than promised, if nothing comes of it until then. ``oldest``: the
    oldest last scan (of an enhanced result, the last reading). ``missing_since``: the repository is gone.
    ``lacking``: marks of what is selected and has no result; ``answered``: the ways of selecting that select any
    image with one.
    """

    look_ups: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    due_since: datetime | None = None
    next_at: datetime | None = None
    states: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    late_at: list[datetime] = field(default_factory=list)
    missing_since: datetime | None = None
    oldest: datetime | None = None
    lacking: frozenset[str] = frozenset()
    answered: frozenset[Selecting] = frozenset()

    def overdue(self, now: datetime) -> int:
        """How many of the selected manifests are older than promised; true for a plan of long ago, too."""
        return sum(late_at < now for late_at in self.late_at)


def listing_due(ledger: Ledger, good_for: timedelta, now: datetime) -> datetime:
    """When the repository is to be listed next; the longer it has been missing, the later."""
    if ledger.tried_at is not None:
        return ledger.tried_at + rest_after(ledger.refusals)
    if ledger.listed_at is None or ledger.is_behind:
        return now
    if ledger.missing_since is not None:
        good_for = min(good_for, max(MISSING_FOR, ledger.listed_at - ledger.missing_since))
    return ledger.listed_at + good_for


def selected_manifests(ledger: Ledger, selected: Iterable[str]) -> dict[str, str]:
    """The manifests to scan → the image that they are scanned for."""
    return {manifest: digest for digest in selected for manifest in ledger.manifests_of(digest)}


def make_plan(
    ledger: Ledger,
    selectors: Sequence[Selector],
    scan_type: ScanType,
    now: datetime,
    *,
    listing_for: timedelta = LISTING_FOR,
) -> Plan:
    """Decide for every selected manifest of a repository. ``listing_for``: how long a listing is good for."""
    plan = Plan(missing_since=ledger.missing_since)
    times = [listing_due(ledger, listing_for, now)]
    by_selecting = selected_by(ledger, selectors)
    chosen = sorted({digest for digests in by_selecting.values() for digest in digests})
    times += [ledger.images[index].resolve_at or now for index in unresolved(ledger, chosen)]
    plan.lacking = marks_of(lacking_parts(ledger, chosen))
    plan.answered = frozenset(how for how, digests in by_selecting.items() if answered_parts(ledger, digests))
    for digest, image_digest in selected_manifests(ledger, chosen).items():
        record = ledger.manifests[digest]
        action = decide(record, ledger.images[image_digest], scan_type, now)
        plan.states[record.state.value] += 1
        _count(plan, record, scan_type)
        if action is Action.LOOK_UP:
            plan.look_ups.append(digest)
        elif action is Action.START:
            plan.starts.append(digest)
        elif action is Action.ASK:
            plan.asks.append(digest)
        elif record.state not in (ScanState.ARCHIVED, ScanState.UNSUPPORTED) or record.retry_at:
            times.append(_next(record, scan_type, now))
    _hold(plan, ledger, scan_type, times, now)
    for digests in (plan.look_ups, plan.starts, plan.asks):
        digests.sort(key=lambda digest: (_order(ledger.manifests[digest], now), digest))
    plan.next_at = min(times)
    return plan


def _hold(plan: Plan, ledger: Ledger, scan_type: ScanType, times: list[datetime], now: datetime) -> None:
    """Let what is due wait for what will be very soon, so that a repository keeps one due time; new images don't."""
    due = {digest: due_at(ledger.manifests[digest], scan_type) for digest in plan.starts}
    known = [moment for moment in due.values() if moment is not None]
    plan.due_since = min(known, default=now if due else None)
    together = min(known, default=now) + SHARED
    if known and any(now < moment <= together for moment in times[1:]):
        plan.starts = [digest for digest, moment in due.items() if moment is None]
        times.append(together)


def _count(plan: Plan, record: ManifestRecord, scan_type: ScanType) -> None:
    is_first = record.completed_at is None and is_pending(record)
    plan.waiting += record.state in _CURRENT | _WAITING and (is_first or not record.looked_up)
    if record.state not in _CURRENT:
        return
    confirmed = confirmed_at(record)
    if confirmed is not None:
        plan.oldest = min(plan.oldest or confirmed, confirmed)
    # A result that is only not seen yet, as where no events come from, is not overdue; Inspector's is its own to time.
    if is_pending(record) and record.claimed_at is not None:
        if scan_type is ScanType.BASIC:
            plan.late_at.append(record.claimed_at + UNSEEN_FOR)
    elif confirmed is not None:
        plan.late_at.append(confirmed + LATEST)


def _order(record: ManifestRecord, now: datetime) -> tuple[bool, float]:
    """The longest waiting go first; what was refused lets the others go before it for a while."""
    gives_way = record.retry_at is not None and now - record.retry_at < GIVES_WAY_FOR
    return gives_way, record.completed_at.timestamp() if record.completed_at else 0.0


def _next(record: ManifestRecord, scan_type: ScanType, now: datetime) -> datetime:
    if not record.looked_up:
        return record.retry_at or now
    if is_pending(record) and record.claimed_at is not None:
        if record.retry_at is not None:
            return record.retry_at
        if record.asked < len(ASK_AFTER):
            return record.claimed_at + ASK_AFTER[record.asked]
        return (record.asked_at or record.claimed_at) + ASK_AFTER[-1]
    if is_hidden(record, scan_type):
        return record.retry_at or now
    return due_at(record, scan_type) or now
