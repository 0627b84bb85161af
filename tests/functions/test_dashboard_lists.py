"""The dashboard's lists: every number leads to as many rows; search, a vulnerability's page, pages, and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from cli.ignoring import ignore
from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument, News
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from tests.functions.summary_calls import NOW, deployment, get, put, token
from tests.rest import Reply
from tests.summary_records import (
    CRITICAL,
    HIGH,
    LOW,
    MEDIUM,
    REGION,
    REGISTRY,
    UNDEFINED,
    complete,
    configuration,
    findings,
    ledger,
)

ALL = configuration(1, repository=("team/*",), description="All")
APP = configuration(2, repository=("team/app",), description="App")
ACCEPTED = Suppression("CVE-2026-9", "not reachable", until=(NOW + timedelta(days=30)).date())

FOUND: dict[str, dict[tuple[str, str], Any]] = {
    "team/app": {
        ("CVE-2026-1001", "openssl"): {"3.0": {CRITICAL: 0b11}},
        ("CVE-2026-1002", "zlib"): {"1.2": {HIGH: 0b01}},
        ("CVE-2026-1003", "zlib"): {"1.2": {UNDEFINED: 0b10}},
        ("CVE-2026-9", "bash"): {"5": {HIGH: 0b01}},
    },
    "team/web": {
        ("CVE-2026-1001", "openssl"): {"3.0": {MEDIUM: 0b01}},
        ("CVE-2026-1004", "curl"): {"8": {LOW: 0b11}},
    },
}


def store(s3: Any, one: ScanConfiguration) -> None:
    put(s3, keys.config_key(one.id), one.to_document())


def record(s3: Any, repository: str, document: FindingsDocument) -> None:
    put(s3, keys.findings_key(REGISTRY, REGION, repository), document.to_json())
    put(
        s3,
        keys.images_key(REGISTRY, REGION, repository),
        ledger({"1": complete(), "2": complete()}, repository=repository).to_json(),
    )


@pytest.fixture
def s3() -> Iterator[Any]:
    """Two configurations that overlap, of which one ignores something."""
    with deployment() as client:
        store(client, replace(ALL, ignore=(ACCEPTED,)))
        store(client, replace(APP, ignore=(ACCEPTED,)))
        for repository, found in FOUND.items():
            document = findings(("1", "2"), found, repository=repository)
            for finding in document.findings.values():
                finding.openings[0].at = NOW - timedelta(days=9)
            document.findings["CVE-2026-1001", "openssl"].fixes["3.0"] = "3.0.2"
            record(client, repository, document)
        yield client


def show(s3: Any, link: str = "", **query: str) -> Reply:
    """Follow a link of the dashboard, as a browser does that keeps the token."""
    parts = urlsplit(unescape(link))
    asked = dict(parse_qsl(parts.query)) | query
    headers = {"Cookie": f"ecr-rescan={token(s3)}", "Accept": "text/html"}
    identity = re.fullmatch("/v1/dashboard/(.+)", parts.path)
    if identity:
        return get("/dashboard/{id}", parameters={"id": identity[1]}, query=asked or None, headers=headers)
    return get("/dashboard", query=asked or None, headers=headers)


def text(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return " ".join(unescape(re.sub("<[^>]*>", " ", reply.body)).split())


def links(reply: Reply) -> list[tuple[str, str]]:
    """(address, text) of each link."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', reply.body)
    return [(unescape(link), unescape(re.sub("<[^>]*>", "", shown))) for link, shown in found]


def listed(reply: Reply) -> set[str]:
    """The vulnerabilities of a list."""
    return {shown for link, shown in links(reply) if "cve=" in link}


def total(reply: Reply) -> int:
    """How many rows a list says that it has."""
    found = re.search(r"<caption>([\d,]+) (?:finding|change)", reply.body)
    return int(found[1].replace(",", "")) if found else 0


def test_every_number_leads_to_as_many_rows(s3: Any) -> None:
    """On the page of all configurations and on each one's own; what two configurations have is one row."""
    for here in ("/v1/dashboard", f"/v1/dashboard/{ALL.id}", f"/v1/dashboard/{APP.id}"):
        followed = 0
        for link, shown in links(show(s3, here)):
            number = re.match(r"[\d,]+", shown)
            if number and ("view=findings" in link or "view=changes" in link) and urlsplit(link).path == here:
                if "repository=" in link and "tag=" in link:
                    continue
                assert total(show(s3, link)) == int(number[0].replace(",", "")), (link, shown)
                followed += 1
        assert followed >= 5


