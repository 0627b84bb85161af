"""What is news and what isn't: the situations of ``docs/changes.md``, as far as recording decides them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.changes.recording import KEEP_CLOSED, WAVE
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.severity import Severity
from tests.core.worlds import BEGAN, CRITICAL, HIGH, LOW, MEDIUM, UNDEFINED, World, configuration, found, settled


def test_the_first_results_of_a_repository_are_no_news() -> None:
    """All that is found at first was there before, batch by batch."""
    world = World()
    world.push("a", "v1", hours_ago=50)
    world.push("b", "v2", hours_ago=10)
    world.scan({"a": ["CVE-1"]})
    assert world.news() == []
    world.wait(20)
    world.scan({"b": ["CVE-1", "CVE-2"]})
    assert world.news() == []
    assert world.kinds() == {"CVE-1": "baseline", "CVE-2": "baseline"}


def test_what_a_known_image_did_not_have_is_news_once() -> None:
    """New today, not tomorrow, not when it comes twice, and not in another image of the repository."""
    world = settled()
    world.push("other", "other", hours_ago=80)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    assert world.news() == ["CVE-1"]
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    assert world.news() == []
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", "CVE-1"], "other": ["CVE-1"]})
    assert world.news() == []


def test_an_image_that_is_pushed_later_brings_news() -> None:
    """Under a tag of its own it displaces nothing: what only it has is new."""
    world = settled()
    world.push("v2", "v2")
    world.scan({"v2": ["CVE-OLD", "CVE-1"]})
    assert world.news() == ["CVE-1"]


def test_a_first_image_that_is_pushed_later_brings_none() -> None:
    """Where a configuration has never seen a result, the first ones are its baseline, whenever pushed."""
    world = World()
    world.push("v1", "latest", hours_ago=5)
    world.wait(100)
    world.push("v2", "v2")
    world.scan({"v2": ["CVE-1"]})
    assert world.news() == []


def test_a_repository_that_was_emptied_remembers_that_it_was_known() -> None:
    """What comes back after everything was deleted is news: it is gone and is there again."""
    world = settled()
    world.delete("v1")
    world.wait(48)
    world.push("v2", "latest")
    world.scan({"v2": ["CVE-OLD"]})
    assert world.news() == ["CVE-OLD"]
    assert world.kinds() == {"CVE-OLD": "reopened"}


def test_a_tag_that_moves_brings_only_what_differs() -> None:
    """What the rebuilt image has in addition is new, and what it lacks is fixed with its first result."""
    world = settled(findings=["CVE-OLD", "CVE-KEPT"])
    world.push("v2", "latest")
    assert (world.news(), world.closings()) == ([], {})
    world.scan({"v2": ["CVE-KEPT", "CVE-1"]})
    assert world.news() == ["CVE-1"]
    assert world.closings() == {("CVE-OLD", "pkg"): "fixed"}


def test_an_old_image_that_takes_over_a_tag_brings_what_differs() -> None:
    """A roll-back to an image from before the service: compared with what the tag had, however old it is."""
    world = settled()
    world.push("v0", "latest", hours_ago=900)
    world.wait(1)
    world.scan({"v0": ["CVE-OLD", "CVE-1"]})
    assert world.news() == ["CVE-1"]


def test_what_opens_and_closes_in_one_batch_leaves_no_trace() -> None:
    """The last result of a displaced image comes together with the first of the new one: nobody saw it."""
    world = settled()
    world.push("v2", "latest")
    world.scan({"v1": ["CVE-OLD", "CVE-9"], "v2": ["CVE-OLD"]})
    assert set(world.document().findings) == {("CVE-OLD", "pkg")}
    assert world.kinds(resolved=True) == {"CVE-OLD": "baseline"}


def test_push_and_result_in_one_batch_are_as_good_as_two() -> None:
    """Scan on push is quick: the tag moves and the result is there at once."""
    world = settled()
    world.push("v2", "latest", listed=False)
    world.scan({"v2": ["CVE-OLD", "CVE-1"]})
    assert world.news() == ["CVE-1"]
    assert world.closings() == {}


def test_a_failed_scan_keeps_what_was_found_and_marks_it() -> None:
    """No result says nothing; the next one that succeeds takes the mark away."""
    world = settled()
    before = world.kinds()
    world.scan({}, failed=["v1"])
    manifest = world.document().manifests[0]
    assert manifest is not None
    assert manifest.unconfirmed == "FAILED"
    assert (world.kinds(), world.news()) == (before, [])
    world.wait(24)
    world.scan({"v1": ["CVE-OLD"]})
    manifest = world.document().manifests[0]
    assert manifest is not None
    assert manifest.unconfirmed is None


def test_a_newly_selected_image_brings_no_news() -> None:
    """A widened configuration: what its new images have was there before."""
    world = settled(configuration(tags=("latest",)))
    world.push("d", "dev", hours_ago=1)
    world.configurations = [configuration(selected_since=world.now)]
    world.wait(1)
    world.scan({"d": ["CVE-1"]})
    assert world.news() == []
    assert world.kinds() == {"CVE-1": "baseline", "CVE-OLD": "baseline"}


def test_a_narrowed_configuration_brings_none_either() -> None:
    """Only the newest image from now on, which is unscanned yet: nothing happened but the change itself."""
    world = settled()
    world.push("v2", "v2", hours_ago=3)
    world.configurations = [configuration(newest=1, selected_since=world.now)]
    world.wait(1)
    world.scan({"v2": ["CVE-1"]})
    assert world.news() == []


def test_an_image_known_to_another_configuration_brings_no_news_either() -> None:
    """Selected from now on with results that are there already."""
    world = settled(configuration(), configuration("prod", tags=("prod",)))
    prod = world.configurations[1]
    world.push("v1", "prod")
    assert world.news(prod) == []
    assert world.kinds(prod) == {"CVE-OLD": "baseline"}


def test_a_tag_that_moves_to_an_image_with_results_brings_what_differs() -> None:
    """Promoting an image that was scanned under another tag is a change of what runs."""
    world = World(configuration(), configuration("prod", tags=("prod",)))
    prod = world.configurations[1]
    world.push("a", "a", "prod", hours_ago=9)
    world.push("b", "b", hours_ago=8)
    world.scan({"a": ["CVE-1"], "b": ["CVE-1", "CVE-2"]})
    world.wait(24)
    world.push("b", "prod")
    assert world.news(prod) == ["CVE-2"]
    assert world.news() == []


def test_a_change_of_scan_type_brings_no_news() -> None:
    """Basic and enhanced scanning name packages differently: everything closes and opens, and nobody is told."""
    world = settled()
    world.scan({"v1": [found("CVE-OLD", package="other"), "CVE-9"]}, scan_type=ScanType.ENHANCED)
    assert world.news() == []
    assert world.closings() == {("CVE-OLD", "pkg"): "scan type"}
    world.wait(24)
    world.scan({"v1": [found("CVE-OLD", package="other"), "CVE-9", "CVE-10"]}, scan_type=ScanType.ENHANCED)
    assert world.news() == ["CVE-10"]


def test_a_change_of_scan_type_at_a_push_brings_none_either() -> None:
    """The displaced image was scanned the other way."""
    world = settled()
    world.push("v2", "latest")
    world.scan({"v2": ["CVE-9"]}, scan_type=ScanType.ENHANCED)
    assert world.news() == []
    assert world.closings() == {("CVE-OLD", "pkg"): "scan type"}


def test_enhanced_findings_change_without_a_new_scan() -> None:
    """The same completion counts again there, an older one never."""
    world = World()
    world.push("v1", "latest", hours_ago=9)
    world.scan({"v1": ["CVE-1"]}, scan_type=ScanType.ENHANCED)
    world.scan({"v1": ["CVE-1", "CVE-2"]}, scan_type=ScanType.ENHANCED)
    assert world.news() == ["CVE-2"]


def test_the_documents_own_memory_refuses_stale_results() -> None:
    """Also without the ledger: what completed at or before the last change of an image changes nothing."""
    world = settled()
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    before = dict(world.documents)
    world.completed.clear()
    world.scan({"v1": ["CVE-2"]}, hours_ago=1)
    world.completed.clear()
    world.scan({"v1": ["CVE-3"]})
    assert world.documents == before


@pytest.mark.parametrize(("hours", "news"), [(2, []), (25, []), (26, ["CVE-1"])])
def test_an_image_that_is_gone_for_a_day_continues(hours: int, news: list[str]) -> None:
    """Deleted and pushed again within 25 hours is no news, and the alert stays the same one."""
    world = settled(findings=["CVE-OLD"])
    world.push("keep", "keep", hours_ago=90)
    world.scan({"keep": [], "v1": ["CVE-OLD", "CVE-1"]})
    ids = world.ids()
    world.wait(1)
    world.delete("v1")
    assert world.closings() == {("CVE-OLD", "pkg"): "gone", ("CVE-1", "pkg"): "gone"}
    world.wait(hours)
    world.push("v2", "latest")
    world.scan({"v2": ["CVE-1"]})
    assert world.news() == news
    assert (world.ids() <= ids) == (not news)
    assert world.kinds() == {"CVE-1": "reopened" if news else "new"}


def test_what_continues_more_severe_than_before_rises() -> None:
    """Coming straight back hides no escalation."""
    world = settled(findings=["CVE-OLD", "CVE-1"])
    world.delete("v1")
    world.push("v2", "latest")
    world.scan({"v2": [found("CVE-1", CRITICAL), "CVE-OLD"]})
    assert (world.news(), world.rises()) == ([], ["CVE-1"])
    assert world.kinds() == {"CVE-1": "escalated", "CVE-OLD": "baseline"}


def test_what_was_gone_for_others_is_news_for_whom_it_is_new() -> None:
    """A finding that left a dev image today appears in a prod image: prod never had it."""
    dev, prod = configuration("dev", tags=("dev",)), configuration("prod", tags=("prod",))
    world = World(dev, prod)
    world.push("d", "dev", hours_ago=50)
    world.push("p", "prod", hours_ago=50)
    world.scan({"d": ["CVE-1"], "p": []})
    world.wait(24)
    world.delete("d")
    world.wait(1)
    world.scan({"p": ["CVE-1"]})
    assert (world.news(dev), world.news(prod)) == ([], ["CVE-1"])


def test_fixed_and_back_is_news() -> None:
    """However soon: a complete result said that it was not there."""
    world = settled()
    world.scan({"v1": []})
    world.wait(24)
    world.scan({"v1": ["CVE-OLD"]})
    assert world.news() == ["CVE-OLD"]
    assert world.document().findings["CVE-OLD", "pkg"].first_seen == BEGAN


def test_closed_openings_are_remembered_for_90_days() -> None:
    """And with them the date of the first seeing, and the text."""
    world = settled()
    world.scan({"v1": []})
    world.now += KEEP_CLOSED - timedelta(seconds=1)
    world.record()
    assert world.document().findings
    world.wait(1)
    world.record()
    document = world.document()
    assert (document.findings, document.advisories) == ({}, {})


@pytest.mark.parametrize(
    ("severities", "rises"),
    [
        ([HIGH, CRITICAL], [CRITICAL]),
        ([HIGH, LOW, HIGH], []),
        ([CRITICAL, HIGH, CRITICAL], []),
        ([MEDIUM, HIGH, LOW, HIGH, CRITICAL], [HIGH, CRITICAL]),
        ([UNDEFINED, HIGH], [HIGH]),
        ([UNDEFINED, MEDIUM], []),
        ([UNDEFINED, MEDIUM, HIGH], [HIGH]),
        ([HIGH, UNDEFINED, HIGH], []),
        ([LOW, MEDIUM], [MEDIUM]),
    ],
)
@pytest.mark.parametrize("rebuilt", [False, True], ids=["same image", "rebuilt daily"])
@pytest.mark.parametrize("baseline", [False, True], ids=["news", "baseline"])
def test_only_what_exceeds_everything_shown_before_rises(
    severities: list[Severity], rises: list[Severity], rebuilt: bool, baseline: bool
) -> None:
    """Whatever image it is in; the first rating counts only if it reaches ``notify``."""
    world = settled(findings=["CVE-OLD", found("CVE-1", severities[0])] if baseline else ["CVE-OLD"])
    told = []
    for day, severity in enumerate(severities):
        digest = f"day{day}" if rebuilt else "v1"
        if rebuilt:
            world.push(digest, "latest")
        world.scan({digest: ["CVE-OLD", found("CVE-1", severity)]})
        told += [severity] * len(world.rises())
        world.wait(24)
    assert told == rises
    assert world.kinds()["CVE-1"] == ("escalated" if rises else "baseline" if baseline else "new")


def test_what_was_told_counts_when_the_image_that_had_it_is_gone() -> None:
    """The alert said CRITICAL once; another image that becomes so is no rise."""
    world = settled()
    world.push("v2", "v2", hours_ago=90)
    world.scan({"v1": ["CVE-OLD"], "v2": []})
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", "CVE-1"], "v2": [found("CVE-1", CRITICAL)]})
    world.delete("v2")
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]})
    assert world.rises() == []


def test_another_image_with_a_higher_severity_is_a_rise() -> None:
    """What a configuration sees of the repository has become more severe."""
    world = settled()
    world.push("v2", "v2")
    world.scan({"v2": [found("CVE-OLD", CRITICAL)]})
    assert world.rises() == ["CVE-OLD"]


def test_a_baseline_image_with_a_higher_severity_is_none() -> None:
    """It was there before."""
    world = World()
    world.push("v1", "latest", hours_ago=50)
    world.push("v2", "v2", hours_ago=40)
    world.scan({"v1": ["CVE-1"]})
    world.wait(20)
    world.scan({"v2": [found("CVE-1", CRITICAL)]})
    assert (world.news(), world.rises()) == ([], [])


def test_each_configuration_has_rises_of_its_own() -> None:
    """One that only sees prod hears of prod, when prod has it."""
    world = settled(configuration(), configuration("prod", tags=("prod",)))
    everything, prod = world.configurations
    world.push("p", "prod", hours_ago=90)
    world.scan({"p": ["CVE-OLD"], "v1": [found("CVE-OLD", CRITICAL)]})
    assert (world.rises(everything), world.rises(prod)) == (["CVE-OLD"], [])
    world.wait(24)
    world.scan({"p": [found("CVE-OLD", CRITICAL)]})
    assert (world.rises(everything), world.rises(prod)) == ([], ["CVE-OLD"])


def test_changes_wait_in_the_outbox_with_their_wave() -> None:
    """One entry for each configuration and change, at whole seconds."""
    world = settled()
    world.now += timedelta(microseconds=5)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]}, hours_ago=0.5)
    first = world.now.replace(microsecond=0)
    world.wait(20)
    world.scan({"v1": [found("CVE-OLD", CRITICAL), found("CVE-1", CRITICAL)]}, hours_ago=0.5)
    second = world.now.replace(microsecond=0)
    assert [(item.vulnerability, item.wave, item.at) for item in world.document().outbox] == [
        ("CVE-1", first, first),
        ("CVE-1", first, second),
        ("CVE-OLD", None, second),
    ]


def test_a_wave_is_as_long_as_every_image_needs_to_be_scanned_once() -> None:
    """A day, and an hour for being late."""
    assert timedelta(hours=25) == WAVE


def test_severity_version_and_texts_are_content() -> None:
    """None of them opens, closes or renames anything."""
    world = settled(findings=[found("CVE-1", CRITICAL, version="1.0")])
    ids = world.ids()
    world.scan({"v1": [found("CVE-1", LOW, version="1.1", description="new words")]})
    assert (world.news(), world.rises(), world.closings(), world.ids()) == ([], [], {}, ids)
