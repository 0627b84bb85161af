"""A faithful ECR inside moto, on a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from local.clock import Clock
from local.ecr.moto_ecr import FaithfulEcr
from local.ecr.registry import Registry
from local.ecr.scanning import ScanRules
from local.faults import Faults
from local.samples.images import Pushed, image

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPOSITORY = "team/app"


@dataclass
class World:
    """One account's ECR with what a test needs around it."""

    client: Any
    clock: Clock
    fake: FaithfulEcr
    faults: Faults
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def registry(self) -> Registry:
        """The engine behind the client."""
        return self.fake.registry()

    def advance(self, **step: float) -> None:
        """Let time pass; scans that are due complete."""
        self.clock.advance(timedelta(**step))
        self.fake.settle()

    def push(self, name: str, tag: str | None = None, repository: str = REPOSITORY) -> str:
        """Push a plain image; its digest."""
        return self.put(image(name, tag), repository)

    def put(self, pushed: Pushed, repository: str = REPOSITORY) -> str:
        """Push a prepared manifest; its digest."""
        tag = {"imageTag": pushed.tag} if pushed.tag else {}
        answer = self.client.put_image(repositoryName=repository, imageManifest=pushed.manifest, **tag)
        digest: str = answer["image"]["imageId"]["imageDigest"]
        return digest

    def start(self, digest: str, repository: str = REPOSITORY) -> dict[str, Any]:
        """StartImageScan by digest."""
        answer: dict[str, Any] = self.client.start_image_scan(
            repositoryName=repository, imageId={"imageDigest": digest}
        )
        return answer

    def read(self, digest: str, **more: Any) -> dict[str, Any]:
        """DescribeImageScanFindings by digest."""
        answer: dict[str, Any] = self.client.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageDigest": digest}, **more
        )
        return answer

    def scan(self, digest: str) -> dict[str, Any]:
        """Start a scan, let it end, read its result."""
        self.start(digest)
        self.advance(minutes=5)
        return self.read(digest)

    def post(self, image_id: dict[str, str], names: list[str] | None, **more: Any) -> None:
        """Post findings by moto's own API; None for a failed scan."""
        result = {
            "registryId": "123456789012",
            "repositoryName": REPOSITORY,
            "imageId": image_id,
            "imageScanStatus": {"status": "COMPLETE" if names is not None else "FAILED", "description": "as posted"},
            "imageScanFindings": None if names is None else {"findings": [finding(name) for name in names]},
        } | more
        body = json.dumps({"results": [result], "region": "us-east-1"})
        answer = requests.post("http://motoapi.amazonaws.com/moto-api/static/ecr/scan-finding-results", body, timeout=5)
        assert answer.status_code == 201


def finding(name: str, severity: str = "HIGH") -> dict[str, Any]:
    """A basic finding."""
    return {"name": name, "severity": severity, "attributes": [{"key": "package_name", "value": "openssl"}]}


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Worlds with rules of a test's own, one at a time."""
    with mock_aws(), ExitStack() as stack:

        def make(**rules: Any) -> World:
            clock, faults, events = Clock(START, 0), Faults(), []
            fake = FaithfulEcr(clock, rules=ScanRules(**rules), emit=events.append, faults=faults)
            stack.enter_context(fake.installed())
            client = boto3.client("ecr", config=Config(retries={"total_max_attempts": 1}))
            client.create_repository(repositoryName=REPOSITORY)
            return World(client, clock, fake, faults, events)

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A registry with one empty repository, whose scans take a minute."""
    return make_world()


@pytest.fixture(name="names")
def _names() -> Callable[[dict[str, Any]], list[str]]:
    """The names of the findings in an answer."""
    return lambda answer: [item["name"] for item in answer["imageScanFindings"]["findings"]]


@pytest.fixture(name="error_of")
def _error_of() -> Callable[[Callable[[], object]], tuple[str, str]]:
    """Code and message of the error that a call must raise."""

    def error_of(call: Callable[[], object]) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call()
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return error_of
