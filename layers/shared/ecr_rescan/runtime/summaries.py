"""Reads what is recorded and adds it up: the use case behind every form of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, NotFoundError
from ecr_rescan.core.findings import FindingsDocument
from ecr_rescan.core.summary import Problem, RepositoryId, Summary, summarise
from ecr_rescan.core.suppressions import Suppressions
from ecr_rescan.core.tally import Tally, tally
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.records import ledgers, open_findings

_TALLIES_KEPT = 2000


class Tallies:
    """Tallies, kept for the next invocation as long as what they count is the same; the latest 2,000.

    Findings change seldom and ledgers all the time, so a warm summary has little to count.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, RepositoryId], tuple[object, FindingsDocument, Tally]] = {}

    def __call__(
        self, configuration: ScanConfiguration, document: FindingsDocument, suppressions: Suppressions
    ) -> Tally:
        """The tally, as ``tally`` has it."""
        place = configuration.id, (document.registry, document.region, document.repository)
        asked = configuration, suppressions.active
        known = self._known.pop(place, None)
        # A changed document is parsed anew, so its identity tells; a configuration may be parsed anew unchanged.
        if known is None or known[0] != asked or known[1] is not document:
            known = asked, document, tally(configuration, document, suppressions)
        self._known[place] = known
        if len(self._known) > _TALLIES_KEPT:
            del self._known[next(iter(self._known))]
        return known[2]


@lru_cache(maxsize=1)
def _tallies(_: DocumentStore) -> Tallies:
    return Tallies()


class SummaryService:
    """Summaries of what the bucket holds. What can't be used of it is among a summary's problems."""

    def __init__(self, configurations: ConfigurationStore, documents: DocumentStore) -> None:
        self._configurations = configurations
        self._ledgers = ledgers(documents)
        self._findings = open_findings(documents)
        self._tallies = _tallies(documents)

    def everything(self, *, at: datetime) -> Summary:
        """All configurations; StoreError where the bucket can't be listed."""
        stored = self._configurations.list_all()
        problems = [Problem(found.key, found.problem) for found in stored.problems]
        return self._summarise(stored.valid, problems, at, under="")

    def one(self, configuration_id: str, *, at: datetime) -> Summary:
        """One configuration.

        Raises:
            NotFoundError: there is none with that id.
            StoreError: it can't be read, or the bucket not listed.
        """
        try:
            found = self._configurations.get(configuration_id)
        except DocumentError as error:
            return summarise((), {}, {}, [Problem(error.key, error.problem)], at=whole_seconds(at))
        if found is None:
            raise NotFoundError(f"configuration {configuration_id}")
        configuration, _ = found
        return self._summarise([configuration], [], at, under=f"{configuration.registry}/{configuration.region}/")

    def _summarise(
        self, configurations: Sequence[ScanConfiguration], problems: list[Problem], at: datetime, *, under: str
    ) -> Summary:
        recorded = self._ledgers.read(configurations, under=under)
        found = self._findings.read(configurations, under=under)
        return summarise(
            configurations,
            recorded.by_repository,
            found.by_repository,
            [*problems, *recorded.problems, *found.problems],
            at=whole_seconds(at),
            tally=self._tallies,
        )
