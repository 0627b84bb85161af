"""``make simulate``: many runs from consecutive seeds, on all processors; ends with 1 where a promise was broken.

DAYS, IMAGES, REPOSITORIES, PUSHES (per repository and day), SEEDS, SEED (the first), FAULTS (1 or 0), OUTAGE (hours
for which ECR answers nothing).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from simulation.plan import Size
from simulation.run import Outcome, simulate


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
    )
    first, count = int(number("SEED", 1)), int(number("SEEDS", 1))
    print(
        f"{count} runs of {size.days} days, {size.images} images in {size.repositories} repositories, "
        f"{size.pushes:g} pushes per repository and day, {'with' if faults else 'without'} faults"
        + (f", ECR away for {size.outage:g} h" if size.outage else ""),
        flush=True,
    )
    began = time.monotonic()
    broken = 0
    overdue = excused = starts = refused = 0
    image_days, images_seen = 0.0, 0
    ecr: Counter[str] = Counter()
    s3: Counter[str] = Counter()
    with multiprocessing.Pool(min(count, os.cpu_count() or 1)) as pool:
        for outcome in pool.imap(partial(_run, size), range(first, first + count)):
            print(outcome.line(), flush=True)
            print(*outcome.trace, sep="\n", end="\n" if outcome.trace else "", flush=True)
            broken += len(outcome.broken)
            for name, number_of in Counter(one.invariant for one in outcome.broken).items():
                print(f"  broken: {name}, {number_of} times")
            scans = outcome.scans
            overdue, excused = overdue + scans.overdue, excused + scans.excused
            starts, refused = starts + scans.starts, refused + scans.refused
            image_days, images_seen = image_days + scans.image_days, images_seen + scans.images_seen
            ecr += outcome.ecr
            s3 += outcome.s3
    days = image_days or 1.0
    print(
        f"total: broken {broken}, overdue {overdue} (after trouble {excused}), starts {starts}, refused {refused}, "
        f"images × days {image_days:.0f}, images {images_seen}\n"
        f"ECR calls per image and day {ecr.total() / days:.3f}: "
        + ", ".join(f"{name} {calls / days:.3f}" for name, calls in ecr.most_common())
        + f"\nS3 calls per image and day {s3.total() / days:.3f}: "
        + ", ".join(f"{name} {calls / days:.3f}" for name, calls in s3.most_common())
        + f"\n{time.monotonic() - began:.0f} s"
    )
    return 1 if broken else 0


def _run(size: Size, seed: int) -> Outcome:
    # AWS does not say from when an image's 24 hours run: half of the runs read it so, half the other way.
    return simulate(replace(size, from_completion=seed % 2 == 0), seed)


if __name__ == "__main__":
    sys.exit(main(os.environ))
