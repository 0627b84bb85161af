"""Reads the sources of fixes, as far as a tick has time: OSV's objects one by one, Amazon Linux's advisories whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.adapters.signals_fetch import Fetched, Fetcher, expanded, parts
from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.alas import read_mirror, read_repomd, read_updateinfo
from ecr_rescan.core.fixes.distributions import AMAZON, Distribution
from ecr_rescan.core.fixes.known import Fixes, Pair
from ecr_rescan.core.fixes.osv import read_changes, read_osv
from ecr_rescan.core.fixes.places import (
    ADVISORY_RELEASES,
    advisories_name,
    advisories_place,
    changes_place,
    index_place,
    mirror_place,
    record_place,
)
from ecr_rescan.core.fixes.progress import Progress
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.signals.known import Source
from ecr_rescan.core.signals.places import Place
from ecr_rescan.core.signals.updating import due
from ecr_rescan.runtime.observability import logger

_MOST_FAILURES = 3
_OVERLAP = timedelta(seconds=1)
"""The list of changes is sorted as text: within a second the order means nothing."""


@dataclass(slots=True)
class Reading:
    """One tick's part of the work: what it goes by, and what came of it.

    ``wanted``: distribution → vulnerability → packages. ``takes``: what was read of pairs, None where there is nothing.
    ``read``: source → its checksum. ``failed``: source → why. ``left``: how many pairs there was no time for.
    """

    now: datetime
    in_time: Callable[[], bool]
    wanted: Mapping[str, Mapping[str, Set[str]]]
    sources: Mapping[str, Source]
    fixes: Fixes
    progress: Progress
    takes: list[tuple[Pair, Set[str], Record | None]] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left: int = 0

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.takes or self.read or self.failed)

    def source(self, name: str) -> Source:
        """As it stands."""
        return self.sources.get(name, Source())

    def is_due(self, name: str) -> bool:
        """Whether it is to be asked what is new."""
        return due(self.source(name), name, self.now)

    def waits(self, name: str) -> bool:
        """Whether it failed lately, and is left alone."""
        return self.source(name).failures > 0 and not self.is_due(name)


class PacedFetcher:
    """Asks no sooner than some time after the last request. ``clock`` and ``sleep`` are in seconds."""

    def __init__(
        self, fetcher: Fetcher, pace: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._fetcher = fetcher
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._asked_at = float("-inf")

    def body(self, place: Place) -> bytes:
        """What is there; SignalError otherwise."""
        self._wait()
        fetched: Fetched | None = self._fetcher.fetch(place, "", "")
        assert fetched is not None
        return fetched.body

    def lines(self, place: Place) -> Iterator[bytes]:
        """Its lines, as far as they are asked for; to be closed."""
        self._wait()
        return self._fetcher.lines(place)

    def _wait(self) -> None:
        left = self._asked_at + self._pace - self._clock()
        if left > 0:
            self._sleep(left)
        self._asked_at = self._clock()


def read_records(reading: Reading, distribution: Distribution, fetcher: PacedFetcher) -> None:
    """Of one distribution: what is not known yet, and what changed since it was read."""
    name = distribution.key
    pairs = reading.wanted.get(name, {})
    if not pairs or reading.waits(name):
        return
    again = reading.progress.again.setdefault(name, set())
    again &= pairs.keys()
    if reading.is_due(name):
        try:
            _read_changes(reading, distribution, again, fetcher)
        except SignalError as error:
            reading.failed[name] = error.problem
            return
        reading.read[name] = ""
    missing = [one for one in sorted(pairs) if not reading.fixes.knows((name, one), pairs[one])]
    todo = [*missing, *sorted(again.difference(missing))]
    failures: list[SignalError] = []
    while todo and reading.in_time():
        vulnerability = todo.pop(0)
        try:
            record = _record(distribution, vulnerability, fetcher)
        except _RefusedError:
            # What was known stays; what was not is unknown, until the source says that it is another one.
            if vulnerability in missing:
                reading.takes.append(((name, vulnerability), pairs[vulnerability], None))
        except SignalError as error:
            failures.append(error)
            todo.append(vulnerability)
            if len(failures) == _MOST_FAILURES:
                reading.failed[name] = error.problem
                return
            continue
        else:
            reading.takes.append(((name, vulnerability), pairs[vulnerability], record))
        again.discard(vulnerability)
    reading.left += len(todo)


class _RefusedError(Exception):
    """A record came, and can't be used."""


