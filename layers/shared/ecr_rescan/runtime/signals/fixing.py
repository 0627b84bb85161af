"""Keeps the document of fixes current: a little of it in each tick, when everything else of the tick was done.

Only what findings on record name is asked for. Each source fails alone, and what was known stays. A tick that ends
early loses nothing: the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from datetime import datetime, timedelta

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.signals_fetch import Fetcher
from ecr_rescan.core.fixes.distributions import IN_OSV
from ecr_rescan.core.fixes.known import Fixes, Pair
from ecr_rescan.core.fixes.progress import Progress
from ecr_rescan.core.keys import KNOWN_FIXES, KNOWN_SIGNALS, PROGRESS_OF_FIXES
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.signals.updating import failed, unchanged
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.signals.fixes_sources import PacedFetcher, Reading, read_advisories, read_records
from ecr_rescan.runtime.signals.recorded import RecordedFindings

SECONDS = 20.0
"""The most that a tick spends on it."""

PACE_SECONDS = 0.2
"""Between two requests: at most five a second."""

LOOK_EVERY = timedelta(minutes=15)
"""How often it is looked for findings that are new on record."""

KEPT_FOR = timedelta(days=30)
"""What nothing names any more is forgotten after this time."""

MOST_PAIRS = 50_000
"""So many pairs are looked up; what is beyond stays unknown."""


class FixesKeeper:
    """Of one execution environment. ``fetcher`` None: nothing is ever fetched, and nothing becomes known.

    ``clock`` and ``sleep`` are of the machine, in seconds: they pace requests and bound a tick's share.
    """

    def __init__(
        self,
        documents: DocumentStore,
        fetcher: Fetcher | None,
        *,
        pace: float = PACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._documents = documents
        self._fetcher = None if fetcher is None else PacedFetcher(fetcher, pace, clock, sleep)
        self._clock = clock
        self._recorded = RecordedFindings(documents)
        self._next: datetime | None = None

    def refresh(self, now: datetime, seconds: float) -> Reading | None:
        """Read a part of what is wanted, for at most so many seconds; None where nothing was to be done.

        Raises:
            EcrRescanError: a document of ours can't be read or written; nothing was lost.
        """
        if self._fetcher is None or seconds <= 0 or (self._next is not None and now < self._next):
            return None
        ends = self._clock() + min(SECONDS, seconds)
        wanted = _bounded(self._recorded.wanted())
        if not wanted:
            self._next = now + LOOK_EVERY
            return None
        get = self._documents.get
        signals, fixes, progress = get(KNOWN_SIGNALS), get(KNOWN_FIXES), get(PROGRESS_OF_FIXES)
        reading = Reading(
            now=now,
            in_time=lambda: self._clock() < ends,
            wanted=_by_distribution(wanted),
            sources=_signals(signals.body if signals else None).sources,
            fixes=_fixes(fixes.body if fixes else None),
            progress=Progress.from_json(PROGRESS_OF_FIXES, progress.body) if progress else Progress(),
        )
        read_advisories(reading, self._fetcher)
        for distribution in IN_OSV:
            read_records(reading, distribution, self._fetcher)
        self._write(reading, wanted.keys(), signals, fixes)
        written = reading.progress.to_json()
        if progress is None or written != progress.body:
            self._documents.put(PROGRESS_OF_FIXES, written)
        for name, problem in reading.failed.items():
            logger.warning("A source of fixes can't be read", source=name, problem=problem)
        self._next = now if reading.left else now + LOOK_EVERY
        return reading

    def _write(self, reading: Reading, wanted: Set[Pair], signals: Stored | None, fixes: Stored | None) -> None:
        """First what is known, then who may read it, and last how far it came: reading a part again does no harm."""
        moment = whole_seconds(reading.now)
        version = ""

        def take(body: bytes | None) -> bytes:
            nonlocal version
            fresh = _fixes(body)
            for pair, packages, record in reading.takes:
                fresh.take(pair, packages, record, moment)
            fresh.forget(wanted, moment - KEPT_FOR)
            fresh.settle(moment)
            version = fresh.version
            return fresh.to_json()

        def note(body: bytes | None) -> bytes:
            fresh = _signals(body)
            fresh.fixes_version = version or fresh.fixes_version
            for name, checksum in reading.read.items():
                unchanged(fresh, name, moment)
                fresh.sources[name].etag = checksum
            for name, problem in reading.failed.items():
                failed(fresh, name, problem, moment)
            fresh.settle(moment)
            return fresh.to_json()

        if reading.takes:
            self._documents.update(KNOWN_FIXES, take, known=fixes)
        if reading.changed:
            self._documents.update(KNOWN_SIGNALS, note, known=signals)


def _signals(body: bytes | None) -> Signals:
    return Signals.from_json(KNOWN_SIGNALS, body) if body else Signals()


def _fixes(body: bytes | None) -> Fixes:
    return Fixes.from_json(KNOWN_FIXES, body) if body else Fixes()


def _by_distribution(wanted: Mapping[Pair, Set[str]]) -> dict[str, dict[str, Set[str]]]:
    found: dict[str, dict[str, Set[str]]] = {}
    for (distribution, vulnerability), packages in wanted.items():
        found.setdefault(distribution, {})[vulnerability] = packages
    return found


def _bounded(wanted: dict[Pair, set[str]]) -> dict[Pair, set[str]]:
    if len(wanted) > MOST_PAIRS:
        logger.warning("More fixes are wanted than are looked up", wanted=len(wanted), most=MOST_PAIRS)
        return {pair: wanted[pair] for pair in sorted(wanted)[:MOST_PAIRS]}
    return wanted
