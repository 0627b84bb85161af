"""The samples: repositories of every kind, and a script that does on each day exactly what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.samples.findings import base_image
from local.samples.script import API, BASE, FIXED, FRONTEND, GAINED, SEARCH, SHARED, WORKER, Day, day
from local.stack import LocalStack

TEMPLATE = Path(__file__).parent / "project" / "template.yaml"
QUIET_DAYS = (1, 3, 11, 13, 14, 15)


def found(one: Day, repository: str, image: str) -> set[tuple[str, str]] | None:
    """Names and severities that a day posts for an image; None when it posts nothing for it, or a failure."""
    for result in one.results:
        if result["repositoryName"] == repository and image in result["imageId"].values():
            content: Any = result["imageScanFindings"]
            return content and {(item["name"], item["severity"]) for item in content["findings"]}
    return None


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    """No randomness, no clock."""
    assert [json.dumps(day(n).results) for n in range(20)] == [json.dumps(day(n).results) for n in range(20)]


def test_on_quiet_days_nothing_happens_at_all() -> None:
    """So that silence can be shown."""
    assert [day(number) for number in QUIET_DAYS] == [Day((), (), ())] * len(QUIET_DAYS)


def test_each_change_is_what_the_script_says() -> None:
    """One gained, one fixed, one risen, a rebuilt image, a failure and back, a repository, a spread."""
    before, gained, fixed = found(day(0), API, "1.4"), found(day(2), API, "1.4"), found(day(4), API, "1.4")
    assert gained - before == {(GAINED.name, "CRITICAL")}
    assert gained - fixed == {(FIXED.name, "HIGH")}
    risen = found(day(5), FRONTEND, "8")
    assert risen - found(day(0), FRONTEND, "8") == {("CVE-2025-26519", "CRITICAL")}
    rebuilt = day(6)
    assert ([pushed.tag for _, pushed in rebuilt.pushes], rebuilt.results) == (["1.4", "latest"], ())
    (failure,) = day(7).results
    assert (failure["imageScanStatus"]["status"], failure["imageScanFindings"]) == ("FAILED", None)
    assert found(day(8), API, "1.4") == fixed
    assert day(9).repositories == (SEARCH,)
    assert found(day(10), SEARCH, "5") - found(day(9), SEARCH, "5") == {(GAINED.name, "CRITICAL")}


def test_later_days_bring_one_finding_every_fourth_day_and_take_it_back() -> None:
    """Eight days after."""
    twelfth, sixteenth, twentieth = (found(day(number), API, "1.4") for number in (12, 16, 20))
    assert len(sixteenth - twelfth) == 1
    assert len(twentieth - sixteenth) == 1
    assert len(sixteenth - twentieth) == 1


def test_the_kinds_that_the_service_must_meet_are_there() -> None:
    """Hundreds of findings, a CVE of several packages, none with a description, one CVE in several repositories."""
    many = list(base_image(420))
    assert len({(item.name, item.package) for item in many}) == 420
    assert len({item.name for item in many}) < 420
    assert {item.severity for item in many} == {"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "UNDEFINED"}
    assert found(day(0), BASE, "bookworm") == {(item.name, item.severity) for item in many}
    texts = [r["imageScanFindings"] for r in day(0).results if r["repositoryName"] == FRONTEND]
    assert not any("description" in item for content in texts for item in content["findings"])
    with_shared = {r["repositoryName"] for r in day(0).results if SHARED.name in json.dumps(r)}
    assert with_shared == {API, WORKER}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalStack]:
    """A stack with samples."""
    start = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    with LocalStack(template=TEMPLATE, manual=True, samples=True, start=start) as running:
        yield running


def test_the_registry_holds_the_samples_and_follows_the_days(aws: LocalStack) -> None:
    """Pushes are events; scans find what the day says; days that are jumped over happen all the same."""

    def names(repository: str, tag: str) -> set[str]:
        answer = aws.ecr.describe_image_scan_findings(
            repositoryName=repository, imageId={"imageTag": tag}, maxResults=1000
        )
        return {item["name"] for item in answer["imageScanFindings"]["findings"]}

    def scan(repository: str, tag: str) -> None:
        aws.ecr.start_image_scan(repositoryName=repository, imageId={"imageTag": tag})
        aws.advance(minutes=5)

    repositories = {row["repositoryName"] for row in aws.ecr.describe_repositories()["repositories"]}
    assert len(repositories) == 8
    assert aws.deliver() == len(day(0).pushes)
    scan(API, "1.4")
    assert GAINED.name not in names(API, "1.4")
    aws.advance(days=3)
    scan(API, "1.4")
    assert GAINED.name in names(API, "1.4")
    scan(BASE, "bookworm")
    assert len(names(BASE, "bookworm")) > 200
    before = aws.ecr.describe_images(repositoryName=API, imageIds=[{"imageTag": "1.4"}])["imageDetails"][0]
    aws.advance(days=7)
    after = aws.ecr.describe_images(repositoryName=API, imageIds=[{"imageTag": "1.4"}])["imageDetails"][0]
    assert before["imageDigest"] != after["imageDigest"]
    assert aws.ecr.describe_images(repositoryName=SEARCH)["imageDetails"]
