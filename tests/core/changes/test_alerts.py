"""Alerts of a configuration: kinds, identities, dates and what suppressions hide."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest

from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.changes.identity import alert_id
from ecr_rescan.core.changes.recording import KEEP_CLOSED
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.scan_result import ScanFinding
from tests.core.worlds import BEGAN, CRITICAL, HIGH, LOW, MEDIUM, UNDEFINED, World, configuration, found, settled


def two_repositories(*changes: ScanFinding | str) -> World:
    """``app`` and ``lib``, both with a recorded baseline; a day later."""
    world = World(*[configuration()])
    for repository in ("app", "lib"):
        world.push("v1", "latest", repository=repository, hours_ago=100)
        world.scan({"v1": ["CVE-OLD", *changes]}, repository=repository)
    world.wait(24)
    return world


def only(world: World, vulnerability: str = "CVE-1", *, resolved: bool = False) -> Alert:
    """The one alert of a vulnerability."""
    (alert,) = [alert for alert in world.alerts(resolved=resolved) if alert.vulnerability == vulnerability]
    return alert


def test_an_identity_tells_configuration_finding_wave_and_rise_apart() -> None:
    """It is a UUID of version 5, permanent: these values are in people's feed readers."""
    ids = {
        alert_id(config, vulnerability, package, wave, raised)
        for config in ("a", "b")
        for vulnerability, package in (("CVE-1", "x"), ("CVE-1", ""), ("CVE-1x", ""))
        for wave in (None, BEGAN, BEGAN + timedelta(seconds=1))
        for raised in (None, HIGH, CRITICAL)
    }
    assert len(ids) == 2 * 3 * 3 * 3
    assert {uuid.UUID(text).version for text in ids} == {5}
    assert alert_id("a", "CVE-1", "pkg", BEGAN, None) == "775b3ac7-e73b-5256-948a-91b9410fda9e"
    assert alert_id("a", "CVE-1", "pkg", None, CRITICAL) == "7eaf439d-b32b-58e2-9145-424b5d87faab"


def test_a_baseline_alert_is_as_old_as_its_first_seeing() -> None:
    """It is one entry for all repositories, and keeps its identity."""
    world = two_repositories()
    alert = only(world, "CVE-OLD")
    assert (alert.kind, alert.wave, alert.published, alert.first_seen) == ("baseline", None, BEGAN, BEGAN)
    assert alert.repositories == ("app", "lib")
    world.push("v2", "latest")
    world.scan({"v2": ["CVE-OLD"]})
    assert only(world, "CVE-OLD").id == alert.id


def test_openings_of_several_repositories_within_a_wave_are_one_alert() -> None:
    """It names the repositories, and one that joins changes nothing but its content."""
    world = two_repositories()
    began = world.now
    world.scan({"v1": ["CVE-OLD", "CVE-1"]}, repository="lib")
    first = only(world)
    world.wait(20)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    alert = only(world)
    assert (first.kind, first.repositories, first.published, first.updated) == ("new", ("lib",), began, began)
    assert (alert.kind, alert.repositories, alert.published, alert.updated) == ("new", ("app", "lib"), began, world.now)
    assert alert.id == first.id


def test_a_repository_that_leaves_an_alert_is_its_last_change() -> None:
    """The alert no longer names it; what becomes of the finding there afterwards is no change of this one."""
    world = two_repositories("CVE-1")
    world.scan({"v1": ["CVE-OLD"]})
    fixed = only(world)
    assert (fixed.repositories, fixed.updated) == (("lib",), world.now)
    world.wait(48)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    alerts = {alert.kind: alert for alert in world.alerts() if alert.vulnerability == "CVE-1"}
    assert alerts["baseline"] == fixed
    assert alerts["reopened"].updated == world.now


def test_another_repository_after_the_wave_is_spread() -> None:
    """Both alerts stand beside each other, each with its repository."""
    world = two_repositories()
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    world.wait(48)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]}, repository="lib")
    kinds = {alert.repositories: alert.kind for alert in world.alerts() if alert.vulnerability == "CVE-1"}
    assert kinds == {("app",): "new", ("lib",): "spread"}


