"""Where a vulnerability is, and where it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ecr_rescan.core.changes.findings import Advisory, Closing, Finding, FindingsDocument, Image, Manifest, Opening
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.summary.where import Whereabouts, to_wire, where
from tests.summary_records import CRITICAL, HIGH, LOW, NOW, configuration, digest, findings

KEY = ("CVE-2026-1", "openssl")


def look(*documents: FindingsDocument, of: Any = None, name: str = KEY[0]) -> Whereabouts:
    return where(name, of or [configuration(repository=("*",))], documents, [], at=NOW)


def test_every_image_that_has_it() -> None:
    """In all repositories, with its tags, version and severity; the letter case of the id doesn't matter."""
    one = findings(("1", "2"), {KEY: {"3.0": {HIGH: 1}, "3.1": {LOW: 2}}})
    other = findings(("9",), {KEY: {"3.0": {HIGH: 1}}}, repository="team/web")
    one.findings[KEY].fixes = {"3.0": "3.0.1"}
    one.advisories[KEY[0]] = Advisory("", "https://example.com/a", "7.5", None, "x")
    found = look(one, other, findings(("1",), {}, repository="team/clean"), name="cve-2026-1")
    assert (found.vulnerability, found.searched, found.uri) == (KEY[0], 3, "https://example.com/a")
    assert [(p.repository, p.tags, p.version, p.severity, p.fixed_in) for p in found.places] == [
        ("team/app", ("1",), "3.0", HIGH, "3.0.1"),
        ("team/app", ("2",), "3.1", LOW, None),
        ("team/web", ("9",), "3.0", HIGH, None),
    ]
    assert {place.configurations for place in found.places} == {(configuration().id,)}


def test_of_two_versions_in_one_image_the_more_severe_is_told() -> None:
    """An image is one place."""
    (place,) = look(findings(("1",), {KEY: {"1": {LOW: 1}, "2": {CRITICAL: 1}, "3": {HIGH: 1}}})).places
    assert (place.version, place.severity) == ("2", CRITICAL)


def test_images_that_nobody_selects_are_not_told() -> None:
    """Those of several configurations are told once, with all of them, and with those that ignore it."""
    document = findings(("dev", "v1"), {KEY: {"1": {HIGH: 3}}})
    first = configuration(1, tags=("v*",), ignore=(Suppression(KEY[0], "not reachable", tags=("v*",)),))
    second = configuration(2)
    (place,) = look(document, of=[first]).places
    assert (place.tags, place.suppressed_by) == (("v1",), (first.id,))
    both = {place.tags: place for place in look(document, of=[first, second]).places}
    assert both[("v1",)].configurations == (first.id, second.id)
    assert both[("v1",)].suppressed_by == (first.id,)
    assert both[("dev",)].configurations == (second.id,)


def test_the_findings_of_an_earlier_image_stand_in() -> None:
    """Under the new image's digest and tags, and said so."""
    document = findings(("1",), {KEY: {"3": {HIGH: 1}}})
    document.images[digest("1")].tags = ()
    document.manifests.append(Manifest(digest("new")))
    document.images[digest("new")] = Image(digest("new"), ("1",), NOW, 0b10, NOW, NOW, took={"1": digest("1")})
    (place,) = look(document).places
    assert (place.digest, place.tags, place.manifest, place.stands_in) == (digest("new"), ("1",), digest("1"), True)


def test_where_it_was() -> None:
    """Since when it is fixed or gone; what is merely out of sight is neither."""
    document = findings(("1",), {})
    began, ended = NOW - timedelta(days=9), NOW - timedelta(days=2)
    openings = [
        Opening(began, closed=Closing(ended, "fixed", HIGH, ("1",))),
        Opening(began, closed=Closing(ended, "unselected", HIGH, ("1",))),
    ]
    document.findings[KEY] = Finding(began, ended, openings=openings)
    found = look(document)
    assert found.places == ()
    assert [(one.repository, one.opened, one.closed, one.reason) for one in found.past] == [
        ("team/app", began, ended, "fixed")
    ]
    assert to_wire(found, [], first=False)["past"] == []


def test_where_it_was_is_told_to_those_that_selected_it() -> None:
    """A configuration of other tags, whose page its own token opens, is not told of these."""
    document = findings(("1",), {})
    closed = Closing(NOW, "fixed", HIGH, ("dev-1",))
    document.findings[KEY] = Finding(NOW, NOW, openings=[Opening(NOW, closed=closed)])
    everybody, production = configuration(1), configuration(2, tags=("prod*",))
    assert where(KEY[0], [production], [document], (), at=NOW).past == ()
    (past,) = where(KEY[0], [everybody, production], [document], (), at=NOW).past
    assert past.configurations == (everybody.id,)


def test_nowhere_and_nothing_searched_are_told_apart() -> None:
    """Nothing found where nothing has a result says nothing."""
    empty = findings(("1",), {})
    empty.manifests[0] = Manifest(digest("1"))
    assert look(empty).searched == 0
    assert look(findings(("1",), {})).searched == 1


def test_hostile_text_is_cleaned_and_links_are_checked() -> None:
    """Findings are written by strangers."""
    key = ("CVE-1", "open\u202essl\n")
    document = findings(("1",), {key: {"1\x00": {HIGH: 1}}})
    document.advisories["CVE-1"] = Advisory("", "javascript:alert(1)", "7.5\n\x1b", None, "x")
    wire: Any = to_wire(found := look(document, name="CVE-1"), found.places, first=True)
    assert (wire["uri"], wire["score"]) == (None, "7.5")
    assert (wire["places"][0]["package"], wire["places"][0]["version"]) == ("openssl", "1")
