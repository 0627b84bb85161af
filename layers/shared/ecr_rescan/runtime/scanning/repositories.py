"""Writing down what was learned of a repository, in its ledger and its findings document.

Two workers may write at once, and each may stop anywhere. Three rules keep the two documents from going back behind
what another worker recorded, and from parting for good:

1. Images go to the ledger first, which counts their versions. The findings list the images of a version and take no
   earlier one.
2. Results go to the findings first. A ledger that is ahead would say that a result is recorded which is not.
3. As long as the ledger does not know that the findings have its version, whoever works on the repository reads the
   findings and brings them up to date.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.recording import Changes, Update, announce, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.facts import (
    Facts,
    apply_images,
    apply_scans,
    mark_unrecorded,
    news_of_results,
    unconfirmed,
)
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import image_facts
from ecr_rescan.core.scanning.plan import make_plan
from ecr_rescan.core.scanning.schedule import claim
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place


@dataclass(frozen=True, slots=True)
class Readers:
    """The configurations that name a repository. ``as_of``: when they were read; ``complete``: whether all could be."""

    configurations: Sequence[ScanConfiguration]
    as_of: datetime
    complete: bool

    @property
    def fingerprint(self) -> str:
        """Tells one set of configurations from another, and each from what it was before it was changed."""
        named = "\n".join(f"{item.id} {item.updated.isoformat()}" for item in self.configurations)
        return hashlib.sha256(named.encode()).hexdigest()[:16]

    def are_known(self, ledger: Ledger) -> bool:
        """Whether these are all, and nobody has worked on the repository with other ones that were read later."""
        as_of = ledger.recorded_as_of
        is_latest = as_of is None or as_of <= self.as_of or ledger.recorded_for == self.fingerprint
        return self.complete and is_latest

    def recorded_for(self, ledger: Ledger) -> str:
        """The fingerprint that the ledger is to have: that of others, where these are not known."""
        return self.fingerprint if self.are_known(ledger) else ledger.recorded_for


@dataclass(frozen=True, slots=True)
class Written:
    """What writing came to: the ledger as it is now, its ETag, the manifests claimed, and whether there is news."""

    ledger: Ledger
    etag: str | None
    claimed: list[str] = field(default_factory=list)
    news: bool = False


class _AheadError(Exception):
    """The findings have a later version than the ledger that was read."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


