"""The ECR adapter on single images and registries: every code on the wire is a value or an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from ecr_rescan.adapters.backoff import Breaker, PatientClient
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.scan_result import (
    NoResult,
    NoResultReason,
    ScanResult,
    ScanType,
    SkippedScan,
    SkipReason,
    StartedScan,
)
from tests.adapters.wire import (
    REGISTRY,
    TIMEOUT,
    UNREACHABLE,
    A,
    Reply,
    Wire,
    at,
    client,
    recorded,
    registry,
)


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS"])
def test_a_start(status: str) -> None:
    """By digest; basic scanning answers PENDING today, and answered IN_PROGRESS before."""
    wire = Wire({"imageScanStatus": {"status": status}})
    assert registry(wire).start("team-a/api", A) == StartedScan(A)
    assert wire.requests == [
        ("StartImageScan", {"registryId": REGISTRY, "repositoryName": "team-a/api", "imageId": {"imageDigest": A}})
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UnsupportedImageTypeException", SkipReason.UNSUPPORTED),
        ("ImageArchivedException", SkipReason.ARCHIVED),
        ("ImageNotFoundException", SkipReason.NOT_FOUND),
        ("RepositoryNotFoundException", SkipReason.REPOSITORY_NOT_FOUND),
        ("ValidationException", SkipReason.ENHANCED),
    ],
)
def test_a_start_that_ecr_refuses(code: str, reason: SkipReason) -> None:
    """Each refusal has its reason, and ECR's words."""
    assert registry(Wire((400, code))).start("team-a/api", A) == SkippedScan(A, reason, f"about {code}")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "InvalidParameterException"])
def test_a_start_that_may_not_be_asked_for(code: str) -> None:
    """It surely didn't start, so nothing says that it may have."""
    skipped = registry(Wire((400, code))).start("team-a/api", A)
    refused = code != "ExpiredTokenException"
    assert skipped == SkippedScan(A, SkipReason.UNAVAILABLE, f"{code}: about {code}", refused=refused)


def test_a_throttled_start_is_sent_again() -> None:
    """A throttle is a refusal: nothing was started."""
    wire = Wire((400, "ThrottlingException"), (400, "LimitExceededException"))
    skipped = registry(wire).start("team-a/api", A)
    assert skipped == SkippedScan(A, SkipReason.LIMIT_EXCEEDED, "about LimitExceededException")


@pytest.mark.parametrize("trouble", [TIMEOUT, UNREACHABLE])
def test_a_start_without_a_reply_is_not_sent_again(trouble: Exception) -> None:
    """ECR may have accepted it; a second one would be refused, and read as a spent quota."""
    wire = Wire(trouble)
    skipped = registry(wire).start("team-a/api", A)
    assert isinstance(skipped, SkippedScan)
    assert skipped.reason is SkipReason.UNAVAILABLE
    assert skipped.detail.startswith(f"maybe started: {type(trouble).__name__}: ")
    assert len(wire.requests) == 1


def test_a_refusal_after_a_server_error_may_be_of_our_own_start() -> None:
    """So it says nothing of the account's quota."""
    wire = Wire((500, "ServerException"), (400, "LimitExceededException"))
    skipped = registry(wire).start("team-a/api", A)
    detail = "maybe started: LimitExceededException: about LimitExceededException"
    assert skipped == SkippedScan(A, SkipReason.UNAVAILABLE, detail, maybe_started=True)
    assert registry(Wire((500, "ServerException"), {})).start("team-a/api", A) == StartedScan(A)


def test_findings_of_all_pages() -> None:
    """Joined to one result."""
    pages = [recorded("basic_debian"), recorded("basic_debian") | {"nextToken": None}]
    pages[0]["nextToken"] = "t"
    pages[1]["imageScanFindings"]["findings"] = [{"name": "CVE-2026-9"}]
    wire = Wire(*pages)
    found = registry(wire).findings("platform/base", A)
    assert isinstance(found, ScanResult)
    assert (found.digest, found.scan_type) == (A, ScanType.BASIC)
    assert found.completed_at == datetime(2026, 11, 23, 18, tzinfo=UTC)
    assert len(found.findings) == 5
    image = {"registryId": REGISTRY, "repositoryName": "platform/base", "imageId": {"imageDigest": A}}
    assert wire.requests == [
        ("DescribeImageScanFindings", {**image, "maxResults": 1000}),
        ("DescribeImageScanFindings", {**image, "maxResults": 1000, "nextToken": "t"}),
    ]


def test_the_registrys_scan_type_goes_before_the_replys() -> None:
    """It is passed on."""
    found = registry(Wire(recorded("clean"))).findings("platform/clean", A, scan_type=ScanType.ENHANCED)
    assert isinstance(found, ScanResult)
    assert found.scan_type is ScanType.ENHANCED


def test_a_scan_that_failed() -> None:
    """ECR's findings are null then."""
    found = registry(Wire(recorded("failed_scratch"))).findings("team-b/go-static", A)
    assert isinstance(found, NoResult)
    assert found.reason is NoResultReason.UNSUPPORTED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ScanNotFoundException", NoResultReason.NEVER_SCANNED),
        ("ImageNotFoundException", NoResultReason.NOT_FOUND),
        ("RepositoryNotFoundException", NoResultReason.REPOSITORY_NOT_FOUND),
    ],
)
def test_findings_that_are_not_there(code: str, reason: NoResultReason) -> None:
    """Each kind of absence has its reason, and ECR's words."""
    assert registry(Wire((400, code))).findings("team-a/api", A) == NoResult(A, reason, f"about {code}")


