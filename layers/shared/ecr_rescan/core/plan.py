"""What a tick has to do in one repository, and when next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.core.ledger import Ledger, ManifestRecord, ScanState
from ecr_rescan.core.listing import selected_images, unresolved
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.schedule import ASK_AFTER, LATEST, Action, decide, due_at, is_pending
from ecr_rescan.core.view import Selector

LISTING_FOR = timedelta(hours=6)
"""How long a complete listing is good for."""

MISSING_FOR = timedelta(minutes=15)
"""How soon a repository that was not there is looked for again."""


@dataclass(slots=True)
class Plan:
    """For one repository.

    ``look_ups``, ``starts``, ``asks``: digests of manifests, the longest waiting first. ``next_at``: when there will be
    something to do again if all of it is done. ``states``: the selected manifests by state. ``waiting``: how many
    have yet to be looked up, or to be scanned for the first time. ``overdue``: how many are older than promised.
    ``oldest``: the oldest last scan.
    """

    look_ups: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    next_at: datetime | None = None
    states: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    overdue: int = 0
    oldest: datetime | None = None


def needs_listing(ledger: Ledger, now: datetime) -> bool:
    """Whether the complete listing is too old, or a missing repository may be back."""
    if ledger.listed_at is None:
        return True
    return now - ledger.listed_at >= (MISSING_FOR if ledger.missing_since or ledger.problem else LISTING_FOR)


def selected_manifests(ledger: Ledger, selectors: Iterable[Selector]) -> dict[str, str]:
    """The manifests to scan → the image that they are scanned for."""
    return {
        manifest: digest for digest in selected_images(ledger, selectors) for manifest in ledger.manifests_of(digest)
    }


def make_plan(ledger: Ledger, selectors: Sequence[Selector], scan_type: ScanType, now: datetime) -> Plan:
    """Decide for every selected manifest of a repository."""
    plan = Plan()
    listed_until = (ledger.listed_at or now) + (MISSING_FOR if ledger.missing_since or ledger.problem else LISTING_FOR)
    times = [listed_until]
    if unresolved(ledger, selected_images(ledger, selectors), again=False):
        times.append(now)
    for digest, image_digest in selected_manifests(ledger, selectors).items():
        record = ledger.manifests[digest]
        action = decide(record, ledger.images[image_digest], scan_type, now)
        plan.states[record.state.value] += 1
        _count(plan, record, action, now)
        if action is Action.LOOK_UP:
            plan.look_ups.append(digest)
        elif action is Action.START:
            plan.starts.append(digest)
        elif action is Action.ASK:
            plan.asks.append(digest)
        elif record.state not in (ScanState.ARCHIVED, ScanState.UNSUPPORTED) or record.retry_at:
            times.append(_next(record, now))
    for digests in (plan.look_ups, plan.starts, plan.asks):
        digests.sort(key=lambda digest: (_last(ledger.manifests[digest]), digest))
    plan.next_at = min(times)
    return plan


def _count(plan: Plan, record: ManifestRecord, action: Action, now: datetime) -> None:
    if record.completed_at is None and (action is not Action.WAIT or is_pending(record)):
        plan.waiting += 1
    if record.state in (ScanState.COMPLETE, ScanState.IN_PROGRESS, ScanState.UNAVAILABLE) and record.completed_at:
        plan.oldest = min(plan.oldest or record.completed_at, record.completed_at)
        if now - record.completed_at > LATEST:
            plan.overdue += 1


def _last(record: ManifestRecord) -> float:
    return record.completed_at.timestamp() if record.completed_at else 0.0


def _next(record: ManifestRecord, now: datetime) -> datetime:
    if is_pending(record) and record.claimed_at is not None:
        if record.asked < len(ASK_AFTER):
            return record.claimed_at + ASK_AFTER[record.asked]
        return (record.asked_at or now) + ASK_AFTER[-1]
    return due_at(record) or now
