"""Why a finding closes, and data that vanishes at once from an image that never changed."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_rescan.core.changes.closing import HELD_FOR
from ecr_rescan.core.scan_result import ScanType
from tests.core.worlds import World, open_set, settled

FORTY = [f"CVE-{number:02}" for number in range(40)]


def reasons(world: World) -> set[str]:
    return set(world.closings().values())


def test_one_of_forty_is_withdrawn() -> None:
    """The image is the same: nothing was mended."""
    world = settled(findings=FORTY)
    world.scan({"v1": FORTY[1:]})
    assert world.closings() == {("CVE-00", "pkg"): "withdrawn"}
    (alert,) = [one for one in world.alerts(resolved=True) if one.resolved_at]
    assert alert.resolved_reason == "withdrawn"


def test_forty_of_forty_stay_open_and_come_back_as_they_were() -> None:
    """Nothing is told, and the document is as before but for the times."""
    world = settled(findings=FORTY)
    before = world.alerts()
    world.scan({"v1": []})
    assert world.closings() == {}
    assert world.document().manifests[0].vanished_at == world.now  # type: ignore[union-attr]
    assert {alert.id for alert in world.alerts()} == {alert.id for alert in before}
    assert all(finding.openings[0].unreported == 1 for finding in world.document().findings.values())
    world.wait(72)
    world.scan({"v1": FORTY})
    assert (world.news(), world.rises(), world.closings()) == ([], [], {})
    assert world.document().manifests[0].vanished_at is None  # type: ignore[union-attr]
    assert {(one.id, one.kind, one.first_seen) for one in world.alerts()} == {
        (one.id, one.kind, one.first_seen) for one in before
    }
    assert all(finding.openings[0].unreported == 0 for finding in world.document().findings.values())


def test_what_does_not_come_back_within_a_week_is_withdrawn() -> None:
    """By the first result after it, and not before."""
    world = settled(findings=FORTY)
    began = world.now
    while world.now - began < HELD_FOR:
        world.scan({"v1": []})
        assert world.closings() == {}
        world.wait(24)
    world.scan({"v1": []})
    assert reasons(world) == {"withdrawn"}
    assert len(world.closings()) == 40


def test_new_findings_are_told_while_others_are_held() -> None:
    """What the suspicious result does say is true."""
    world = settled(findings=FORTY)
    world.scan({"v1": ["CVE-NEW"]})
    assert world.news() == ["CVE-NEW"]
    assert world.closings() == {}


def test_a_new_image_without_them_has_them_fixed() -> None:
    """However many: it is another image."""
    world = settled(findings=FORTY)
    world.push("v2", "latest")
    world.scan({"v2": []})
    assert reasons(world) == {"fixed"}


def test_deleted_images_and_another_scan_type_close_as_before() -> None:
    """Neither is a mending, nor a withdrawal."""
    world = settled(findings=FORTY)
    world.delete("v1")
    assert reasons(world) == {"gone"}
    world = settled(findings=FORTY)
    world.scan({"v1": []}, scan_type=ScanType.ENHANCED)
    assert reasons(world) == {"scan type"}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.data())
def test_held_is_what_lacks_more_than_half_of_ten_or_more(had: int, data: st.DataObject) -> None:
    """And nothing else; what is held is open, with what it had."""
    names = [f"CVE-{number:02}" for number in range(had)]
    left = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    world = settled(findings=names)
    before = open_set(world.document())
    world.scan({"v1": sorted(left)})
    lost = had - len(left)
    held = had >= 10 and lost * 2 > had
    assert len(world.closings()) == (0 if held else lost)
    if held:
        assert open_set(world.document()) == before


def test_each_image_is_judged_for_itself() -> None:
    """One whose data vanished doesn't hold what another one lacks."""
    world = World()
    world.push("v1", "one", hours_ago=100)
    world.push("v2", "two", hours_ago=90)
    world.scan({"v1": FORTY, "v2": ["CVE-00", "CVE-X"]})
    world.wait(24)
    world.scan({"v1": [], "v2": ["CVE-00"]})
    assert world.closings() == {("CVE-X", "pkg"): "withdrawn"}
    world.wait(24 * 8)
    world.scan({"v1": [], "v2": ["CVE-00"]})
    assert len(world.closings()) == 40, "all but the one that v2 has"
    assert world.now - timedelta(days=8) > world.document().since
