"""What a configuration sees: its images, and whose findings count for them while they have no results."""

from __future__ import annotations

from ecr_rescan.core.changes.view import select, view
from ecr_rescan.core.configuration import ScanConfiguration
from tests.core.worlds import World, configuration, settled

TWO = ("linux/amd64", "linux/arm64")
AMD, ARM = "linux/amd64", "linux/arm64"


def counting(world: World, selection: ScanConfiguration | None = None) -> set[str]:
    """The manifests whose findings count."""
    document = world.document()
    seen = view(selection or world.configurations[0], document)
    return {manifest.digest for manifest in document.manifests_of(seen.effective)}


def replaced(*platforms: str, by: tuple[str, ...] = TWO) -> World:
    """``latest`` moved from a scanned image to an unscanned one."""
    world = World()
    world.push("old", "latest", platforms=platforms)
    world.scan({manifest: ["CVE-1"] for manifest in world.images["app"]["old"].manifests})
    world.wait(1)
    world.push("new", "latest", platforms=by)
    return world


def test_images_are_selected_by_tag_newest_first() -> None:
    """One matching tag is enough; untagged images and those with other tags don't count."""
    world = World()
    world.push("a", "v1", "stable", hours_ago=3)
    world.push("b", "v2", hours_ago=2)
    world.push("c", "dev", hours_ago=1)
    images = world.document().images
    assert select(configuration(), images) == ["c", "b", "a"]
    assert select(configuration(tags=("v*",)), images) == ["b", "a"]
    assert select(configuration(tags=("v*", "!v2")), images) == ["a"]
    assert select(configuration(newest=2), images) == ["c", "b"]


def test_newest_counts_matching_images_only() -> None:
    """Images that the tags don't select take no place, and of two pushed at once the digest decides."""
    world = World()
    for digest, tag in (("b", "v2"), ("a", "v1"), ("x", "dev")):
        world.push(digest, tag)
    assert select(configuration(newest=1, tags=("v*",)), world.document().images) == ["a"]


def test_an_image_without_results_counts_with_those_of_the_one_it_displaced() -> None:
    """Until its first result, whatever comes in between."""
    world = replaced()
    world.scan({}, failed=["new/linux/amd64"])
    assert counting(world) == {"old"}


def test_platform_by_platform_results_replace_the_stand_ins() -> None:
    """A platform that the displaced image has stands in until its own result."""
    world = replaced(*TWO)
    assert counting(world) == {f"old/{AMD}", f"old/{ARM}"}
    world.scan({f"new/{AMD}": []})
    assert counting(world) == {f"new/{AMD}", f"old/{ARM}"}
    world.scan({f"new/{ARM}": []})
    assert counting(world) == {f"new/{AMD}", f"new/{ARM}"}
    assert list(world.document().images) == ["new"]


def test_an_image_of_unknown_platform_stands_in_for_every_platform() -> None:
    """An image becomes an index: what was found in the one may be in any of the others."""
    world = replaced()
    world.scan({f"new/{AMD}": []})
    assert counting(world) == {f"new/{AMD}", "old"}
    world.scan({f"new/{ARM}": []})
    assert counting(world) == {f"new/{AMD}", f"new/{ARM}"}


def test_a_chain_of_unscanned_images_stands_for_the_last_scanned_one() -> None:
    """Whatever the digests' order, and also while one in the middle keeps another tag."""
    for middle, last in (("b", "c"), ("c", "b")):
        world = replaced(by=())
        world.push(middle, "latest", "other")
        world.push(last, "latest")
        seen = view(configuration(tags=("latest",)), world.document())
        assert counting(world, configuration(tags=("latest",))) == {"old"}
        assert list(seen.images) == [last]


def test_a_chain_over_a_half_scanned_image_takes_from_each_what_it_lacks() -> None:
    """Three quick pushes: the second has results of one platform only."""
    world = replaced(*TWO)
    world.scan({f"new/{AMD}": []})
    world.push("newer", "latest", platforms=TWO)
    assert counting(world) == {f"new/{AMD}", f"old/{ARM}"}
    world.scan({f"newer/{AMD}": []})
    assert counting(world) == {f"newer/{AMD}", f"old/{ARM}"}
    world.scan({f"newer/{ARM}": []})
    assert list(world.document().images) == ["newer"]


def test_tags_that_go_back_and_forth_end_the_chain() -> None:
    """Two half-scanned images that took the tag from each other stand in for each other at most once."""
    world = replaced(*TWO)
    world.scan({f"new/{AMD}": []})
    world.push("newer", "latest", platforms=TWO)
    world.scan({f"newer/{AMD}": []})
    for back, other in (("new", "newer"), ("newer", "new")):
        # What was superseded is forgotten, and read again.
        world.push(back, "latest")
        assert counting(world) == {f"{other}/{AMD}"}
        world.scan({f"{back}/{AMD}": []})
        assert counting(world) == {f"{back}/{AMD}"}


def test_only_a_displacement_that_the_configuration_sees_counts() -> None:
    """An image that took over a tag that a configuration doesn't name brings no stand-in for it."""
    world = World(configuration(), configuration("prod", tags=("prod",)))
    world.push("old", "dev")
    world.scan({"old": ["CVE-1"]})
    world.push("new", "dev", "prod")
    assert counting(world, world.configurations[0]) == {"old"}
    assert counting(world, world.configurations[1]) == set()


def test_a_tag_that_was_taken_away_again_brings_no_stand_in() -> None:
    """The image took ``latest`` and lost it before it was scanned."""
    world = replaced(by=())
    world.push("new", "other")
    world.untag("latest")
    assert counting(world) == set()


def test_under_newest_the_next_older_image_stands_in() -> None:
    """A new image displaces the oldest by its push; the next older one with results counts for it, by platform."""
    world = World(configuration(newest=1))
    world.push("old", "v1", platforms=TWO)
    world.scan({f"old/{AMD}": ["CVE-1"], f"old/{ARM}": ["CVE-1"]})
    world.wait(1)
    world.push("new", "v2", platforms=TWO)
    assert counting(world) == {f"old/{AMD}", f"old/{ARM}"}
    world.scan({f"new/{AMD}": []})
    assert counting(world) == {f"new/{AMD}", f"old/{ARM}"}
    world.scan({f"new/{ARM}": []})
    assert counting(world) == {f"new/{AMD}", f"new/{ARM}"}


def test_under_newest_each_unscanned_image_takes_one_older() -> None:
    """Two pushes at once keep two of the older images counting, and no third."""
    world = World(configuration(newest=3))
    for number in (1, 2, 3):
        world.push(f"i{number}", f"v{number}")
        world.wait(1)
    world.scan({f"i{number}": [f"CVE-{number}"] for number in (1, 2, 3)})
    for number in (4, 5):
        world.push(f"i{number}", f"v{number}")
        world.wait(1)
    assert counting(world) == {"i1", "i2", "i3"}


def test_the_views_parts_add_up() -> None:
    """What stands in is not selected, and everything that counts is one or the other."""
    world = settled()
    world.push("v2", "latest")
    seen = view(world.configurations[0], world.document())
    assert seen.standing_in & ~seen.selected == seen.effective
    assert seen.images == {"v2": ("latest",)}
    assert set(seen.stand_ins) == {"v2"}
