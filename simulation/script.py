"""What people do in the registries during a run: push, move tags, delete, archive; and what becomes known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from simulation.content import Build, Knowledge, Vulnerability, build
from simulation.gate import START
from simulation.plan import CALM_END, CALM_START, OTHER, OWN, Size
from simulation.truth import Place

PACKAGES = [f"package-{number}" for number in range(12)]
EVERY_VERSION = 1_000_000
RARELY_DOWN = ["MEDIUM", "HIGH", "CRITICAL"]


class Stage(Protocol):
    """What the script can do to the world; it never asks the service."""

    @property
    def now(self) -> datetime: ...
    def at(self, moment: datetime, action: Callable[[], None]) -> None: ...
    def create_repository(self, place: Place, *, scan_on_push: bool) -> None: ...
    def delete_repository(self, place: Place) -> None: ...
    def push(self, place: Place, tag: str, made: Build) -> None: ...
    def retag(self, place: Place, tag: str, digest: str) -> None: ...
    def delete(self, place: Place, tag: str) -> None: ...
    def delete_many(self, place: Place, tags: Sequence[str]) -> None: ...
    def hang(self, registry: str, time: timedelta) -> None: ...
    def refuse_once(self, registry: str) -> None: ...
    def archive(self, place: Place, digest: str, *, archived: bool) -> None: ...
    def scan(self, place: Place, digest: str) -> None: ...
    def post(self, place: Place, digest: str, *, fails: bool = False) -> None: ...
    def publish(self, package: str) -> None: ...
    def tags(self, place: Place) -> dict[str, str]: ...
    def build_of(self, digest: str) -> Build: ...


@dataclass(slots=True)
class _Repository:
    packages: list[str]
    kinds: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    builds: int = 0


class Script:
    """Drawn from the seed; each step is put on the stage's agenda beforehand or by the step before it."""

    def __init__(self, size: Size, seed: int, stage: Stage, knowledge: Knowledge) -> None:
        self._size = size
        self._chance = Random(f"script {seed}")
        self._stage = stage
        self._knowledge = knowledge
        self._repositories: dict[Place, _Repository] = {}
        self._vulnerabilities = 0

    def begin(self) -> None:
        """Fill the registries, and plan everything else."""
        for package in PACKAGES:
            self._new_vulnerability(package, self._chance.choice(RARELY_DOWN))
        count = self._size.repositories
        for number in range(count):
            registry = OTHER if number % 10 == 9 else OWN
            images = (number + 1) * self._size.images // count - number * self._size.images // count
            self._new_repository((registry, f"team-{number % 5}/app-{number}"), images, scan_on_push=number % 2 == 0)
        for place in list(self._repositories):
            self._plan_push(place)
        self._plan(START + CALM_START, self._size.end - CALM_END)

    def _plan(self, begin: datetime, end: datetime) -> None:
        days = (end - begin) / timedelta(days=1)

        def several(rate: float, action: Callable[[], None]) -> None:
            for _ in range(int(rate * self._size.pace * max(days, 0) + self._chance.random())):
                self._stage.at(begin + self._chance.random() * (end - begin), action)

        several(4, self._publish)
        several(2, self._fail)
        several(2, self._scan)
        several(1, self._archive)
        several(2, self._delete)
        several(0.4, self._late_repository)
        several(0.3, self._delete_repository)

    def _new_repository(self, place: Place, images: int, *, scan_on_push: bool) -> None:
        self._repositories[place] = _Repository(self._chance.sample(PACKAGES, 2))
        self._stage.create_repository(place, scan_on_push=scan_on_push)
        for _ in range(images):
            self._push_tag(place)

    def _push_tag(self, place: Place) -> None:
        kinds = self._repositories[place].kinds
        tag = f"v{len(kinds) + 1}"
        kinds[tag] = self._chance.choices(["image", "index", "chart", "scratch"], [90, 6, 2, 2])[0]
        self._repositories[place].own[tag] = self._chance.choice(PACKAGES)
        self._rebuild(place, tag)

    def _rebuild(self, place: Place, tag: str, extra: str = "") -> None:
        repository = self._repositories[place]
        repository.builds += 1
        packages = dict.fromkeys([*repository.packages, repository.own[tag], *([extra] if extra else [])], 0)
        name = f"{place[0]} {place[1]} {repository.builds}"
        self._stage.push(place, tag, build(repository.kinds[tag], name, tag, packages))

    def _plan_push(self, place: Place) -> None:
        if self._size.pushes:
            wait = timedelta(days=self._chance.expovariate(self._size.pushes))
            self._stage.at(self._stage.now + wait, lambda: self._push(place))

    def _push(self, place: Place) -> None:
        self.push(place)
        self._plan_push(place)

    def push(self, place: Place) -> None:
        """A tag moves to a rebuilt image, now and then with a package of its own; or a tag is added for another."""
        if place not in self._repositories or self._stage.now >= self._size.end:
            return
        tags = sorted(self._stage.tags(place))
        drawn = self._chance.random()
        tag = self._chance.choice(tags) if tags else ""
        if drawn < 0.1 or not tags:
            self._push_tag(place)
            if len(tags) > 1:
                self._stage.delete(place, tag)
        else:
            extra = ""
            if drawn < 0.15 and START + CALM_START < self._stage.now < self._size.end - CALM_END:
                extra = f"extra-{self._vulnerabilities}"
                self._new_vulnerability(extra, "HIGH")
            self._rebuild(place, tag, extra)

    def _new_vulnerability(self, package: str, severity: str) -> Vulnerability:
        self._vulnerabilities += 1
        story: list[tuple[datetime, str | None]] = [(self._stage.now, severity)]
        made = Vulnerability(f"CVE-2026-{self._vulnerabilities:04}", package, EVERY_VERSION, story)
        self._knowledge.add(made)
        return made

    def _publish(self) -> None:
        """Something becomes known; days later it is rated anew, or withdrawn, and maybe comes back."""
        package = self._chance.choice(PACKAGES)
        made = self._new_vulnerability(package, self._chance.choice(["LOW", "MEDIUM", "HIGH", "CRITICAL"]))
        self._stage.publish(package)
        drawn, now = self._chance.random(), self._stage.now
        later: list[tuple[float, str | None]] = []
        if drawn < 0.25:
            later = [(2.2, "CRITICAL")]
        elif drawn < 0.5:
            later = [(2.2, None), (4.6, made.severity(now))]
        for days, severity in later:
            moment = now + timedelta(days=days)
            if moment < self._size.end - CALM_END:
                made.story.append((moment, severity))
                self._stage.at(moment, lambda: self._stage.publish(package))

    def _fail(self) -> None:
        """One scan of an image fails; the next ones don't."""
        place, digest = self._some_image()
        if digest:
            self._stage.post(place, digest, fails=True)
            self._stage.at(self._stage.now + timedelta(hours=24.5), lambda: self._mend(place, digest))

    def _mend(self, place: Place, digest: str) -> None:
        if place in self._repositories:
            self._stage.post(place, digest)

    def _scan(self) -> None:
        """Somebody else starts a scan, if ECR lets them."""
        place, digest = self._some_image()
        if digest:
            self._stage.scan(place, digest)

    def _archive(self) -> None:
        place, digest = self._some_image()
        if digest:
            self._stage.archive(place, digest, archived=True)
            back = self._stage.now + timedelta(hours=self._chance.uniform(1, 40))
            self._stage.at(back, lambda: self._stage.archive(place, digest, archived=False))

    def _delete(self) -> None:
        place = self._some_place()
        tags = sorted(self._stage.tags(place))
        if len(tags) > 1:
            self._stage.delete(place, self._chance.choice(tags))

    def _late_repository(self) -> None:
        number = len(self._repositories) + 1000 + self._chance.randrange(1000)
        self._new_repository((OWN, f"team-{number % 5}/late-{number}"), 5, scan_on_push=self._chance.random() < 0.5)

    def _delete_repository(self) -> None:
        if len(self._repositories) > 3:
            place = self._some_place()
            del self._repositories[place]
            self._stage.delete_repository(place)

    def _some_place(self) -> Place:
        return self._chance.choice(sorted(self._repositories))

    def _some_image(self) -> tuple[Place, str]:
        place = self._some_place()
        tags = sorted(set(self._stage.tags(place).values()))
        plain = [digest for digest in tags if self._stage.build_of(digest).kind == "image"]
        return place, self._chance.choice(plain) if plain else ""
