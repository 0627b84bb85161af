"""The summary: what is recorded of every image that the configurations select, added up.

Pure functions over documents. A count is of findings, that is, of (vulnerability, package): in however many versions or
images one is found, it counts once, at its highest severity, and it counts in the feed's way: after the
configuration's ``severity`` and ``ignore``, with the findings that stand in for an image that has no result yet.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.findings import FindingKey, FindingsDocument
from ecr_rescan.core.image_state import ImageState, ImageStatus, statuses
from ecr_rescan.core.ledger import Ledger, ManifestRecord
from ecr_rescan.core.patterns import is_exact, matches
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.suppressions import Suppressions
from ecr_rescan.core.tally import Tally, tally
from ecr_rescan.core.times import to_text
from ecr_rescan.core.view import select

SCHEMA = 1

RepositoryId = tuple[str, str, str]
"""(registry, Region, repository)."""

Counts = Mapping[Severity, int]
"""Findings by severity, every severity named. Where there may be no such thing, None: never zeros instead."""

Tallying = Callable[[ScanConfiguration, FindingsDocument, Suppressions], Tally]

_COVERAGE = {
    "scanned_24h": ImageState.COMPLETE,
    "stale": ImageState.STALE,
    "failed": ImageState.FAILED,
    "unsupported": ImageState.UNSUPPORTED,
    "archived": ImageState.ARCHIVED,
    "never": ImageState.NEVER_SCANNED,
    "in_progress": ImageState.IN_PROGRESS,
}

_text = functools.lru_cache(maxsize=4096)(to_text)


@dataclass(frozen=True, slots=True)
class Problem:
    """An object of the bucket that can't be used, and why."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """An image that a configuration selects; one of several platforms has one of these for each.

    ``digest`` is what the tags name. ``counts`` and ``suppressed`` are None where there is no result that still tells;
    zeros alone always are those of a complete result not older than 24 h 10 min.
    """

    repository: str
    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    status: ImageStatus
    counts: Counts | None
    suppressed: int | None


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many images stand in each state, adding up to ``selected``; one of several platforms counts once for each."""

    states: Mapping[ImageState, int]

    @property
    def selected(self) -> int:
        """All of them."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class ConfigurationSummary:
    """What one configuration selects. ``problems``: why something that it names is missing here, in words."""

    configuration: ScanConfiguration
    coverage: StateCounts
    counts: Counts | None
    suppressed: int
    problems: tuple[str, ...]
    images: tuple[ImageSummary, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that at least one configuration selects, once however many do.

    A finding that one configuration ignores and another shows is counted.
    """

    configurations: int
    repositories: int
    images: int
    counts: Counts | None
    coverage: StateCounts


