"""Verdicts as SARIF 2.1.0, the form in which code-scanning services take findings (OASIS, 27 March 2020)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {"CRITICAL": "error", "HIGH": "error", "MEDIUM": "warning", "LOW": "note", "INFORMATIONAL": "note"}
# What GitHub sorts by: a number in the middle of CVSS's range of that severity.
_SCORES = {"CRITICAL": "9.5", "HIGH": "8.0", "MEDIUM": "5.5", "LOW": "2.0"}


def to_text(judged: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """One run: a result for each finding that counts, and for each that is ignored, as suppressed.

    A verdict that is unknown makes the run one that was not executed successfully: no result is not "nothing found".
    """
    rules: dict[str, dict[str, Any]] = {}
    results: list[dict[str, Any]] = []
    for name, verdict in judged:
        results += [_result(name, verdict, one, rules) for one in verdict["new"]]
        results += [_result(name, verdict, one, rules) | _suppressed(one) for one in verdict["ignored"]]
    unknown = [
        {"level": "error", "message": {"text": f"{name}: {reason['message']}"}}
        for name, verdict in judged
        if verdict["verdict"] == "unknown"
        for reason in verdict["reasons"]
    ]
    run = {
        "tool": {"driver": {"name": "ecr-rescan", "rules": list(rules.values())}},
        "invocations": [{"executionSuccessful": not unknown, "toolExecutionNotifications": unknown}],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _suppressed(one: dict[str, Any]) -> dict[str, Any]:
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": one["reason"]}]}


def _result(
    name: str, verdict: dict[str, Any], one: dict[str, Any], rules: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    rule = rules.setdefault(one["vulnerability"], _rule(one))
    digest = verdict["image"]["digest"]
    version = " ".join(one["versions"])
    fix = f"; fixed in {one['fixed_in']}" if one["fixed_in"] else ""
    platforms = f" ({', '.join(one['platforms'])})" if one["platforms"] else ""
    place = quote(name, safe="/:@")
    return {
        "ruleId": rule["id"],
        "level": _LEVELS.get(one["severity"], "warning"),
        "message": {"text": f"{one['severity']} {one['vulnerability']} in {one['package']} {version}{platforms}{fix}"},
        "locations": [
            {
                # GitHub shows no result without a line of a file.
                "physicalLocation": {
                    "artifactLocation": {"uri": place.replace(":", "/").replace("@", "/")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": f"{name} {one['package']}"}],
            }
        ],
        # Not the digest: a rebuilt image that still has it has the same finding.
        "partialFingerprints": {
            "vulnerabilityInPackage/v1": f"{verdict['image']['repository']}:{one['vulnerability']}:{one['package']}"
        },
        "properties": {"digest": digest, "since": one["since"]},
    }


def _rule(one: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": one["vulnerability"],
        "shortDescription": {"text": f"{one['vulnerability']} in {one['package']}"},
        "properties": {"tags": ["security"]},
    }
    if one["severity"] in _SCORES:
        rule["properties"]["security-severity"] = _SCORES[one["severity"]]
    if one["uri"]:
        rule["helpUri"] = one["uri"]
    return rule
