"""What people do, beside pushing: small habits, each with its own repositories, configurations and draws of the seed.

A habit knows the stage and what it made itself, so that any of them can be left out without changing the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from simulation.author import Author
from simulation.content import Build, build, index_of, signature
from simulation.gate import START
from simulation.plan import CALM_END, CALM_START, OTHER, OWN, ROLE_REFUSED, SILENT_REGION, THIRD, Size
from simulation.script import PACKAGES, Stage
from simulation.truth import Place

LIKELY = 0.75
"""How probable it is that a seed has a habit; a habit that troubles all others is rarer."""
RARE = 0.3


@dataclass(slots=True)
class Doing:
    """What a habit works with. ``number``: the first of the ten numbers of configurations that are its own."""

    name: str
    size: Size
    chance: Random
    stage: Stage
    author: Author
    number: int
    builds: int = 0
    kept: dict[str, Build] = field(default_factory=dict)

    def place(self, part: str = "app", registry: str = OWN) -> Place:
        """A repository of its own."""
        return registry, f"lab/{self.name}/{part}"

    def make(self, place: Place, *, scan_on_push: bool = True) -> Place:
        """Make a repository."""
        self.stage.create_repository(place, scan_on_push=scan_on_push)
        return place

    def build(self, tag: str, kind: str = "image") -> Build:
        """A new build, with two or three of the packages."""
        self.builds += 1
        packages = dict.fromkeys(self.chance.sample(PACKAGES, self.chance.choice([2, 3])), 0)
        return build(kind, f"{self.name} {self.builds}", tag, packages)

    def push(self, place: Place, tag: str, kind: str = "image") -> Build:
        """Push a new build."""
        made = self.build(tag, kind)
        self.stage.push(place, tag, made)
        return made

    def renew(self, place: Place, tag: str) -> None:
        """Move a tag to a new build."""
        self.push(place, tag)

    def moment(self, begin: float = 0.0, end: float = 1.0) -> timedelta:
        """A moment of that part of the time in which people do things, from the start of the run."""
        whole = timedelta(days=self.size.days) - CALM_START - CALM_END
        return CALM_START + max(whole, timedelta()) * self.chance.uniform(begin, end)

    @property
    def last(self) -> timedelta:
        """When the last habit has ended; images pushed before that are given time."""
        return timedelta(days=self.size.days) - CALM_END + timedelta(hours=2)

    def at(self, moment: timedelta, action: Callable[[], None]) -> None:
        """Plan a step."""
        self.stage.at(START + moment, action)

    def several(self, a_day: float) -> list[timedelta]:
        """Moments, so many a day, in their order; one at least."""
        days = self.size.days - (CALM_START + CALM_END) / timedelta(days=1)
        return sorted(self.moment() for _ in range(max(1, round(a_day * self.size.pace * max(days, 0)))))


def promotion(do: Doing) -> None:
    """Images are pushed as ``sha-…``; hours later one is tagged ``prod-…``, and only that is selected."""
    place = do.make(do.place())
    do.push(place, "prod-0")
    do.author.write(do.number, OWN, [place[1]], tags=["prod-*"])

    def push(number: int) -> None:
        made = do.push(place, f"sha-{number}")
        later = timedelta(hours=do.chance.uniform(0.1, 20))
        do.stage.at(do.stage.now + later, lambda: do.stage.retag(place, f"prod-{number}", made.digest))

    for number, moment in enumerate(do.several(1.5), 1):
        do.at(moment, partial(push, number))


def rollback(do: Doing) -> None:
    """``prod`` moves to a new image, and back to an older one; builds go on in between."""
    place = do.make(do.place())
    builds = [do.push(place, f"build-{number}") for number in range(2)]
    do.stage.retag(place, "prod", builds[0].digest)
    do.author.write(do.number, OWN, [place[1]], tags=["prod"])

    def build() -> None:
        builds.append(do.push(place, f"build-{len(builds)}"))

    def move() -> None:
        now = do.stage.tags(place)["prod"]
        do.stage.retag(place, "prod", do.chance.choice([one for one in builds if one.digest != now]).digest)

    for moment in do.several(1.5):
        do.at(moment - timedelta(hours=3), build)
        do.at(moment, move)


def retagging(do: Doing) -> None:
    """Many tags move at once, to images of which some are new."""
    place = do.make(do.place())
    builds = [do.push(place, f"build-{number}") for number in range(6)]
    for number in range(4):
        do.stage.retag(place, f"live-{number}", builds[number].digest)
    do.author.write(do.number, OWN, [place[1]], tags=["live-*"])

    def build() -> None:
        builds.append(do.push(place, f"build-{len(builds)}"))

    def move() -> None:
        tags = do.stage.tags(place)
        for number, made in enumerate(do.chance.sample(builds[-6:], 4)):
            if tags[f"live-{number}"] != made.digest:
                do.stage.retag(place, f"live-{number}", made.digest)

    for moment in do.several(0.7):
        for hours in (5, 4):
            do.at(moment - timedelta(hours=hours), build)
        do.at(moment, move)


def sharing(do: Doing) -> None:
    """The same digest in several repositories, and under several indexes of one."""
    places = [do.make(do.place(part)) for part in ("one", "two", "three")]
    do.author.write(do.number, OWN, [place[1] for place in places], tags=["v*"])
    made = do.push(places[0], "v1")

    def share(place: Place) -> None:
        do.stage.push(place, "v1", made)

    def index(number: int) -> None:
        other = do.build("")
        name = f"{do.name} index {number}"
        do.stage.push(places[0], f"v-index-{number}", index_of(name, f"v-index-{number}", [made, other]))

    for place in places[1:]:
        do.at(do.moment(0, 0.6), partial(share, place))
    for number in range(2):
        do.at(do.moment(), partial(index, number))


def narrowing(do: Doing) -> None:
    """A configuration is narrowed by mistake, and put right ten minutes later."""
    places = [do.make(do.place(part)) for part in ("one", "two")]
    for place in places:
        for tag in ("v1", "v2"):
            do.push(place, tag)
    right: dict[str, Any] = {"repository": [f"lab/{do.name}/*"], "tags": ["v*"]}
    wrong = do.chance.choice([{"repository": [places[0][1]], "tags": ["v*"]}, right | {"tags": ["v1"]}])
    do.author.write(do.number, OWN, **right)
    for moment in do.several(0.5):
        do.at(moment, lambda: do.author.write(do.number, OWN, **wrong))
        do.at(moment + timedelta(minutes=10), lambda: do.author.write(do.number, OWN, **right))


def widening(do: Doing) -> None:
    """A second, wider configuration is added; and the first is widened."""
    place = do.make(do.place())
    for tag in ("v1", "v2", "v3", "old"):
        do.push(place, tag)
    do.author.write(do.number, OWN, [place[1]], tags=["v1"])
    second = do.moment(0.2, 0.5)
    do.at(second - timedelta(hours=2), partial(do.renew, place, "v2"))
    do.at(second, lambda: do.author.write(do.number + 1, OWN, [f"lab/{do.name}/*"], tags=["v1", "v2"]))
    do.at(do.moment(0.5, 1), lambda: do.author.write(do.number, OWN, [place[1]]))


def writing_by_hand(do: Doing) -> None:
    """A configuration is edited with ``aws s3 cp``, without the API."""
    place = do.make(do.place())
    for tag in ("v1", "v2", "next"):
        do.push(place, tag)
    do.author.write(do.number, OWN, [place[1]], tags=["v1"], by_hand=do.chance.random() < 0.5)
    do.at(do.moment(0, 0.1), partial(do.renew, place, "next"))
    for number, moment in enumerate(do.several(0.7)):
        tags = (["next", "v2"], ["v1"], ["v*"])[number % 3]
        do.at(moment, partial(do.author.write, do.number, OWN, [place[1]], tags=tags, by_hand=True))


def suppressing(do: Doing) -> None:
    """Suppressions are edited A, B, A."""
    place = do.make(do.place())
    for tag in ("v1", "v2"):
        do.push(place, tag)
    forms = [["CVE-2026-*1"], ["CVE-2026-*2"], ["CVE-2026-*1"], []]
    do.author.write(do.number, OWN, [place[1]], ignore=forms[0])
    begin = do.moment(0, 0.6)
    for number, form in enumerate(forms[1:], 1):
        wait = timedelta(minutes=do.chance.uniform(3, 200)) * number
        do.at(begin + wait, partial(do.author.write, do.number, OWN, [place[1]], ignore=form))


def branching(do: Doing) -> None:
    """A repository for each branch comes, and goes, under a glob."""
    do.author.write(do.number, OWN, [f"lab/{do.name}/*"])

    def begin(number: int) -> None:
        place = do.make(do.place(f"branch-{number}"), scan_on_push=do.chance.random() < 0.5)
        do.push(place, "latest")
        later = do.stage.now + timedelta(hours=do.chance.uniform(2, 40))
        do.stage.at(min(later, START + do.last), lambda: do.stage.delete_repository(place))

    for number, moment in enumerate(do.several(1.5)):
        do.at(moment, partial(begin, number))


def expiring(do: Doing) -> None:
    """A lifecycle policy deletes hundreds of images at once (a part of them, in a small run)."""
    place = do.make(do.place(), scan_on_push=False)
    count = min(300, max(8, do.size.images // 8))
    for number in range(count):
        do.push(place, f"v{number}")
    do.author.write(do.number, OWN, [place[1]])
    do.at(do.moment(), lambda: do.stage.delete_many(place, [f"v{number}" for number in range(count - 3)]))


def replicating(do: Doing) -> None:
    """Replication fills the registry: a thousand pushes within a minute (a part of them, in a small run)."""
    places = [do.make(do.place(part)) for part in ("one", "two")]
    do.author.write(do.number, OWN, [f"lab/{do.name}/*"])

    def fill() -> None:
        for number in range(min(2000, max(12, do.size.images // 8))):
            do.push(places[number % 2], f"r{number}")

    do.at(do.moment(0, 0.8), fill)


def signing(do: Doing) -> None:
    """A cosign signature is pushed beside every image."""
    place = do.make(do.place())
    do.author.write(do.number, OWN, [place[1]])

    def push(number: int) -> None:
        made = do.push(place, f"v{number}")
        signed = signature(made.digest)
        do.stage.push(place, signed.pushed.tag or "", signed)

    push(0)
    for number, moment in enumerate(do.several(1.2), 1):
        do.at(moment, partial(push, number))


def odd_platform(do: Doing) -> None:
    """An index has a platform that ECR never scans, and is built anew again and again."""
    place = do.make(do.place())
    do.author.write(do.number, OWN, [place[1]])

    def push(number: int) -> None:
        odd = build("scratch", f"{do.name} odd {number}", "", {})
        name = f"{do.name} index {number}"
        do.stage.push(place, "latest", index_of(name, "latest", [do.build(""), odd]))

    push(0)
    for number, moment in enumerate(do.several(1), 1):
        do.at(moment, partial(push, number))


def hanging(do: Doing) -> None:
    """The scan of a new image hangs in PENDING, for days."""
    place = do.make(do.place())
    do.push(place, "v1")
    do.author.write(do.number, OWN, [place[1]])

    def push() -> None:
        do.stage.hang(OWN, timedelta(hours=do.chance.uniform(20, 60)))
        do.push(place, do.chance.choice(["v1", "v2"]))

    do.at(do.moment(), push)


def visiting(do: Doing) -> None:
    """A registry that is reached by its policy alone, which once answers ValidationException."""
    place = do.make(do.place(registry=THIRD))
    for tag in ("v1", "v2"):
        do.push(place, tag)
    do.author.write(do.number, THIRD, [place[1]])
    do.at(do.moment(0, 0.5), lambda: do.stage.refuse_once(THIRD))


def second_role(do: Doing) -> None:
    """For a while a second configuration names a registry with a role that can't be assumed."""
    place = do.make(do.place(registry=OTHER))
    do.push(place, "v1")
    do.author.write(do.number, OTHER, [place[1]])
    begin, hours = do.moment(0, 0.5), do.chance.uniform(26, 40)
    do.at(begin, lambda: do.author.write_unseen(do.number + 1, "", OTHER, ["*"], ROLE_REFUSED))
    do.at(min(begin + timedelta(hours=hours), do.last), lambda: do.author.remove(do.number + 1))


