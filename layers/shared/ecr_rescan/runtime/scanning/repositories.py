"""Writing down what was learned of a repository: first its findings, then its ledger, both by compare-and-swap.

In this order, because a findings document that is ahead of its ledger is only asked about once more, while a ledger
that is ahead would say that a result is recorded which is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.recording import Update, announce, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.facts import Facts, apply_facts, news_of_results, unconfirmed
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import image_facts
from ecr_rescan.core.scanning.plan import make_plan
from ecr_rescan.core.scanning.schedule import claim
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place


@dataclass(frozen=True, slots=True)
class Written:
    """What writing came to: the ledger as it is now, its ETag, the manifests claimed, and whether there is news."""

    ledger: Ledger
    etag: str | None
    claimed: list[str] = field(default_factory=list)
    news: bool = False


class Repositories:
    """The ledgers and findings documents. One that can't be read is an error of that repository alone."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard) -> None:
        self._documents = documents
        self._notices = notices

    def write(
        self,
        place: Place,
        facts: Facts,
        configurations: Sequence[ScanConfiguration],
        now: datetime,
        *,
        complete: bool,
        claim_up_to: int = 0,
        known: Stored | None = None,
    ) -> Written:
        """Write facts down, and claim what is due now.

        Args:
            place: the repository.
            facts: what was learned of it.
            configurations: those that name it.
            now: the time.
            complete: whether all configurations could be read; if not, what none of these selects is kept.
            claim_up_to: how many starts may be claimed; what is due is decided on the ledger as it is then.
            known: the ledger's document as it was read before, if it was.
        """
        stored = known or self._documents.get(place.images_key)
        body_before = stored.body if stored else None
        ledger = self._parsed(place, body_before, now)
        results = news_of_results(ledger, facts)
        images, without, audience = image_facts(ledger), unconfirmed(ledger), ledger.recorded_for
        apply_facts(ledger, facts, now)
        if complete:
            ledger.recorded_for = fingerprint(configurations)
        update = Update(image_facts(ledger), results, unconfirmed(ledger))
        news = False
        # The findings are read only for what changes them: other results, images or readers.
        if results or (images, without, audience) != (update.images, update.unconfirmed, ledger.recorded_for):
            listed = ledger.listed_at is not None and ledger.missing_since is None
            news = self._record(place, update, configurations, now, complete=complete, listed=listed)
        claimed: list[str] = []
        written = [ledger]

        def rewrite(body: bytes | None) -> bytes:
            fresh = ledger
            if body is not body_before or claimed:
                # Somebody else wrote in between, or we did and don't know it: the same facts, on what is there now.
                fresh = self._parsed(place, body, now)
                apply_facts(fresh, facts, now)
                fresh.recorded_for = ledger.recorded_for
            claimed.clear()
            if claim_up_to:
                claimed.extend(make_plan(fresh, configurations, ScanType.BASIC, now).starts[:claim_up_to])
            for digest in claimed:
                claim(fresh.manifests[digest], now)
            written[0] = fresh
            return fresh.to_json()

        etag = self._documents.update(place.images_key, rewrite, known=stored)
        return Written(written[0], etag, claimed, news)

    @staticmethod
    def _parsed(place: Place, body: bytes | None, now: datetime) -> Ledger:
        return Ledger.from_json(place.images_key, body) if body else Ledger(*place, since=now)

    def _record(
        self,
        place: Place,
        update: Update,
        configurations: Sequence[ScanConfiguration],
        now: datetime,
        *,
        complete: bool,
        listed: bool,
    ) -> bool:
        key = place.findings_key
        news = False

        def rewrite(body: bytes | None) -> bytes | None:
            nonlocal news
            document = FindingsDocument.from_json(key, body) if body else FindingsDocument(*place, now, now)
            changes = record(document, update, configurations, now, keep_all=not complete, stored=body)
            waves: dict[str, dict[FindingKey, datetime]] = {}
            for config_id in sorted(changes.opened.keys() | changes.raised.keys()):
                opened = changes.opened.get(config_id, [])
                waves[config_id] = self._notices.join_waves(config_id, opened, key, now)
            announce(document, changes, waves, now)
            news = bool(waves)
            # Of a repository that was listed and is empty, its feeds say so; a missing one leaves nothing behind.
            return document.to_json() if body or document.images or listed else None

        self._documents.update(key, rewrite)
        return news


def fingerprint(configurations: Sequence[ScanConfiguration]) -> str:
    """Tells one set of configurations from another, and each from what it was before it was changed."""
    named = "\n".join(f"{item.id} {item.updated.isoformat()}" for item in configurations)
    return hashlib.sha256(named.encode()).hexdigest()[:16]
