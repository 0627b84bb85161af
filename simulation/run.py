"""Runs a world from a seed, checks the promises, and says what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from simulation.gate import START
from simulation.oracle import Oracle
from simulation.plan import Size
from simulation.quiet import check_quiet
from simulation.record import check_record
from simulation.scans import Broken, ScanFigures, check_scans
from simulation.truth import Scanned, Tagged
from simulation.world import World

_TRACE = 40
_LARGE = 5000
"""Images from which a run takes so long that it tells how far it is."""


@dataclass(slots=True)
class Outcome:
    """What a run came to. ``ecr`` and ``s3``: calls by operation. ``trace``: the story of the first broken promise."""

    seed: int
    scans: ScanFigures
    ecr: Counter[str]
    s3: Counter[str]
    messages: int
    deaths: int
    dead_letters: int
    broken: list[Broken] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

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


def simulate(size: Size, seed: int) -> Outcome:
    """One run."""
    world = World(size, seed)
    if size.images >= _LARGE:
        for day in range(1, size.days + 1):
            world.scene.at(START + timedelta(days=day), partial(print, f"seed {seed}: day {day} is over", flush=True))
    oracle = Oracle(world)
    world.after = oracle.check
    world.run()
    broken, scans = check_scans(world)
    broken += check_record(world)
    broken += check_quiet(world) + oracle.broken
    broken.sort(key=lambda one: one.at)
    calls = world.gate.calls
    return Outcome(
        seed=seed,
        scans=scans,
        ecr=Counter({operation: number for (service, operation), number in calls.items() if service == "ecr"}),
        s3=Counter({operation: number for (service, operation), number in calls.items() if service == "s3"}),
        messages=len(world.topic.published),
        deaths=sum(worker.died for worker in world.workers),
        dead_letters=len(world.queue.dead),
        broken=broken,
        trace=_trace(world, broken[0]) if broken else [],
    )


def _trace(world: World, broken: Broken) -> list[str]:
    """What happened around a broken promise: calls, scans and tags of its image, or of its repository."""
    begin, end = broken.at - timedelta(hours=26), broken.at + timedelta(hours=2)
    lines: list[tuple[datetime, str]] = []
    for sent in world.sent:
        about = sent.digest == broken.digest if broken.digest else sent.repository == broken.repository
        if about and begin <= sent.at <= end:
            lines.append((sent.at, f"call {sent.operation} {sent.digest[:19]} {sent.outcome}, worker {sent.worker}"))
    for place, history in world.truth.histories.items():
        for step in history.steps:
            if place[1] != broken.repository or not begin <= step.at <= end:
                continue
            if isinstance(step, Scanned) and broken.digest in ("", step.digest):
                ended = "failed" if step.found is None else "complete"
                lines.append((step.at, f"scan of {step.digest[:19]} ended, {ended}"))
            elif isinstance(step, Tagged) and not broken.digest:
                lines.append((step.at, f"tags: {', '.join(sorted(step.tags))[:80]}"))
    lines += [
        (episode.begin, f"trouble until {episode.end:%d %H:%M}: {episode.service} {episode.kind}")
        for episode in world.troubles.episodes
    ]
    lines += [(worker.began, f"worker {worker.number} died") for worker in world.workers if worker.died]
    ordered = sorted(line for line in lines if begin <= line[0] <= end)[-_TRACE:]
    return [f"{broken.at:%d %H:%M:%S} {broken.invariant}: {broken.what} ({broken.repository} {broken.digest})"] + [
        f"  {at:%d %H:%M:%S} {text}" for at, text in ordered
    ]
