"""Listings of ECR, and the retries behind every call: complete or an error, and each attempt counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError

from ecr_rescan.adapters.backoff import ATTEMPTS, PatientClient
from ecr_rescan.adapters.ecr import LONG_AGO, ImageDetail
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.scan_result import (
    SkippedScan,
    SkipReason,
)
from tests.adapters.wire import (
    INDEX,
    REGION,
    REGISTRY,
    TIMEOUT,
    UNREACHABLE,
    A,
    B,
    C,
    D,
    Reply,
    Wire,
    at,
    client,
    registry,
)


def test_repositories_of_all_pages() -> None:
    """Every page is asked for in the largest size, by the registry's own number."""
    wire = Wire(
        {"repositories": [{"repositoryName": "b"}, None, {}], "nextToken": "t"},
        {"repositories": [{"repositoryName": "a"}]},
    )
    assert registry(wire).repositories() == ["a", "b"]
    assert wire.requests == [
        ("DescribeRepositories", {"registryId": REGISTRY, "maxResults": 1000}),
        ("DescribeRepositories", {"registryId": REGISTRY, "maxResults": 1000, "nextToken": "t"}),
    ]


def test_images_of_all_pages() -> None:
    """Untagged and archived ones are asked for too; members that ECR leaves out have defaults."""
    wire = Wire(
        {
            "imageDetails": [
                {
                    "imageDigest": A,
                    "imageTags": ["latest", "1.0", "latest"],
                    "imagePushedAt": 1795456800.7,
                    "imageManifestMediaType": INDEX,
                    "artifactMediaType": "application/vnd.oci.image.config.v1+json",
                    "imageStatus": "ACTIVE",
                },
                None,
                {"imageTags": ["no-digest"]},
            ],
            "nextToken": "t",
        },
        {
            "imageDetails": [
                {"imageDigest": B},
                {"imageDigest": C, "imageStatus": "ARCHIVED", "subjectManifestDigest": A},
                {"imageDigest": D, "imageStatus": "ACTIVATING"},
            ]
        },
    )
    first, *others = registry(wire).images("team-a/api")
    config_type = "application/vnd.oci.image.config.v1+json"
    pushed_at = datetime(2026, 11, 23, 18, tzinfo=UTC)
    assert first == ImageDetail(A, ("1.0", "latest"), pushed_at, INDEX, config_type, archived=False, subject=None)
    assert others == [
        ImageDetail(B, (), LONG_AGO, "", "", archived=False, subject=None),
        ImageDetail(C, (), LONG_AGO, "", "", archived=True, subject=A),
        ImageDetail(D, (), LONG_AGO, "", "", archived=True, subject=None),
    ]
    assert [request["filter"] for _, request in wire.requests] == [{"tagStatus": "ANY", "imageStatus": "ANY"}] * 2
    assert wire.requests[1][1]["nextToken"] == "t"


def test_an_older_botocore_is_not_asked_for_archived_images(tmp_path: Path) -> None:
    """It would refuse the filter that it doesn't know, and nothing could be listed."""
    session = boto3.session.Session()
    loader = session._session.get_component("data_loader")
    model = loader.load_service_model("ecr", "service-2")
    older = json.loads(json.dumps(model))
    del older["shapes"]["DescribeImagesFilter"]["members"]["imageStatus"]
    place = tmp_path / "ecr" / "2015-09-21"
    place.mkdir(parents=True)
    (place / "service-2.json").write_text(json.dumps(older))
    fresh = boto3.session.Session()
    fresh._session.get_component("data_loader").search_paths.insert(0, str(tmp_path))
    wire = Wire({"imageDetails": []})
    made = fresh.client("ecr", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
    made.meta.events.register("before-send.ecr", wire)
    assert at(PatientClient(made)).images("team-a/api") == []
    assert wire.requests[0][1]["filter"] == {"tagStatus": "ANY"}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ((400, "RepositoryNotFoundException"), "RepositoryNotFoundException"),
        ((400, "AccessDeniedException"), "AccessDeniedException"),
        ((400, "ExpiredTokenException"), "ExpiredTokenException"),
        ((400, "InvalidParameterException"), "InvalidParameterException"),
        ((400, "ValidationException"), "ValidationException"),
    ],
)
def test_a_listing_that_fails_midway_is_no_listing(failure: Reply, code: str) -> None:
    """What was read before is not returned: the rest would look deleted."""
    wire = Wire({"imageDetails": [{"imageDigest": A}], "nextToken": "t"}, failure)
    with pytest.raises(RegistryError) as caught:
        registry(wire).images("team-a/api")
    error = caught.value
    assert (error.code, error.registry, error.region, error.repository) == (code, REGISTRY, REGION, "team-a/api")
    assert error.message == f"about {code}"
    assert wire.sleeps == []


def test_a_token_that_comes_again_ends_a_listing() -> None:
    """Following it would never end."""
    wire = Wire(*[{"repositories": [{"repositoryName": "aa"}], "nextToken": "t"}] * 3)
    with pytest.raises(RegistryError, match="RepeatedToken"):
        registry(wire).repositories()
    assert len(wire.requests) == 2


def test_a_name_that_botocore_refuses() -> None:
    """Nothing is sent, and it is an error of ours."""
    with pytest.raises(RegistryError) as caught:
        registry(Wire()).images("A")
    assert caught.value.code == "ParamValidationError"


def test_credentials_that_are_missing() -> None:
    """An error of ours, not botocore's."""
    made = client()
    made._request_signer._credentials = None
    with pytest.raises(RegistryError) as caught:
        at(PatientClient(made)).repositories()
    assert caught.value.code == "NoCredentialsError"


@pytest.mark.parametrize(
    "trouble",
    [
        (400, "ThrottlingException"),
        (400, "ThrottleException"),
        (429, "Anything"),
        (400, "RequestLimitExceeded"),
        (400, "TooManyRequestsException"),
        (500, "ServerException"),
        (503, "ServiceUnavailable"),
        (502, "Strange"),
        TIMEOUT,
        UNREACHABLE,
        ConnectTimeoutError(endpoint_url="https://ecr.example"),
    ],
)
def test_passing_troubles_are_retried(trouble: Reply) -> None:
    """With longer and longer waits."""
    wire = Wire(trouble, trouble, {"repositories": []})
    subject = registry(wire)
    assert subject.repositories() == []
    assert wire.sleeps == [0.125, 0.25]
    assert [operation for operation, _ in wire.requests] == ["DescribeRepositories"] * 3


def test_retries_end() -> None:
    """After a bounded number of attempts, with waits that are bounded as well."""
    wire = Wire(*[(400, "ThrottlingException")] * ATTEMPTS)
    with pytest.raises(RegistryError, match="ThrottlingException"):
        registry(wire, chance=1.0).repositories()
    assert wire.sleeps == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_the_deadline_ends_retries() -> None:
    """A wait that would outlast the invocation isn't begun."""
    wire = Wire((400, "ThrottlingException"), (400, "ThrottlingException"))
    with pytest.raises(RegistryError, match="ThrottlingException"):
        registry(wire, seconds_left=0.2).repositories()
    assert wire.sleeps == [0.125]


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_spent_limit_is_one_call_under_any_default(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of retries: LimitExceededException can't succeed a second later."""
    monkeypatch.setenv("AWS_RETRY_MODE", mode)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    wire = Wire((400, "LimitExceededException"))
    subject = registry(wire)
    skipped = SkippedScan(A, SkipReason.LIMIT_EXCEEDED, "about LimitExceededException")
    assert subject.start("team-a/api", A) == skipped
    assert [operation for operation, _ in wire.requests] == ["StartImageScan"]