def silent_region(do: Doing) -> None:
    """For a while a configuration names a Region that does not answer."""
    begin, hours = do.moment(0, 0.7), do.chance.uniform(3, 30)
    names = [f"team/app-{number}" for number in range(12)]
    do.at(begin, lambda: do.author.write_unseen(do.number, SILENT_REGION, OWN, names, None))
    do.at(min(begin + timedelta(hours=hours), do.last), lambda: do.author.remove(do.number))


_ALL: tuple[tuple[Callable[[Doing], None], float], ...] = (
    (promotion, LIKELY),
    (rollback, LIKELY),
    (retagging, LIKELY),
    (sharing, LIKELY),
    (narrowing, LIKELY),
    (widening, LIKELY),
    (writing_by_hand, LIKELY),
    (suppressing, LIKELY),
    (branching, LIKELY),
    (expiring, LIKELY),
    (replicating, LIKELY),
    (signing, LIKELY),
    (odd_platform, LIKELY),
    (hanging, LIKELY),
    (visiting, LIKELY),
    (second_role, RARE),
    (silent_region, RARE),
)
HABITS = frozenset(habit.__name__ for habit, _ in _ALL)
"""All, by name."""


def begin(size: Size, seed: int, stage: Stage, author: Author) -> frozenset[str]:
    """Let people begin with their habits: of ``size.habits`` (None: of all) those that the seed has; their names."""
    begun = set()
    for place, (habit, likely) in enumerate(_ALL, 1):
        name = habit.__name__
        chance = Random(f"habit {name} {seed}")
        # Who asks for some by name gets them, whatever the seed.
        if chance.random() < likely if size.habits is None else name in size.habits:
            habit(Doing(name, size, chance, stage, author, 10 * place))
            begun.add(name)
    return frozenset(begun)
