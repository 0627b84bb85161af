"""The ledgers and findings documents of the bucket, parsed once and kept by ETag for the next invocation."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from ecr_rescan.adapters.documents import DocumentStore, Listed, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.findings import FindingsDocument
from ecr_rescan.core.ledger import Ledger
from ecr_rescan.core.summary import Problem, RepositoryId, names

_KEPT_BYTES = 192 * 1024 * 1024


class _Document(Protocol):
    registry: str
    region: str
    repository: str


T = TypeVar("T", bound=_Document)


@dataclass(frozen=True, slots=True)
class Records(Generic[T]):
    """What a kind of document says of each repository, and what could not be read."""

    by_repository: dict[RepositoryId, T]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    etag: str
    value: T | Problem
    size: int


class RecordStore(Generic[T]):
    """The documents of one kind, by repository. Not for concurrent use.

    What was read is kept parsed until its ETag changes, as long as the documents kept come from at most 192 MiB of
    JSON; parsed they take up to twice that.
    """

    def __init__(
        self,
        documents: DocumentStore,
        prefix: str,
        parse_key: Callable[[str], RepositoryId | None],
        parse: Callable[[str, bytes], T],
    ) -> None:
        self._documents = documents
        self._prefix = prefix
        self._parse_key = parse_key
        self._parse = parse
        self._kept: dict[str, _Kept[T]] = {}

    def read(self, configurations: Sequence[ScanConfiguration], *, under: str = "") -> Records[T]:
        """The documents of every repository that a configuration names; a bad one is a problem, never an error.

        Args:
            under: narrows the listing to keys that go on so, such as ``{registry}/{region}/``.

        Raises:
            StoreError: the listing failed.
        """
        prefix = self._prefix + under
        records: Records[T] = Records({}, [])
        wanted: dict[str, Listed] = {}
        for item in self._documents.list(prefix):
            place = self._parse_key(item.key)
            if place is None:
                records.problems.append(Problem(item.key, "is not the service's: the key names no repository"))
            elif any(names(configuration, place) for configuration in configurations):
                wanted[item.key] = item
        for key in [key for key in self._kept if key.startswith(prefix) and key not in wanted]:
            del self._kept[key]
        self._gather(wanted, records)
        return records

    def _gather(self, wanted: dict[str, Listed], records: Records[T]) -> None:
        changed = [key for key, item in wanted.items() if key not in self._kept or self._kept[key].etag != item.etag]
        fresh = self._read(changed) if changed else {}
        for key in wanted:
            value = fresh[key] if key in fresh else self._kept[key].value if key in self._kept else None
            if isinstance(value, Problem):
                records.problems.append(value)
            elif value is not None:
                records.by_repository[value.registry, value.region, value.repository] = value

    def _read(self, changed: Sequence[str]) -> dict[str, T | Problem]:
        fresh: dict[str, T | Problem] = {}
        answers = self._documents.get_many(changed)
        with _uncollected():
            for key, answer in zip(changed, answers, strict=True):
                self._kept.pop(key, None)
                if isinstance(answer, Stored):
                    fresh[key] = self._keep(answer)
                elif answer is not None:
                    fresh[key] = _problem(key, answer)
        return fresh

    def _keep(self, stored: Stored) -> T | Problem:
        value: T | Problem
        try:
            value = self._parse(stored.key, stored.body)
            if (value.registry, value.region, value.repository) != self._parse_key(stored.key):
                raise DocumentError(stored.key, "is about another repository than its key says")
        except DocumentError as error:
            value = _problem(stored.key, error)
        # The first that fit stay: a summary reads all of them in turn, so the longest unused would be the next wanted.
        if len(stored.body) + sum(kept.size for kept in self._kept.values()) <= _KEPT_BYTES:
            self._kept[stored.key] = _Kept(stored.etag, value, len(stored.body))
        return value


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make what is built inside no business of the garbage collector.

    Documents have no cycles, but hundreds of them are millions of objects, and looking through these time and again
    takes longer than parsing them.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@lru_cache(maxsize=1)
def ledgers(documents: DocumentStore) -> RecordStore[Ledger]:
    """The image ledgers."""
    return RecordStore(documents, keys.IMAGES, keys.parse_images_key, Ledger.from_json)


@lru_cache(maxsize=1)
def open_findings(documents: DocumentStore) -> RecordStore[FindingsDocument]:
    """The findings documents, without what only feeds and StartScan need: texts, closed openings and the outbox."""
    return RecordStore(documents, keys.FINDINGS, keys.parse_findings_key, _parse_open)


def _parse_open(key: str, body: bytes) -> FindingsDocument:
    document = FindingsDocument.from_json(key, body)
    document.advisories.clear()
    document.outbox.clear()
    for finding_key, finding in list(document.findings.items()):
        if finding.current is None:
            del document.findings[finding_key]
        else:
            del finding.openings[:-1]
    return document


def _problem(key: str, error: DocumentError | StoreError) -> Problem:
    return Problem(key, error.problem if isinstance(error, DocumentError) else f"could not be read: {error.code}")
