"""AWS calls of a month, counted in the simulation: real code of the service on a virtual clock, calls of a fake AWS.

After a first day, in which everything is found and scanned for the first time, one day is counted; a month is 30.4 of
them.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from unittest import mock

from benchmarks.prices import Day
from simulation.gate import START
from simulation.plan import Size
from simulation.scans import check_scans
from simulation.world import World

SIZES = {100: 10, 1_000: 40, 10_000: 200}
"""Images → repositories. Each repository has a push a day."""

PUSHED = ((1_000, 20), (2_000, 40))
"""Images and repositories of two sizes with ``PUSHES`` per repository and day, to be carried on to a larger one."""
PUSHES = 20


@dataclass(frozen=True, slots=True)
class Counted:
    """A steady day. ``calls``: by (service, operation). ``seen``: scannable images that were selected in it."""

    images: int
    seen: int
    repositories: int
    calls: Counter[tuple[str, str]]
    events: int
    ticks: int
    batches: int

    @property
    def ecr_calls_per_image(self) -> float:
        """ECR calls for each scannable image."""
        return sum(number for (service, _), number in self.calls.items() if service == "ecr") / self.seen

    def day(self, tick_seconds: float, image_seconds: float) -> Day:
        """With the seconds that a quiet tick takes, and those that starting and recording one image add."""
        seconds = self.ticks * tick_seconds + self.images * image_seconds
        return Day(self.calls, self.events, self.ticks, self.batches, seconds)


@dataclass(frozen=True, slots=True)
class _Mark:
    calls: Counter[tuple[str, str]]
    workers: int


def count(images: int, repositories: int, pushes: int = 1) -> Counted:
    """Simulate two days and count the second."""
    # Small pages are for finding faults; S3 and ECR answer up to 1,000 at once.
    with (
        mock.patch("simulation.world.KEYS_PER_PAGE", 1000),
        mock.patch("simulation.world.PAGE", 1000),
        redirect_stdout(StringIO()),
    ):
        size = Size(days=2, images=images, repositories=repositories, pushes=pushes, faults=False, habits=frozenset())
        world = World(size, 1)
        marks: list[_Mark] = []
        for day in (1, 2):
            moment = START + timedelta(days=day) - timedelta(seconds=1)
            world.scene.at(moment, lambda: marks.append(_Mark(Counter(world.gate.calls), len(world.workers))))
        world.run()
    before, after = marks
    kinds = Counter(worker.kind for worker in world.workers[before.workers : after.workers])
    calls = after.calls - before.calls
    # A push and a completed scan are an event each.
    events = calls["ecr", "StartImageScan"] + 2 * repositories * pushes
    _, scans = check_scans(world)
    return Counted(images, scans.steady_images, repositories, calls, events, kinds["tick"], kinds["batch"])


def extrapolate(smaller: Counted, larger: Counted, images: int) -> Counted:
    """A size that takes too long to simulate: calls grow with images as they did between two sizes."""
    factor = (images - larger.images) / (larger.images - smaller.images)
    calls: Counter[tuple[str, str]] = Counter()
    for call in larger.calls.keys() | smaller.calls.keys():
        calls[call] = round(larger.calls[call] + max(0, larger.calls[call] - smaller.calls[call]) * factor)
    return Counted(
        images=images,
        seen=round(larger.seen + (larger.seen - smaller.seen) * factor),
        repositories=round(larger.repositories * images / larger.images),
        calls=calls,
        events=round(larger.events * images / larger.images),
        ticks=larger.ticks,
        batches=min(1440, round(larger.batches + (larger.batches - smaller.batches) * factor)),
    )


if __name__ == "__main__":
    found = count(int(sys.argv[1]), int(sys.argv[2]))
    for (service, operation), number in sorted(found.calls.items()):
        print(f"{service:4} {operation:32} {number}")
    print(f"ticks {found.ticks}, batches {found.batches}")
