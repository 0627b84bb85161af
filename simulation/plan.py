"""What a run is drawn from: its size, its seed, and the times at which things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from simulation.gate import START, Trouble

OWN, OWN_REGION = "111122223333", "us-east-1"
OTHER, OTHER_REGION = "444455556666", "eu-west-1"
ROLE = f"arn:aws:iam::{OTHER}:role/ecr-rescan-reader"
ROLE_REFUSED = f"arn:aws:iam::{OTHER}:role/another"
"""A role that is allowed, and can't be assumed; it comes first in the alphabet."""
THIRD = "777788889999"
"""A registry in the own Region that is reached by its policy alone."""
SILENT_REGION = "af-south-1"
"""A Region that answers nothing within the time; it comes first in the alphabet."""

CALM_START = timedelta(hours=30)
"""Nothing goes wrong, and nothing is published, before everything has been scanned once."""
CALM_END = timedelta(hours=30)
"""Nothing goes wrong for so long before the end, so that the record can be compared with the truth."""


FAULTS = (
    "troubled calls",
    "sleeping schedule",
    "spent quota",
    "enhanced scanning",
    "no events",
    "lost events",
    "late events",
    "doubled events",
    "deaths",
    "restarts",
    "second ticks",
    "pauses",
    "crowds",
    "split batches",
)
"""The kinds of things that go wrong, or at an inconvenient time."""
APART = frozenset({"pauses", "crowds", "split batches"})
"""What brings workers together: without them, two are rarely at work in a repository."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is. ``pushes``: per repository and day. ``faults``: whether anything goes wrong at random.

    ``habits``: those of ``people.HABITS`` that people have; None: as the seed draws them.
    ``quiet``: whether a day follows in which nobody does anything.
    ``outage``: hours for which ECR answers nothing, from a day after the beginning on, when nearly all images are due.
    ``without``: the kinds of faults, of ``FAULTS``, that do not happen. ``pauses``: the only ones that are made, by
    (worker, call); None: all that are drawn.
    """

    days: int = 7
    images: int = 400
    repositories: int = 40
    pushes: float = 1.0
    faults: bool = True
    outage: float = 0.0
    from_completion: bool = False
    habits: frozenset[str] | None = None
    quiet: bool = True
    without: frozenset[str] = frozenset()
    pauses: frozenset[tuple[int, int]] | None = None

    @property
    def pace(self) -> float:
        """How much rarer than usual everything is that happens at random: a year has no more of it than a fortnight."""
        return min(1.0, 14 / self.days)

    @property
    def end(self) -> datetime:
        """When the run is over."""
        return START + timedelta(days=self.days)

    def has(self, fault: str) -> bool:
        """Whether this kind of fault happens."""
        assert fault in FAULTS
        return self.faults and fault not in self.without


@dataclass(frozen=True, slots=True)
class Episode:
    """A time in which calls of a service (all operations where none is named) meet trouble at a rate.

    ``registry`` and ``repository`` narrow it. ``done``: how often the call is carried out nevertheless.
    """

    kind: str
    begin: datetime
    end: datetime
    service: str = ""
    rate: float = 1.0
    registry: str = ""
    repository: str = ""
    done: float = 0.0

    def meets(self, service: str, registry: str, repository: str, now: datetime) -> bool:
        """Whether a call falls into it."""
        return (
            service == self.service
            and self.begin <= now < self.end
            and self.registry in ("", registry)
            and self.repository in ("", repository)
        )


