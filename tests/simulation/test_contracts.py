"""The simulation's fakes answer as moto's S3 and the faithful ECR do: the same calls, the same outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from local.ecr.calls import CallLog
from local.ecr.moto_ecr import FaithfulEcr
from local.ecr.registry import Registry
from local.ecr.scanning import ScanRules
from local.samples.images import chart, image, multi_platform
from simulation.ecr import EcrClient
from simulation.gate import Gate, VirtualClock
from simulation.s3 import Bucket

ACCOUNT, REGION, NAME = "123456789012", "us-east-1", "bucket"


def outcome(call: Callable[[], Any]) -> Any:
    """What a call answers, or the code of its error."""
    try:
        return call()
    except ClientError as error:
        return error.response["Error"]["Code"]


@pytest.fixture(params=["moto", "fake"])
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket, by moto and by the simulation."""
    if request.param == "fake":
        yield Bucket(Gate(VirtualClock()), keys_per_page=2)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket=NAME)
        yield client


def test_conditional_writes(s3: Any) -> None:
    """If-None-Match, If-Match, and If-Match on a key that is not there."""

    def put(body: bytes, **conditions: str) -> Any:
        return outcome(lambda: s3.put_object(Bucket=NAME, Key="a", Body=body, **conditions)["ETag"])

    assert put(b"1", IfMatch='"0"') == "NoSuchKey"
    first = put(b"1", IfNoneMatch="*")
    assert first == '"c4ca4238a0b923820dcc509a6f75849b"'
    assert put(b"2", IfNoneMatch="*") == "PreconditionFailed"
    second = put(b"2", IfMatch=first)
    assert put(b"3", IfMatch=first) == "PreconditionFailed"
    assert put(b"2") == second
    reply = s3.get_object(Bucket=NAME, Key="a")
    assert (reply["Body"].read(), reply["ETag"]) == (b"2", second)


def test_missing_keys_and_deletion(s3: Any) -> None:
    """A missing key is NoSuchKey to read, and nothing to delete."""
    assert outcome(lambda: s3.get_object(Bucket=NAME, Key="none")) == "NoSuchKey"
    s3.put_object(Bucket=NAME, Key="a", Body=b"1")
    s3.delete_object(Bucket=NAME, Key="a")
    s3.delete_object(Bucket=NAME, Key="a")
    assert outcome(lambda: s3.get_object(Bucket=NAME, Key="a")) == "NoSuchKey"


def test_listing_by_prefix_over_pages(s3: Any) -> None:
    """Every key of a prefix once, in order, with the ETag that reading gives."""
    for key in ("a/3", "b/1", "a/1", "a/2", "a", "a/1/x"):
        s3.put_object(Bucket=NAME, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=NAME, Prefix="a/")
    found = [(item["Key"], item["ETag"], item["Size"]) for page in pages for item in page.get("Contents", ())]
    assert [key for key, _, _ in found] == ["a/1", "a/1/x", "a/2", "a/3"]
    assert all(s3.get_object(Bucket=NAME, Key=key)["ETag"] == etag for key, etag, _ in found)


@pytest.fixture(params=["moto", "fake"])
def ecr(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Registry, VirtualClock]]:
    """An ECR client, the engine behind it, and its clock; by moto and by the simulation."""
    clock = VirtualClock()
    if request.param == "fake":
        registry = Registry(ACCOUNT, REGION, clock, rules=ScanRules(), emit=lambda event: None, calls=CallLog())
        client = EcrClient(Gate(clock), registry, lambda sent: None, lambda: "BASIC", page=1000)
        registry.create_repository("team/app")
        yield client, registry, clock
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    fake = FaithfulEcr(clock)
    with mock_aws(), fake.installed():
        client = boto3.client("ecr", region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
        client.create_repository(repositoryName="team/app")
        yield client, fake.registry(), clock


def test_ecr_answers_alike(ecr: tuple[Any, Registry, VirtualClock]) -> None:
    """Starts, refusals, results, pages, indexes and the scan type."""
    client, registry, clock = ecr
    parts, plain, helm = multi_platform("worker", "2"), image("app", "1"), chart("chart", "3")
    for pushed in [plain, *parts, helm]:
        tag = {"imageTag": pushed.tag} if pushed.tag else {}
        registry.call("PutImage", {"repositoryName": "team/app", "imageManifest": pushed.manifest, **tag})

    def start(digest: str) -> Any:
        about = {"registryId": ACCOUNT, "repositoryName": "team/app", "imageId": {"imageDigest": digest}}
        return outcome(lambda: client.start_image_scan(**about)["imageScanStatus"]["status"])

    def findings(digest: str) -> Any:
        about = {"registryId": ACCOUNT, "repositoryName": "team/app", "imageId": {"imageDigest": digest}}
        return outcome(lambda: client.describe_image_scan_findings(**about)["imageScanStatus"]["status"])

    assert findings(plain.digest) == "ScanNotFoundException"
    assert start(plain.digest) == "PENDING"
    assert start(plain.digest) == "LimitExceededException"
    assert start(parts[-1].digest) == "UnsupportedImageTypeException"
    assert start(helm.digest) == "UnsupportedImageTypeException"
    assert start("sha256:" + "0" * 64) == "ImageNotFoundException"
    clock.sleep(61)
    assert findings(plain.digest) == "COMPLETE"
    clock.sleep(24 * 3600)
    assert start(plain.digest) == "PENDING"
    everything = {"tagStatus": "ANY", "imageStatus": "ANY"}
    rows = client.describe_images(registryId=ACCOUNT, repositoryName="team/app", filter=everything, maxResults=1000)
    assert {row["imageDigest"] for row in rows["imageDetails"]} == {pushed.digest for pushed in [plain, *parts, helm]}
    batch = client.batch_get_image(
        registryId=ACCOUNT, repositoryName="team/app", imageIds=[{"imageDigest": parts[-1].digest}]
    )
    assert batch["images"][0]["imageManifest"] == parts[-1].manifest
    missing = {"registryId": ACCOUNT, "repositoryName": "team/none", "maxResults": 5}
    assert outcome(lambda: client.describe_images(**missing)) == "RepositoryNotFoundException"
    repositories = client.describe_repositories(registryId=ACCOUNT, maxResults=1000)["repositories"]
    assert [row["repositoryName"] for row in repositories] == ["team/app"]
    configuration = client.get_registry_scanning_configuration()["scanningConfiguration"]
    assert configuration["scanType"] == "BASIC"
