"""Builds what tests are about: configurations, images, results, and the findings documents that they lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.recording import Update, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scan_result import ScanFinding, ScanResult, ScanType
from ecr_rescan.core.severity import Severity

REGISTRY = "123456789012"
REGION = "us-east-1"
CONFIG_ID = "6f2d3c1e-8a47-4b0e-9c55-1d7e2a90b3f4"
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def digest(name: str) -> str:
    """The digest of the image that a test calls so."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def configuration(repository: str | Sequence[str] = "team/app", *, at: datetime = AT, **wire: Any) -> ScanConfiguration:
    """A configuration as a person would post it."""
    named = repository if isinstance(repository, str) else list(repository)
    body = {"region": REGION, "registry": REGISTRY, "repository": named, **wire}
    return ScanConfiguration.from_wire(body, id=CONFIG_ID, now=at)


def image(
    name: str = "one", *tags: str, pushed_at: datetime = AT, manifests: Mapping[str, str | None] | None = None
) -> ImageFact:
    """A tagged image (``latest`` where no tag is given); ``manifests`` are names with platforms, for an index."""
    scanned = {name: None} if manifests is None else manifests
    by_digest = {digest(child): platform for child, platform in scanned.items()}
    return ImageFact(digest(name), tags or ("latest",), pushed_at, by_digest)


def found(vulnerability: str = "CVE-2026-1", package: str = "openssl", **fields: Any) -> ScanFinding:
    """A finding: HIGH, in version 3.0.1, unless said otherwise."""
    known = {"version": "3.0.1", "severity": Severity.HIGH, "description": "A fault.", "uri": "https://example.com/a"}
    return ScanFinding(vulnerability, package, **{**known, **fields})


def result(name: str, *findings: ScanFinding, at: datetime = AT) -> ScanResult:
    """A complete basic result of the image or manifest that a test calls so."""
    return ScanResult(digest(name), at, ScanType.BASIC, findings)


def document(
    repository: str = "team/app",
    images: Sequence[ImageFact] = (),
    results: Sequence[ScanResult] = (),
    *,
    unconfirmed: Mapping[str, str] | None = None,
    seen_by: ScanConfiguration | None = None,
    at: datetime = AT,
) -> FindingsDocument:
    """What is recorded of a repository after its first results."""
    made = FindingsDocument(REGISTRY, REGION, repository, at, at)
    update(made, images, results, unconfirmed=unconfirmed, seen_by=seen_by, at=at)
    return made


def update(
    made: FindingsDocument,
    images: Sequence[ImageFact] | None,
    results: Sequence[ScanResult] = (),
    *,
    unconfirmed: Mapping[str, str] | None = None,
    seen_by: ScanConfiguration | None = None,
    at: datetime = AT,
) -> FindingsDocument:
    """The document after more was learnt; ``unconfirmed`` is by name, ``images`` None for no news of the list."""
    named = {digest(name): reason for name, reason in (unconfirmed or {}).items()}
    learnt = Update(images, {one.digest: one for one in results}, named)
    record(made, learnt, [seen_by or configuration(made.repository)], at)
    return made