def test_beside_a_baseline_another_repository_is_spread() -> None:
    """What was there before somewhere is now somewhere else, too."""
    world = settled()
    world.push("v1", "latest", repository="lib", hours_ago=100)
    world.scan({"v1": []}, repository="lib")
    world.wait(24)
    world.scan({"v1": ["CVE-OLD"]}, repository="lib")
    assert sorted(alert.kind for alert in world.alerts()) == ["baseline", "spread"]


def test_what_comes_back_is_reopened_with_a_new_identity() -> None:
    """The first seeing stays; the resolved one is told apart."""
    world = settled(findings=["CVE-1", "CVE-OLD"])
    world.scan({"v1": ["CVE-OLD"]})
    resolved = only(world, resolved=True)
    world.wait(48)
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    alert = only(world)
    assert (alert.kind, alert.first_seen, alert.published) == ("reopened", BEGAN, world.now)
    assert alert.id != resolved.id


def test_resolved_alerts_come_on_request_and_tell_why_and_since_when() -> None:
    """They keep their identity, name where they were, and affect nothing."""
    world = two_repositories("CVE-1")
    before = only(world)
    world.scan({"v1": ["CVE-OLD"]})
    assert only(world).repositories == ("lib",)
    world.wait(1)
    world.delete("v1", repository="lib")
    assert [alert for alert in world.alerts() if alert.vulnerability == "CVE-1"] == []
    alert = only(world, resolved=True)
    assert (alert.id, alert.kind, alert.occurrences, alert.severity) == (before.id, "resolved", (), HIGH)
    assert (alert.resolved_at, alert.resolved_reason, alert.updated) == (world.now, "gone", world.now)
    assert alert.repositories == ("app", "lib")
    world.now += KEEP_CLOSED
    for repository in ("app", "lib"):
        world.record(repository)
    assert world.alerts(resolved=True) == [alert for alert in world.alerts() if alert.vulnerability == "CVE-OLD"]


def test_what_is_not_selected_any_more_is_not_resolved() -> None:
    """Nobody fixed it: it only left the sight."""
    world = settled()
    world.configurations = [configuration(tags=("other",))]
    world.record()
    world.configurations = [configuration()]
    assert world.alerts(resolved=True) == []


def test_an_escalation_is_a_new_alert_in_place_of_the_old_one() -> None:
    """Dated at the rise; a fall afterwards changes only what is shown."""
    world = settled()
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    before = only(world)
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]})
    alert = only(world)
    assert (alert.kind, alert.severity, alert.published) == ("escalated", CRITICAL, world.now)
    assert alert.id != before.id
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", MEDIUM)]})
    fallen = only(world)
    assert (fallen.id, fallen.severity, fallen.published) == (alert.id, MEDIUM, alert.published)
    assert fallen.updated == world.now


@pytest.mark.parametrize("first", ["app", "lib"])
def test_a_repository_that_joins_with_a_higher_severity_is_a_rise(first: str) -> None:
    """The wave was announced as HIGH; that it is CRITICAL elsewhere has to be said."""
    world = two_repositories()
    second = {"app": "lib", "lib": "app"}[first]
    world.scan({"v1": ["CVE-OLD", "CVE-1"]}, repository=first)
    before = only(world)
    world.wait(3)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]}, repository=second)
    alert = only(world)
    assert (before.kind, alert.kind, alert.published) == ("new", "escalated", world.now)
    assert alert.id != before.id


def test_the_same_rise_in_two_repositories_is_one() -> None:
    """Both rose to CRITICAL, one after the other: one identity, dated at the first."""
    world = two_repositories("CVE-1")
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]})
    first = only(world)
    world.wait(5)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]}, repository="lib")
    assert (only(world).id, only(world).published) == (first.id, first.published)


def test_what_is_baseline_elsewhere_raises_nothing() -> None:
    """Neither when it joins with a higher severity, nor when another repository rises to that later."""
    world = two_repositories(found("CVE-1", LOW))
    before = only(world)
    world.push("v1", "latest", repository="new", hours_ago=1)
    world.scan({"v1": [found("CVE-1", CRITICAL)]}, repository="new")
    joined = only(world)
    assert (joined.id, joined.kind, joined.severity) == (before.id, "baseline", CRITICAL)
    world.wait(24)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", HIGH)]})
    risen = only(world)
    assert (risen.id, risen.kind, risen.published) == (before.id, "baseline", BEGAN)


