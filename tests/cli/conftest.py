"""The local stack, driven by hand, for the tests that run the command against it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.samples.images import image
from local.stack import LocalStack

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """An empty registry; one for all tests of a module, which keep to repositories of their own."""
    with LocalStack(manual=True, start=START) as running:
        yield running


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine that the tests run on is set up for."""
    for name in ("ECR_RESCAN_URL", "ECR_RESCAN_GATE_TOKEN", "FORCE_COLOR", "COLUMNS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def push(stack: LocalStack, repository: str, tag: str, findings: list[dict[str, Any]] | None = None) -> str:
    """Push an image whose next scan finds this; its digest."""
    known = [one["repositoryName"] for one in stack.ecr.describe_repositories()["repositories"]]
    if repository not in known:
        stack.ecr.create_repository(repositoryName=repository)
    pushed = image(f"{repository}:{tag}", tag)
    stack.ecr.put_image(repositoryName=repository, imageManifest=pushed.manifest, imageTag=tag)
    stack.post_findings(repository, {"imageTag": tag}, findings or [])
    return pushed.digest


def cycle(stack: LocalStack, times: int = 2) -> None:
    """Ticks, with time for their scans to end and be recorded."""
    for _ in range(times):
        stack.tick()
        stack.advance(minutes=5)
        stack.drain()
