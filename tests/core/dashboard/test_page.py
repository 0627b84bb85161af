"""The page, made from summaries: what it says, and that it never says more than is known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from ecr_rescan.core.changes.findings import Advisory, FindingsDocument
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.dashboard import finding
from ecr_rescan.core.dashboard.page import Page, frame_of, to_html
from ecr_rescan.core.dashboard.query import Links, PageQuery
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord, ScanState
from ecr_rescan.core.signals.known import NO_SIGNALS
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.summary import Problem, Summary, summarise
from ecr_rescan.core.summary.where import where
from ecr_rescan.core.vulnerabilities.forms import Listing
from ecr_rescan.core.vulnerabilities.looked_at import looked_at, selected_images
from ecr_rescan.core.vulnerabilities.rows import rows
from tests.summary_records import (
    CRITICAL,
    HIGH,
    LOW,
    NOW,
    PLACE,
    REGION,
    REPOSITORY,
    UNDEFINED,
    complete,
    configuration,
    digest,
    everything,
    findings,
    hours,
    ledger,
)

OTHER = "210987654321"
ONE = configuration(1, description="First")
CLEAN = findings(("1",), {})
LINKS = Links("/v1", "/dashboard", True)


def html(summary: Summary, query: dict[str, str] | None = None) -> str:
    return to_html(Page(summary, [], PageQuery.from_query(query or {}), LINKS, 30, [""]), "")


def of_finding(summary: Summary, vulnerability: str, document: FindingsDocument) -> str:
    """A vulnerability's page."""
    configurations = [item.configuration for item in summary.configurations]
    found = where(vulnerability, configurations, [document], [], at=NOW)
    made = [
        row
        for one in configurations
        for row in rows(one, [document], on=NOW.date())
        if row.vulnerability == found.vulnerability
    ]
    looked = looked_at([selected_images(one, [document]) for one in configurations])
    listing = Listing(NOW, len(made), made, looked, [], DaysAllowed({HIGH: 30}), NO_SIGNALS)
    return finding.to_html(finding.FindingPage(frame_of(summary, LINKS), found, made, listing), "")


def text(page: str) -> str:
    """What a person reads, its parts apart by a space at most."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())


def section(page: str, title: str) -> str:
    """The text of the section with that heading."""
    (found,) = [one for one in page.split("<section")[1:] if re.search(rf"<h2[^>]*>{re.escape(title)}<", one)]
    return text("<section" + found.partition("</section>")[0])


def card(page: str, title: str) -> str:
    """How a question's card is coloured."""
    (kind,) = re.findall(rf'class="card (\w+)"><h2 class="label">{re.escape(title)}', page)
    return str(kind)


STATES: dict[str, ManifestRecord | None] = {
    "failed": ManifestRecord(state=ScanState.FAILED, reason="broken"),
    "stale": complete(hours(30)),
    "unsupported": ManifestRecord(state=ScanState.UNSUPPORTED),
    "archived": ManifestRecord(state=ScanState.ARCHIVED),
    "first scan in progress": ManifestRecord(state=ScanState.IN_PROGRESS),
    "never scanned": None,
}


@pytest.mark.parametrize("state", STATES)
def test_no_state_but_a_fresh_result_reads_as_clean(state: str) -> None:
    """It is named, has no counts, and the answer to "is anything not covered?" is not good."""
    page = html(everything([ONE], ledger({"0": complete(), "1": STATES[state]}), findings(("0",), {})))
    assert f"1 {state}" in section(page, "Is anything not covered?")
    row = next(line for line in page.split("<tr>") if "team/app:1" in line and "<td" in line)
    assert "no result" in text(row)
    assert state in text(row)
    assert card(page, "Is anything not covered?") != "good"
    assert "in the 1 of 2 images with a fresh result" in page


def test_before_the_first_result_nothing_is_known() -> None:
    """Neither that nothing is on fire nor that nothing changed."""
    page = html(everything([ONE], ledger({"1": None})))
    for question in ("Is anything on fire?", "What changed?"):
        assert "Unknown" in section(page, question)
        assert card(page, question) == "warn"
    assert "No image has a result yet." in section(page, "Newest changes")


def test_all_is_well() -> None:
    """Where it is."""
    page = html(everything([ONE], ledger({"1": complete()}), CLEAN))
    assert "No critical or high finding is open." in page
    assert [card(page, title) for title in ("Is anything on fire?", "Is anything not covered?")] == ["good", "good"]
    assert "Nothing." in section(page, "Needs care")


def test_a_record_with_holes_is_no_all_clear() -> None:
    """What can't be read or reached may hide anything."""
    held = ledger({"1": complete()})
    unreachable = ledger({"1": complete()})
    unreachable.problem = "AccessDenied"
    for summary in (
        everything([ONE], held, CLEAN, Problem("findings/x", "is not JSON")),
        everything([ONE], unreachable, CLEAN),
    ):
        page = html(summary)
        assert "Part of the record is missing" in page
        assert [card(page, title) for title in ("Is anything on fire?", "Is anything not covered?")] == ["warn", "warn"]


def test_unrated_findings_are_told_beside_an_all_clear() -> None:
    """Nobody has judged them yet, which is not the same as harmless."""
    found = findings(("1",), {("CVE-1", "p"): {"1": {UNDEFINED: 1}}})
    assert "open, and 1 is unrated." in html(everything([ONE], ledger({"1": complete()}), found))