@dataclass(slots=True)
class Troubles:
    """Everything that goes wrong in a run.

    ``asleep``: the schedule and the queue wake nobody. ``quota``: somebody else uses the account's scans up.
    ``enhanced``: the own registry is scanned by Inspector. ``deaf``: no event arrives.
    """

    chance: Random
    episodes: list[Episode] = field(default_factory=list)
    asleep: list[tuple[datetime, datetime]] = field(default_factory=list)
    quota: list[tuple[datetime, datetime]] = field(default_factory=list)
    enhanced: list[tuple[datetime, datetime]] = field(default_factory=list)
    deaf: list[tuple[datetime, datetime]] = field(default_factory=list)
    from_: datetime = START
    until: datetime = START

    def calm(self, now: datetime) -> bool:
        """Whether nothing random goes wrong at the time either."""
        return not self.from_ <= now < self.until

    def of(self, service: str, registry: str, repository: str, now: datetime) -> Trouble | None:
        """What befalls a call."""
        for episode in self.episodes:
            if episode.meets(service, registry, repository, now) and self.chance.random() < episode.rate:
                return Trouble(episode.kind, self.chance.random() < episode.done)
        return None

    def windows(self) -> Iterator[tuple[datetime, datetime, str, str]]:
        """The times that may delay scans, with the registry and repository that they are about ("": all)."""
        for episode in self.episodes:
            yield episode.begin, episode.end, episode.registry, episode.repository
        for begin, end in self.asleep:
            yield begin, end, "", ""
        for begin, end in self.quota:
            yield begin, end, OWN, ""
        for begin, end in self.enhanced:
            # The scan type is asked for every hour.
            yield begin, end + timedelta(hours=1), OWN, ""


def within(windows: list[tuple[datetime, datetime]], now: datetime) -> bool:
    """Whether a moment is in one of these windows."""
    return any(begin <= now < end for begin, end in windows)


def draw(size: Size, seed: int, repositories: list[str]) -> Troubles:
    """Draw what goes wrong in a run; without faults, that is an outage at most."""
    chance = Random(f"troubles {seed}")
    troubles = Troubles(Random(f"trouble {seed}"))
    if size.outage:
        due = START + timedelta(days=1)
        troubles.episodes.append(Episode("error", due, due + timedelta(hours=size.outage), "ecr"))
    begin, end = START + CALM_START, size.end - CALM_END
    if not size.faults or begin >= end:
        return troubles
    troubles.from_, troubles.until = begin, end
    days = (end - begin) / timedelta(days=1)

    def window(least: float, most: float) -> tuple[datetime, datetime]:
        start = begin + chance.random() * (end - begin)
        return start, min(end, start + timedelta(minutes=chance.uniform(least, most)))

    def several(rate: float) -> range:
        return range(int(rate * size.pace * days + chance.random()))

    drawn: list[Episode] = []
    add = drawn.append
    for _ in several(1):
        add(Episode("throttle", *window(2, 20), "ecr", chance.uniform(0.2, 0.95)))
    for _ in several(0.7):
        add(Episode("error", *window(2, 30), "ecr", chance.uniform(0.1, 0.5), done=0.5))
    for _ in several(0.7):
        add(Episode("lost", *window(2, 30), "ecr", chance.uniform(0.05, 0.3), done=0.5))
    for kind in ("conflict", "race", "retried", "lost", "error"):
        for _ in several(0.5):
            add(Episode(kind, *window(2, 30), "s3", chance.uniform(0.02, 0.2), done=0.5))
    for service in ("sns", "sqs"):
        for _ in several(0.4):
            add(Episode(chance.choice(["error", "lost"]), *window(10, 120), service, 0.5, done=0.5))
    for _ in several(0.2):
        add(Episode("denied", *window(60, 300), "sts", 1.0, OTHER))
    for _ in several(0.3):
        add(Episode("denied", *window(60, 300), "ecr", 1.0, OWN, chance.choice(repositories)))
    for _ in several(0.2):
        add(Episode("error", *window(60, 240), "ecr"))
    asleep = [window(60, 300) for _ in several(0.2)]
    quota = [window(120, 600) for _ in several(0.2)]
    deaf = [window(60, 600) for _ in several(0.3)]
    enhanced = [window(360, 1800) for _ in several(0.12)]
    # All is drawn first: what is left out changes nothing of the rest.
    troubles.episodes += drawn if size.has("troubled calls") else []
    troubles.asleep = asleep if size.has("sleeping schedule") else []
    troubles.quota = quota if size.has("spent quota") else []
    troubles.deaf = deaf if size.has("no events") else []
    troubles.enhanced = enhanced if size.has("enhanced scanning") else []
    return troubles
