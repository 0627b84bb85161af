"""GET /vulnerabilities over its API: forms, pages, and what an empty answer says."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import Advisory, FindingsDocument
from ecr_rescan.core.severity import Severity
from tests.functions.summary_calls import deployment, get, put
from tests.rest import Reply
from tests.summary_records import HIGH, LOW, PLACE, configuration, findings


@pytest.fixture
def s3() -> Iterator[Any]:
    with deployment() as client:
        yield client


def recorded(s3: Any, found: dict[tuple[str, str], dict[str, dict[Severity, int]]]) -> FindingsDocument:
    put(s3, keys.config_key(configuration().id), configuration(owner="=team").to_document())
    document = findings(("new",), found)
    document.advisories["CVE-1"] = Advisory("x", "javascript:alert(1)", None, None, "sha256:0")
    put(s3, keys.findings_key(*PLACE), document.to_json())
    return document


def listed(**query: str) -> Reply:
    reply = get("/vulnerabilities", query=query or None)
    assert reply.status == 200, reply.body
    return reply


TWO: dict[tuple[str, str], dict[str, dict[Severity, int]]] = {
    ("CVE-1", "openssl"): {"1.0": {HIGH: 1}},
    ("CVE-2", "zlib"): {"1.0": {LOW: 1}},
}


def test_what_is_open_is_listed_with_what_it_rests_on(s3: Any) -> None:
    """Most severe first; a link that is none is left out."""
    recorded(s3, TWO)
    told = listed().json()
    assert [(row["vulnerability"], row["severity"], row["images"]) for row in told["vulnerabilities"]] == [
        ("CVE-1", "HIGH", 1),
        ("CVE-2", "LOW", 1),
    ]
    assert told["vulnerabilities"][0]["uri"] is None
    assert told["looked_at"] == {"repositories": 1, "images": 1, "with_results": 1}


def test_an_empty_list_says_what_basic_scans_don_t_see(s3: Any) -> None:
    """It is no all-clear."""
    recorded(s3, {})
    assert listed().json()["total"] == 0
    assert "no npm" in listed(format="text").body
    assert "1 of 1 selected images have results" in listed(format="text").body


def test_csv_is_a_table_without_formulas(s3: Any) -> None:
    """One line for each row."""
    recorded(s3, TWO)
    rows = list(csv.DictReader(io.StringIO(listed(format="csv").body)))
    assert [(row["vulnerability"], row["owner"], row["days_open"], row["fixed_in"]) for row in rows] == [
        ("CVE-1", "'=team", "0", ""),
        ("CVE-2", "'=team", "0", ""),
    ]


def test_text_is_a_line_for_each(s3: Any) -> None:
    """For a terminal."""
    recorded(s3, TWO)
    assert listed(format="text", severity="HIGH").body.splitlines()[0] == (
        "HIGH CVE-1 openssl in team/app; 1 image, 0 d open; 30 d left"
    )


@pytest.mark.parametrize("format", ["json", "csv", "text"])
def test_pages_follow_by_link_with_the_same_question(s3: Any, format: str) -> None:
    """Each under 5 MB, whatever the texts."""
    recorded(s3, {(f"CVE-{number}", "\\é" * 120): {"1.0": {HIGH: 1}} for number in range(3000)})
    query = {"format": format, "sort": "vulnerability", "limit": "5000", "repository": "team/*"}
    told, pages_ = [], 0
    while query:
        reply = listed(**query)
        assert len(reply.body.encode()) <= 5_000_000
        told += re.findall(r"CVE-\d+", reply.body)
        link = reply.headers.get("link")
        pages_ += 1
        query = dict(parse_qsl(urlsplit(link.partition("<")[2].partition(">")[0]).query)) if link else {}
        assert not query or query["repository"] == "team/*"
    assert pages_ > 1
    assert sorted(set(told)) == sorted(f"CVE-{number}" for number in range(3000))


@pytest.mark.parametrize(
    "query", [{"severity": "X"}, {"state": "x"}, {"sort": "x"}, {"since": "x"}, {"overdue": "1"}, {"package": ""},
              {"configuration": "x"}, {"after": "x"}, {"limit": "0"}, {"format": "x"}]
)  # fmt: skip
def test_a_wrong_question_is_400(s3: Any, query: dict[str, str]) -> None:
    """It names the parameter."""
    reply = get("/vulnerabilities", query=query)
    assert (reply.status, reply.json()["error"]["message"].partition(":")[0]) == (400, next(iter(query)))


def test_a_configuration_that_is_not_there_is_404_and_a_damaged_document_a_problem(s3: Any) -> None:
    """The rest is listed."""
    recorded(s3, TWO)
    assert get("/vulnerabilities", query={"configuration": configuration(9).id}).status == 404
    put(s3, keys.findings_key(*PLACE), b"{")
    told = listed().json()
    assert (told["total"], len(told["problems"])) == (0, 1)


def test_what_changed_is_listed_anew(s3: Any) -> None:
    """Rows are kept between invocations as long as nothing that they rest on changes."""
    recorded(s3, TWO)
    assert listed().json()["total"] == 2
    recorded(s3, {("CVE-3", "p"): {"1": {HIGH: 1}}})
    assert [row["vulnerability"] for row in listed().json()["vulnerabilities"]] == ["CVE-3"]
    put(s3, keys.config_key(configuration().id), configuration(severity=HIGH, tags=("other",)).to_document())
    assert listed().json()["total"] == 0
