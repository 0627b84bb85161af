"""What a configuration alerts of: the openings of its repositories, joined to one alert per wave.

Pure functions over findings documents; the feed, the messages and the API show the same alerts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from ecr_rescan.core.changes.closing import TOLD
from ecr_rescan.core.changes.findings import Advisory, Closing, Finding, FindingKey, FindingsDocument, News, Opening
from ecr_rescan.core.changes.identity import alert_id
from ecr_rescan.core.changes.suppressions import Suppressions, hidden
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import Severity, most_severe
from ecr_rescan.core.signals.known import NO_SIGNALS, NOTHING_KNOWN, Signal, Signals
from ecr_rescan.core.signals.order import Urgency, urgency


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where an alert's package is, in one repository and version: the affected manifests that the configuration sees.

    ``mask`` is over ``document.manifests``; ``severity`` is the highest among them.
    """

    document: FindingsDocument
    version: str
    severity: Severity
    mask: int


@dataclass(frozen=True, slots=True)
class Alert:
    """One entry of a feed: a (vulnerability, package) in one wave, across the repositories of a configuration.

    ``id`` is the permanent identity of what was announced (an escalation gives a new one), a UUID in text. ``kind``
    is ``baseline``, ``new``, ``spread``, ``reopened``, ``escalated`` or ``exploited``. ``published`` is when that
    began: the first seeing of a baseline finding, the start of the wave, the time of the rise, or when it became
    known that it is exploited. ``updated`` is the last change of what the alert says. ``signal`` is what is known of
    the vulnerability; ``was_exploited``: it became known as exploited while the alert was open. ``raised_from``: the
    severity before the last rise, where there was one. ``resolved_at`` and
    ``resolved_reason`` are set where nothing is affected any more; then there are no occurrences, and
    ``repositories`` tells where it was.
    """

    id: str
    vulnerability: str
    package: str
    wave: datetime | None
    kind: str
    severity: Severity
    published: datetime
    updated: datetime
    first_seen: datetime
    repositories: tuple[str, ...]
    occurrences: tuple[Occurrence, ...]
    advisory: Advisory
    fixed_in: str | None
    suppressed: Suppression | None
    signal: Signal = NOTHING_KNOWN
    was_exploited: bool = False
    raised_from: Severity | None = None
    resolved_at: datetime | None = None
    resolved_reason: str = ""

    @property
    def urgency(self) -> tuple[bool, Urgency, str, str, str]:
        """The order of alerts, wherever several are shown; resolved ones come last."""
        first = urgency(self.severity, self.signal, fixable=self.fixed_in is not None, since=self.first_seen)
        return (self.resolved_at is not None, first, self.vulnerability, self.package, self.id)


@dataclass(slots=True)
class _Part:
    """One opening's share in an alert.

    ``mask`` is what the configuration sees of it: 0 where it is closed, and where only others see it by now. ``left``
    is the closing, where it is one to tell the configuration of.
    """

    repository: _Repository
    finding: Finding
    opening: Opening
    news: News | None
    mask: int
    left: Closing | None

    @property
    def document(self) -> FindingsDocument:
        return self.repository.document


class _Repository:
    """A document, with what is asked of it for many findings."""

    def __init__(self, configuration: ScanConfiguration, document: FindingsDocument) -> None:
        self.document = document
        self._seen = view(configuration, document)
        self.effective = self._seen.effective
        changes: dict[datetime, int] = {}
        for image in document.images.values():
            changes[image.changed_at] = changes.get(image.changed_at, 0) | image.manifests
        self._changes = sorted(changes.items(), reverse=True)
        self._changed_at: dict[int, datetime] = {}
        self._hidden: dict[tuple[Suppression, ...], int] = {}

    def changed_at(self, mask: int) -> datetime:
        """The last change of what the images of these manifests are called."""
        known = self._changed_at.get(mask)
        if known is None:
            known = self._changed_at[mask] = next(at for at, manifests in self._changes if manifests & mask)
        return known

    def hidden(self, suppressions: tuple[Suppression, ...]) -> int:
        """The manifests in which these suppressions hide a finding."""
        known = self._hidden.get(suppressions)
        if known is None:
            known = self._hidden[suppressions] = hidden(suppressions, as_seen(self._seen, self.document))
        return known


@dataclass(slots=True)
class _Story:
    """How an alert went: what it was announced as, and since when; ``exploited_at``: it became known as exploited."""

    published: datetime
    raised_to: Severity | None = None
    raised_from: Severity | None = None
    exploited_at: datetime | None = None

    @property
    def kind(self) -> str | None:
        """What happened last; None where nothing has since the beginning."""
        if self.exploited_at is not None and self.exploited_at == self.published:
            return "exploited"
        return "escalated" if self.raised_to else None


@dataclass(slots=True)
class _Group:
    parts: list[_Part] = field(default_factory=list)
    reopened: bool = False