class Repositories:
    """The ledgers and findings documents. One that can't be read is an error of that repository alone."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard) -> None:
        self._documents = documents
        self._notices = notices

    def ledger(self, place: Place, now: datetime) -> tuple[Ledger, Stored | None]:
        """A repository's ledger, a new one where there is none, and its document."""
        stored = self._documents.get(place.images_key)
        return _parsed(place, stored, now), stored

    def unrecorded(self, place: Place, ledger: Ledger, readers: Readers) -> set[str]:
        """The manifests of which the findings have no result, as far as the ledger doesn't know better."""
        if ledger.version == ledger.recorded_version and ledger.recorded_for == readers.recorded_for(ledger):
            return set()
        stored = self._documents.get(place.findings_key)
        if stored is None:
            return set(ledger.manifests)
        document = FindingsDocument.from_json(place.findings_key, stored.body)
        return ledger.manifests.keys() - {manifest.digest for manifest in document.manifests_of(document.with_result)}

    def write(
        self,
        place: Place,
        facts: Facts,
        readers: Readers,
        now: datetime,
        *,
        claim_up_to: int = 0,
        known: Stored | None = None,
    ) -> Written:
        """Write facts down, and claim what is due now.

        Args:
            place: the repository.
            facts: what was learned of it.
            readers: the configurations that name it.
            now: the time.
            claim_up_to: how many starts may be claimed; what is due is decided on the ledger as it is then.
            known: the ledger's document as it was read before, if it was.

        Raises:
            DocumentError: one of the two documents can't be read.
            StoreError, ConflictError: S3 failed, or others kept writing.
        """
        news, version = False, 0
        for attempt in self._documents.attempts(place.images_key):
            stored = known if known is not None and not attempt else self._documents.get(place.images_key)
            ledger = _parsed(place, stored, now)
            before, states = _recorded_from(ledger, readers, ledger.recorded_for), unconfirmed(ledger)
            apply_images(ledger, facts, now)
            recorded_for = readers.recorded_for(ledger)
            is_changed = _recorded_from(ledger, readers, recorded_for) != before or ledger.version < version
            try:
                if is_changed:
                    ledger.version = max(ledger.version, version) + 1
                    if ledger.recorded_for != recorded_for:
                        ledger.recorded_for, ledger.recorded_as_of = recorded_for, readers.as_of
                    stored = self._put(place, ledger, stored, now)
                results = news_of_results(ledger, facts)
                apply_scans(ledger, facts, now)
                update = Update(image_facts(ledger), results, unconfirmed(ledger))
                if results or update.unconfirmed != states or ledger.version != ledger.recorded_version:
                    changes = self._record(place, ledger, update, readers, now)
                    news |= bool(changes.opened or changes.raised)
                    mark_unrecorded(ledger, changes.lacking, facts)
                    if facts.tell_of_scans or recorded_for != before[0]:
                        # Alone it is not worth a write: whoever reads the ledger next will ask the findings once more.
                        ledger.recorded_version = ledger.version
                claimed = make_plan(ledger, readers.configurations, ScanType.BASIC, now).starts if claim_up_to else []
                for digest in claimed[:claim_up_to]:
                    claim(ledger.manifests[digest], now)
                stored = self._put(place, ledger, stored, now)
                return Written(ledger, stored.etag if stored else None, claimed[:claim_up_to], news)
            except _AheadError as error:
                # A ledger is written first: one that is behind its findings even when read after them was put back.
                version = error.version
            except ConflictError:
                continue
        raise AssertionError("the attempts end with an error")

    def _put(self, place: Place, ledger: Ledger, stored: Stored | None, now: datetime) -> Stored | None:
        body = ledger.to_json()
        if stored is None:
            etag = self._documents.put(place.images_key, body, if_none_match=True)
        elif stored.body == body:
            return stored
        else:
            etag = self._documents.put(place.images_key, body, if_match=stored.etag)
        return Stored(place.images_key, etag, body, now)

    def _record(self, place: Place, ledger: Ledger, update: Update, readers: Readers, now: datetime) -> Changes:
        key, configurations = place.findings_key, readers.configurations
        keep_all = not readers.are_known(ledger)
        changes = Changes()

        def rewrite(body: bytes | None) -> bytes | None:
            nonlocal changes
            document = FindingsDocument.from_json(key, body) if body else FindingsDocument(*place, now, now)
            if document.images_version > ledger.version:
                raise _AheadError(document.images_version)
            changes = record(document, update, configurations, now, keep_all=keep_all, stored=body)
            document.images_version = ledger.version
            waves: dict[str, dict[FindingKey, datetime]] = {}
            told = sorted(changes.opened.keys() | changes.raised.keys())
            self._notices.fetch(told)
            for config_id in told:
                opened = changes.opened.get(config_id, [])
                waves[config_id] = self._notices.join_waves(config_id, opened, key, now)
            announce(document, changes, waves, now)
            # Of a repository that was listed and is empty, its feeds say so; a missing one leaves nothing behind.
            listed = ledger.listed_at is not None and ledger.missing_since is None
            return document.to_json() if body or document.images or listed else None

        self._documents.update(key, rewrite)
        return changes


def _parsed(place: Place, stored: Stored | None, now: datetime) -> Ledger:
    return Ledger.from_json(place.images_key, stored.body) if stored else Ledger(*place, since=now)


def _recorded_from(ledger: Ledger, readers: Readers, recorded_for: str) -> tuple[str, list[ImageFact]]:
    """What the findings are made from beside results: all images, where it is not known which are selected."""
    facts = image_facts(ledger)
    if readers.are_known(ledger):
        facts = [fact for fact in facts if any(_selects_any(item, fact.tags) for item in readers.configurations)]
    return recorded_for, facts


def _selects_any(configuration: ScanConfiguration, tags: Sequence[str]) -> bool:
    return any(matches(tag, configuration.tags) for tag in tags)
