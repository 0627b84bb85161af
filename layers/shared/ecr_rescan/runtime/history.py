"""The daily counts of open findings: written by StartScan at the first tick of a day (UTC), read for the plot."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import lru_cache

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, DocumentError, StoreError
from ecr_rescan.core.summary.history import Snapshot, count_open
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.observability import logger

DAYS = 30

_READ_AT_ONCE = 16
_KEPT = 2000


def write_history(documents: DocumentStore, configurations: Iterable[ScanConfiguration], now: datetime) -> None:
    """Write the day's counts of every registry and Region that lacks them; one that fails waits for the next tick."""
    for registry, region in sorted({(one.registry, one.region) for one in configurations}):
        key = keys.history_key(registry, region, now.date())
        if key in _written(documents):
            continue
        try:
            if any(item.key == key for item in documents.list(key)) or _write(documents, registry, region, now):
                _written(documents).add(key)
        except StoreError as error:
            logger.warning("The day's counts could not be written yet", error=str(error))


@lru_cache(maxsize=1)
def _written(_: DocumentStore) -> set[str]:
    """What is known to be there, so that the other ticks of a day cost nothing."""
    return set()


@lru_cache(maxsize=1)
def _uncounted(_: DocumentStore) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """The documents, by registry and Region, that were read and had nothing to count: not again until they change."""
    return {}


def _write(documents: DocumentStore, registry: str, region: str, now: datetime) -> bool:
    """Whether the day's counts are there now: before any result there is nothing to count."""
    counted = {}
    found = list(documents.list(f"{keys.FINDINGS}{registry}/{region}/"))
    seen = frozenset((item.key, item.etag) for item in found)
    if _uncounted(documents).get((registry, region)) == seen:
        return False
    listed = [item.key for item in found]
    for start in range(0, len(listed), _READ_AT_ONCE):
        # A few at a time: all of a large registry would not fit into memory.
        for stored in documents.get_many(listed[start : start + _READ_AT_ONCE]):
            if isinstance(stored, StoreError):
                # A day without a repository that is there would never be put right.
                raise stored
            if not isinstance(stored, Stored):
                continue
            try:
                document = FindingsDocument.from_json(stored.key, stored.body)
            except DocumentError as error:
                logger.warning("Left out of the day's counts", key=stored.key, problem=error.problem)
                continue
            counts = count_open(document)
            if counts is not None:
                counted[document.repository] = counts
    if not counted:
        _uncounted(documents)[registry, region] = seen
        return False
    snapshot = Snapshot(registry, region, now.date(), whole_seconds(now), counted)
    # Where another tick was first, its counts are as good.
    with suppress(ConflictError):
        documents.put(keys.history_key(registry, region, now.date()), snapshot.to_json(), if_none_match=True)
    return True


class History:
    """Reads the past days. A day that is over does not change, so what was read is kept."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._known: dict[str, Snapshot | None] = {}

    def read(self, places: Iterable[tuple[str, str]], *, today: date) -> list[Snapshot]:
        """What there is of the last 30 days, for registries and their Regions; days that lack are left out."""
        days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
        wanted = {keys.history_key(*place, day): day for place in sorted(set(places)) for day in days}
        missing = [key for key in wanted if key not in self._known]
        found = dict(zip(missing, self._documents.get_many(missing), strict=True))
        snapshots = []
        for key, day in wanted.items():
            snapshot = _parsed(found[key]) if key in found else self._known[key]
            if day < today and not isinstance(found.get(key), Exception):
                self._known[key] = snapshot
            if snapshot is not None:
                snapshots.append(snapshot)
        self._forget()
        return snapshots

    def _forget(self) -> None:
        for key in list(self._known)[: max(0, len(self._known) - _KEPT)]:
            del self._known[key]


def _parsed(stored: Stored | Exception | None) -> Snapshot | None:
    if isinstance(stored, Exception):
        logger.warning("a day of the history can't be read", error=str(stored))
    if not isinstance(stored, Stored):
        return None
    try:
        return Snapshot.from_json(stored.key, stored.body)
    except DocumentError as error:
        logger.warning("a day of the history can't be used", key=stored.key, problem=error.problem)
        return None


@lru_cache(maxsize=1)
def history(documents: DocumentStore) -> History:
    """The history of a bucket."""
    return History(documents)
