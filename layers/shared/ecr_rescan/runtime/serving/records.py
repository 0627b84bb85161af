"""The ledgers and findings documents of the bucket, parsed once and kept by ETag for the next invocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from ecr_rescan.adapters.documents import DocumentStore, Listed, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.health.vitals import Vitals
from ecr_rescan.core.naming import Naming, RepositoryId
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.runtime.garbage import uncollected

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
class Listing:
    """What is there under a prefix, and is wanted, by key."""

    prefix: str
    wanted: dict[str, Listed]
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
        return self.take(self.list(configurations, under=under))

    def list(self, configurations: Sequence[ScanConfiguration], *, under: str = "") -> Listing:
        """The first half of ``read``, which may run beside anything else."""
        listing = Listing(self._prefix + under, {}, [])
        naming = Naming(configurations)
        for item in self._documents.list(listing.prefix):
            place = self._parse_key(item.key)
            if place is None:
                listing.problems.append(Problem(item.key, "is not the service's: the key names no repository"))
            elif naming.of(place):
                listing.wanted[item.key] = item
        return listing

    def take(self, listing: Listing) -> Records[T]:
        """The second half of ``read``: fetch what changed, and answer everything listed."""
        records: Records[T] = Records({}, listing.problems)
        for key in [key for key in self._kept if key.startswith(listing.prefix) and key not in listing.wanted]:
            del self._kept[key]
        self._gather(listing.wanted, records)
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
        with uncollected(keeping=True):
            for key, answer in zip(changed, answers, strict=True):
                self._kept.pop(key, None)
                if isinstance(answer, Stored):
                    fresh[key] = self._keep(answer)
                elif answer is not None:
                    fresh[key] = problem_of(key, answer)
        return fresh

    def _keep(self, stored: Stored) -> T | Problem:
        value: T | Problem
        try:
            value = self._parse(stored.key, stored.body)
            if (value.registry, value.region, value.repository) != self._parse_key(stored.key):
                raise DocumentError(stored.key, "is about another repository than its key says")
        except DocumentError as error:
            value = problem_of(stored.key, error)
        # The first that fit stay: a summary reads all of them in turn, so the longest unused would be the next wanted.
        if len(stored.body) + sum(kept.size for kept in self._kept.values()) <= _KEPT_BYTES:
            self._kept[stored.key] = _Kept(stored.etag, value, len(stored.body))
        return value


@lru_cache(maxsize=1)
def ledgers(documents: DocumentStore) -> RecordStore[Ledger]:
    """The image ledgers."""
    return RecordStore(documents, keys.IMAGES, keys.parse_images_key, Ledger.from_json)


@lru_cache(maxsize=1)
def recorded_findings(documents: DocumentStore) -> RecordStore[FindingsDocument]:
    """The findings documents, without what only feeds and StartScan need: long texts and the outbox."""
    return RecordStore(documents, keys.FINDINGS, keys.parse_findings_key, _parse_findings)


def _parse_findings(key: str, body: bytes) -> FindingsDocument:
    document = FindingsDocument.from_json(key, body)
    document.outbox.clear()
    for advisory in document.advisories.values():
        advisory.description = ""
    return document


def read_vitals(documents: DocumentStore) -> Vitals | Problem | None:
    """What StartScan noted of itself; why it can't be read; None where it noted nothing yet."""
    try:
        stored = documents.get(keys.HEALTH)
        return Vitals.from_json(keys.HEALTH, stored.body) if stored else None
    except (DocumentError, StoreError) as error:
        return problem_of(keys.HEALTH, error)


def problem_of(key: str, error: DocumentError | StoreError) -> Problem:
    """Why an object could not be read."""
    return Problem(key, error.problem if isinstance(error, DocumentError) else f"could not be read: {error.code}")