def test_a_baseline_repository_leaves_an_escalation_as_it_was() -> None:
    """What was raised here before is not raised again by what was more severe there from the beginning."""
    world = two_repositories(found("CVE-1", LOW))
    world.scan({"v1": ["CVE-OLD", found("CVE-1", HIGH)]})
    raised = only(world)
    world.wait(24)
    world.push("v1", "latest", repository="new", hours_ago=1)
    world.scan({"v1": [found("CVE-1", CRITICAL)]}, repository="new")
    assert (only(world).id, only(world).published) == (raised.id, raised.published)


@pytest.mark.parametrize("critical", ["app", "lib"])
def test_of_repositories_that_join_at_one_instant_the_highest_is_said(critical: str) -> None:
    """Whatever their names: had the other one been announced already, this would be a rise."""
    world = two_repositories()
    for repository in ("app", "lib"):
        severity = CRITICAL if repository == critical else HIGH
        world.scan({"v1": ["CVE-OLD", found("CVE-1", severity)]}, repository=repository)
    assert (only(world).kind, only(world).severity) == ("escalated", CRITICAL)


def test_an_alert_keeps_its_identity_when_the_repository_that_raised_it_is_fixed() -> None:
    """What was announced was announced, although less is left of it."""
    world = two_repositories()
    world.scan({"v1": ["CVE-OLD", "CVE-1"]})
    world.wait(1)
    world.scan({"v1": ["CVE-OLD", found("CVE-1", CRITICAL)]}, repository="lib")
    before = only(world)
    world.wait(24)
    world.scan({"v1": ["CVE-OLD"]}, repository="lib")
    assert (only(world).id, only(world).severity) == (before.id, HIGH)


def test_an_alert_keeps_its_identity_when_what_raised_it_is_only_seen_by_others() -> None:
    """The image lost the tag by which this configuration saw it, and another one still sees it."""
    prod, everything = configuration("prod", tags=("prod",)), configuration()
    world = World(prod, everything)
    for repository in ("app", "lib"):
        world.push("v1", "prod", "other", repository=repository, hours_ago=9)
        world.scan({"v1": []}, repository=repository)
    world.wait(24)
    world.scan({"v1": ["CVE-1"]})
    world.wait(1)
    world.scan({"v1": [found("CVE-1", CRITICAL)]}, repository="lib")
    before = only(world)
    world.untag("prod", repository="lib")
    assert (only(world).id, only(world).repositories) == (before.id, ("app",))
    world.untag("prod")
    assert world.alerts(prod, resolved=True) == []


def test_occurrences_name_versions_severities_and_manifests() -> None:
    """One for each version in each repository; the alert has the highest severity."""
    world = World()
    world.push("a", "a", hours_ago=9)
    world.push("b", "b", hours_ago=9)
    world.push("c", "c", hours_ago=9)
    world.scan(
        {
            "a": [found("CVE-1", LOW, version="1.0")],
            "b": [found("CVE-1", MEDIUM, version="2.0", fixed_in="2.1")],
            "c": [found("CVE-1", UNDEFINED, version="2.0", fixed_in="2.1")],
        }
    )
    alert = only(world)
    document = alert.occurrences[0].document
    told = [
        (one.version, one.severity, [manifest.digest for manifest in document.manifests_of(one.mask)])
        for one in alert.occurrences
    ]
    assert told == [("1.0", LOW, ["a"]), ("2.0", MEDIUM, ["b", "c"])]
    assert (alert.severity, alert.fixed_in) == (MEDIUM, "2.1")


def test_a_configuration_sees_the_severity_of_its_own_images() -> None:
    """And their versions, and no others."""
    world = World(configuration("b", tags=("b",)), configuration())
    world.push("a", "a", hours_ago=9)
    world.push("b", "b", hours_ago=9)
    world.scan({"a": [found("CVE-1", CRITICAL, version="1"), "CVE-2"], "b": [found("CVE-1", LOW, version="2")]})
    alert = only(world)
    assert [(one.version, one.severity) for one in alert.occurrences] == [("2", LOW)]
    assert world.kinds() == {"CVE-1": "baseline"}


