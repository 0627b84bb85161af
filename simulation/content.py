"""What is in the images, and what is known of it: the script's own truth about findings, by build and time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.samples.images import Pushed, chart, image, multi_platform

Key = tuple[str, str]
"""(vulnerability, package)."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a tag can name. ``kind``: image, index, chart or scratch. ``packages``: name → version.

    ``parts``: for an index, everything pushed before it; ``platforms``: digests of its scannable manifests.
    """

    kind: str
    pushed: Pushed
    digest: str
    packages: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Pushed, ...] = ()
    platforms: tuple[str, ...] = ()

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
