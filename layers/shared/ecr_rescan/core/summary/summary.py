"""The summary: what is recorded of every image that the configurations select, added up.

Pure functions over documents. A count is of findings, that is, of (vulnerability, package): in however many versions or
images one is found, it counts once, at its highest severity, and it counts in the feed's way: after the
configuration's ``severity`` and ``ignore``, with the findings that stand in for an image that has no result yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.view import select
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.naming import Naming, RepositoryId, names
from ecr_rescan.core.patterns import is_exact
from ecr_rescan.core.scanning.account import REPOSITORIES, SCAN_TYPE, Account
from ecr_rescan.core.scanning.artifacts import only_images
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals
from ecr_rescan.core.summary.ages import Age, Beginnings, DaysAllowed, ages, beginnings, exploited_beyond
from ecr_rescan.core.summary.concerned import by_configuration, unreadable_of
from ecr_rescan.core.summary.gathered import Counts, Gathered, counted, fixable_counts, gather, join
from ecr_rescan.core.summary.image_state import ImageState, ImageStatus, ended, statuses
from ecr_rescan.core.summary.others import OtherArtifacts, count_others, find_others
from ecr_rescan.core.summary.recent import LONGEST, WINDOWS, Change, count, count_reasons
from ecr_rescan.core.summary.tally import Tally, Upgrades

_NOT_LISTED = "no image is selected: the registry's repositories have not been listed yet"

Gathering = Callable[[ScanConfiguration, Sequence[FindingsDocument], datetime, Signals], Gathered]

COVERAGE = {
    "scanned_24h": ImageState.COMPLETE,
    "end_of_life": ImageState.END_OF_LIFE,
    "stale": ImageState.STALE,
    "failed": ImageState.FAILED,
    "unsupported": ImageState.UNSUPPORTED,
    "archived": ImageState.ARCHIVED,
    "never": ImageState.NEVER_SCANNED,
    "in_progress": ImageState.IN_PROGRESS,
}


_COUNTED = (ImageState.COMPLETE, ImageState.END_OF_LIFE, ImageState.STALE)


@dataclass(frozen=True, slots=True)
class Problem:
    """An object of the bucket that can't be used, and why."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """An image that a configuration selects; one of several platforms has one of these for each.

    ``digest`` is what the tags name. ``counts`` and ``suppressed`` are None where there is no result that still
    tells; zeros alone always are those of a complete result not older than 24 h 10 min. ``exploited``: how many of
    them are known to be exploited; None where that, or the result, is not known. ``upgrades``: what is to be done, None
    where nobody knows. ``release``: of the distribution, where its findings tell.
    """

    repository: str
    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    status: ImageStatus
    counts: Counts | None
    suppressed: int | None
    exploited: int | None = None
    upgrades: Upgrades | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many images stand in each state, adding up to ``selected``; one of several platforms counts once for each."""

    states: Mapping[ImageState, int]

    @property
    def selected(self) -> int:
        """All of them."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class ExploitedCount:
    """How many open findings are known to be exploited, and how many of these are beyond the days allowed to them."""

    findings: int
    days_allowed: int | None
    beyond: int


@dataclass(frozen=True, slots=True)
class ConfigurationSummary:
    """What one configuration selects.

    ``fixable``: how many of ``counts`` an upgrade mends; None where nobody knows.
    ``exploited``: None where it is not known, or there is no result. ``ages``: of the open findings, by severity.
    ``recent``: the changes of the last 7 days, the newest first; ``changes``: how many of each kind, by window;
    ``resolved``: how many for each reason. ``repositories``: findings by severity of each repository with a result.
    ``ignoring``: the suppressions that apply today, with how many findings each hides. ``problems``: why something
    that it names is missing here, in words. ``not_images``: what it names that can't be scanned, apart.
    """

    configuration: ScanConfiguration
    coverage: StateCounts
    counts: Counts | None
    exploited: ExploitedCount | None
    suppressed: int
    ages: Mapping[Severity, Age]
    changes: Mapping[str, Mapping[str, int]]
    resolved: Mapping[str, Mapping[str, int]]
    recent: tuple[Change, ...]
    repositories: Mapping[str, Counts]
    ignoring: tuple[tuple[Suppression, int], ...]
    problems: tuple[str, ...]
    not_images: OtherArtifacts
    images: tuple[ImageSummary, ...]
    fixable: Counts | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that at least one configuration selects, once however many do.

    A finding that one configuration ignores and another shows is counted; a change that several were told of is one.
    ``not_images``: what can't be scanned, by kind.
    """

    configurations: int
    repositories: int
    images: int
    counts: Counts | None
    exploited: ExploitedCount | None
    ages: Mapping[Severity, Age]
    changes: Mapping[str, Mapping[str, int]]
    coverage: StateCounts
    not_images: Mapping[str, int]
    fixable: Counts | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is recorded, as it stood ``at`` that time, and what public lists say of it."""

    at: datetime
    totals: Totals
    configurations: tuple[ConfigurationSummary, ...]
    problems: tuple[Problem, ...]
    signals: Signals


def _gather(
    configuration: ScanConfiguration, documents: Sequence[FindingsDocument], at: datetime, signals: Signals
) -> Gathered:
    return gather(configuration, documents, since=at - LONGEST, on=at.date(), signals=signals)


@dataclass(slots=True)
class _Totalling:
    """The parts of the totals, gathered while going through the configurations."""

    repositories: set[RepositoryId]
    images: set[tuple[RepositoryId, str]]
    states: dict[tuple[RepositoryId, str, str | None], ImageState]
    gathered: list[Gathered]
    recent: dict[tuple[str, FindingKey, datetime], Change]


def summarise(
    configurations: Iterable[ScanConfiguration],
    ledgers: Mapping[RepositoryId, Ledger],
    documents: Mapping[RepositoryId, FindingsDocument],
    problems: Iterable[Problem],
    *,
    at: datetime,
    accounts: Mapping[tuple[str, str], Account] | None = None,
    days_allowed: DaysAllowed | None = None,
    signals: Signals = NO_SIGNALS,
    gathering: Gathering = _gather,
) -> Summary:
    """Add up what is recorded.

    Args:
        ledgers, documents: what is recorded of the repositories; more than the configurations select does no harm.
        problems: what could not be read; those about a repository are told with the configurations that name it, too.
        at: now, aware. The same record at the same time gives the same summary.
        accounts: what is known of registries, by registry and Region.
        days_allowed: within how many days findings are to be mended.
        signals: what is known of vulnerabilities.
        gathering: joins the findings of a configuration, or remembers what that gave before.
    """
    ordered = tuple(sorted(problems, key=lambda problem: problem.key))
    totalling = _Totalling(set(), set(), {}, [], {})
    asked = sorted(configurations, key=lambda configuration: configuration.id)
    naming = Naming(asked)
    named, unreadable = by_configuration(naming, sorted(ledgers)), unreadable_of(naming, ordered)
    allowed = days_allowed or DaysAllowed()
    record = _Record(ledgers, documents, accounts or {}, named, unreadable, at, allowed, signals, gathering)
    summaries = tuple(_Summing(configuration, record).run(totalling) for configuration in asked)
    counts, begun, exploited = _joined(totalling.gathered, signals)
    totals = Totals(
        configurations=len(summaries),
        repositories=len(totalling.repositories),
        images=len(totalling.images),
        counts=counts,
        exploited=None if counts is None else record.exploited(exploited, begun),
        ages=ages(begun, record.days_allowed, at=at),
        changes={name: count(totalling.recent.values(), since=at - window) for name, window in WINDOWS.items()},
        coverage=StateCounts(Counter(totalling.states.values())),
        not_images=count_others(
            (ledger, [one.configuration for one in summaries if names(one.configuration, place)])
            for place, ledger in ledgers.items()
        ),
        fixable=None if counts is None else fixable_counts(totalling.gathered),
    )
    return Summary(at, totals, summaries, ordered, signals)


@dataclass(frozen=True, slots=True)
class _Record:
    """All that is recorded, and how to count it. ``named``, ``unreadable``: by configuration id."""

    ledgers: Mapping[RepositoryId, Ledger]
    documents: Mapping[RepositoryId, FindingsDocument]
    accounts: Mapping[tuple[str, str], Account]
    named: Mapping[str, Sequence[RepositoryId]]
    unreadable: Mapping[str, Mapping[str, str]]
    at: datetime
    days_allowed: DaysAllowed
    signals: Signals
    gathering: Gathering

    def exploited(self, found: Collection[FindingKey], begun: Beginnings) -> ExploitedCount | None:
        """None where no list of exploited vulnerabilities, or only a part of them, was read: that is no zero."""
        if not self.signals.lists_known:
            return None
        allowed = self.days_allowed
        return ExploitedCount(len(found), allowed.exploited, exploited_beyond(begun, allowed, at=self.at))


class _Summing:
    """The summary of one configuration."""

    def __init__(self, configuration: ScanConfiguration, record: _Record) -> None:
        self.configuration = configuration
        self.record = record
        self.at = record.at
        self.ledgers = {place: record.ledgers[place] for place in record.named.get(configuration.id, ())}
        self.unreadable = record.unreadable.get(configuration.id, {})
        documents = [record.documents[place] for place in self.ledgers if place in record.documents]
        self.gathered = record.gathering(configuration, documents, self.at, record.signals)
        self.images: list[ImageSummary] = []

    def run(self, totalling: _Totalling) -> ConfigurationSummary:
        for place, ledger in self.ledgers.items():
            rows = self._repository(ledger, self.gathered.tallies.get(ledger.repository))
            self.images.extend(rows)
            totalling.repositories.add(place)
            totalling.images.update((place, row.digest) for row in rows)
            totalling.states.update(((place, row.digest, row.status.manifest), row.status.state) for row in rows)
        gathered = self.gathered
        totalling.gathered.append(gathered)
        since = self.at - LONGEST
        recent = tuple(change for change in gathered.recent if change.at >= since)
        totalling.recent.update(((one.kind, (one.vulnerability, one.package), one.at), one) for one in recent)
        return ConfigurationSummary(
            configuration=self.configuration,
            coverage=StateCounts(Counter(row.status.state for row in self.images)),
            counts=gathered.counts if gathered.has_results else None,
            exploited=self.record.exploited(gathered.exploited, gathered.beginnings) if gathered.has_results else None,
            suppressed=gathered.suppressed,
            ages=ages(gathered.beginnings, self.record.days_allowed, at=self.at),
            changes={name: count(recent, since=self.at - window) for name, window in WINDOWS.items()},
            resolved={name: count_reasons(recent, since=self.at - window) for name, window in WINDOWS.items()},
            recent=recent,
            repositories=gathered.repositories,
            ignoring=gathered.ignoring,
            problems=tuple(self._problems()),
            not_images=find_others(self.configuration, self.ledgers.values()),
            images=tuple(self.images),
            fixable=fixable_counts([gathered]) if gathered.has_results else None,
        )

    def _repository(self, ledger: Ledger, counted: Tally | None) -> list[ImageSummary]:
        rows = []
        document = self.record.documents.get((ledger.registry, ledger.region, ledger.repository))
        manifests = document.manifests if document is not None else ()
        releases = {one.digest: one.release for one in manifests if one is not None and one.release}
        images = only_images(ledger.images)
        for digest in select(self.configuration, images):
            image = images[digest]
            tags = tuple(sorted(image.tags))
            for found in statuses(ledger, digest, at=self.at):
                status = ended(found, releases.get(found.manifest or ""), self.at)
                told = self._counts(ledger, status, counted)
                upgrades = counted.upgrades if counted is not None and told[0] is not None else None
                rows.append(
                    ImageSummary(
                        *(ledger.repository, digest, tags, image.pushed_at, status, *told),
                        upgrades=(upgrades or {}).get(status.manifest or ""),
                        release=releases.get(status.manifest or ""),
                    )
                )
        return rows

    def _counts(
        self, ledger: Ledger, status: ImageStatus, counted: Tally | None
    ) -> tuple[Counts | None, int | None, int | None]:
        """What the newest result says, unless it would read as more than is known."""
        if status.state not in _COUNTED or status.manifest is None:
            return None, None, None
        if counted is not None:
            found: tuple[Counts, int | None, int | None] | None = counted.by_manifest.get(status.manifest)
        else:
            # Without its findings document nobody can tell what is suppressed; what ECR counted is known all the same.
            found = self._recorded(ledger.manifests[status.manifest]), None, None
        if found is None or (status.state is not ImageState.COMPLETE and not any(found[0].values())):
            return None, None, None
        return found

    def _recorded(self, record: ManifestRecord) -> Counts:
        threshold = self.configuration.severity
        return {severity: record.counts.get(severity, 0) if severity.passes(threshold) else 0 for severity in Severity}

    def _problems(self) -> Iterable[str]:
        found = dict(self.unreadable)
        registry, region = self.configuration.registry, self.configuration.region
        account = self.record.accounts.get((registry, region))
        patterned = any(not is_exact(one) and not one.startswith("!") for one in self.configuration.repository)
        if account is not None:
            found |= _troubles(account, self.configuration.role_arn, patterned=patterned)
        named = self.configuration.repository
        for ledger in self.ledgers.values():
            if ledger.missing_since is not None:
                if account is not None and account.lacks(ledger) and ledger.repository not in named:
                    # A pattern names what there is; what came and went is no problem.
                    continue
                found[ledger.repository] = f"{ledger.repository}: repository not found"
            elif ledger.problem:
                found[ledger.repository] = f"{ledger.repository}: {ledger.problem}"
            elif ledger.listed_at is None:
                found.setdefault(ledger.repository, f"{ledger.repository}: its images have not been listed yet")
        known = {ledger.repository for ledger in self.ledgers.values()} | self.unreadable.keys()
        for name in filter(is_exact, self.configuration.repository):
            if name not in known and names(self.configuration, (registry, region, name)):
                found[name] = f"{name}: not seen in the registry yet"
        if not self.images and not found:
            # Only a complete listing tells that nothing matches.
            unlisted = patterned and (account is None or account.repositories_at is None)
            found[""] = _NOT_LISTED if unlisted else "no image is selected: nothing that was listed matches"
        return [problem for _, problem in sorted(found.items())]


def _troubles(account: Account, role_arn: str | None, *, patterned: bool) -> dict[str, str]:
    """What is wrong with a registry, for a configuration of it; the keys only sort them to the front."""
    where = f"registry {account.registry} in {account.region}"
    problem = account.problem_for(role_arn)
    found = {"": f"{where}: {problem}"} if problem else {}
    if patterned and (rest := account.rests.get(REPOSITORIES)):
        found[" "] = f"{where}: its repositories can't be listed, so that new ones are not seen: {rest.reason}"
    if rest := account.rests.get(SCAN_TYPE):
        scan_type = account.scan_type
        found["  "] = f"{where}: how it is scanned can't be asked, so that it is taken for {scan_type}: {rest.reason}"
    return found


def _joined(gathered: Sequence[Gathered], signals: Signals) -> tuple[Counts | None, Beginnings, Collection[FindingKey]]:
    """The findings of all configurations, each once: counted, since when, and those that are exploited."""
    told = [one for one in gathered if one.has_results]
    if not told:
        return None, {}, ()
    if len(told) == 1:
        return told[0].counts, told[0].beginnings, told[0].exploited
    found: dict[FindingKey, tuple[Severity, datetime]] = {}
    exploited: set[FindingKey] = set()
    for one in told:
        join(found, one.findings.items())
        exploited |= one.exploited
    return counted(severity for severity, _ in found.values()), beginnings(found, signals), exploited