def test_what_is_overdue_and_what_is_ignored_have_lists(s3: Any) -> None:
    """The latter with its reason and its end."""
    overview = show(s3, f"/v1/dashboard/{ALL.id}")
    (late,) = [link for link, shown in links(overview) if shown == "1" and "overdue" in link]
    assert listed(show(s3, late)) == {"CVE-2026-1001"}
    assert "2 days overdue" in text(show(s3, late))
    (ignored,) = [link for link, shown in links(overview) if shown == "1 more ignored"]
    assert f"ignored until {ACCEPTED.until}: not reachable" in text(show(s3, ignored))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"only": "critical,HIGH"}, {"CVE-2026-1001", "CVE-2026-1002"}),
        ({"only": "UNRATED"}, {"CVE-2026-1003"}),
        ({"repository": "team/web", "only": "MEDIUM"}, {"CVE-2026-1001"}),
        ({"q": "ZLIB"}, {"CVE-2026-1002", "CVE-2026-1003"}),
        ({"q": "web"}, {"CVE-2026-1001", "CVE-2026-1004"}),
        ({"tag": "2", "only": "CRITICAL,UNRATED"}, {"CVE-2026-1001", "CVE-2026-1003"}),
        ({"fixable": "true"}, {"CVE-2026-1001"}),
        ({"state": "suppressed"}, {"CVE-2026-9"}),
        ({"severity": "HIGH"}, {"CVE-2026-1001", "CVE-2026-1002", "CVE-2026-1003"}),
    ],
)
def test_findings_are_filtered(s3: Any, query: dict[str, str], expected: set[str]) -> None:
    """By what the links and the form ask for; empty fields ask for nothing."""
    reply = show(s3, view="findings", **({"q": "", "overdue": "", "state": ""} | query))
    assert listed(reply) == expected
    assert total(reply) == len(expected)


def test_fixes_are_shown_counted_and_asked_for(s3: Any) -> None:
    """On the overview, in the list, on a vulnerability's page, and of images."""
    overview = show(s3)
    (link,) = [link for link, shown in links(overview) if shown == "1 with a fix"]
    assert listed(show(s3, link)) == {"CVE-2026-1001"}
    assert "upgrade openssl to 3.0.2" in text(show(s3, link))
    page = text(show(s3, cve="CVE-2026-1001"))
    assert "Fix: upgrade openssl to 3.0.2" in page
    assert "No fixed version is known" not in page
    table = show(s3, fixable="true", format="csv")
    assert {(row["repository"], row["tags"]) for row in csv.DictReader(io.StringIO(table.body))} == {
        ("team/app", "1"),
        ("team/app", "2"),
        ("team/web", "1"),
    }


def test_an_empty_list_says_what_was_looked_at(s3: Any) -> None:
    """Each image once; and that packages of languages are not seen."""
    said = text(show(s3, view="findings", q="nothing-like-it"))
    assert (
        "No finding fits. 4 of 4 selected images have a result. ECR's basic scans see packages of the operating" in said
    )


@pytest.mark.parametrize("search", ["CVE-2026-1001", "cve 2026 1001", "2026-1001", "CVE\u20112026\u20111001 "])
def test_an_id_is_found_in_any_spelling(s3: Any, search: str) -> None:
    """Its page says where it is, since when, by when to mend it, and why it was told."""
    said = text(show(s3, search=search))
    assert "CVE-2026-1001 In 3 images of 2 repositories; 4 of 4 selected images have a result." in said
    for part in ("Known from the beginning", "first seen", "2 days overdue", "openssl 3.0", "How to ignore it"):
        assert part in said


@pytest.mark.parametrize(
    ("search", "expected"), [("openssl", {"CVE-2026-1001"}), ("team/web", {"CVE-2026-1001", "CVE-2026-1004"})]
)
def test_packages_and_repositories_are_found(s3: Any, search: str, expected: set[str]) -> None:
    """As a list, which the search leads to."""
    assert listed(show(s3, search=search)) == expected


def test_nowhere_is_said_of_an_id_alone(s3: Any) -> None:
    """With how many images of how many were looked at."""
    nowhere = "Nowhere: 4 of 4 selected images have a result, and none of them has it. ECR's basic scans see packages"
    assert nowhere in text(show(s3, search="CVE-2026-7777"))
    for word in ("log4j", "team/none"):
        assert "Nowhere" not in text(show(s3, search=word))
        assert "No finding fits." in text(show(s3, search=word))
    assert "Nowhere" in text(show(s3, cve="CVE-2026-7777"))


def test_how_to_ignore_it_works_as_it_stands(s3: Any) -> None:
    """The command is one that the command line takes, and the JSON is an entry of a configuration's list."""
    reply = show(s3, f"/v1/dashboard/{APP.id}", cve="CVE-2026-1002", package="zlib")
    command, entry = [unescape(one) for one in re.findall("<pre[^>]*>(.*?)</pre>", reply.body)]
    name, *arguments = shlex.split(command)
    assert (name, arguments[0], arguments[-1]) == ("ecr-rescan", "ignore", APP.id)
    assert ignore.make_context("ignore", arguments[1:]).params["package"] == "zlib"
    given = json.loads(entry)
    stored = json.dumps(json.loads(APP.to_document()) | {"ignore": [given]}).encode()
    (suppression,) = ScanConfiguration.from_document(stored, id=APP.id, modified=NOW).ignore
    assert (suppression.vulnerability, suppression.package) == ("CVE-2026-1002", "zlib")


