"""What a configuration alerts of: the openings of its repositories, joined to one alert per wave.

Pure functions over findings documents; the feed, the messages and the API show the same alerts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from ecr_rescan.core.changes.alert_parts import Occurrence, Part, SeenRepository, apply
from ecr_rescan.core.changes.closing import TOLD
from ecr_rescan.core.changes.findings import Advisory, Closing, FindingKey, FindingsDocument
from ecr_rescan.core.changes.identity import alert_id
from ecr_rescan.core.changes.story import Story, became_exploited, became_fixable, tell
from ecr_rescan.core.changes.suppressions import Suppressions
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.fixes.known import fixable, joined
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.fixes.words import fixed_in
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import Severity, most_severe
from ecr_rescan.core.signals.known import NO_SIGNALS, NOTHING_KNOWN, Signal, Signals
from ecr_rescan.core.signals.order import Urgency, urgency


@dataclass(frozen=True, slots=True)
class Alert:
    """One entry of a feed: a (vulnerability, package) in one wave, across the repositories of a configuration.

    ``id`` is the permanent identity of what was announced (an escalation gives a new one), a UUID in text. ``kind``
    is ``baseline``, ``new``, ``spread``, ``reopened``, ``escalated``, ``exploited`` or ``fixable``. ``published`` is
    when that began: the first seeing of a baseline finding, the start of the wave, the time of the rise, or when it
    became known that it is exploited, or has a fix. ``updated`` is the last change of what the alert says. ``signal``
    is what is known of the vulnerability; ``was_exploited``: it became known as exploited while the alert was open.
    ``announced``: how severe it was when it was published. ``raised_from``: the severity before the last rise, where
    there was one. ``fixes``: the states that it has in the images. ``resolved_at`` and ``resolved_reason`` are set
    where nothing is affected any more; then there are no occurrences, and ``repositories`` tells where it was.
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
    announced: Severity = Severity.UNDEFINED
    raised_from: Severity | None = None
    resolved_at: datetime | None = None
    resolved_reason: str = ""
    fixes: tuple[Fix, ...] = ()

    @property
    def fixable(self) -> bool | None:
        """Whether an upgrade mends it somewhere; None where nobody knows."""
        return fixable(self.fixes)

    @property
    def urgency(self) -> tuple[bool, Urgency, str, str, str]:
        """The order of alerts, wherever several are shown; resolved ones come last."""
        first = urgency(self.severity, self.signal, fixable=self.fixed_in is not None, since=self.first_seen)
        return (self.resolved_at is not None, first, self.vulnerability, self.package, self.id)


@dataclass(slots=True)
class _Group:
    parts: list[Part] = field(default_factory=list)
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
        _collect(configuration, SeenRepository(configuration, document, signals.fixes), only, groups)
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
    repository: SeenRepository,
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
                group.parts.append(Part(repository, finding, opening, news, mask, left))
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
    suppressed, occurrences = apply((vulnerability, package), suppressions.matching(vulnerability, package), parts)
    fixable_at = became_fixable(configuration, (vulnerability, package), occurrences)
    story = tell(wave, group.parts, became_exploited(configuration, signal, group.parts), fixable_at)
    kind = story.kind
    if kind is None:
        kind = "baseline" if wave is None else "reopened" if group.reopened else "spread" if spread else "new"
    fixes = joined(fix for occurrence in occurrences for fix in occurrence.fixes)
    return Alert(
        id=_id(configuration, key, story),
        vulnerability=vulnerability,
        package=package,
        wave=wave,
        kind=kind,
        severity=most_severe([occurrence.severity for occurrence in occurrences]),
        published=story.published,
        announced=story.announced,
        updated=max(story.published, *(_updated(part) for part in group.parts if part.mask or part.left)),
        first_seen=min(part.finding.first_seen for part in parts),
        repositories=tuple(dict.fromkeys(part.document.repository for part in parts)),
        occurrences=occurrences,
        advisory=_advisory(vulnerability, parts),
        fixed_in=fixed_in(fixes),
        suppressed=suppressed,
        signal=signal,
        was_exploited=story.exploited_at is not None,
        fixes=fixes,
        raised_from=story.raised_from,
    )


def _resolved_alert(
    configuration: ScanConfiguration, key: _GroupKey, group: _Group, suppressions: Suppressions, signal: Signal
) -> Alert:
    vulnerability, package, wave = key
    story = tell(wave, group.parts, became_exploited(configuration, signal, group.parts))
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
        announced=story.announced,
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


def _id(configuration: ScanConfiguration, key: _GroupKey, story: Story) -> str:
    exploited, fixable = story.exploited_at is not None, story.fixable_at is not None
    return alert_id(configuration.id, *key, story.raised_to, was_exploited=exploited, was_fixable=fixable)


def _advisory(vulnerability: str, parts: list[Part]) -> Advisory:
    """What the first repository says that says anything."""
    told = [part.document.advisories.get(vulnerability, _NO_ADVISORY) for part in parts]
    return next((advisory for advisory in told if advisory.description), told[0])


def _updated(part: Part) -> datetime:
    if part.left:
        # The repository left the alert then; what became of its finding since is another alert's.
        return part.left.at
    return max(part.finding.updated_at, part.repository.changed_at(part.mask))