_GroupKey = tuple[str, str, datetime | None]

_NO_ADVISORY = Advisory("", "", None, None, "")


def alerts(
    configuration: ScanConfiguration,
    documents: Iterable[FindingsDocument],
    *,
    on: date,
    resolved: bool = False,
    only: Collection[FindingKey] | None = None,
    signals: Signals = NO_SIGNALS,
) -> list[Alert]:
    """All alerts of a configuration, in no particular order but always the same.

    Suppressed ones (on that day, UTC) are among them and say so; ``severity`` and ``notify`` are for the caller to
    apply.

    Args:
        configuration: whose alerts.
        documents: the findings documents of all repositories that it names.
        on: the day for which suppressions count.
        resolved: also those of which nothing is left (as long as the documents remember them).
        only: restrict to these findings.
        signals: what is known of vulnerabilities.
    """
    groups: dict[_GroupKey, _Group] = {}
    ordered = sorted(documents, key=lambda document: (document.registry, document.region, document.repository))
    for document in ordered:
        _collect(configuration, _Repository(configuration, document), only, groups)
    suppressions = Suppressions(configuration, on)
    earliest: dict[FindingKey, datetime] = {}
    for (vulnerability, package, wave), group in groups.items():
        began = wave or min(part.opening.at for part in group.parts)
        known = earliest.get((vulnerability, package))
        earliest[vulnerability, package] = began if known is None else min(known, began)
    found = []
    for (vulnerability, package, wave), group in groups.items():
        if any(part.mask for part in group.parts):
            spread = wave is not None and wave > earliest[vulnerability, package]
            key = (vulnerability, package, wave)
            found.append(_open_alert(configuration, key, group, spread, suppressions, signals.of(vulnerability)))
        elif resolved and any(part.left for part in group.parts):
            key = (vulnerability, package, wave)
            found.append(_resolved_alert(configuration, key, group, suppressions, signals.of(vulnerability)))
    return found


def _collect(
    configuration: ScanConfiguration,
    repository: _Repository,
    only: Collection[FindingKey] | None,
    groups: dict[_GroupKey, _Group],
) -> None:
    recorded = repository.document.findings
    # The intersection goes through the smaller of the two: a hundred repositories may share thousands of keys.
    for key in recorded if only is None else sorted(recorded.keys() & only):
        finding = recorded[key]
        closed_before = False
        for opening in finding.openings:
            mask = opening.mask & repository.effective
            news = opening.news.get(configuration.id)
            left = opening.closed and _left(configuration, opening.closed)
            # What was announced once stays part of the story: without it, the alert would change its identity.
            if mask or left or news:
                place = (*key, news.wave if news else None)
                group = groups.get(place)
                if group is None:
                    group = groups[place] = _Group()
                group.parts.append(_Part(repository, finding, opening, news, mask, left))
                group.reopened = group.reopened or closed_before
            closed_before = closed_before or left is not None


def _left(configuration: ScanConfiguration, closed: Closing) -> Closing | None:
    """The closing, where it makes a resolved alert of this configuration."""
    seen = closed.reason in TOLD and any(matches(tag, configuration.tags) for tag in closed.tags)
    return closed if seen else None


def _open_alert(
    configuration: ScanConfiguration,
    key: _GroupKey,
    group: _Group,
    spread: bool,
    suppressions: Suppressions,
    signal: Signal,
) -> Alert:
    vulnerability, package, wave = key
    parts = [part for part in group.parts if part.mask]
    suppressed, occurrences = _apply(suppressions.matching(vulnerability, package), parts)
    story = _story(wave, group.parts, _became_exploited(configuration, signal, group))
    kind = story.kind
    if kind is None:
        kind = "baseline" if wave is None else "reopened" if group.reopened else "spread" if spread else "new"
    fixes = {fix for part in parts for fix in part.finding.fixes.values()}
    return Alert(
        id=_id(configuration, key, story),
        vulnerability=vulnerability,
        package=package,
        wave=wave,
        kind=kind,
        severity=most_severe([occurrence.severity for occurrence in occurrences]),
        published=story.published,
        updated=max(story.published, *(_updated(part) for part in group.parts if part.mask or part.left)),
        first_seen=min(part.finding.first_seen for part in parts),
        repositories=tuple(dict.fromkeys(part.document.repository for part in parts)),
        occurrences=occurrences,
        advisory=_advisory(vulnerability, parts),
        fixed_in=", ".join(sorted(fixes)) or None,
        suppressed=suppressed,
        signal=signal,
        was_exploited=story.exploited_at is not None,
        raised_from=story.raised_from,
    )


