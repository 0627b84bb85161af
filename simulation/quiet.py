"""After everything: a day in which nothing happens costs only what is on a schedule, and the dead leave nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from ecr_rescan.core.keys import (
    ACCOUNTS,
    CONFIGS,
    FINDINGS,
    HISTORY,
    IMAGES,
    NOTICES,
    SIGNALS,
    findings_key,
    images_key,
)
from simulation.inline import calls_in_turn
from simulation.scans import Broken
from simulation.scene import REGIONS
from simulation.truth import Place
from simulation.world import TICK, World

SETTLING = timedelta(hours=2)
"""After the last step of the script: what it set off ends."""
DAY = timedelta(hours=24)
KEPT = timedelta(days=90)
"""So long after its deletion nothing is left of a repository (docs/scanning.md, "What is removed")."""

_MOST = 0.7
QUIET = "a quiet day costs only what is on a schedule"
LEFT = "nothing is left of what was deleted"


@dataclass(frozen=True, slots=True)
class Allowed:
    """How often a day a kind of call may be made: so often in all, for each tick, each page and each image.

    ``of``: the operation, and how the key (for S3) begins; for ECR that of the call.
    """

    operation: str
    of: str
    why: str
    daily: int = 0
    ticks: float = 0
    images: int = 0

    def number(self, ticks: int, pages: int, images: int) -> float:
        """How many of one thing, be it a key, a repository or an image."""
        if self.ticks:
            return self.ticks * ticks * pages
        # However many images: what is done in most ticks of a quiet day is no schedule.
        return min(self.daily * pages + self.images * images, _MOST * (DAY // TICK))


S3 = (
    Allowed("ListObjectsV2", "", "one listing of each kind in each tick and batch", ticks=1),
    Allowed("GetObject", ACCOUNTS, "the account in each tick and batch, and again to write it back", ticks=2.1),
    Allowed("PutObject", ACCOUNTS, "starts, scan type, names: when there are some", ticks=0.5),
    Allowed("GetObject", IMAGES, "claims and results of each image", daily=24, images=6),
    Allowed("PutObject", IMAGES, "claims and results of each image", daily=24, images=6),
    Allowed("GetObject", FINDINGS, "results of each image, the day's history", daily=24, images=6),
    Allowed("PutObject", FINDINGS, "what changed", daily=12, images=3),
    Allowed("GetObject", CONFIGS, "what changed, and each new environment", daily=6),
    Allowed("GetObject", NOTICES, "what changed, and each new environment", daily=24),
    Allowed("PutObject", NOTICES, "baselines and reminders", daily=6),
    Allowed("GetObject", SIGNALS, "what was told of public lists", daily=4),
    Allowed("PutObject", SIGNALS, "the same", daily=4),
    Allowed("PutObject", HISTORY, "the day's history", daily=4),
    Allowed("GetObject", "deployment.json", "the address for links", daily=24),
)
ECR = (
    Allowed("StartImageScan", "", "each image once, and once more where a day has two", daily=2),
    Allowed("DescribeImageScanFindings", "", "each start's result; a pending one hourly, then every 6 h", daily=12),
    Allowed("DescribeImages", "", "the complete listing every 6 h; one that is gone, ever more rarely", daily=8),
    Allowed("BatchGetImage", "", "indexes that are new, or could not be read", daily=6),
    Allowed("DescribeRepositories", "", "names by pattern, hourly", daily=26),
    Allowed("GetRegistryScanningConfiguration", "", "the scan type, hourly", daily=26),
)


def check_quiet(world: World) -> list[Broken]:
    """Play a day more, in which nobody does anything, and count what is called."""
    end = world.size.end + SETTLING
    with calls_in_turn():
        world.scene.play(end)
        world.used.clear()
        first_call, first_worker = len(world.sent), len(world.workers)
        world.scene.play(end + DAY)
    invocations = max(len(world.workers) - first_worker, DAY // TICK)
    broken = []
    images = {
        place: sum(len(world.truth.builds[digest].manifests) for digest in set(world.scene.tags(place).values()))
        for place in world.truth.histories
    }
    of_key = {
        key: number
        for place, number in images.items()
        for key in (
            images_key(place[0], REGIONS[place[0]], place[1]),
            findings_key(place[0], REGIONS[place[0]], place[1]),
        )
    }
    for (operation, key), count in sorted(world.used.items()):
        allowed = next((one for one in S3 if one.operation == operation and key.startswith(one.of)), None)
        keys = sum(stored.startswith(key) for stored in world.bucket.objects) if operation == "ListObjectsV2" else 1
        pages = ceil((keys + 1) / world.bucket.page_size)
        most = allowed.number(invocations, pages, of_key.get(key, 0)) if allowed else 0
        if count > most:
            broken.append(Broken(QUIET, f"{count} × {operation} {key}, {most:.0f} allowed", end))
    asked: Counter[tuple[str, Place, str]] = Counter()
    for sent in world.sent[first_call:]:
        digest = sent.digest if sent.operation in ("StartImageScan", "DescribeImageScanFindings") else ""
        asked[sent.operation, (sent.registry, sent.repository), digest] += 1
    for (operation, place, digest), count in sorted(asked.items()):
        allowed = next((one for one in ECR if one.operation == operation), None)
        most = allowed.number(0, _pages(world, operation, place), 0) if allowed else 0
        if count > most:
            what = f"{count} × {operation} of {place[0]}, {most:.0f} allowed"
            broken.append(Broken(QUIET, what, end, place[1], digest))
    return broken + list(_left(world))


def _keys(place: Place) -> tuple[str, str]:
    known = (place[0], REGIONS[place[0]], place[1])
    return images_key(*known), findings_key(*known)


def _pages(world: World, operation: str, place: Place) -> int:
    registry = world.scene.registries.get(place[0])
    if operation == "DescribeRepositories":
        return ceil((len(registry.repositories) if registry else 0) / world.page + 1)
    if operation == "DescribeImages" and registry and place[1] in registry.repositories:
        return ceil(len(registry.repositories[place[1]].images) / world.page + 1)
    return 1


def _left(world: World) -> Iterator[Broken]:
    """What is still kept of repositories that were deleted long ago."""
    now = world.clock.now()
    for place, at in world.scene.deleted.items():
        if now - at < KEPT or place[1] in world.scene.registries[place[0]].repositories:
            continue
        for key in (
            images_key(place[0], REGIONS[place[0]], place[1]),
            findings_key(place[0], REGIONS[place[0]], place[1]),
        ):
            if key in world.bucket.objects:
                yield Broken(LEFT, f"{key} is there {(now - at).days} days later", now, place[1])
