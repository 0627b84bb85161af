"""Reads what is recorded and adds it up: the use case behind every form of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.suppressions import Suppressions
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, NotFoundError
from ecr_rescan.core.health.findings import deaf, mute
from ecr_rescan.core.naming import Naming, RepositoryId
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.gathered import Gathered, gather
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.summary.recent import LONGEST
from ecr_rescan.core.summary.summary import Problem, Summary, summarise
from ecr_rescan.core.summary.tally import Tally, tally
from ecr_rescan.core.summary.where import Whereabouts, where
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.garbage import uncollected
from ecr_rescan.runtime.history import history
from ecr_rescan.runtime.serving.records import Records, ledgers, problem_of, read_vitals, recorded_findings
from ecr_rescan.runtime.signals.reading import signals_reader

_TALLIES_KEPT = 2000


class Tallies:
    """Tallies, kept for the next invocation as long as what they count is the same; the latest 2,000.

    Findings change seldom and ledgers all the time, so a warm summary has little to count.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, RepositoryId], tuple[object, FindingsDocument, Tally]] = {}

    def __call__(
        self,
        configuration: ScanConfiguration,
        document: FindingsDocument,
        suppressions: Suppressions,
        signals: Signals,
    ) -> Tally:
        """The tally, as ``tally`` has it."""
        place = configuration.id, (document.registry, document.region, document.repository)
        asked = configuration, suppressions.active, signals.version
        known = self._known.pop(place, None)
        # A changed document is parsed anew, so its identity tells; a configuration may be parsed anew unchanged.
        if known is None or known[0] != asked or known[1] is not document:
            known = asked, document, tally(configuration, document, suppressions, signals)
        self._known[place] = known
        if len(self._known) > _TALLIES_KEPT:
            del self._known[next(iter(self._known))]
        return known[2]


class Gatherings:
    """What the findings come to for each configuration, found anew only when a document, it or the day changed."""

    def __init__(self) -> None:
        self._tallies = Tallies()
        self._known: dict[str, tuple[object, Sequence[FindingsDocument], Gathered]] = {}

    def __call__(
        self, configuration: ScanConfiguration, documents: Sequence[FindingsDocument], at: datetime, signals: Signals
    ) -> Gathered:
        """As ``gather`` has it, maybe with changes from more than 7 days ago."""
        on = at.date()
        asked = configuration, on, signals.version
        known = self._known.get(configuration.id)
        if known is None or known[0] != asked or not _same(known[1], documents):
            with uncollected(keeping=True):
                found = gather(
                    configuration, documents, since=at - LONGEST, on=on, signals=signals, tally=self._tallies
                )
            known = self._known[configuration.id] = asked, documents, found
        return known[2]

    def keep(self, configuration_ids: set[str]) -> None:
        """Forget all others."""
        self._known = {name: known for name, known in self._known.items() if name in configuration_ids}


def _same(before: Sequence[object], after: Sequence[object]) -> bool:
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))


@lru_cache(maxsize=1)
def _gatherings(_: DocumentStore) -> Gatherings:
    return Gatherings()