def _resolved_alert(
    configuration: ScanConfiguration, key: _GroupKey, group: _Group, suppressions: Suppressions, signal: Signal
) -> Alert:
    vulnerability, package, wave = key
    story = _story(wave, group.parts, _became_exploited(configuration, signal, group))
    parts = [part for part in group.parts if part.left]
    closings = [part.left for part in parts if part.left]
    last = max(closings, key=lambda closing: (closing.at, closing.reason))
    return Alert(
        id=_id(configuration, key, story),
        vulnerability=vulnerability,
        package=package,
        wave=wave,
        kind="resolved",
        severity=most_severe([closing.severity for closing in closings]),
        published=story.published,
        updated=max(last.at, story.published),
        first_seen=min(part.finding.first_seen for part in parts),
        repositories=tuple(dict.fromkeys(part.document.repository for part in parts)),
        occurrences=(),
        advisory=_advisory(vulnerability, parts),
        fixed_in=None,
        suppressed=next((one for one in suppressions.matching(vulnerability, package) if not one.tags), None),
        signal=signal,
        was_exploited=story.exploited_at is not None,
        resolved_at=last.at,
        resolved_reason=last.reason,
    )


def _id(configuration: ScanConfiguration, key: _GroupKey, story: _Story) -> str:
    exploited = story.exploited_at is not None
    return alert_id(configuration.id, *key, story.raised_to, was_exploited=exploited)


def _became_exploited(configuration: ScanConfiguration, signal: Signal, group: _Group) -> datetime | None:
    """When an alert that was open became known as exploited: what opened since was known as such from its beginning.

    What was known before the configuration was made is its baseline.
    """
    noticed = signal.exploited.noticed_at if signal.exploited else None
    if noticed is None or noticed <= configuration.created:
        return None
    openings = [part.opening for part in group.parts]
    was_open = any(one.at < noticed and (one.closed is None or one.closed.at > noticed) for one in openings)
    return noticed if was_open else None


def _advisory(vulnerability: str, parts: list[_Part]) -> Advisory:
    """What the first repository says that says anything."""
    told = [part.document.advisories.get(vulnerability, _NO_ADVISORY) for part in parts]
    return next((advisory for advisory in told if advisory.description), told[0])


def _updated(part: _Part) -> datetime:
    if part.left:
        # The repository left the alert then; what became of its finding since is another alert's.
        return part.left.at
    return max(part.finding.updated_at, part.repository.changed_at(part.mask))


def _story(wave: datetime | None, parts: list[_Part], exploited_at: datetime | None) -> _Story:
    """What an alert was announced as: the last of its rises, or that it became known as exploited."""
    story = _rises(wave, parts)
    if exploited_at is not None:
        story.exploited_at = exploited_at
        story.published = max(story.published, exploited_at)
    return story


def _rises(wave: datetime | None, parts: list[_Part]) -> _Story:
    """Follow the severity through all repositories: only what exceeds everything announced before is a rise.

    Within a wave a repository that joins with a higher severity is a rise, too; a baseline repository never is.
    """
    if wave is None and not any(part.news for part in parts):
        return _Story(min(part.finding.first_seen for part in parts))
    events: list[tuple[datetime, str, Severity, bool]] = []
    for part in parts:
        repository = part.document.repository
        start = part.news.severity if part.news else _severity(part.opening, part.mask)
        joined = part.opening.at if wave is None else max(wave, part.opening.at)
        events.append((joined, repository, start, wave is not None))
        events += [(at, repository, severity, True) for at, severity in (part.news.raised if part.news else ())]
    # The lowest first: of repositories that join at one instant, the highest must not go unsaid.
    events.sort(key=lambda event: (event[0], event[2].rank, event[1]))
    published = wave or min(part.finding.first_seen for part in parts)
    story = _Story(published)
    highest = events[0][2]
    for at, _, severity, counts in events[1:]:
        if severity.rank > highest.rank:
            if counts:
                story = _Story(at, severity, highest)
            highest = severity
    return story


def _severity(opening: Opening, mask: int) -> Severity:
    return opening.closed.severity if opening.closed else opening.peak(mask)


def _apply(
    suppressions: tuple[Suppression, ...], parts: list[_Part]
) -> tuple[Suppression | None, tuple[Occurrence, ...]]:
    """What suppressions leave of an alert. Where that is nothing: one of them, and all occurrences."""
    if not suppressions:
        return None, _occurrences(parts, ())
    left = _occurrences(parts, suppressions)
    if left:
        return None, left
    return next((one for one in suppressions if not one.tags), suppressions[0]), _occurrences(parts, ())


def _occurrences(parts: list[_Part], suppressions: tuple[Suppression, ...]) -> tuple[Occurrence, ...]:
    found = []
    for part in parts:
        visible = part.mask & ~part.repository.hidden(suppressions) if suppressions else part.mask
        for version, severities in sorted(part.opening.affected.items()):
            mask = 0
            present = []
            for severity, members in severities.items():
                if members & visible:
                    mask |= members & visible
                    present.append(severity)
            if mask:
                found.append(Occurrence(part.document, version, most_severe(present), mask))
    return tuple(found)