def test_a_page_of_what_is_ignored_says_why(s3: Any) -> None:
    """And offers no way to ignore it again."""
    said = text(show(s3, cve="CVE-2026-9"))
    assert f"ignored until {ACCEPTED.until} not reachable" in said
    assert "How to ignore it" not in said


def test_a_configurations_lists_tell_of_nothing_else(s3: Any) -> None:
    """Whatever is asked."""
    own = token(s3, keys.tokens_key(APP.id))
    for query in (
        {"view": "findings"},
        {"view": "findings", "configuration": ALL.id},
        {"view": "repositories"},
        {"cve": "CVE-2026-1001"},
        {"search": "curl"},
        {"search": "CVE-2026-1004"},
        {"view": "findings", "format": "csv"},
        {"view": "repositories", "format": "csv"},
    ):
        reply = get("/dashboard/{id}", parameters={"id": APP.id}, query={"token": own, **query})
        assert reply.status == 200, reply.body
        assert "team/web" not in reply.body, query
        # What was asked for stands in the links of the page; nothing else does.
        assert query.get("configuration") == ALL.id or ALL.id not in reply.body, query


def test_changes_are_listed_by_kind(s3: Any) -> None:
    """What is new, and what was fixed of what was resolved; as many as the overview says."""
    document = findings(("1", "2"), {("CVE-2026-5", "git"): {"2": {HIGH: 1}}}, repository="team/app")
    at = NOW - timedelta(hours=2)
    opening = document.findings["CVE-2026-5", "git"].openings[0]
    opening.at = at
    opening.news = {ALL.id: News(at, HIGH), APP.id: News(at, HIGH)}
    record(s3, "team/app", document)
    overview = show(s3)
    assert "1 new, 0 fixed in 24 h" in text(overview)
    (link,) = [link for link, shown in links(overview) if shown == "1" and "kind=new" in link]
    assert listed(show(s3, link)) == {"CVE-2026-5"}
    assert total(show(s3, link)) == 1
    assert total(show(s3, view="changes", kind="fixed")) == 0
    table = show(s3, view="changes", format="csv")
    assert [row["vulnerability"] for row in csv.DictReader(io.StringIO(table.body))] == ["CVE-2026-5"]


def test_pages_are_the_whole_list(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each leads to the next, and back to the first; as CSV, everything at once."""
    monkeypatch.setattr("ecr_rescan.runtime.serving.dashboard_pages.FINDINGS_ON_A_PAGE", 2)
    reply = show(s3, view="findings", sort="vulnerability")
    seen: list[str] = []
    for _ in range(2):
        seen += sorted(listed(reply))
        following = [link for link, shown in links(reply) if shown == "Next"]
        if following:
            reply = show(s3, following[0])
    assert seen == ["CVE-2026-1001", "CVE-2026-1002", "CVE-2026-1003", "CVE-2026-1004"]
    assert not following
    (first,) = [link for link, shown in links(reply) if shown == "Previous"]
    assert "CVE-2026-1001" in listed(show(s3, first))
    (table,) = [link for link, shown in links(reply) if shown == "This list as CSV"]
    rows = list(csv.DictReader(io.StringIO(show(s3, table).body)))
    assert {row["vulnerability"] for row in rows} == set(seen)
    assert {row["configuration"] for row in rows} == {ALL.id, APP.id}


def test_filtered_images_are_a_table_too(s3: Any) -> None:
    """The same as on the page."""
    (link,) = [link for link, shown in links(show(s3, q="web")) if shown == "These as CSV"]
    assert {row["repository"] for row in csv.DictReader(io.StringIO(show(s3, link).body))} == {"team/web"}


@pytest.mark.parametrize(
    "query",
    [
        {"view": "x"},
        {"view": "findings", "only": "SEVERE"},
        {"view": "findings", "state": "never"},
        {"view": "findings", "after": "x"},
        {"view": "changes", "hours": "25"},
        {"view": "changes", "kind": "x"},
        {"view": "repositories", "page": "0"},
        {"search": "x" * 257},
        {"vulnerability": "x" * 257},
        {"view": "changes", "exploited": "perhaps"},
    ],
)
def test_bad_questions_are_400(s3: Any, query: dict[str, str]) -> None:
    """With the field that is wrong."""
    reply = show(s3, **query)
    assert reply.status == 400
    assert reply.json()["error"]["details"][0]["field"] in query