def test_no_kind_of_trouble_hides_another() -> None:
    """A hundred failures leave room for what is stale, and for suppressions that end; each leads to its images."""
    records = {f"f{number}": STATES["failed"] for number in range(100)} | {"s": STATES["stale"], "1": complete()}
    ends = Suppression("CVE-1", "accepted", until=(NOW + timedelta(days=3)).date())
    problems = [Problem(f"configs/{number}", "is not JSON") for number in range(20)]
    page = html(everything([replace(ONE, ignore=(ends,))], ledger(records), CLEAN, *problems))
    said = section(page, "Needs care")
    assert "and 14 more like these" in said
    assert "failed 100 images such as" in said
    assert "stale 1 image" in said
    assert "team/app:s: not scanned since 30 h ago" in said
    assert "ends soon CVE-1 is ignored until 2026-11-26" in said
    assert 'href="/v1/dashboard?state=failed#images"' in page


def test_registries_with_the_same_names_are_told_apart() -> None:
    """In every table; where there is only one, its number is not repeated."""
    held, found = ledger({"1": complete()}), findings(("1",), {("CVE-1", "p"): {"1": {HIGH: 1}}})
    other = (OTHER, REGION, REPOSITORY)
    second = replace(held, registry=OTHER)
    clean = replace(CLEAN, registry=OTHER)
    ours, theirs = ONE, configuration(2, registry=OTHER, description="Second")
    both = summarise([ours, theirs], {PLACE: held, other: second}, {PLACE: found, other: clean}, (), at=NOW)
    page = html(both)
    assert f"team/app in {OTHER}, us-east-1 images 0 0 0 0" in section(page, "Repositories")
    assert "2 of 2 repositories" in page
    assert f"team/app:1 in {OTHER}, us-east-1" in section(page, "Images")
    alone = html(everything([ONE], held, found))
    assert "team/app:1 in" not in section(alone, "Images")


def test_repositories_without_a_result_are_counted() -> None:
    """They have no bar, and are not forgotten."""
    waiting: Ledger = ledger({"1": None}, repository="team/new")
    held = {PLACE: ledger({"1": complete()}), (*PLACE[:2], "team/new"): waiting}
    wide = configuration(1, repository=("team/*",))
    page = html(summarise([wide], held, {PLACE: CLEAN}, (), at=NOW))
    assert "1 of 1 repository with a result, the most severe first; 1 without a result" in page


def test_of_nothing_found_and_nothing_known_the_latter_comes_first() -> None:
    """Most severe first."""
    found = findings(("a", "b"), {("CVE-1", "p"): {"1": {LOW: 0b10}}})
    page = html(everything([ONE], ledger({"a": complete(), "b": complete(), "c": None}), found))
    images = page.partition('id="images"')[2]
    assert re.findall(r"team/app:(\w)<", images) == ["b", "c", "a"]


def test_images_alike_are_one_line_of_a_search() -> None:
    """The most severe first, with what is known of each."""
    found = findings(
        ("1", "2", "3", "4"), {("CVE-1", "p"): {"1": {LOW: 0b1111}}, ("CVE-1", "q"): {"2": {CRITICAL: 0b1}}}
    )
    held = ledger(dict.fromkeys(("1", "2", "3", "4"), complete()) | {"5": None})
    summary = everything([ONE], held, found)
    page = of_finding(summary, "cve-1", found)
    assert "In 4 images of 1 repository; 4 of 4 selected images have a result." in text(page)
    said = section(page, "Where it is")
    assert "2 of 2 lines" in said
    assert said.index("q 2 critical") < said.index("1 , 2 , 3 and 1 more image p 1 low")


def test_links_that_lead_elsewhere_say_nothing_of_this_page() -> None:
    """To the advisory, and to each image in ECR's console."""
    found = findings(("1",), {("CVE-1", "p"): {"1": {LOW: 1}}})
    found.advisories["CVE-1"] = Advisory("", "https://tracker.example/CVE-1", None, None, "")
    page = of_finding(everything([ONE], ledger({"1": complete()}), found), "CVE-1", found)
    outward = re.findall('<a [^>]*href="(?!/v1/dashboard|#)[^>]*>', page)
    console = "https://us-east-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app/_/image/"
    assert outward == [
        '<a href="https://tracker.example/CVE-1" rel="noreferrer noopener">',
        f'<a href="{console}{digest(1)}/details?region=us-east-1" rel="noreferrer noopener">',
    ]


def test_the_filter_can_be_taken_back() -> None:
    """And says how much it hides."""
    summary = everything([ONE], ledger({"1": complete(), "2": None}), CLEAN)
    assert "1 of 2 images, page 1 of 1" in html(summary, {"state": "never"})
    assert "Show all" in html(summary, {"state": "never"})
    assert "Show all" not in html(summary)


def test_what_a_configuration_selects_stands_on_its_page() -> None:
    """And the way back to all of them."""
    one: Any = replace(ONE, tags=("prod*",), newest=5, severity=HIGH)
    summary = everything([one], ledger({"1": complete()}), CLEAN)
    links = Links("/v1", f"/dashboard/{one.id}", True)
    page = to_html(Page(summary, [], PageQuery(), links, 30, [""]), "")
    expected = "team/app in 123456789012, us-east-1; tags prod*; the newest 5 of each repository; high or worse"
    assert expected in text(page)
    assert '<a href="/v1/dashboard">All configurations</a>' in page


def test_each_row_of_a_table_has_a_heading() -> None:
    """A screen reader tells it with every cell."""
    page = html(everything([ONE], ledger({"1": complete()}), CLEAN))
    rows = [row for body in page.split("<tbody>")[1:] for row in body.partition("</tbody>")[0].split("<tr>")[1:]]
    assert rows
    assert all(row.startswith('<th scope="row">') for row in rows)
