"""Runs a world from a seed, checks the promises, and says what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from simulation.backwards import Backwards
from simulation.gate import START, Call
from simulation.oracle import Oracle
from simulation.plan import Size
from simulation.quiet import check_quiet
from simulation.record import check_record
from simulation.scans import Broken, ScanFigures, check_scans
from simulation.timeline import timeline
from simulation.world import World

_LARGE = 5000
"""Images from which a run takes so long that it tells how far it is."""


@dataclass(slots=True)
class Outcome:
    """What a run came to.

    ``ecr`` and ``s3``: calls by operation. ``habits``: those that people had. ``pauses``: those of workers, as
    (worker, call), in which something else happened. ``story``: all calls, where they were kept. ``timeline``: the
    story of the first broken promise.
    """

    seed: int
    scans: ScanFigures
    ecr: Counter[str]
    s3: Counter[str]
    messages: int
    deaths: int
    dead_letters: int
    habits: frozenset[str] = frozenset()
    pauses: list[tuple[int, int]] = field(default_factory=list)
    story: list[Call] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)

    @property
    def calls_per_image_day(self) -> float:
        """ECR calls for each selected scannable image and day."""
        return self.ecr.total() / max(self.scans.image_days, 1)

    @property
    def steady(self) -> float:
        """The same for each image of each day, after the first day: what a push replaces counts, too."""
        return self.scans.steady_calls / max(self.scans.steady_images, 1)

    def line(self) -> str:
        """The run in one line."""
        scans = self.scans
        return (
            f"seed {self.seed}: broken {len(self.broken)}, overdue {scans.overdue} (after trouble {scans.excused}), "
            f"starts {scans.starts}, refused {scans.refused} (vanished {scans.vanished}), "
            f"ECR calls per image and day {self.calls_per_image_day:.2f}, after the first day {self.steady:.2f} "
            f"per image seen, S3 calls {self.s3.total()} "
            f"(PUT {self.s3['PutObject']}), messages {self.messages}, deaths {self.deaths}"
        )


def simulate(size: Size, seed: int, *, until_broken: str = "") -> Outcome:
    """One run.

    Args:
        size: what it is drawn from, with the seed.
        seed: the same one gives the same run.
        until_broken: an invariant. The run keeps its calls for the timeline; where the invariant is one that shows at
            once, it ends with the hour in which it is broken.
    """
    world = World(size, seed)
    watch, oracle = Backwards(world), Oracle(world)
    world.after = oracle.check
    if until_broken:
        world.gate.story = []
        world.is_over = lambda: any(one.invariant == until_broken for one in (*watch.broken, *oracle.broken))
    if size.images >= _LARGE:
        for day in range(1, size.days + 1):
            world.scene.at(START + timedelta(days=day), partial(print, f"seed {seed}: day {day} is over", flush=True))
    world.run()
    calls, messages = Counter(world.gate.calls), len(world.topic.published)
    scans, broken = ScanFigures(), list[Broken]()
    if not world.is_over():
        by_scans, scans = check_scans(world)
        broken += [*by_scans, *check_record(world)]
        broken += check_quiet(world) if size.quiet else []
    broken += [*watch.broken, *oracle.broken]
    broken.sort(key=lambda one: one.at)
    first = next((one for one in broken if until_broken in ("", one.invariant)), None)
    return Outcome(
        seed=seed,
        scans=scans,
        ecr=Counter({operation: number for (service, operation), number in calls.items() if service == "ecr"}),
        s3=Counter({operation: number for (service, operation), number in calls.items() if service == "s3"}),
        messages=messages,
        deaths=sum(worker.died for worker in world.workers),
        dead_letters=len(world.queue.dead),
        habits=world.habits,
        pauses=world.gate.pauses,
        story=world.gate.story or [],
        broken=broken,
        timeline=timeline(world, first) if first else [],
    )
