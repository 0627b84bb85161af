"""What was learned of a repository, and how that changes its ledger.

A ledger is written by compare-and-swap: whoever loses reads it again and applies the same facts to what is there then,
without asking ECR again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecr_rescan.core.scan_result import (
    NoResult,
    NoResultReason,
    ScanResult,
    ScanType,
    SkippedScan,
    SkipReason,
)
from ecr_rescan.core.scanning import listing, schedule
from ecr_rescan.core.scanning.events import ImageDeleted, ImagePushed, StorageClassChanged
from ecr_rescan.core.scanning.ledger import Ledger, ScanState

ImageEvent = ImagePushed | ImageDeleted | StorageClassChanged

UNCONFIRMED = frozenset({ScanState.FAILED, ScanState.UNSUPPORTED, ScanState.EXPIRED, ScanState.ARCHIVED})
"""States in which the newest scan confirms nothing of what was found before."""


@dataclass(slots=True)
class Facts:
    """What one look at a repository, or one batch of events, told.

    ``details``: a complete listing that began at ``began`` (None: not listed). ``missing``: RepositoryNotFound.
    ``problem``: why the repository could not be listed; ``refused``: ECR refused it, and will again. ``scanned``:
    manifests whose scans ended, as events say → when. ``unheard``: the tagged images among them.
    ``children``: resolved indexes; ``unresolved``: index → why it could not be. ``answers``: what ECR has on manifests.
    ``skips``: refused starts. ``asked``: manifests whose overdue result was asked for. ``scan_type``: how the registry
    is scanned, as far as the answers are concerned.
    """

    began: datetime
    scan_type: ScanType = ScanType.BASIC
    details: Sequence[listing.Detail] | None = None
    missing: bool = False
    problem: str | None = None
    refused: bool = False
    events: list[ImageEvent] = field(default_factory=list)
    scanned: dict[str, datetime] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)
    children: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    unresolved: dict[str, str] = field(default_factory=dict)
    answers: list[ScanResult | NoResult] = field(default_factory=list)
    skips: list[SkippedScan] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


def apply_facts(ledger: Ledger, facts: Facts, now: datetime) -> None:
    """Bring a ledger up to date; applying the same facts again changes nothing more."""
    if facts.missing:
        listing.apply_missing(ledger, facts.began)
    elif facts.details is not None and (ledger.listed_at is None or ledger.listed_at < facts.began):
        listing.apply_listing(ledger, facts.details, facts.began)
    if facts.missing or facts.details is not None:
        ledger.problem, ledger.tried_at, ledger.refusals = "", None, 0
    elif facts.problem is not None and ledger.tried_at != facts.began:
        ledger.problem, ledger.tried_at = facts.problem, facts.began
        ledger.refusals = ledger.refusals + 1 if facts.refused else 0
    for event in sorted(facts.events, key=lambda event: event.at):
        _apply_event(ledger, event)
    if any(is_unknown(ledger, digest, facts.scanned[digest]) for digest in facts.unheard):
        ledger.is_behind = True
    for digest, children in facts.children.items():
        if digest in ledger.images:
            listing.set_children(ledger, digest, children)
    for digest, reason in facts.unresolved.items():
        if digest in ledger.images:
            ledger.images[digest].problem = reason
            ledger.images[digest].resolve_at = now + schedule.READ_REST
    # Before the answers: what a refusal meant is told by the look at the result that followed it.
    for skip in facts.skips:
        _apply_skip(ledger, skip, now)
    for answer in facts.answers:
        _apply_answer(ledger, answer, facts, now)
    for digest in facts.asked:
        record = ledger.manifests.get(digest)
        if record is not None:
            record.asked += 1
            record.asked_at = now


def is_unknown(ledger: Ledger, digest: str, scanned_at: datetime) -> bool:
    """Whether a tagged image was scanned that the ledger should have and does not: the event of its push was lost."""
    is_listed = ledger.listed_at is not None and scanned_at > ledger.listed_at
    return is_listed and digest not in ledger.images and digest not in ledger.manifests


def _apply_event(ledger: Ledger, event: ImageEvent) -> None:
    if isinstance(event, ImagePushed):
        listing.apply_push(ledger, event.digest, event.tag, event.media_type, event.artifact_type, event.at)
    elif isinstance(event, ImageDeleted):
        listing.apply_delete(ledger, event.digest, event.tag, event.at)
    else:
        listing.apply_storage_class(ledger, event.digest, event.archived, event.at)


def _apply_answer(ledger: Ledger, answer: ScanResult | NoResult, facts: Facts, now: datetime) -> None:
    record = ledger.manifests.get(answer.digest)
    if isinstance(answer, ScanResult):
        if record is not None:
            schedule.take_result(record, answer, facts.scan_type, now, by_event=answer.digest in facts.scanned)
    elif answer.reason is NoResultReason.NOT_FOUND:
        listing.apply_gone(ledger, answer.digest)
    elif answer.reason is NoResultReason.REPOSITORY_NOT_FOUND:
        listing.apply_missing(ledger, now)
    elif record is not None:
        ended_at = facts.scanned.get(answer.digest)
        schedule.take_no_result(record, answer, facts.scan_type, now, ended_at=ended_at)
        if answer.reason is NoResultReason.ARCHIVED:
            listing.apply_archived(ledger, answer.digest)


def _apply_skip(ledger: Ledger, skip: SkippedScan, now: datetime) -> None:
    record = ledger.manifests.get(skip.digest)
    if skip.reason is SkipReason.NOT_FOUND:
        listing.apply_gone(ledger, skip.digest)
    elif skip.reason is SkipReason.REPOSITORY_NOT_FOUND:
        listing.apply_missing(ledger, now)
    elif record is not None:
        schedule.take_skip(record, skip, now)
        if skip.reason is SkipReason.ARCHIVED:
            listing.apply_archived(ledger, skip.digest)


def news_of_results(ledger: Ledger, facts: Facts) -> dict[str, ScanResult]:
    """The results among the facts that are not older than what the ledger has."""
    results: dict[str, ScanResult] = {}
    for answer in facts.answers:
        if not isinstance(answer, ScanResult):
            continue
        record = ledger.manifests.get(answer.digest)
        recorded = record.completed_at if record else None
        known = results.get(answer.digest)
        if (recorded is None or answer.completed_at >= recorded) and (
            known is None or answer.completed_at > known.completed_at
        ):
            results[answer.digest] = answer
    return results


def unconfirmed(ledger: Ledger) -> dict[str, str]:
    """The manifests whose newest scan gave no result → their state."""
    return {digest: record.state.value for digest, record in ledger.manifests.items() if record.state in UNCONFIRMED}