class SummaryService:
    """What the bucket holds, added up. What can't be used of it is among the problems of an answer."""

    def __init__(self, configurations: ConfigurationStore, documents: DocumentStore, days_allowed: DaysAllowed) -> None:
        self._configurations = configurations
        self._documents = documents
        self._days_allowed = days_allowed
        self._ledgers = ledgers(documents)
        self._findings = recorded_findings(documents)
        self._gatherings = _gatherings(documents)
        self._signals = signals_reader(documents)

    def everything(self, *, at: datetime) -> Summary:
        """All configurations; StoreError where the bucket can't be listed."""
        configurations, problems = self._all()
        self._gatherings.keep({one.id for one in configurations})
        vitals = read_vitals(self._documents)
        if isinstance(vitals, Problem):
            problems.append(vitals)
        elif told := mute(vitals):
            problems.append(Problem(keys.HEALTH, told))
        return self._summarise(configurations, problems, at, under="")

    def unreadable(self, *, at: datetime) -> Sequence[Problem]:
        """The objects of the bucket that can't be used; StoreError where the bucket can't be listed."""
        configurations, problems = self._all()
        return self._summarise(configurations, problems, at, under="", with_silence=False).problems

    def one(self, configuration_id: str, *, at: datetime) -> Summary:
        """One configuration.

        Raises:
            NotFoundError: there is none with that id.
            StoreError: it can't be read, or the bucket not listed.
        """
        try:
            configuration = self._one(configuration_id)
        except DocumentError as error:
            return summarise((), {}, {}, [Problem(error.key, error.problem)], at=whole_seconds(at))
        return self._summarise([configuration], [], at, under=_under(configuration))

    def where(
        self, vulnerability: str, *, at: datetime, configuration_id: str | None = None, only_fixable: bool = False
    ) -> Whereabouts:
        """Where a vulnerability is, among what all configurations select, or one.

        Raises:
            NotFoundError: there is no such configuration.
            StoreError: the bucket can't be listed.
            DocumentError: the configuration can't be used.
        """
        problems: list[Problem] = []
        if configuration_id is None:
            configurations, problems = self._all()
            under = ""
        else:
            configurations = [self._one(configuration_id)]
            under = _under(configurations[0])
        found = self._findings.read(configurations, under=under)
        return where(
            vulnerability,
            configurations,
            found.by_repository.values(),
            [*problems, *found.problems],
            at=whole_seconds(at),
            signals=self._signals.read(),
            only_fixable=only_fixable,
        )

    def history(self, summary: Summary) -> list[Snapshot]:
        """The last 30 days, of the repositories that the summary's configurations name alone."""
        configurations = [item.configuration for item in summary.configurations]
        places = {(one.registry, one.region) for one in configurations}
        naming = Naming(configurations)
        return [
            Snapshot(
                day.registry,
                day.region,
                day.day,
                day.at,
                {
                    name: counts
                    for name, counts in day.repositories.items()
                    if naming.of((day.registry, day.region, name))
                },
            )
            for day in history(self._documents).read(places, today=summary.at.date())
        ]

    def _all(self) -> tuple[list[ScanConfiguration], list[Problem]]:
        stored = self._configurations.list_all()
        return list(stored.valid), [Problem(found.key, found.problem) for found in stored.problems]

    def _one(self, configuration_id: str) -> ScanConfiguration:
        found = self._configurations.get(configuration_id)
        if found is None:
            raise NotFoundError(f"configuration {configuration_id}")
        return found[0]

    def _summarise(
        self,
        configurations: Sequence[ScanConfiguration],
        problems: list[Problem],
        at: datetime,
        *,
        under: str,
        with_silence: bool = True,
    ) -> Summary:
        with ThreadPoolExecutor(3) as pool:
            signals = pool.submit(self._signals.read)
            accounts = pool.submit(self._accounts, configurations)
            listed = pool.submit(self._findings.list, configurations, under=under)
            recorded = self._ledgers.read(configurations, under=under)
            found: Records[FindingsDocument] = self._findings.take(listed.result())
            by_place, unusable = accounts.result()
        silent = [Problem(keys.account_key(*place), told) for place, one in by_place.items() if (told := deaf(one, at))]
        return summarise(
            configurations,
            recorded.by_repository,
            found.by_repository,
            [*problems, *recorded.problems, *found.problems, *unusable, *(silent if with_silence else ())],
            at=whole_seconds(at),
            accounts=by_place,
            days_allowed=self._days_allowed,
            signals=signals.result(),
            gathering=self._gatherings,
        )

    def _accounts(
        self, configurations: Sequence[ScanConfiguration]
    ) -> tuple[dict[tuple[str, str], Account], list[Problem]]:
        places = sorted({(one.registry, one.region) for one in configurations})
        wanted = [keys.account_key(*place) for place in places]
        accounts: dict[tuple[str, str], Account] = {}
        problems = []
        for place, key, stored in zip(places, wanted, self._documents.get_many(wanted), strict=True):
            if isinstance(stored, Stored):
                try:
                    accounts[place] = Account.from_json(key, stored.body)
                except DocumentError as error:
                    problems.append(problem_of(key, error))
            elif stored is not None:
                problems.append(problem_of(key, stored))
        return accounts, problems


def _under(configuration: ScanConfiguration) -> str:
    return f"{configuration.registry}/{configuration.region}/"
