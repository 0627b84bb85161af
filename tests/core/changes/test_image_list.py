"""The image list of a findings document: what is added, kept and dropped, and why."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.image_list import ImageFact, forget_predecessors, list_images
from ecr_rescan.core.changes.view import predecessors, view
from tests.core.worlds import BEGAN, REGION, REGISTRY, World, configuration, settled

TWO = ("linux/amd64", "linux/arm64")
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x", None)


def test_the_list_follows_the_repository() -> None:
    """Images come with their tags and manifests, retagged ones are dated, and deleted ones go."""
    world = World()
    world.push("a", "v1", platforms=TWO)
    world.push("b", "v2")
    pushed = world.now
    world.wait(1)
    world.push("b", "v3")
    images = world.document().images
    assert {digest: image.tags for digest, image in images.items()} == {"a": ("v1",), "b": ("v2", "v3")}
    assert [images[digest].changed_at for digest in ("a", "b")] == [pushed, world.now]
    world.delete("a")
    document = world.document()
    assert [manifest and manifest.digest for manifest in document.manifests] == [None, None, "b"]
    world.push("c", "v4")
    world.delete("b")
    assert [manifest and manifest.digest for manifest in world.document().manifests] == ["c"]


def test_an_image_that_was_deleted_and_pushed_again_is_as_new_as_that() -> None:
    """The same digest between two listings: its new age counts for ``newest``, its first one for what is news."""
    world = settled()
    fact = world.images["app"]["v1"]
    first = fact.pushed_at
    world.images["app"]["v1"] = type(fact)(fact.digest, fact.tags, world.now, fact.manifests)
    world.record()
    image = world.document().images["v1"]
    assert (image.pushed_at, image.appeared_at) == (world.now, first)


def test_an_index_is_listed_before_its_platforms_are_known() -> None:
    """It has no manifests then, stands on what it displaced, and is dated when they are known."""
    world = settled()
    world.push("index", "latest", listed=False)
    fact = world.images["app"]["index"]
    world.images["app"]["index"] = type(fact)(fact.digest, fact.tags, fact.pushed_at, {})
    world.record()
    assert world.kinds() == {"CVE-OLD": "baseline"}
    world.images["app"]["index"] = type(fact)(fact.digest, fact.tags, fact.pushed_at, {"child": TWO[0]})
    world.record()
    assert world.kinds() == {"CVE-OLD": "baseline"}
    world.scan({"child": []})
    assert world.closings() == {("CVE-OLD", "pkg"): "fixed"}


def test_a_platform_that_is_deleted_from_an_index_takes_its_findings_along() -> None:
    """Nobody will scan it again: its findings are gone, not open for ever."""
    world = World()
    world.push("index", "latest", platforms=TWO)
    world.scan({f"index/{TWO[0]}": [], f"index/{TWO[1]}": ["CVE-1"]})
    fact = world.images["app"]["index"]
    world.images["app"]["index"] = type(fact)(fact.digest, fact.tags, fact.pushed_at, {f"index/{TWO[0]}": TWO[0]})
    world.record()
    assert world.closings() == {("CVE-1", "pkg"): "gone"}


def test_an_image_appeared_when_the_first_of_its_unscanned_predecessors_did() -> None:
    """Rebuilt over and over before the first scan: what is found then was there before, in all likelihood."""
    world = World()
    world.push("a", "latest", hours_ago=100)
    world.wait(1)
    world.push("b", "latest")
    world.wait(1)
    world.push("c", "latest")
    assert world.document().images["c"].appeared_at == world.now - timedelta(hours=102)


@pytest.mark.parametrize(
    "reason", ["fixed by tag", "fixed by newest", "gone", "gone unscanned", "unselected", "renamed"]
)
def test_why_findings_go_with_their_image(reason: str) -> None:
    """Displaced by an image whose results lack it, deleted, or not selected any more."""
    selection = configuration(newest=1) if reason == "fixed by newest" else configuration(tags=("v*", "latest"))
    world = settled(selection)
    if reason == "fixed by tag":
        world.push("v2", "latest")
        world.scan({"v2": []})
    elif reason == "fixed by newest":
        world.push("v2", "v2")
        world.scan({"v2": []})
    elif reason == "gone":
        world.delete("v1")
    elif reason == "gone unscanned":
        world.push("v2", "latest")
        world.delete("v2")
    elif reason == "unselected":
        world.configurations = [configuration(tags=("other",))]
        world.record()
    else:
        world.push("v1", "archive")
        world.untag("latest")
    assert world.closings() == {("CVE-OLD", "pkg"): {"renamed": "unselected"}.get(reason, reason.split()[0])}


def test_an_unreadable_configuration_loses_nothing() -> None:
    """While not all configurations could be read, what none of the others selects is kept, stand-ins included."""
    world = settled(configuration(), configuration("prod", tags=("prod",)))
    readable = world.configurations[1:]
    world.configurations = readable
    world.push("v2", "latest", listed=False)
    world.record(keep_all=True)
    assert set(world.document().images) == {"v1", "v2"}
    assert not world.closings()
    world.delete("v2", listed=False)
    world.record(keep_all=True)
    assert not world.document().images


def test_without_configurations_nothing_is_changed() -> None:
    """A repository that no configuration names is left alone."""
    world = settled()
    world.configurations = []
    before = dict(world.documents)
    world.delete("v1")
    assert world.documents == before


def test_results_of_images_that_nobody_selects_leave_no_trace() -> None:
    """A late result of an image that was pushed out, deleted or never selected."""
    world = settled(configuration(newest=1))
    world.push("v2", "v2")
    world.scan({"v2": ["CVE-OLD"]})
    before = dict(world.documents)
    world.wait(1)
    world.scan({"v1": ["CVE-OLD", "CVE-9"]})
    assert world.documents == before


def test_a_platform_that_is_never_scanned_makes_no_images_pile_up() -> None:
    """One predecessor for each platform is kept, however often a tag moves on."""
    world = World(configuration(tags=("latest",)))
    world.push("first", "latest", platforms=(*TWO, "linux/s390x"))
    world.scan({f"first/{platform}": [f"CVE-{platform[6:].upper()}"] for platform in (*TWO, "linux/s390x")})
    sizes = []
    for number in range(20):
        world.wait(1)
        world.push(f"v{number}", "latest", platforms=(*TWO, "linux/s390x"))
        # Neither s390x nor, in every other image, arm64 is ever scanned.
        world.scan({f"v{number}/{platform}": [] for platform in TWO[: 1 + number % 2]})
        sizes.append(len(world.document().images))
    assert max(sizes) <= 1 + 3 + 1
    assert sizes[-1] <= 3
    # What nothing newer has a result of still stands in.
    assert world.kinds() == {"CVE-S390X": "baseline"}


@given(st.lists(st.tuples(st.sampled_from("xy"), st.sets(st.sampled_from(PLATFORMS)), st.integers(0, 7)), max_size=9))
def test_what_is_forgotten_of_predecessors_changes_nothing_that_is_seen(
    pushes: list[tuple[str, set[str | None], int]],
) -> None:
    """Whatever has results, and however tags moved."""
    made = FindingsDocument(REGISTRY, REGION, "app", BEGAN, BEGAN)
    held: dict[str, ImageFact] = {}
    for number, (tag, platforms, results) in enumerate(pushes):
        children = {f"{number}{place}": one for place, one in enumerate(sorted(platforms, key=str))}
        held[tag] = ImageFact(str(number), (tag,), BEGAN + timedelta(hours=number), children)
        list_images(made, list(held.values()), BEGAN)
        for place, manifest in enumerate(manifest for manifest in made.manifests if manifest):
            if manifest.digest in children and results >> place % 3 & 1:
                manifest.result_at = BEGAN
        for tags, newest in (((), None), (("x",), None), ((), 1)):
            before = view(configuration(tags=tags, newest=newest), made)
            pruned = copy.deepcopy(made)
            forget_predecessors(pruned)
            assert view(configuration(tags=tags, newest=newest), pruned) == before
        if results % 2:
            forget_predecessors(made)
        size = len(predecessors(made, made.images[str(number)], tag))
        assert results % 2 == 0 or size <= 1 + len(PLATFORMS)


def test_what_a_displaced_platform_had_is_fixed_though_another_still_stands_in() -> None:
    """Of an index's platforms each has its own successor; one that is never scanned keeps no other's findings open."""
    world = World(configuration(tags=("latest",)))
    world.push("old", "latest", platforms=TWO)
    world.scan({f"old/{TWO[0]}": ["CVE-1", "CVE-2"]})
    world.push("new", "latest", platforms=TWO)
    world.scan({f"new/{TWO[0]}": ["CVE-2"]})
    (key,) = [key for key, finding in world.document().findings.items() if not finding.current]
    closed = world.document().findings[key].openings[-1].closed
    assert key[0] == "CVE-1"
    assert closed is not None
    assert closed.reason == "fixed"
