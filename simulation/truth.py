"""What really happened: kept from ECR's side and the script, and replayed into what people should have been told.

A tag is a slot that holds findings: those of the last complete scan of the image that it names, and until that has one,
those that the slot held before. Nothing here knows how the service records, compares or displaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from simulation.content import Build, Key

RANK = {"INFORMATIONAL": 1, "LOW": 2, "MEDIUM": 3, "HIGH": 4, "CRITICAL": 5}
WINDOW = timedelta(hours=25)
"""Openings this near to the first are one alert (the design, "What changed, exactly")."""

Place = tuple[str, str]
"""(registry, repository)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A configuration, as its author means it, from ``since`` until its next edit.

    ``severity``: the least that it shows. ``ignore``: globs of vulnerabilities that it hides. ``edited``: it has, or
    had, other forms: its messages are not judged by the end of the run.
    """

    id: str
    registry: str
    repository: tuple[str, ...]
    tags: tuple[str, ...]
    newest: int | None
    notify: str
    since: datetime
    severity: str | None = None
    ignore: tuple[str, ...] = ()
    edited: bool = False
    until: datetime | None = None

    def stands(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.since <= now and (self.until is None or now < self.until)

    def wants(self, key: Key, severity: str) -> bool:
        """Whether it shows a finding."""
        if self.severity is not None and RANK[severity] < RANK[self.severity]:
            return False
        return not any(fnmatchcase(key[0], pattern) for pattern in self.ignore)

    def names(self, place: Place) -> bool:
        """Whether it is about a repository."""
        return place[0] == self.registry and _matches(place[1], self.repository)

    def slots(self, tags: Mapping[str, str], pushed: Mapping[str, datetime]) -> dict[str, str]:
        """The tags that it selects → digests."""
        chosen = {tag: digest for tag, digest in tags.items() if not self.tags or _matches(tag, self.tags)}
        if self.newest is not None:
            order = sorted(set(chosen.values()), key=lambda digest: (-pushed[digest].timestamp(), digest))
            chosen = {tag: digest for tag, digest in chosen.items() if digest in order[: self.newest]}
        return chosen


def _matches(name: str, patterns: Sequence[str]) -> bool:
    if any(fnmatchcase(name, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    including = [pattern for pattern in patterns if not pattern.startswith("!")]
    return not including or any(fnmatchcase(name, pattern) for pattern in including)


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tags of a repository from now on; no tags and ``gone``: the repository was deleted."""

    at: datetime
    tags: Mapping[str, str]
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """A scan ended; ``found`` is None where it failed. ``began``: when ECR accepted it."""

    at: datetime
    began: datetime
    digest: str
    found: Mapping[Key, str] | None
    enhanced: bool = False


@dataclass(slots=True)
class History:
    """Of one repository, in the order of time. ``known_at``: when it was first there."""

    known_at: datetime
    steps: list[Tagged | Scanned] = field(default_factory=list)
    pushed: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slots:
    """What the tags of a repository hold from ``at`` on; ``waiting``: those that never had a result."""

    at: datetime
    tags: Mapping[str, str]
    findings: Mapping[str, Mapping[Key, str]]
    waiting: set[str]


@dataclass(slots=True)
class Truth:
    """Everything that happened."""

    builds: dict[str, Build] = field(default_factory=dict)
    histories: dict[Place, History] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    _replayed: dict[Place, list[Slots]] = field(default_factory=dict)

    def slots_over_time(self, place: Place) -> list[Slots]:
        """What the slots of a repository hold, after each step; asked for when the run is over."""
        if place not in self._replayed:
            self._replayed[place] = list(self._replay(place))
        return self._replayed[place]

    def _replay(self, place: Place) -> Iterator[Slots]:
        history = self.histories[place]
        history.steps.sort(key=lambda step: step.at)
        latest: dict[str, Mapping[Key, str]] = {}
        tags: Mapping[str, str] = {}
        held: dict[str, dict[str, Mapping[Key, str]]] = {}
        findings: dict[str, dict[Key, str]] = {}
        for step in history.steps:
            if isinstance(step, Tagged):
                held = {tag: held.get(tag, {}) for tag in step.tags}
                tags = step.tags
            elif step.found is not None:
                latest[step.digest] = step.found
            findings = {tag: findings[tag] for tag in tags if tag in findings}
            for tag, digest in tags.items():
                if tag not in findings or isinstance(step, Tagged) or step.digest in self.builds[digest].manifests:
                    held[tag] = self._held(digest, latest, held[tag])
                    findings[tag] = _union(held[tag].values())
            yield Slots(step.at, tags, findings, {tag for tag, parts in held.items() if not parts})

    def _held(
        self, digest: str, latest: Mapping[str, Mapping[Key, str]], before: dict[str, Mapping[Key, str]]
    ) -> dict[str, Mapping[Key, str]]:
        """What a slot holds by platform: of each the last result; of those without one, what the slot held before."""
        manifests = self.builds[digest].manifests
        if len(manifests) == 1:
            return {"": latest[manifests[0]]} if manifests[0] in latest else before
        held = dict(before)
        for platform, manifest in enumerate(manifests):
            if manifest in latest:
                held[str(platform)] = latest[manifest]
        return held

    def open_at(self, place: Place, moment: datetime) -> set[Key]:
        """What is open in the images of a repository that somebody selects."""
        last = None
        for slots in self.slots_over_time(place):
            if slots.at > moment:
                break
            last = slots
        if last is None:
            return set()
        pushed = self.histories[place].pushed
        chosen = {
            tag
            for wish in self.wishes
            if wish.stands(moment) and wish.names(place)
            for tag in wish.slots(last.tags, pushed)
        }
        return {key for tag in chosen for key in last.findings[tag]}


def _union(parts: Iterable[Mapping[Key, str]]) -> dict[Key, str]:
    union: dict[Key, str] = {}
    for part in parts:
        for key, severity in part.items():
            if RANK[severity] > RANK.get(union.get(key, ""), 0):
                union[key] = severity
    return union