def test_a_retagged_image_updates_its_alerts() -> None:
    """The alert names tags: they are part of what it says."""
    world = World()
    world.push("a", "a", hours_ago=9)
    world.push("b", "b", hours_ago=9)
    world.scan({"a": ["CVE-1", "CVE-2"], "b": ["CVE-1"]})
    world.wait(1)
    world.push("b", "stable")
    assert (only(world, "CVE-1").updated, only(world, "CVE-2").updated) == (world.now, BEGAN)


def test_the_advisory_is_the_first_that_says_anything() -> None:
    """A repository whose result has no text takes none from another."""
    world = World()
    for repository, description in (("app", ""), ("lib", "words")):
        world.push("v1", "latest", repository=repository, hours_ago=9)
        world.scan({"v1": [found("CVE-1", description=description)]}, repository=repository)
    assert only(world).advisory.description == "words"


def ignoring(*suppressions: Suppression) -> World:
    """A world with two images, dev and prod, of a configuration with suppressions."""
    world = World(configuration(ignore=suppressions))
    world.push("d", "dev-1", hours_ago=9)
    world.push("p", "prod", "prod-1", hours_ago=9)
    world.scan({"d": ["CVE-1", "CVE-2"], "p": ["CVE-1"]})
    return world


@pytest.mark.parametrize(
    ("suppressions", "hidden"),
    [
        ((Suppression("CVE-1", "why"),), {"CVE-1"}),
        ((Suppression("cve-1", "why"),), {"CVE-1"}),
        ((Suppression("cve-*", "why"),), {"CVE-1", "CVE-2"}),
        ((Suppression("CVE-*", "why"),), {"CVE-1", "CVE-2"}),
        ((Suppression("CVE-1", "why", package="p*"),), {"CVE-1"}),
        ((Suppression("CVE-1", "why", package="other"),), set()),
        ((Suppression("CVE-*", "why", tags=("dev-*",)),), {"CVE-2"}),
        ((Suppression("CVE-*", "why", tags=("dev-*", "prod")),), {"CVE-2"}),
        (
            (Suppression("CVE-*", "why", tags=("dev-*",)), Suppression("CVE-1", "why", tags=("prod*",))),
            {"CVE-1", "CVE-2"},
        ),
        (
            (Suppression("CVE-*", "why", tags=("dev-*",)), Suppression("CVE-1", "why", tags=("!dev-*",))),
            {"CVE-1", "CVE-2"},
        ),
        ((Suppression("CVE-1", "why", until=date(2026, 1, 5)),), {"CVE-1"}),
        ((Suppression("CVE-1", "why", until=date(2026, 1, 4)),), set()),
    ],
)
def test_suppressions_hide_whole_alerts_or_say_nothing(suppressions: tuple[Suppression, ...], hidden: set[str]) -> None:
    """A suppressed alert is there and names its suppression; identities don't depend on it."""
    world = ignoring(*suppressions)
    told = {alert.vulnerability for alert in world.alerts() if alert.suppressed}
    assert told == hidden
    assert world.ids() == {alert_id(configuration().id, name, "pkg", None, None) for name in ("CVE-1", "CVE-2")}


def test_a_suppression_by_tag_hides_those_images_only() -> None:
    """The alert stays, with the images that are in sight; one visible tag keeps an image there."""
    world = ignoring(Suppression("CVE-1", "why", tags=("dev-*", "prod")))
    alert = only(world)
    (one,) = alert.occurrences
    assert [manifest.digest for manifest in one.document.manifests_of(one.mask)] == ["p"]
    assert alert.suppressed is None


def test_a_suppression_of_everything_is_named_before_one_by_tag() -> None:
    """It is the reason that will last."""
    whole = Suppression("CVE-2", "whole")
    world = ignoring(Suppression("CVE-2", "tag", tags=("dev-*",)), whole)
    assert only(world, "CVE-2").suppressed == whole
    world.scan({"d": ["CVE-1"]}, hours_ago=-1)
    assert only(world, "CVE-2", resolved=True).suppressed == whole


def test_a_tag_that_moves_stays_suppressed() -> None:
    """The image that it was taken from has no tag of its own, and still counts under this one."""
    world = ignoring(Suppression("CVE-*", "why", tags=("dev-*",)))
    world.push("d2", "dev-1")
    assert {alert.vulnerability for alert in world.alerts() if alert.suppressed} == {"CVE-2"}
