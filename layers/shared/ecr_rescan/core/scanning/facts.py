"""What was learned of a repository, and how that changes its ledger.

A ledger is written by compare-and-swap: whoever loses reads it again and applies the same facts to what is there then,
without asking ECR again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecr_rescan.core.changes import coverage
from ecr_rescan.core.scan_result import (
    NoResult,
    NoResultReason,
    ScanResult,
    ScanType,
    SkippedScan,
    SkipReason,
)
from ecr_rescan.core.scanning import enhanced, listing, schedule
from ecr_rescan.core.scanning.ledger import Ledger, ScanState

UNCONFIRMED = frozenset({ScanState.FAILED, ScanState.UNSUPPORTED, ScanState.EXPIRED, ScanState.ARCHIVED})
"""States in which the newest scan confirms nothing of what was found before."""

_HAS_RESULT = frozenset({ScanState.COMPLETE, ScanState.IN_PROGRESS})


@dataclass(slots=True)
class Facts:
    """What one look at a repository, or one batch of events, told.

    ``details``: a complete listing that began at ``began`` (None: not listed); ``listed_over``: the ledger's images as
    they were then. ``missing``: RepositoryNotFound.
    ``problem``: why the repository could not be listed; ``refused``: ECR refused it, and will again. ``scanned``:
    manifests whose scans ended, as events say → when. ``unheard``: the tagged images among them.
    ``children``: resolved indexes; ``unresolved``: index → why it could not be. ``answers``: what ECR has on manifests.
    ``skips``: refused starts. ``asked``: manifests whose overdue result was asked for. ``scan_type``: how the registry
    is scanned, as far as the answers are concerned.
    """

    began: datetime
    scan_type: ScanType = ScanType.BASIC
    details: Sequence[listing.Detail] | None = None
    listed_over: listing.Holders | None = None
    missing: bool = False
    problem: str | None = None
    refused: bool = False
    events: list[listing.ImageEvent] = field(default_factory=list)
    scanned: dict[str, datetime] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)
    children: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    unresolved: dict[str, str] = field(default_factory=dict)
    answers: list[ScanResult | NoResult] = field(default_factory=list)
    skips: list[SkippedScan] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    @property
    def tell_of_scans(self) -> bool:
        """Whether they tell of more than images."""
        return bool(self.answers or self.skips or self.asked)


_IMAGE_GONE = NoResultReason.NOT_FOUND, SkipReason.NOT_FOUND
_REPOSITORY_GONE = NoResultReason.REPOSITORY_NOT_FOUND, SkipReason.REPOSITORY_NOT_FOUND
_ARCHIVED = NoResultReason.ARCHIVED, SkipReason.ARCHIVED


def apply_images(ledger: Ledger, facts: Facts, now: datetime) -> None:
    """Bring a ledger's images up to date; applying the same facts again changes nothing more."""
    if facts.missing:
        listing.apply_missing(ledger, facts.began)
    elif facts.details is not None and (ledger.listed_at is None or ledger.listed_at < facts.began):
        listing.apply_listing(ledger, facts.details, facts.began, over=facts.listed_over)
    if facts.missing or facts.details is not None:
        ledger.problem, ledger.tried_at, ledger.refusals = "", None, 0
    elif facts.problem is not None and ledger.tried_at != facts.began:
        ledger.problem, ledger.tried_at = facts.problem, facts.began
        ledger.refusals = ledger.refusals + 1 if facts.refused else 0
    if facts.events:
        listing.apply_events(ledger, facts.events)
    if any(is_unknown(ledger, digest, facts.scanned[digest]) for digest in facts.unheard):
        ledger.is_behind = True
    if facts.children:
        listing.set_children(ledger, facts.children)
    for digest, reason in facts.unresolved.items():
        if digest in ledger.images:
            ledger.images[digest].problem = reason
            ledger.images[digest].resolve_at = now + schedule.READ_REST
    refused = [told for told in (*facts.skips, *facts.answers) if not isinstance(told, ScanResult)]
    if gone := {told.digest for told in refused if told.reason in _IMAGE_GONE}:
        listing.apply_gone(ledger, gone)
    if any(told.reason in _REPOSITORY_GONE for told in refused):
        listing.apply_missing(ledger, now)
    for told in refused:
        if told.reason in _ARCHIVED:
            listing.apply_archived(ledger, told.digest)


def apply_scans(ledger: Ledger, facts: Facts, now: datetime) -> None:
    """Note what became of scans, in a ledger whose images are up to date."""
    # Before the answers: what a refusal meant is told by the look at the result that followed it.
    for skip in facts.skips:
        if (record := ledger.manifests.get(skip.digest)) is not None:
            schedule.take_skip(record, skip, now)
    for answer in facts.answers:
        if (record := ledger.manifests.get(answer.digest)) is None:
            continue
        if isinstance(answer, ScanResult):
            schedule.take_result(record, answer, facts.scan_type, now, by_event=answer.digest in facts.scanned)
        else:
            ended_at = facts.scanned.get(answer.digest)
            schedule.take_no_result(record, answer, facts.scan_type, now, ended_at=ended_at)
    for digest in facts.asked:
        record = ledger.manifests.get(digest)
        if record is not None:
            record.asked += 1
            record.asked_at = now


def is_unknown(ledger: Ledger, digest: str, scanned_at: datetime) -> bool:
    """Whether a tagged image was scanned that the ledger should have and does not: the event of its push was lost."""
    is_listed = ledger.listed_at is not None and scanned_at > ledger.listed_at
    return is_listed and digest not in ledger.images and digest not in ledger.manifests


def news_of_results(ledger: Ledger, facts: Facts) -> dict[str, ScanResult]:
    """The results among the facts that are not older than what the ledger has.

    Of a manifest that is to be looked up, whatever ECR has counts.
    """
    results: dict[str, ScanResult] = {}
    for answer in facts.answers:
        if not isinstance(answer, ScanResult):
            continue
        record = ledger.manifests.get(answer.digest)
        recorded = record.completed_at if record and record.looked_up else None
        known = results.get(answer.digest)
        if (recorded is None or answer.completed_at >= recorded) and (
            known is None or answer.completed_at > known.completed_at
        ):
            results[answer.digest] = answer
    return results


def mark_unrecorded(ledger: Ledger, digests: Iterable[str], facts: Facts) -> None:
    """Have manifests looked up again whose result the findings lack though the ledger knows of one.

    Such are of images that nobody selected when the result came. What the facts tell of is known.
    """
    told = {answer.digest for answer in facts.answers if not is_unavailable(answer)}
    for digest in digests:
        record = ledger.manifests.get(digest)
        if (
            record is not None
            and record.completed_at is not None
            and digest not in told
            and record.state in _HAS_RESULT
        ):
            record.looked_up = False


def is_unavailable(answer: ScanResult | NoResult) -> bool:
    """Whether ECR could not be asked: the answer tells nothing."""
    return isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE


def unconfirmed(ledger: Ledger) -> dict[str, str]:
    """The manifests whose newest scan gave no result → their state and ECR's words; or that none is to be expected."""
    states = {
        digest: ": ".join(filter(None, (record.state.value, record.reason)))
        for digest, record in ledger.manifests.items()
        if record.state in UNCONFIRMED
    }
    left_out = [
        digest
        for digest, record in ledger.manifests.items()
        if record.state is ScanState.NEVER_SCANNED and record.reason == enhanced.LEFT_OUT
    ]
    return states | dict.fromkeys(left_out, coverage.LEFT_OUT)
