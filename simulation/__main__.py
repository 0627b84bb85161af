"""``make simulate``: many runs from consecutive seeds, on all processors; ends with 1 where a promise was broken.

DAYS, IMAGES, REPOSITORIES, PUSHES (per repository and day), SEEDS, SEED (the first), FAULTS (1 or 0), OUTAGE (hours
for which ECR answers nothing), HABITS (of ``people``, with commas between them; ``none``; by default as each seed draws
them), TRIES (how many runs at most go into making a broken one smaller).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import partial

from simulation.people import HABITS
from simulation.plan import Size
from simulation.run import Outcome, simulate
from simulation.shrink import TRIES, Shrunk, shrink


def main(environment: Mapping[str, str]) -> int:
    """Run what the environment asks for, and print what came of it."""

    def number(name: str, otherwise: float) -> float:
        return float(environment.get(name) or otherwise)

    images, faults = int(number("IMAGES", 400)), bool(number("FAULTS", 1))
    repositories = int(number("REPOSITORIES", max(2, images // 10)))
    size = Size(
        days=int(number("DAYS", 7)),
        images=images,
        repositories=repositories,
        pushes=number("PUSHES", 1 if faults else 20),
        faults=faults,
        outage=number("OUTAGE", 0),
        habits=_habits(environment.get("HABITS", "")),
    )
    first, count = int(number("SEED", 1)), int(number("SEEDS", 1))
    print(
        f"{count} runs of {size.days} days, {size.images} images in {size.repositories} repositories, "
        f"{size.pushes:g} pushes per repository and day, {'with' if faults else 'without'} faults"
        + (f", ECR away for {size.outage:g} h" if size.outage else ""),
        flush=True,
    )
    with multiprocessing.Pool(min(count, os.cpu_count() or 1)) as pool:
        broken = _report(size, pool.imap(partial(_run, size), range(first, first + count)), count)
        tries = int(number("TRIES", TRIES))
        for shrunk in pool.imap(partial(_shrink, size, tries), broken.items() if tries else ()):
            _print_shrunk(size, shrunk)
    return 1 if broken else 0


def _habits(named: str) -> frozenset[str] | None:
    if not named:
        return None
    habits = frozenset(named.split(",")) - {"none"}
    if unknown := habits - HABITS:
        raise SystemExit(f"no habit is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(HABITS))}")
    return habits


def _report(size: Size, outcomes: Iterator[Outcome], count: int) -> dict[str, int]:
    """Print each run, and all of them together; answers the broken invariants, with the first seed that broke each."""
    began = time.monotonic()
    broken: Counter[str] = Counter()
    seeds: dict[str, list[int]] = {}
    overdue = excused = starts = refused = pauses = 0
    image_days, images_seen = 0.0, 0
    ecr: Counter[str] = Counter()
    s3: Counter[str] = Counter()
    for outcome in outcomes:
        print(outcome.line(), flush=True)
        for name, times in Counter(one.invariant for one in outcome.broken).items():
            broken[name] += times
            seeds.setdefault(name, []).append(outcome.seed)
            first = next(one for one in outcome.broken if one.invariant == name)
            print(f"  broken: {name}, {times} times; at {first.at:%d %H:%M:%S}, {first.what} {first.repository}")
        scans = outcome.scans
        overdue, excused = overdue + scans.overdue, excused + scans.excused
        starts, refused = starts + scans.starts, refused + scans.refused
        image_days, images_seen = image_days + scans.image_days, images_seen + scans.images_seen
        pauses += len(outcome.pauses)
        ecr += outcome.ecr
        s3 += outcome.s3
    days, seconds = image_days or 1.0, time.monotonic() - began
    print(
        f"total: broken {broken.total()}, overdue {overdue} (after trouble {excused}), starts {starts}, "
        f"refused {refused}, images × days {image_days:.0f}, images {images_seen}, "
        f"pauses of workers in which something happened {pauses}\n"
        f"ECR calls per image and day {ecr.total() / days:.3f}: "
        + ", ".join(f"{name} {calls / days:.3f}" for name, calls in ecr.most_common())
        + f"\nS3 calls per image and day {s3.total() / days:.3f}: "
        + ", ".join(f"{name} {calls / days:.3f}" for name, calls in s3.most_common())
        + f"\n{seconds:.0f} s: each second {count * size.days * 24 / seconds:.1f} virtual hours, "
        f"{image_days / seconds:.1f} images × days"
    )
    for name, those in seeds.items():
        print(f"broken in {len(those)} of {count} runs: {name}, {broken[name]} times; seeds {those}")
    return {name: those[0] for name, those in seeds.items()}


def _run(size: Size, seed: int) -> Outcome:
    return simulate(_of_seed(size, seed), seed)


def _of_seed(size: Size, seed: int) -> Size:
    # AWS does not say from when an image's 24 hours run: half of the runs read it so, half the other way.
    return replace(size, from_completion=seed % 2 == 0)


def _shrink(size: Size, tries: int, broken: tuple[str, int]) -> Shrunk:
    invariant, seed = broken
    return shrink(_of_seed(size, seed), invariant, partial(simulate, seed=seed, until_broken=invariant), tries)


def _print_shrunk(size: Size, shrunk: Shrunk) -> None:
    smaller = {item.name: getattr(shrunk.size, item.name) for item in fields(Size)}
    seed = shrunk.outcome.seed
    changed = [
        f"{name} {sorted(value) if isinstance(value, frozenset) else value}"
        for name, value in smaller.items()
        if value != getattr(_of_seed(size, seed), name)
    ]
    print(f"\n{shrunk.invariant}, seed {seed}, made smaller by {shrunk.tries} runs: {', '.join(changed)}")
    print(*shrunk.outcome.timeline, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(os.environ))
