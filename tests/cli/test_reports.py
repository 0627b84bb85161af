"""SARIF and JUnit, as those who read them want it."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from cli import junit, sarif
from tests.cli.sarif_schema import SARIF

ONE = {
    "vulnerability": "CVE-2026-1",
    "package": "openssl",
    "versions": ["3.0.1"],
    "severity": "HIGH",
    "platforms": ["linux/amd64"],
    "first_seen": "2026-03-02T12:00:00Z",
    "since": "2026-03-02T12:00:00Z",
    "fixed_in": "3.0.2",
    "fixable": True,
    "uri": "https://example.com/CVE-2026-1",
    "ignored_until": None,
}
NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:1 ü"


def verdict(answer: str, new: list[dict[str, Any]], ignored: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "verdict": answer,
        "image": {"repository": "team/app", "digest": None if answer == "unknown" else "sha256:" + "0" * 64},
        "reasons": [{"message": "because", "code": "X"}],
        "new": new,
        "ignored": ignored,
    }


CASES = [
    verdict("fail", [ONE, ONE | {"vulnerability": "CVE-2", "severity": "CRITICAL", "uri": None, "fixed_in": None}], []),
    verdict("pass", [], [ONE | {"reason": "not reachable", "until": "2026-12-31"}]),
    verdict("pass", [], []),
    verdict("unknown", [], []),
    verdict("fail", [ONE | {"severity": "UNDEFINED", "package": "\x00<&>", "platforms": [], "versions": []}], []),
]


@pytest.mark.parametrize("case", CASES)
def test_sarif_is_valid(case: dict[str, Any]) -> None:
    """Every member that is written is one of SARIF's, with what SARIF allows in it."""
    log = json.loads(sarif.to_text([(NAME, case)]))
    assert [error.message for error in Draft202012Validator(SARIF).iter_errors(log)] == []
    run = log["runs"][0]
    assert len(run["results"]) == len(case["new"]) + len(case["ignored"])
    assert run["invocations"][0]["executionSuccessful"] == (case["verdict"] != "unknown")
    assert {result["ruleId"] for result in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_what_is_ignored_is_suppressed_in_sarif() -> None:
    """With its reason, so that it is not shown as open."""
    (result,) = json.loads(sarif.to_text([(NAME, CASES[1])]))["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "not reachable"}]


def test_the_subset_of_the_schema_bites() -> None:
    """What SARIF does not allow is found."""
    log = json.loads(sarif.to_text([(NAME, CASES[0])]))
    for break_it in (
        lambda run: run["results"][0].update(level="bad"),
        lambda run: run["results"][0].update(severity="HIGH"),
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="a b"),
        lambda run: run["tool"]["driver"].pop("name"),
    ):
        broken = json.loads(json.dumps(log))
        break_it(broken["runs"][0])
        assert not Draft202012Validator(SARIF).is_valid(broken)


@pytest.mark.parametrize("case", CASES)
def test_junit_counts_what_it_lists(case: dict[str, Any]) -> None:
    """Unknown is an error, what is ignored is skipped, and a pass is a passed case."""
    (suite,) = ET.fromstring(junit.to_text([(NAME, case)]))
    kinds = [child.tag for found in suite for child in found]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(suite)), str(kinds.count("failure")))
    assert (suite.get("errors"), suite.get("skipped")) == (str(kinds.count("error")), str(kinds.count("skipped")))
    assert kinds.count("failure") == len(case["new"])
    assert (kinds == [] or kinds == ["skipped"]) == (case["verdict"] == "pass")
    assert (kinds == ["error"]) == (case["verdict"] == "unknown")
