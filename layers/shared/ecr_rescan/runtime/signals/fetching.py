"""Keeps the document of signals current: each source is asked when it is due, and fails alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import orjson

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.signals_fetch import Fetched, Fetcher, expanded, lines
from ecr_rescan.core.errors import DocumentError, EcrRescanError, SignalError, StoreError
from ecr_rescan.core.keys import FINDINGS, KNOWN_SIGNALS
from ecr_rescan.core.signals.known import Signals, Source
from ecr_rescan.core.signals.places import PLACES, Place
from ecr_rescan.core.signals.sources import EPSS, KEV, Catalogue, Scores, read_epss, read_euvd, read_kev
from ecr_rescan.core.signals.updating import due, failed, next_due, take_catalogue, take_scores, unchanged
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.signals.fixes_reading import FixesReader

_READ_AT_ONCE = 64
_NAMES = tuple(place.name for place in PLACES)

_Answer = tuple[Fetched | None, Catalogue | Scores | None, str]
"""What was sent (None: nothing newer), what it says, and the ids that were looked for."""


class SignalsKeeper:
    """Of one execution environment. ``fetcher`` None: nothing is ever fetched, and nothing becomes known."""

    def __init__(self, documents: DocumentStore, fetcher: Fetcher | None, threshold: float) -> None:
        self._documents = documents
        self._fetcher = fetcher
        self._threshold = threshold
        self._next: datetime | None = None
        self._signals: Signals | None = None
        self._fixes = FixesReader(documents)

    def current(self) -> Signals:
        """What is known, as of the last reading here.

        Raises:
            StoreError, DocumentError: it is not known yet here, and can't be read.
        """
        if self._signals is None:
            stored = self._documents.get(KNOWN_SIGNALS)
            self._signals = Signals.from_json(KNOWN_SIGNALS, stored.body) if stored else Signals()
        return self._fixes.attach(self._signals)

    def forget(self) -> None:
        """Read the document again the next time: somebody else wrote it."""
        self._signals = None

    def refresh(self, now: datetime) -> Signals:
        """Ask the sources that are due, and write what became of that; no call at all where none is.

        Raises:
            EcrRescanError: the document can't be read or written; nothing was lost.
        """
        if self._fetcher is None or (self._next is not None and now < self._next):
            return self.current()
        stored = self._documents.get(KNOWN_SIGNALS)
        self._signals = Signals.from_json(KNOWN_SIGNALS, stored.body) if stored else Signals()
        wanted = [place for place in PLACES if due(self._signals.sources.get(place.name, Source()), place.name, now)]
        if wanted:
            answers = self._ask(wanted, self._signals)

            def change(body: bytes | None) -> bytes:
                fresh = Signals.from_json(KNOWN_SIGNALS, body) if body else Signals()
                for place, answer in zip(wanted, answers, strict=True):
                    self._take(fresh, place.name, answer, now)
                self._signals = fresh
                return fresh.to_json()

            self._documents.update(KNOWN_SIGNALS, change, known=stored)
            for name in (place.name for place in wanted):
                source = self._signals.sources[name]
                if source.failures:
                    logger.warning("A source can't be read", source=name, problem=source.problem, tries=source.failures)
        self._next = next_due(self._signals, _NAMES, now)
        return self._fixes.attach(self._signals)

    def _ask(self, wanted: Collection[Place], known: Signals) -> list[_Answer | SignalError]:
        with ThreadPoolExecutor(len(wanted)) as pool:
            return list(pool.map(lambda place: self._answer(place, known.sources.get(place.name, Source())), wanted))

    def _answer(self, place: Place, source: Source) -> _Answer | SignalError:
        assert self._fetcher is not None
        try:
            ids: Collection[str] = ()
            asked = ""
            if place.name == EPSS:
                ids = self._ids_on_record()
                asked = hashlib.sha256(" ".join(sorted(ids)).encode()).hexdigest()[:16]
            # Whether it changed is no question where other ids are looked for than before.
            same = source.read_at is not None and source.asked == asked
            fetched = self._fetcher.fetch(place, source.etag if same else "", source.modified if same else "")
            return fetched, None if fetched is None else _read(place, fetched.body, ids), asked
        except SignalError as error:
            return error
        except (StoreError, DocumentError) as error:
            return SignalError(place.name, f"the ids on record can't be read: {error}")

    def _take(self, signals: Signals, name: str, answer: _Answer | SignalError, now: datetime) -> None:
        if isinstance(answer, SignalError):
            failed(signals, name, answer.problem, now)
            return
        fetched, said, asked = answer
        try:
            if isinstance(said, Catalogue):
                take_catalogue(signals, name, said, now)
            elif isinstance(said, Scores):
                take_scores(signals, said, self._threshold, now)
            else:
                unchanged(signals, name, now)
        except SignalError as error:
            failed(signals, name, error.problem, now)
            return
        if fetched is not None:
            source = signals.sources[name]
            source.etag, source.modified, source.asked = fetched.etag, fetched.modified, asked

    def _ids_on_record(self) -> set[str]:
        """The vulnerabilities that the findings documents name; what can't be parsed names none."""
        keys = [item.key for item in self._documents.list(FINDINGS)]
        found: set[str] = set()
        for start in range(0, len(keys), _READ_AT_ONCE):
            for stored in self._documents.get_many(keys[start : start + _READ_AT_ONCE]):
                if isinstance(stored, StoreError):
                    raise stored
                if isinstance(stored, Stored):
                    found.update(_ids_of(stored.body))
        return found


def _ids_of(body: bytes) -> Collection[str]:
    try:
        findings = orjson.loads(body)["findings"]
    except (ValueError, KeyError, TypeError):
        return ()
    return findings.keys() if isinstance(findings, dict) else ()


def _read(place: Place, body: bytes, ids: Collection[str]) -> Catalogue | Scores:
    if place.name == EPSS:
        return read_epss(lines(place, body), ids)
    whole = expanded(place, body)
    return read_kev(whole) if place.name == KEV else read_euvd(whole)


def refreshed(keeper: SignalsKeeper, now: datetime) -> Signals | None:
    """What is known, refreshed where that is due; None where it can't be read for now, which stops no tick."""
    try:
        return keeper.refresh(now)
    except EcrRescanError as error:
        logger.warning("Signals could not be refreshed", error=str(error))
    try:
        return keeper.current()
    except EcrRescanError:
        return None
