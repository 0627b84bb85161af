"""Random histories of a repository, as lists of steps that a world can take."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from ecr_rescan.core.changes.recording import Changes
from ecr_rescan.core.scan_result import ScanFinding
from tests.core.worlds import CRITICAL, HIGH, LOW, MEDIUM, UNDEFINED, World, found

DIGESTS = ("i0", "i1", "i2", "i3", "i4")
TAGS = ("latest", "prod-1", "prod-2", "dev-1")
PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class Push:
    """An image takes some tags; the odd ones are indexes of two platforms, the first two older than the service."""

    image: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Untag:
    """Tags are deleted."""

    tags: tuple[str, ...]


@dataclass(frozen=True)
class Delete:
    """An image is deleted."""

    image: int


@dataclass(frozen=True)
class Scan:
    """Scans of several manifests end at once: position among the listed ones → findings; None: it failed."""

    results: tuple[tuple[int, tuple[ScanFinding, ...] | None], ...]


@dataclass(frozen=True)
class Wait:
    """Hours pass."""

    hours: int


Step = Push | Untag | Delete | Scan | Wait

images = st.integers(0, len(DIGESTS) - 1)
tag_sets = st.lists(st.sampled_from(TAGS), min_size=1, max_size=2, unique=True).map(tuple)
findings = st.builds(
    found,
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
    st.sampled_from([CRITICAL, HIGH, MEDIUM, LOW, UNDEFINED]),
    version=st.sampled_from(["1.0", "1.1"]),
    description=st.sampled_from(["", "one", "two"]),
    fixed_in=st.sampled_from([None, "2.0", "2.1"]),
)
Findings = tuple[ScanFinding, ...]
finding_sets: st.SearchStrategy[Findings] = st.lists(
    findings, max_size=4, unique_by=lambda one: (one.vulnerability, one.version)
).map(tuple)
scans = st.lists(
    st.tuples(st.integers(0, 7), finding_sets | finding_sets | finding_sets | st.none()), min_size=1, max_size=4
)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Push, images, tag_sets),
    st.builds(Push, images, tag_sets),
    scans.map(lambda results: Scan(tuple(results))),
    scans.map(lambda results: Scan(tuple(results))),
    st.builds(Untag, tag_sets),
    st.builds(Delete, images),
    st.builds(Wait, st.sampled_from([1, 12, 24, 26])),
)
histories = st.lists(steps, min_size=1, max_size=16)


def manifests(world: World, repository: str = "app") -> list[str]:
    """All manifests that are listed, in a stable order."""
    listed = world.images.get(repository, {})
    return [manifest for _, fact in sorted(listed.items()) if fact.tags for manifest in sorted(fact.manifests)]


def take(world: World, step: Step, repository: str = "app") -> None:
    """Let a step happen; a minute passes with each, so that no two happen at once."""
    world.wait(1 / 60)
    world.changes = Changes()
    match step:
        case Push(image, tags):
            platforms = PLATFORMS if image % 2 else ()
            hours_ago = 2000 if image < 2 else 0
            world.push(DIGESTS[image], *tags, repository=repository, platforms=platforms, hours_ago=hours_ago)
        case Untag(tags):
            if repository in world.images:
                world.untag(*tags, repository=repository)
        case Delete(image):
            if repository in world.images:
                world.delete(DIGESTS[image], repository=repository)
        case Wait(hours):
            world.wait(hours)
        case Scan():
            results, failed = outcome(world, step, repository)
            if repository in world.images:
                world.scan(results, failed=failed, repository=repository)


def outcome(world: World, step: Scan, repository: str = "app") -> tuple[dict[str, tuple[ScanFinding, ...]], set[str]]:
    """What a scan step says of the manifests that are listed now: results, and failures."""
    listed = manifests(world, repository)
    told = {listed[position % len(listed)]: said for position, said in step.results} if listed else {}
    results = {manifest: said for manifest, said in told.items() if said is not None}
    return results, set(told) - set(results)
