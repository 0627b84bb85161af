"""Ways in which a first result comes after the baseline: each is named before, and told when it comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from local.faults import Fault
from local.samples.findings import inspector
from local.template import ACCOUNT
from tests.service import Service, basic, service

Way = tuple[str, str, Callable[[Service], None], Callable[[Service], None]]


def scanning(aws: Service, scan_type: str, text: str) -> None:
    """How the registry is scanned, and by which filter."""
    frequency = "CONTINUOUS_SCAN" if scan_type == "ENHANCED" else "MANUAL"
    rule = {"scanFrequency": frequency, "repositoryFilters": [{"filter": text, "filterType": "WILDCARD"}]}
    aws.ecr.put_registry_scanning_configuration(scanType=scan_type, rules=[rule])


def status(aws: Service, name: str) -> None:
    """What the next scan comes to, without a result."""
    aws.post("team/app", "1", None, imageScanStatus={"status": name, "description": ""})


def storage(aws: Service, target: str) -> None:
    """Archive or restore the image."""
    image = {"repositoryName": "team/app", "imageId": {"imageTag": "1"}}
    aws.ecr.update_image_storage_class(**image, targetStorageClass=target)


def finds(aws: Service) -> None:
    """From now on a basic scan finds something."""
    aws.post("team/app", "1", [basic("CVE-1")])


def inspects(aws: Service) -> None:
    """Inspector has scanned the image."""
    found = inspector("CVE-1", "HIGH", "openssl", "3.0.1", None, registry=ACCOUNT, image="arn:aws:ecr:x")
    content = {"findings": [], "enhancedFindings": [found]}
    aws.post("team/app", "1", [], imageScanStatus={"status": "ACTIVE"}, imageScanFindings=content)


def restored(aws: Service) -> None:
    """The image is back, and a scan finds something."""
    finds(aws)
    storage(aws, "STANDARD")


def let_in(aws: Service) -> None:
    """The filters no longer leave the repository out."""
    scanning(aws, "ENHANCED", "*")
    inspects(aws)


def answers(aws: Service) -> None:
    """ECR can be asked again."""
    finds(aws)
    aws.faults.clear()


WAYS: list[Way] = [
    ("failed once", "failed", lambda aws: status(aws, "FAILED"), finds),
    ("unsupported", "unsupported", lambda aws: status(aws, "UNSUPPORTED_IMAGE"), finds),
    ("archived", "archived", lambda aws: storage(aws, "ARCHIVE"), restored),
    ("quota spent", "waiting for the account's quota", lambda aws: status(aws, "LIMIT_EXCEEDED"), finds),
    ("Inspector not done", "not scanned yet", lambda aws: scanning(aws, "ENHANCED", "*"), inspects),
    ("left out by a filter", "left out by the registry's filters", lambda aws: scanning(aws, "ENHANCED", "x"), let_in),
    ("out of the window", "out of Inspector's window", lambda aws: status(aws, "SCAN_ELIGIBILITY_EXPIRED"), finds),
    (
        "ECR not to be asked",
        "that ECR could not be asked about",
        lambda aws: aws.faults.add(Fault("ecr", "DescribeImageScanFindings", "refuse")),
        answers,
    ),
]


def told(aws: Service) -> list[dict[str, Any]]:
    """The messages for machines."""
    return [json.loads(forms["default"]) for _, forms, _ in aws.published]


def until(aws: Service, messages: int) -> None:
    """Days pass, until there are so many messages; an unsupported image rests for seven."""
    for _ in range(24):
        if len(aws.published) >= messages:
            return
        aws.cycle(minutes=480)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a scanned one"])
@pytest.mark.parametrize(("reason", "before", "later"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_a_first_result_that_comes_late_is_told(
    reason: str, before: Callable[[Service], None], later: Callable[[Service], None], beside: bool
) -> None:
    """Message by message: the baseline names it, and one further message has its findings."""
    with ExitStack() as stack:
        aws = stack.enter_context(service())
        aws.push("team/app", "1")
        if beside:
            aws.push("team/app", "2")
        before(aws)
        aws.add("team/app")
        until(aws, 1)
        (baseline,) = told(aws)
        ((subject, mail),) = aws.messages
        assert baseline["counts"] == {}
        assert baseline["without_result"].keys() == {reason}
        assert baseline["waiting"] == sum(baseline["without_result"].values())
        assert f"{baseline['waiting']} {reason}" in mail
        scanned = baseline["waiting"] == 1 and beside
        assert ("no findings in 1 image" in subject) == scanned
        assert ("no result yet" in subject) == (not scanned)
        assert ": none" not in mail or scanned
        later(aws)
        until(aws, 2)
        aws.cycle(2, minutes=720)
        first, late = told(aws)
        assert first == baseline
        assert (late["type"], late["counts"]) == ("baseline", {"HIGH": 1})
