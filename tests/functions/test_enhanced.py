"""A registry under enhanced scanning, for as long as its images stay the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.samples.findings import inspector
from local.template import ACCOUNT
from tests.service import Service, service


def post(aws: Service, *vulnerabilities: str) -> None:
    """What Inspector has on the image from now on."""
    found = [
        inspector(name, "HIGH", "openssl", "3.0.1", "3.0.2", registry=ACCOUNT, image="arn:aws:ecr:x")
        for name in vulnerabilities
    ]
    status: dict[str, Any] = {"status": "ACTIVE", "description": "Continuous scan is selected for image."}
    content = {"findings": [], "enhancedFindings": found}
    aws.post("team/app", "1", [], imageScanStatus=status, imageScanFindings=content)


def test_fourteen_days_in_which_inspector_has_little_to_scan(capsys: pytest.CaptureFixture[str]) -> None:
    """At push, and for two new vulnerabilities: no alarm rings, nothing is stale, both are told; a filter says so."""
    with service() as aws:
        rule = {"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "team", "filterType": "WILDCARD"}]}
        aws.ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=[rule])
        aws.push("team/app", "1")
        aws.push("tools/cli", "1")
        post(aws, "CVE-1")
        aws.add("*")
        known = ["CVE-1"]
        for day in range(14):
            if day in (5, 9):
                known.append(f"CVE-{day}")
                post(aws, *known)
            for _ in range(4):
                # Seen after the tick: between two of them pass five minutes, and not six hours as here.
                aws.tick()
                assert aws.states() == {("team/app", None): "COMPLETE", ("tools/cli", None): "NEVER_SCANNED"}
                aws.drain()
                aws.advance(hours=6)
        changes = [json.loads(forms["default"]) for _, forms, _ in aws.published]
        told = [alert["vulnerability"] for one in changes if one["type"] == "changes" for alert in one["alerts"]]
        assert told == ["CVE-5", "CVE-9"]
        (configuration,) = aws.summary()["configurations"]
        (left_out,) = [image for image in configuration["images"] if image["repository"] == "tools/cli"]
        assert "filters leave its repository out" in left_out["reason"]
        assert aws.started() == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ImagesOverdue"' in line]
    assert len(lines) == 14 * 4
    assert {line["ImagesOverdue"][0] for line in lines} == {0.0}
    assert {line["Problems"][0] for line in lines} == {0.0}
