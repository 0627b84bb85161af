"""Workers at once: one at a time, in an order that the seed gives, and every order is possible."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import permutations
from random import Random

import pytest

from ecr_rescan.core.keys import images_key
from simulation.gate import START, Call, Gate, VirtualClock, Worker
from simulation.plan import OWN, OWN_REGION, Size
from simulation.run import Outcome, simulate
from simulation.s3 import Bucket
from simulation.scans import Broken, ScanFigures
from simulation.scene import Scene
from simulation.shrink import shrink
from simulation.workers import Pace, Turns

KEY = images_key(OWN, OWN_REGION, "team/app")
Step = Callable[[Bucket], None]


class Pair:
    """Two workers that do the same at the same time."""

    def __init__(self, seed: int, work: Step, *, allowed: frozenset[tuple[int, int]] | None = None) -> None:
        clock = VirtualClock()
        self.scene = Scene(Size(), seed, clock, lambda event: None)
        self.turns = Turns(clock, self.scene)
        self.story: list[Call] = []
        self.gate = Gate(clock, self.turns, allowed=allowed, story=self.story)
        self.bucket = Bucket(self.gate)
        for number in (1, 2):
            worker = Worker(number, "tick", START, pace=Pace(Random(f"{seed} {number}"), 1.0))
            self.scene.at(START, partial(self.turns.start, worker, partial(work, self.bucket)))

    def run(self) -> list[Call]:
        """Both to their end."""
        self.scene.play(START + timedelta(hours=1))
        return self.story


def three_calls(bucket: Bucket) -> None:
    """Any three."""
    for _ in range(3):
        bucket.put_object(Bucket="bucket", Key=KEY, Body=b"1")


def test_between_any_two_calls_there_can_be_any_number_of_the_others() -> None:
    """All twenty orders of three calls and three."""
    seen = {tuple(int(call.who[-1]) for call in Pair(seed, three_calls).run()) for seed in range(250)}
    assert seen == set(permutations((1, 1, 1, 2, 2, 2)))


def test_a_seed_gives_the_same_calls_with_the_same_answers() -> None:
    """Of the whole service, under all faults: the same worker, at the same time, with the same ETags."""
    size = Size(days=4, images=30, repositories=3, pushes=3)
    first, second = (simulate(size, 5, until_broken="none") for _ in range(2))
    assert len(first.pauses) > 10
    assert first.story == second.story


def test_what_a_worker_raises_comes_out_of_the_agenda() -> None:
    """An error of the simulation itself is not lost in a thread."""

    def fails(bucket: Bucket) -> None:
        bucket.put_object(Bucket="bucket", Key=KEY, Body=b"1")
        raise KeyError("of the simulation")

    with pytest.raises(KeyError, match="of the simulation"):
        Pair(1, fails).run()


def test_no_thread_stays_behind_where_a_run_is_given_up() -> None:
    """Workers in the middle of a call end."""
    before = set(threading.enumerate())
    pair = Pair(1, three_calls)

    def trouble() -> None:
        raise KeyError("of the simulation")

    pair.scene.at(START + timedelta(milliseconds=1), trouble)
    with pytest.raises(KeyError):
        pair.run()
    pair.turns.leave()
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)
    assert len(pair.story) < 6


def count_up(times: int, bucket: Bucket) -> None:
    """What no worker should do: read, and write back without asking whether somebody else wrote in between."""
    for _ in range(times):
        there = int(bucket.get_object(Bucket="bucket", Key=KEY)["Body"].read())
        bucket.put_object(Bucket="bucket", Key=KEY, Body=str(there + 1).encode())


def counted(seed: int, size: Size) -> Outcome:
    """A run of a racy pair, of which each counts all images."""
    pair = Pair(seed, partial(count_up, size.images), allowed=size.pauses)
    pair.bucket.put_object(Bucket="bucket", Key=KEY, Body=b"0")
    story = pair.run()
    total = int(pair.bucket.objects[KEY].body)
    broken = [] if total == 2 * size.images else [Broken("every image counts", f"{total}", START)]
    timeline = [f"{call.who[-1]} {call.operation}" for call in story]
    return Outcome(
        seed, ScanFigures(), Counter(), Counter(), 0, 0, 0, pauses=pair.gate.pauses, broken=broken, timeline=timeline
    )


def test_a_race_is_found_and_shrunk_to_its_four_calls() -> None:
    """Eight images and all pauses; what is left of it is one image, read twice before it is written."""
    size = Size(images=8, repositories=1)
    seeds = [seed for seed in range(20) if counted(seed, size).broken]
    assert len(seeds) > 15
    for seed in seeds[:5]:
        shrunk = shrink(size, "every image counts", partial(counted, seed))
        assert shrunk.size.images == 1
        assert shrunk.size.pauses is not None
        assert len(shrunk.size.pauses) <= 1
        first, second, third, fourth = shrunk.outcome.timeline
        assert first[2:] == second[2:] == "GetObject"
        assert third[2:] == fourth[2:] == "PutObject"
        assert first[0] != second[0]
        assert shrunk.tries < 60