@pytest.mark.parametrize("failure", [(400, "InvalidParameterException"), (400, "AccessDeniedException")])
def test_a_page_that_fails_leaves_no_result(failure: Reply) -> None:
    """A part of the findings would look like fixes."""
    wire = Wire(recorded("basic_debian") | {"nextToken": "t"}, failure)
    found = registry(wire).findings("platform/base", A)
    assert isinstance(failure, tuple)
    assert found == NoResult(A, NoResultReason.UNAVAILABLE, f"{failure[1]}: about {failure[1]}", refused=True)


def test_a_long_message_is_bounded() -> None:
    """What ECR says is kept in documents."""
    wire = Wire((400, "Strange" * 1000))
    found = registry(wire).findings("team-a/api", A)
    assert isinstance(found, NoResult)
    assert len(found.detail) < 1500


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"scanType": "BASIC", "rules": []}, ScanType.BASIC),
        ({"scanType": "ENHANCED"}, ScanType.ENHANCED),
        ({"scanType": "LATER"}, None),
        ({}, None),
    ],
)
def test_the_scan_type(configuration: dict[str, Any], expected: ScanType | None) -> None:
    """A type that isn't known yet is none."""
    assert registry(Wire({"scanningConfiguration": configuration})).scan_type() is expected


def test_the_scan_type_of_a_foreign_registry_is_not_asked_for() -> None:
    """ECR would answer with that of the caller's own account."""
    wire = Wire()
    assert registry(wire, own=False).scan_type() is None
    assert wire.requests == []


def test_a_scan_type_that_may_not_be_asked_for() -> None:
    """It concerns the whole registry."""
    with pytest.raises(RegistryError, match="AccessDeniedException"):
        registry(Wire((400, "AccessDeniedException"))).scan_type()


def _puts(ecr: Any, tags: Iterable[str]) -> dict[str, str]:
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1}
    digests = {}
    for number, tag in enumerate(tags):
        layers = [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": number + 1, "digest": A}]
        text = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": config | {"digest": f"sha256:{number:064x}"},
                "layers": layers,
            }
        )
        reply = ecr.put_image(repositoryName="team-a/api", imageManifest=text, imageTag=tag)
        digests[tag] = reply["image"]["imageId"]["imageDigest"]
    return digests


@mock_aws
def test_one_image_from_listing_to_findings() -> None:
    """Everything that the adapter sends is understood, and what comes back is read."""
    ecr = client()
    ecr.create_repository(repositoryName="team-a/api")
    digests = _puts(ecr, ["1.0", "2.0"])
    made = PatientClient(ecr)
    subject = at(made)
    assert subject.repositories() == ["team-a/api"]
    assert {image.tags: image.digest for image in subject.images("team-a/api")} == {
        ("1.0",): digests["1.0"],
        ("2.0",): digests["2.0"],
    }
    digest = digests["2.0"]
    before = subject.findings("team-a/api", digest)
    assert isinstance(before, NoResult)
    assert before.reason is NoResultReason.NEVER_SCANNED
    assert subject.start("team-a/api", digest) == StartedScan(digest)
    found = subject.findings("team-a/api", digest)
    assert isinstance(found, ScanResult)
    assert [finding.vulnerability for finding in found.findings] == ["CVE-9999-9999"]
    assert subject.scan_type() is ScanType.BASIC
    assert made.calls == {
        "DescribeRepositories": 1,
        "DescribeImages": 1,
        "DescribeImageScanFindings": 2,
        "StartImageScan": 1,
        "GetRegistryScanningConfiguration": 1,
    }


def test_what_one_role_is_denied_the_next_one_is_asked() -> None:
    """And the first is not asked the same again, but is still asked other things."""
    narrow, wide = (
        Wire((400, "AccessDeniedException"), {"imageDetails": []}),
        Wire({"repositories": []}, {"repositories": []}),
    )
    subject = at(PatientClient(client(narrow)), PatientClient(client(wide)))
    assert (subject.repositories(), subject.repositories(), subject.images("team-a/api")) == ([], [], [])
    assert [operation for operation, _ in narrow.requests] == ["DescribeRepositories", "DescribeImages"]


def test_what_all_roles_are_denied_costs_one_call_once_that_is_known() -> None:
    """The refusal is ECR's."""
    wires = [Wire(*[(400, "AccessDeniedException")] * 3), Wire((400, "AccessDeniedException"))]
    subject = at(*(PatientClient(client(wire)) for wire in wires))
    for _ in range(3):
        skipped = subject.start("team-a/api", A)
        assert skipped == SkippedScan(
            A, SkipReason.UNAVAILABLE, "AccessDeniedException: about AccessDeniedException", refused=True
        )
    assert [len(wire.requests) for wire in wires] == [3, 1]


def test_another_refusal_is_not_put_to_the_next_role() -> None:
    """It is about what was asked, and not about who asked."""
    wires = [Wire((400, "ImageNotFoundException")), Wire()]
    subject = at(*(PatientClient(client(wire)) for wire in wires))
    assert subject.start("team-a/api", A) == SkippedScan(A, SkipReason.NOT_FOUND, "about ImageNotFoundException")


def test_a_region_that_gives_no_reply_three_times_is_not_asked_again() -> None:
    """By no client of that Region."""
    breaker = Breaker()
    wires = [Wire(UNREACHABLE, {"repositories": []}, TIMEOUT, TIMEOUT, UNREACHABLE), Wire()]
    first, second = (
        at(PatientClient(client(wire), sleep=wire.sleeps.append, chance=lambda: 0.0, breaker=breaker)) for wire in wires
    )
    assert (first.repositories(), first.may_ask()) == ([], True), "a reply in between shows that it answers"
    for subject in (first, second):
        with pytest.raises(RegistryError):
            subject.repositories()
    assert not second.may_ask()
    assert [len(wire.requests) for wire in wires] == [5, 0]
