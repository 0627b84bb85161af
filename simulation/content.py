"""What is in the images, and what is known of it: the script's own truth about findings, by build and time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from local.ecr.images import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from local.samples.images import Pushed, chart, image, multi_platform

Key = tuple[str, str]
"""(vulnerability, package)."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a tag can name. ``kind``: image, index, chart or scratch. ``packages``: name → version.

    ``parts``: for an index, everything pushed before it; ``platforms``: digests of its scannable manifests, and
    ``members``, where they are builds of their own, those by digest.
    """

    kind: str
    pushed: Pushed
    digest: str
    packages: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Pushed, ...] = ()
    platforms: tuple[str, ...] = ()
    members: Mapping[str, Build] = field(default_factory=dict)

    @property
    def manifests(self) -> tuple[str, ...]:
        """What ECR scans for it."""
        if self.kind == "index":
            return self.platforms
        return (self.digest,) if self.kind in ("image", "scratch") else ()


def build(kind: str, name: str, tag: str, packages: Mapping[str, int]) -> Build:
    """Make a build; another name is another digest."""
    parts: list[Pushed] = []
    platforms: tuple[str, ...] = ()
    if kind == "chart":
        pushed = chart(name, tag)
    elif kind == "index":
        *parts, pushed = multi_platform(name, tag)
        platforms = tuple(row["digest"] for row in json.loads(pushed.manifest)["manifests"][:2])
    else:
        pushed = image(name, tag)
    return Build(kind, pushed, pushed.digest, packages, tuple(parts), platforms)


def index_of(name: str, tag: str, images: Sequence[Build]) -> Build:
    """An index over builds that may be elsewhere, too; ``name`` makes its digest."""
    descriptors = [
        {
            "mediaType": DOCKER_MANIFEST,
            "digest": one.digest,
            "size": 1024,
            "platform": {"os": "linux", "architecture": architecture},
        }
        for one, architecture in zip(images, ("amd64", "arm64", "riscv64"), strict=False)
    ]
    manifest = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors, "annotations": {"name": name}}
    pushed = Pushed(json.dumps(manifest), tag)
    parts = tuple(replace(one.pushed, tag=None) for one in images)
    packages = {package: version for one in images for package, version in one.packages.items()}
    return Build(
        "index",
        pushed,
        pushed.digest,
        packages,
        parts,
        tuple(one.digest for one in images),
        {one.digest: one for one in images},
    )


def signature(digest: str) -> Build:
    """What cosign pushes beside an image: by its media types an image, which ECR fails to scan."""
    pushed = image(
        f"signature of {digest}",
        f"{digest.replace(':', '-')}.sig",
        media_type=OCI_MANIFEST,
        config=OCI_CONFIG,
        layer="application/vnd.dev.cosign.simplesigning.v1+json",
    )
    return Build("scratch", pushed, pushed.digest)


@dataclass(slots=True)
class Vulnerability:
    """One, in one package up to a version. ``story``: (from when, severity; None: withdrawn), in order."""

    id: str
    package: str
    below: int
    story: list[tuple[datetime, str | None]]

    def severity(self, at: datetime) -> str | None:
        """What is known at a time; None: nothing."""
        told = None
        for since, severity in self.story:
            if since <= at:
                told = severity
        return told


class Knowledge:
    """All vulnerabilities, by package."""

    def __init__(self) -> None:
        self.by_package: dict[str, list[Vulnerability]] = {}

    def add(self, vulnerability: Vulnerability) -> None:
        """One more."""
        self.by_package.setdefault(vulnerability.package, []).append(vulnerability)

    def found_in(self, packages: Mapping[str, int], at: datetime) -> list[tuple[str, str, int, str]]:
        """(vulnerability, package, version, severity) of all that a scan at a time finds."""
        return [
            (one.id, package, version, severity)
            for package, version in packages.items()
            for one in self.by_package.get(package, ())
            if version < one.below and (severity := one.severity(at)) is not None
        ]


def basic_findings(found: list[tuple[str, str, int, str]]) -> dict[str, Any]:
    """As basic scanning shows them."""
    return {
        "findings": [
            {
                "name": vulnerability,
                "severity": severity,
                "description": f"A fault in {package}.",
                "uri": f"https://example.com/{vulnerability}",
                "attributes": [
                    {"key": "package_name", "value": package},
                    {"key": "package_version", "value": f"{version}.0"},
                ],
            }
            for vulnerability, package, version, severity in found
        ]
    }


def enhanced_findings(found: list[tuple[str, str, int, str]]) -> dict[str, Any]:
    """As enhanced scanning shows them."""
    return {
        "enhancedFindings": [
            {
                "severity": severity,
                "status": "ACTIVE",
                "title": f"{vulnerability} - {package}",
                "type": "PACKAGE_VULNERABILITY",
                "packageVulnerabilityDetails": {
                    "vulnerabilityId": vulnerability,
                    "vulnerablePackages": [{"name": package, "version": f"{version}.0"}],
                },
            }
            for vulnerability, package, version, severity in found
        ]
    }