@dataclass(frozen=True, slots=True)
class Summary:
    """What is recorded, as it stood ``at`` that time."""

    at: datetime
    totals: Totals
    configurations: tuple[ConfigurationSummary, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Totalling:
    """The parts of the totals, gathered while going through the configurations."""

    repositories: set[RepositoryId]
    images: set[tuple[RepositoryId, str]]
    states: dict[tuple[RepositoryId, str, str | None], ImageState]
    findings: dict[FindingKey, Severity]
    results: bool = False


def summarise(
    configurations: Iterable[ScanConfiguration],
    ledgers: Mapping[RepositoryId, Ledger],
    documents: Mapping[RepositoryId, FindingsDocument],
    problems: Iterable[Problem],
    *,
    at: datetime,
    tally: Tallying = tally,
) -> Summary:
    """Add up what is recorded.

    Args:
        ledgers, documents: what is recorded of the repositories; more than the configurations select does no harm.
        problems: what could not be read; those about a repository are told with the configurations that name it, too.
        at: now, aware. The same record at the same time gives the same summary.
        tally: counts the findings of one document, or remembers what that gave before.
    """
    ordered = tuple(sorted(problems, key=lambda problem: problem.key))
    totalling = _Totalling(set(), set(), {}, {})
    summaries = tuple(
        _Summing(configuration, ledgers, documents, ordered, at, tally).run(totalling)
        for configuration in sorted(configurations, key=lambda configuration: configuration.id)
    )
    totals = Totals(
        configurations=len(summaries),
        repositories=len(totalling.repositories),
        images=len(totalling.images),
        counts=_counted(totalling.findings.values()) if totalling.results else None,
        coverage=StateCounts(Counter(totalling.states.values())),
    )
    return Summary(at, totals, summaries, ordered)


def names(configuration: ScanConfiguration, place: RepositoryId) -> bool:
    """Whether a configuration names the repository."""
    registry, region, repository = place
    wanted = configuration.registry, configuration.region
    return (registry, region) == wanted and matches(repository, configuration.repository)


class _Summing:
    """The summary of one configuration."""

    def __init__(
        self,
        configuration: ScanConfiguration,
        ledgers: Mapping[RepositoryId, Ledger],
        documents: Mapping[RepositoryId, FindingsDocument],
        problems: Sequence[Problem],
        at: datetime,
        tally: Tallying,
    ) -> None:
        self.configuration = configuration
        self.ledgers = {place: ledger for place, ledger in sorted(ledgers.items()) if names(configuration, place)}
        self.documents = documents
        self.unreadable = self._unreadable(problems)
        self.at = at
        self.tally = tally
        self.suppressions = Suppressions(configuration, at.date())
        self.images: list[ImageSummary] = []
        self.findings: dict[FindingKey, Severity] = {}
        self.suppressed: dict[FindingKey, Severity] = {}
        self.results = False

    def run(self, totalling: _Totalling) -> ConfigurationSummary:
        for place, ledger in self.ledgers.items():
            rows = self._repository(ledger, self._tally(place))
            self.images.extend(rows)
            totalling.repositories.add(place)
            totalling.images.update((place, row.digest) for row in rows)
            totalling.states.update(((place, row.digest, row.status.manifest), row.status.state) for row in rows)
        shown = self._shown(self.findings)
        _add(totalling.findings, shown)
        totalling.results |= self.results
        return ConfigurationSummary(
            configuration=self.configuration,
            coverage=StateCounts(Counter(row.status.state for row in self.images)),
            counts=_counted(shown.values()) if self.results else None,
            suppressed=len(self._shown(self.suppressed).keys() - self.findings.keys()),
            problems=tuple(self._problems()),
            images=tuple(self.images),
        )

    def _tally(self, place: RepositoryId) -> Tally | None:
        document = self.documents.get(place)
        if document is None:
            return None
        counted = self.tally(self.configuration, document, self.suppressions)
        _add(self.findings, counted.findings)
        _add(self.suppressed, counted.suppressed)
        self.results |= counted.has_results
        return counted

    def _shown(self, findings: Mapping[FindingKey, Severity]) -> dict[FindingKey, Severity]:
        # As the feed does it: by the highest severity anywhere, once that is known.
        threshold = self.configuration.severity
        return {key: severity for key, severity in findings.items() if severity.passes(threshold)}

    def _repository(self, ledger: Ledger, counted: Tally | None) -> list[ImageSummary]:
        rows = []
        for digest in select(self.configuration, ledger.images):
            image = ledger.images[digest]
            tags = tuple(sorted(image.tags))
            for status in statuses(ledger, digest, at=self.at):
                counts, suppressed = self._counts(ledger, status, counted)
                rows.append(ImageSummary(ledger.repository, digest, tags, image.pushed_at, status, counts, suppressed))
        return rows

    def _counts(self, ledger: Ledger, status: ImageStatus, counted: Tally | None) -> tuple[Counts | None, int | None]:
        """What the newest result says, unless it would read as more than is known."""
        if status.state not in (ImageState.COMPLETE, ImageState.STALE) or status.manifest is None:
            return None, None
        if counted is not None:
            found: tuple[Counts, int | None] | None = counted.by_manifest.get(status.manifest)
        else:
            # Without its findings document nobody can tell what is suppressed; what ECR counted is known all the same.
            found = self._recorded(ledger.manifests[status.manifest]), None
        if found is None or (status.state is ImageState.STALE and not any(found[0].values())):
            return None, None
        return found

    def _recorded(self, record: ManifestRecord) -> Counts:
        threshold = self.configuration.severity
        return {severity: record.counts.get(severity, 0) if severity.passes(threshold) else 0 for severity in Severity}

    def _unreadable(self, problems: Sequence[Problem]) -> dict[str, str]:
        """Repositories of which something can't be read, with what."""
        unreadable = {}
        for problem in problems:
            for parse, what in ((keys.parse_images_key, "image ledger"), (keys.parse_findings_key, "findings")):
                place = parse(problem.key)
                if place is not None and names(self.configuration, place):
                    unreadable[place[2]] = f"{place[2]}: its {what} can't be read"
        return unreadable

    def _problems(self) -> Iterable[str]:
        found = dict(self.unreadable)
        for ledger in self.ledgers.values():
            if ledger.missing_since is not None:
                found[ledger.repository] = f"{ledger.repository}: repository not found"
            elif ledger.problem:
                found[ledger.repository] = f"{ledger.repository}: {ledger.problem}"
            elif ledger.listed_at is None:
                found.setdefault(ledger.repository, f"{ledger.repository}: its images have not been listed yet")
        known = {ledger.repository for ledger in self.ledgers.values()} | self.unreadable.keys()
        for name in filter(is_exact, self.configuration.repository):
            if name not in known and matches(name, self.configuration.repository):
                found[name] = f"{name}: not seen in the registry yet"
        if not self.images and not found:
            found[""] = "no image is selected: nothing that was listed matches"
        return [problem for _, problem in sorted(found.items())]


def _add(findings: dict[FindingKey, Severity], more: Mapping[FindingKey, Severity]) -> None:
    """Join findings, each at its highest severity."""
    if not findings:
        findings.update(more)
        return
    for key, severity in more.items():
        known = findings.get(key)
        if known is None or ORDER[severity] < ORDER[known]:
            findings[key] = severity


def _counted(severities: Iterable[Severity]) -> Counts:
    counts = Counter(severities)
    return {severity: counts[severity] for severity in Severity}


def to_wire(summary: Summary) -> dict[str, object]:
    """The summary as JSON has it."""
    totals = summary.totals
    return {
        "schema": SCHEMA,
        "at": to_text(summary.at),
        "totals": {
            "configurations": totals.configurations,
            "repositories": totals.repositories,
            "images": totals.images,
            "counts": totals.counts,
            "coverage": _coverage_to_wire(totals.coverage),
        },
        "configurations": [_configuration_to_wire(item) for item in summary.configurations],
        "problems": [{"key": problem.key, "problem": problem.problem} for problem in summary.problems],
    }


def _configuration_to_wire(item: ConfigurationSummary) -> dict[str, object]:
    configuration = item.configuration.to_wire()
    named = ("id", "description", "owner", "registry", "region", "repository", "tags", "newest", "severity")
    return {
        **{name: configuration[name] for name in named},
        "coverage": _coverage_to_wire(item.coverage),
        "counts": item.counts,
        "suppressed": item.suppressed,
        "problems": item.problems,
        "images": [_image_to_wire(image) for image in item.images],
    }


def _coverage_to_wire(coverage: StateCounts) -> dict[str, int]:
    return {"selected": coverage.selected} | {name: coverage.states.get(state, 0) for name, state in _COVERAGE.items()}


def _image_to_wire(image: ImageSummary) -> dict[str, object]:
    status = image.status
    return {
        "repository": image.repository,
        "digest": image.digest,
        "tags": image.tags,
        "platform": status.platform,
        "manifest": status.manifest,
        "state": status.state,
        "reason": status.reason,
        "scanned_at": status.scanned_at and _text(status.scanned_at),
        "next_due": status.next_due and _text(status.next_due),
        "pushed_at": _text(image.pushed_at),
        "counts": image.counts,
        "suppressed": image.suppressed,
    }
