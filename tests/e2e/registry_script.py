"""Thirty days of a registry, and what they are to a subscriber: worked out from what was done, in the plainest way.

Nothing here uses the service. A day is a picture of the registry: which tags there are, and what a scan of each finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

RANK = {"UNDEFINED": 0, "INFORMATIONAL": 1, "LOW": 2, "MEDIUM": 3, "HIGH": 4, "CRITICAL": 5}

Key = tuple[str, str]
"""(vulnerability, package)."""

Findings = dict[Key, str]
"""What a scan finds, with severities."""


@dataclass(slots=True)
class Tag:
    """What a tag names: by platform, what its scan finds. ``pushed``: the higher, the newer."""

    platforms: dict[str, Findings]
    pushed: int

    @property
    def findings(self) -> Findings:
        """Over all platforms, the highest severity of each."""
        found: Findings = {}
        for part in self.platforms.values():
            for key, severity in part.items():
                if RANK[severity] >= RANK[found.get(key, "UNDEFINED")]:
                    found[key] = severity
        return found


Registry = dict[str, dict[str, Tag]]
"""Repository → tag → what it names."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A suppression: of a vulnerability, up to a day (that one included)."""

    vulnerability: str
    until: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A configuration as its author means it. ``until`` of ``ignore`` are days of the script."""

    repository: tuple[str, ...]
    tags: tuple[str, ...] = ()
    newest: int | None = None
    notify: str = "HIGH"
    ignore: tuple[Ignored, ...] = ()

    def seen(self, registry: Registry) -> dict[str, Findings]:
        """What it sees: repository → findings."""
        return {name: found for name, tags in registry.items() if (found := self._findings(name, tags)) is not None}

    def _findings(self, repository: str, tags: Mapping[str, Tag]) -> Findings | None:
        if not any(fnmatchcase(repository, pattern) for pattern in self.repository):
            return None
        chosen = [tag for name, tag in tags.items() if not self.tags or any(fnmatchcase(name, p) for p in self.tags)]
        chosen.sort(key=lambda tag: -tag.pushed)
        found: Findings = {}
        for tag in chosen[: self.newest]:
            for key, severity in tag.findings.items():
                if RANK[severity] >= RANK[found.get(key, "UNDEFINED")]:
                    found[key] = severity
        return found if chosen else None

    def hides(self, key: Key, day: int) -> bool:
        """Whether it suppresses that on a day."""
        return any(one.vulnerability == key[0] and day <= one.until for one in self.ignore)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a subscriber sees as one entry. ``wave``: the day on which it began (None: it was there at first)."""

    key: Key
    wave: int | None
    raised: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as it first shows."""

    vulnerability: str
    package: str
    severity: str
    kind: str


@dataclass(slots=True)
class _Opening:
    """A repository that has a finding: the wave that it belongs to, and the highest severity that was told of it."""

    wave: int | None
    highest: str


@dataclass(frozen=True, slots=True)
class Day:
    """What a day brings to the subscriber of one configuration."""

    entries: frozenset[Shown]
    messages: frozenset[Shown]
    shown: frozenset[Entry]


@dataclass(slots=True)
class Subscription:
    """Follows one configuration from day to day."""

    wish: Wish
    _before: Registry = field(default_factory=dict)
    _open: dict[tuple[str, Key], _Opening] = field(default_factory=dict)
    _raised: dict[tuple[Key, int | None], str] = field(default_factory=dict)
    _had: set[tuple[str, Key]] = field(default_factory=set)
    _repositories: set[str] = field(default_factory=set)
    _ever: set[Entry] = field(default_factory=set)

    def day(self, day: int, registry: Registry) -> Day:
        """What is new on a day that ends with this picture of the registry."""
        before, now = self.wish.seen(self._before), self.wish.seen(registry)
        began = {(repository, key) for repository, found in now.items() for key in found}
        rose: set[tuple[Key, int | None]] = set()
        for place in [place for place in self._open if place not in began]:
            del self._open[place]
        for repository, key in sorted(began):
            severity = now[repository][key]
            opening = self._open.get((repository, key))
            if opening is None:
                quiet = repository not in self._repositories or key in before.get(repository, {})
                opening = self._open[repository, key] = _Opening(None if quiet else day, severity)
                opening.highest = severity
            elif RANK[severity] > RANK[opening.highest]:
                told = RANK[opening.highest] > 0 or RANK[severity] >= RANK[self.wish.notify]
                opening.highest = severity
                if told:
                    self._raised[key, opening.wave] = severity
                    rose.add((key, opening.wave))
        entries = self._entries(now)
        visible = {entry: shown for entry, shown in entries.items() if not self.wish.hides(entry.key, day)}
        new = {entry: shown for entry, shown in visible.items() if entry not in self._ever}
        self._ever |= set(visible)
        told = {
            shown
            for entry, shown in new.items()
            if (entry.wave == day or (entry.key, entry.wave) in rose) and RANK[shown.severity] >= RANK[self.wish.notify]
        }
        self._had |= began
        self._repositories |= set(now)
        self._before = copied(registry)
        return Day(frozenset(new.values()), frozenset(told), frozenset(visible))

    def _entries(self, now: Mapping[str, Findings]) -> dict[Entry, Shown]:
        waves: dict[tuple[Key, int | None], list[str]] = {}
        for (repository, key), opening in self._open.items():
            waves.setdefault((key, opening.wave), []).append(repository)
        self._raised = {wave: severity for wave, severity in self._raised.items() if wave in waves}
        entries = {}
        for (key, wave), repositories in waves.items():
            raised = self._raised.get((key, wave))
            severity = max((now[repository][key] for repository in repositories), key=RANK.__getitem__)
            entries[Entry(key, wave, raised)] = Shown(
                *key, severity, self._kind(key, wave, raised, repositories, waves)
            )
        return entries

    def _kind(
        self,
        key: Key,
        wave: int | None,
        raised: str | None,
        repositories: Iterable[str],
        waves: Mapping[tuple[Key, int | None], object],
    ) -> str:
        if raised:
            return "escalated"
        if wave is None:
            return "baseline"
        if any((repository, key) in self._had for repository in repositories):
            return "reopened"
        earlier = any(other == key and (began is None or began < wave) for other, began in waves)
        return "spread" if earlier else "new"


def copied(registry: Registry) -> Registry:
    """The registry as it is now, whatever becomes of it."""
    return {
        repository: {
            name: Tag({platform: dict(found) for platform, found in tag.platforms.items()}, tag.pushed)
            for name, tag in tags.items()
        }
        for repository, tags in registry.items()
    }


class Stage:
    """Where the script acts: keeps the picture, and tells the registry under test."""

    def __init__(self, push: Callable[[str, str, int, list[str]], None]) -> None:
        """``push`` is (repository, tag, number of the push, platforms)."""
        self._push = push
        self._pushes = 0
        self.registry: Registry = {}
        self.failing: set[tuple[str, str]] = set()

    def push(
        self, repository: str, tag: str, *findings: tuple[str, str, str], **platforms: list[tuple[str, str, str]]
    ) -> None:
        """A new image under a tag, of one platform or of those named; a tag that exists moves to it."""
        by_platform = platforms or {"": list(findings)}
        self._pushes += 1
        found = {
            platform: {(vulnerability, package): severity for vulnerability, package, severity in part}
            for platform, part in by_platform.items()
        }
        self.registry.setdefault(repository, {})[tag] = Tag(found, self._pushes)
        self._push(repository, tag, self._pushes, list(platforms))

    def find(self, repository: str, tag: str, vulnerability: str, package: str, severity: str) -> None:
        """Scans of a tag find something, on all platforms, from now on."""
        for part in self.registry[repository][tag].platforms.values():
            part[vulnerability, package] = severity

    def fix(self, repository: str, tag: str, vulnerability: str, package: str) -> None:
        """Scans of a tag find something no longer, on any platform."""
        for part in self.registry[repository][tag].platforms.values():
            part.pop((vulnerability, package), None)


Act = Callable[[Stage], None]

OLD = [("CVE-1999-1", "bash", "LOW"), ("CVE-1999-2", "zlib", "HIGH"), ("CVE-1999-3", "glibc", "MEDIUM")]
HIDDEN = ("CVE-2001-7", "perl", "CRITICAL")


def first_day(stage: Stage) -> None:
    """What is there when the service is deployed."""
    stage.push("team-a/app", "1.0", *OLD, HIDDEN)
    stage.push("team-a/app", "stable", *OLD, HIDDEN, ("CVE-1999-4", "curl", "MEDIUM"))
    stage.push("team-a/web", "1.0", OLD[0])
    stage.push("team-b/api", "stable", amd64=OLD[:2], arm64=[*OLD[:1], ("CVE-1999-5", "musl", "LOW")])
    stage.push("team-b/job", "nightly", OLD[2])


def _day_3(stage: Stage) -> None:
    stage.find("team-a/app", "1.0", "CVE-2026-100", "openssl", "CRITICAL")
    stage.find("team-a/app", "stable", "CVE-2026-100", "openssl", "CRITICAL")
    stage.find("team-b/api", "stable", "CVE-2026-100", "openssl", "CRITICAL")


def _day_13(stage: Stage) -> None:
    stage.find("team-a/app", "1.0", "CVE-2026-200", "xz", "HIGH")
    stage.find("team-a/app", "1.0", "CVE-2026-201", "xz", "LOW")
    stage.find("team-b/job", "nightly", "CVE-2026-202", "jq", "MEDIUM")


def _day_17(stage: Stage) -> None:
    stage.push("team-a/new", "1.0", OLD[1], ("CVE-1999-9", "vim", "CRITICAL"))


def _day_24(stage: Stage) -> None:
    for tag in ("1.0", "stable"):
        stage.fix("team-a/app", tag, "CVE-2026-100", "openssl")


SCRIPT: dict[int, Act] = {
    3: _day_3,  # new, in two repositories at once
    5: lambda stage: stage.find("team-a/web", "1.0", "CVE-2026-100", "openssl", "CRITICAL"),  # spread
    # Rebuilt, with the same findings; then with one mended and one new.
    7: lambda stage: stage.push("team-b/job", "nightly", OLD[2]),
    8: lambda stage: stage.push("team-b/job", "nightly", ("CVE-2026-150", "git", "HIGH")),
    # Not selected by everybody: what a configuration that is widened later was not told, and is not told then.
    9: lambda stage: stage.push("team-a/app", "1.5", *OLD, HIDDEN, ("CVE-2026-160", "bzip2", "HIGH")),
    10: lambda stage: stage.find("team-a/web", "1.0", *OLD[0][:2], "HIGH"),  # more severe
    11: lambda stage: stage.find("team-a/web", "1.0", *OLD[0][:2], "LOW"),  # less severe
    12: lambda stage: stage.find("team-a/web", "1.0", *OLD[0][:2], "HIGH"),  # as severe as it was before
    13: _day_13,
    # Unrated, then rated below and above what is sent.
    14: lambda stage: stage.find("team-a/web", "1.0", "CVE-2026-300", "tar", "UNDEFINED"),
    15: lambda stage: stage.find("team-a/web", "1.0", "CVE-2026-300", "tar", "CRITICAL"),
    17: _day_17,  # a new repository
    18: lambda stage: stage.find("team-a/new", "1.0", "CVE-2026-200", "xz", "HIGH"),  # spread to the new one
    20: lambda stage: stage.push("team-a/app", "2.0", OLD[0], ("CVE-2026-400", "go", "HIGH")),  # a tag of its own
    22: lambda stage: stage.find("team-b/api", "stable", "CVE-2026-500", "musl", "MEDIUM"),
    24: _day_24,  # fixed in one repository; two others still have it
    26: lambda stage: stage.fix("team-a/web", "1.0", "CVE-2026-100", "openssl"),
    28: lambda stage: stage.find("team-a/web", "1.0", "CVE-2026-100", "openssl", "CRITICAL"),  # back again
    29: lambda stage: stage.find("team-b/api", "stable", "CVE-2026-500", "musl", "CRITICAL"),  # escalated
}

FAILING = {6: ("team-a/app", "1.0"), 16: ("team-b/job", "nightly")}
"""Scans that fail on a day: nothing is known, so nothing changes."""

WISHES: dict[str, Wish] = {
    "all": Wish(("*",)),
    "glob": Wish(("team-a/*",), notify="CRITICAL"),
    "tags": Wish(("team-a/app", "team-b/*"), tags=("stable", "night*"), notify="MEDIUM"),
    "newest": Wish(("team-a/app",), newest=1, ignore=(Ignored("CVE-2001-7", 12),)),
}

ENDED = 12
"""The last day of the suppression of ``newest``."""

WIDENED = {19: ("tags", Wish(("team-a/app", "team-b/*"), tags=("*",), notify="MEDIUM"))}
"""Configurations that are changed on the morning of a day."""