def _record(distribution: Distribution, vulnerability: str, fetcher: PacedFetcher) -> Record | None:
    place = record_place(distribution, vulnerability)
    try:
        body = fetcher.body(place)
    except SignalError as error:
        if error.absent:
            return None
        raise
    try:
        return read_osv(distribution, vulnerability, expanded(place, body))
    except SignalError as error:
        logger.warning("A record of fixes is refused", source=place.name, id=vulnerability, problem=error.problem)
        raise _RefusedError from error


def _read_changes(reading: Reading, distribution: Distribution, again: set[str], fetcher: PacedFetcher) -> None:
    """Read the list, newest first, until where it was read before; the first time, only its head."""
    pairs, progress, name = reading.wanted[distribution.key], reading.progress, distribution.key
    cursor, met = progress.cursors.get(name), progress.edge.get(name, set())
    newest: datetime | None = None
    listed: dict[str, datetime] = {}
    with closing(fetcher.lines(changes_place(distribution))) as lines:  # type: ignore[type-var]
        for at, vulnerability in read_changes(distribution, lines):
            newest = at if newest is None else max(newest, at)
            if at < (cursor or newest) - _OVERLAP:
                break
            if vulnerability in pairs:
                listed[vulnerability] = max(at, listed.get(vulnerability, at))
    if newest is None:
        raise SignalError(name, "lists no changes")
    if cursor is not None:
        again.update(one for one, at in listed.items() if at > cursor or one not in met)
    newest = max(newest, cursor or newest)
    progress.cursors[name] = newest
    progress.edge[name] = {one for one, at in listed.items() if at >= newest - _OVERLAP}


def read_advisories(reading: Reading, fetcher: PacedFetcher) -> None:
    """Amazon Linux's, all releases at once, where one changed or something is wanted that was not looked for."""
    pairs = reading.wanted.get(AMAZON.key, {})
    names = [advisories_name(release) for release in ADVISORY_RELEASES]
    if not pairs or any(reading.waits(name) for name in names):
        return
    new = any(not reading.fixes.knows((AMAZON.key, one), packages) for one, packages in pairs.items())
    if not new and not any(reading.is_due(name) for name in names):
        return
    if not reading.in_time():
        reading.left += len(pairs)
        return
    try:
        indexes = {release: _index(release, fetcher) for release in ADVISORY_RELEASES}
        checksums = {advisories_name(release): index[2] for release, index in indexes.items()}
        if new or any(reading.source(name).etag != checksum for name, checksum in checksums.items()):
            found = _mended(indexes, pairs.keys(), fetcher)
            reading.takes += [((AMAZON.key, one), packages, found.get(one)) for one, packages in pairs.items()]
        reading.read |= checksums
    except SignalError as error:
        reading.failed[error.source] = error.problem


def _index(release: str, fetcher: PacedFetcher) -> tuple[str, str, str]:
    """The repository's address, the path of its advisories, and their checksum."""
    try:
        repository = read_mirror(fetcher.body(mirror_place(release)))
        place = index_place(release, repository)
        return repository, *read_repomd(expanded(place, fetcher.body(place)))
    except SignalError as error:
        raise SignalError(advisories_name(release), error.problem) from error


def _mended(indexes: Mapping[str, tuple[str, str, str]], wanted: Set[str], fetcher: PacedFetcher) -> dict[str, Record]:
    """What mends each of them, in any release."""
    merged: dict[str, dict[str, dict[str, tuple[Span, ...]]]] = {}
    for release, (repository, path, _) in indexes.items():
        place = advisories_place(release, repository, path)
        try:
            _, found = read_updateinfo(parts(place, fetcher.body(place)), release, wanted)
        except SignalError as error:
            raise SignalError(place.name, error.problem) from error
        for name, record in found.items():
            for package, releases in record.packages.items():
                merged.setdefault(name, {}).setdefault(package, {}).update(releases)
    return {name: Record(packages) for name, packages in merged.items()}
