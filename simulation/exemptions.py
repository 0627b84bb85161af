"""When the service may show less than ECR has: each case by its name, with its reason and its bound. Nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_rescan.core.scanning.schedule import ASK_AFTER
from simulation.gate import START
from simulation.plan import OWN
from simulation.truth import Place, Scanned, Tagged
from simulation.world import Unheard, World


@dataclass(frozen=True, slots=True)
class Exemption:
    """A case in which something may be shown later. ``bound``: how much later, from when the case is over."""

    name: str
    reason: str
    bound: timedelta


TROUBLE = Exemption("trouble", "calls met an outage, throttling or a fault that was drawn", timedelta(hours=1))
ASLEEP = Exemption("asleep", "the schedule and the queue woke nobody", timedelta(hours=1))
DEATH = Exemption("death", "the function was killed: its messages come again after 6 minutes", timedelta(hours=1))
LOST_RESULT = Exemption(
    "result of a lost event", "a result is asked for 15 min after its claim, then hourly", timedelta(minutes=66)
)
LOST_IMAGE = Exemption(
    "image of a lost event", "a complete listing every 24 h makes up for a lost push or deletion", timedelta(hours=25)
)
LATE = Exemption("late event", "an event was under way for longer than a minute", timedelta())
DISTANT = Exemption(
    "no events from there", "images of other accounts are found by a listing every 6 h", timedelta(hours=6, minutes=10)
)
FOREIGN = Exemption(
    "somebody else's scan", "one that no event tells of is found by the next look", timedelta(hours=24, minutes=10)
)
ENHANCED = Exemption(
    "scan type",
    "it is asked for hourly, and what the other type found stays until an image's next scan",
    timedelta(hours=25, minutes=10),
)
ARCHIVED = Exemption("archived", "ECR answers nothing for an archived image", timedelta(hours=1))
DEPLOYED = Exemption("deployed", "at first everything is new, which takes a few ticks", timedelta(hours=1))
REFUSED = Exemption(
    "refused", "what ECR refused for hours rests for 6 hours, and then comes back", timedelta(hours=6, minutes=30)
)
HUNG = Exemption(
    "result of a lost event after hours",
    "a result that has not come for 6 h is asked for every 6 h",
    timedelta(hours=6, minutes=10),
)
MOMENT = Exemption(
    "events of one moment",
    "they may arrive in two batches, between which an image has no tag; what it had is read again a tick later",
    timedelta(minutes=10),
)
DELETED = Exemption(
    "deleted repository", "ECR sends no event: the next call about it, or listing, tells", timedelta(hours=25)
)

ALL = (
    *(TROUBLE, ASLEEP, DEATH, LOST_RESULT, LOST_IMAGE, LATE, DISTANT, FOREIGN, ENHANCED, ARCHIVED, DEPLOYED, DELETED),
    *(REFUSED, HUNG, MOMENT),
)


HOUR = timedelta(hours=1)
MANY = 200
_HIDING = (ENHANCED.name, ARCHIVED.name)


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """An exemption as it happened: from ``begin`` on, over at ``end``, its bound included; "" stands for all."""

    begin: datetime
    end: datetime
    name: str
    registry: str = ""
    repository: str = ""
    digest: str = ""

    def is_about(self, place: Place, digests: tuple[str, ...]) -> bool:
        """Whether it is about a repository, and one of these digests."""
        return (
            self.registry in ("", place[0])
            and self.repository in ("", place[1])
            and (not self.digest or self.digest in digests)
        )


class Exemptions:
    """What may be late in a run, gathered while it goes on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._drawn = sorted(self._of_troubles())
        self._met: list[Case] = []
        self._by_repository: dict[str, list[Case]] = {}
        self._read = [0, 0, 0]

    def _of_troubles(self) -> Iterator[Case]:
        troubles = self._world.troubles
        yield Case(START, START + DEPLOYED.bound, DEPLOYED.name)
        for one in troubles.episodes:
            kind = REFUSED if one.kind == "denied" else TROUBLE
            yield Case(one.begin, one.end + kind.bound, kind.name, one.registry, one.repository)
        for begin, end in troubles.asleep:
            yield Case(begin, end + ASLEEP.bound, ASLEEP.name)
        for begin, end in troubles.enhanced:
            yield Case(begin, end + ENHANCED.bound, ENHANCED.name, OWN)

    def _gather(self) -> None:
        """What was met since the last time."""
        world = self._world
        for worker in world.workers[self._read[0] :]:
            if worker.died:
                self._met.append(Case(worker.began, worker.began + DEATH.bound, DEATH.name))
        self._read[0] = len(world.workers)
        for missed in world.unheard[self._read[1] :]:
            if missed.arrived is not None:
                about = missed.digest if missed.is_scan else ""
                case = Case(missed.at, missed.arrived, LATE.name, OWN, missed.repository, about)
            elif missed.is_scan:
                # Images are told of by their scans, too: what the lost event of a push hid, this one hides for longer.
                kind = HUNG if self._hung(missed) else LOST_RESULT
                case = Case(missed.at, missed.at + kind.bound, kind.name, OWN, missed.repository, missed.digest)
            else:
                case = Case(missed.at, missed.at + LOST_IMAGE.bound, LOST_IMAGE.name, OWN, missed.repository)
            self._by_repository.setdefault(missed.repository, []).append(case)
        self._read[1] = len(world.unheard)

    def _hung(self, missed: Unheard) -> bool:
        """Whether the scan had begun hours ago."""
        steps = self._world.truth.histories[OWN, missed.repository].steps
        ended = [one for one in steps if isinstance(one, Scanned) and one.digest == missed.digest]
        return any(one.at - one.began > ASK_AFTER[-1] and one.at <= missed.at + HOUR for one in ended)

    def _of_moments(self, place: Place, now: datetime) -> Iterator[Case]:
        """Several tags of a repository that were moved at once, lately."""
        for at, moved in Counter(
            step.at
            for step in reversed(self._world.truth.histories[place].steps[-MANY:])
            if isinstance(step, Tagged) and now - step.at < HOUR
        ).items():
            if moved > 1:
                yield Case(at, at + MOMENT.bound, MOMENT.name, place[0], place[1])

    def until(
        self,
        place: Place,
        digests: tuple[str, ...],
        since: datetime,
        now: datetime,
        *,
        is_result: bool,
        grace: timedelta,
    ) -> tuple[datetime, list[str]]:
        """Until when something that should be known ``grace`` after ``since`` may be unknown, and why."""
        self._gather()
        limit, names = since + grace, list[str]()
        cases = [*self._drawn, *self._met, *self._by_repository.get(place[1], ()), *self._of(place, digests, since)]
        cases += self._of_moments(place, now)
        if place[0] != OWN and not is_result:
            cases.append(Case(since, since + DISTANT.bound, DISTANT.name))
        # One case may follow on another, and the whole grace follows on the last.
        for case in sorted(cases):
            # What ECR hides now may not be known, however long it was.
            begun = limit if case.name not in _HIDING else max(limit, now)
            if case.begin <= begun and case.end + grace > limit and case.is_about(place, digests) and case.end >= since:
                limit = case.end + grace
                names.append(case.name)
        return limit, names

    def _of(self, place: Place, digests: tuple[str, ...], since: datetime) -> Iterator[Case]:
        scene = self._world.scene
        for digest in digests:
            foreign = scene.foreign_scans.get((place, digest), ())
            for began in foreign[max(0, bisect_right(foreign, since) - 1) :]:
                lost = place[0] != OWN or any(
                    missed.digest == digest and missed.is_scan and missed.at >= began
                    for missed in self._world.unheard
                    if missed.repository == place[1] and missed.arrived is None
                )
                if lost:
                    yield Case(began, began + FOREIGN.bound, FOREIGN.name)
            since_archived: datetime | None = None
            for at, is_archived in scene.archivals.get((place, digest), ()):
                if is_archived:
                    since_archived = since_archived or at
                elif since_archived is not None:
                    known = ARCHIVED.bound if place[0] == OWN else ARCHIVED.bound + DISTANT.bound
                    yield Case(since_archived, at + known, ARCHIVED.name)
                    since_archived = None
            if since_archived is not None:
                yield Case(
                    since_archived, datetime.max.replace(tzinfo=since_archived.tzinfo) - DELETED.bound, "archived"
                )
        deleted = self._world.scene.deleted.get(place)
        if deleted is not None:
            yield Case(deleted, deleted + DELETED.bound, DELETED.name)
