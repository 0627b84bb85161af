"""Findings that are posted through moto's own API: which scan they are the result of."""

from __future__ import annotations

from datetime import timedelta

import pytest


def test_a_post_is_the_result_of_the_next_scan_and_of_those_after_it(world, names):
    """Not of the result that is there already; until somebody posts again."""
    digest = world.push("a", "1")
    assert names(world.scan(digest)) == []
    world.post({"imageDigest": digest}, ["CVE-1"])
    assert names(world.read(digest)) == []
    for _ in range(2):
        world.advance(hours=24)
        assert names(world.scan(digest)) == ["CVE-1"]


def test_the_latest_post_wins(world, names):
    """Of several before one scan, whether they named the tag or the digest."""
    digest = world.push("a", "1")
    world.post({"imageDigest": digest}, ["CVE-1"])
    world.post({"imageTag": "1"}, ["CVE-2"])
    assert names(world.scan(digest)) == ["CVE-2"]
    world.post({"imageTag": "1"}, ["CVE-3"])
    world.post({"imageDigest": digest}, ["CVE-4"])
    world.advance(hours=24)
    assert names(world.scan(digest)) == ["CVE-4"]


@pytest.mark.parametrize("wrong", ["tag", "digest"])
def test_of_tag_and_digest_one_that_fits_is_enough(world, names, wrong):
    """As a poster who gives both means it, even after the tag has moved."""
    digest = world.push("a", "1")
    image_id = {"imageTag": "9" if wrong == "tag" else "1", "imageDigest": digest if wrong == "tag" else "sha256:0"}
    world.post(image_id, ["CVE-1"])
    assert names(world.scan(digest)) == ["CVE-1"]


def test_a_post_may_come_before_the_image(world, names):
    """It waits."""
    world.post({"imageTag": "1"}, ["CVE-1"])
    assert names(world.scan(world.push("a", "1"))) == ["CVE-1"]


def test_a_post_during_a_scan_is_that_scans_result(world, names):
    """The scan that ends next: scan on push has begun before anybody could post."""
    digest = world.push("a", "1")
    world.start(digest)
    world.post({"imageDigest": digest}, ["CVE-1"])
    world.advance(minutes=5)
    assert names(world.read(digest)) == ["CVE-1"]


def test_a_post_after_the_end_is_not_that_scans_result_even_when_nobody_looked(world, names):
    """Scans end on the clock, not when somebody asks."""
    digest = world.push("a", "1")
    world.start(digest)
    world.clock.advance(timedelta(minutes=5))
    world.post({"imageDigest": digest}, ["CVE-1"])
    assert names(world.read(digest)) == []


def test_an_image_keeps_its_findings_when_its_tag_moves(world, names):
    """What was posted for a tag belongs to the image that was scanned under it, and then to the tag's next image."""
    old = world.push("a", "1")
    world.post({"imageTag": "1"}, ["CVE-1"])
    world.scan(old)
    new = world.push("b", "1")
    world.advance(hours=24)
    assert names(world.scan(old)) == ["CVE-1"]
    assert names(world.scan(new)) == ["CVE-1"]
    world.post({"imageTag": "1"}, ["CVE-2"])
    world.advance(hours=24)
    assert names(world.scan(old)) == ["CVE-1"]
    assert names(world.scan(new)) == ["CVE-2"]


def test_counts_are_posted_or_counted(world):
    """A poster's counts are passed on as they are: real ones differ from a page of findings too."""
    digest = world.push("a")
    world.post({"imageDigest": digest}, ["CVE-1", "CVE-2"])
    assert world.scan(digest)["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 2}
    content = {"findings": [], "findingSeverityCounts": {"CRITICAL": 13}}
    world.post({"imageDigest": digest}, [], imageScanFindings=content)
    world.advance(hours=24)
    assert world.scan(digest)["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 13}
