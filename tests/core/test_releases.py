"""The release of an image by its findings, and the table of ends of support."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from ecr_rescan.core.releases import last_end, release, release_of, table, table_date
from ecr_rescan.core.scan_result import ScanFinding
from ecr_rescan.core.severity import Severity

ROOT = Path(__file__).parents[2]
UBUNTU = "http://people.ubuntu.com/~ubuntu-security/cve/CVE-1"
DEBIAN, REDHAT = "https://security-tracker.debian.org/tracker/CVE-1", "https://access.redhat.com/security/cve/CVE-1"


def told(*versions: str, uri: str = DEBIAN) -> str | None:
    return release_of(ScanFinding("CVE-1", "pkg", version, Severity.LOW, uri=uri) for version in versions)


@pytest.mark.parametrize(
    ("version", "uri", "name"),
    [
        ("2.41-12+deb13u3", DEBIAN, "Debian 13"),
        ("3.0.14-1~deb12u2", DEBIAN, "Debian 12"),
        ("5.36.0-7+deb11u1+b1", DEBIAN, "Debian 11"),
        ("14.2.0-19", DEBIAN, "Debian"),
        ("1.3.dfsg+really1.3.1-1", DEBIAN, "Debian"),
        ("1:4.1.48-4+deb11u2ubuntu0.1~esm1", "", "Ubuntu"),
        ("1:4.1.48-4+deb11u2build0.22.04.1", "", "Ubuntu 22.04"),
        ("1.12.0-1~ubuntu16.04.3+esm1", "", "Ubuntu 16.04"),
        ("1.16.0-1ubuntu1.1~18.04.4", "", "Ubuntu 18.04"),
        ("0.6.16-2ubuntu12.10", "", "Ubuntu"),
        ("1.06-6.1", UBUNTU, "Ubuntu"),
        ("2.9.10+dfsg-5ubuntu0.20.04.7", "", "Ubuntu 20.04"),
        ("1.2-3ubuntu1.22.04", "", "Ubuntu 22.04"),
        ("2.2.19-3ubuntu2.2", "", "Ubuntu"),
        ("1.8.5-5ubuntu1", "", "Ubuntu"),
        ("0.19.8.1-2.amzn2.0.2", "", "Amazon Linux 2"),
        ("3.0.8-1.amzn2023.0.1", "", "Amazon Linux 2023"),
        ("1.1.1k-9.el8_10", REDHAT, "Red Hat Enterprise Linux 8"),
        ("4.18.0-2.el9", REDHAT, "Red Hat Enterprise Linux 9"),
        ("4.18.0-2.el9", "", None),
        ("1.2.3-r4", "", "Alpine"),
        ("14.2.0-19", "", None),
        ("", "", None),
    ],
)
def test_suffixes_tell_the_release(version: str, uri: str, name: str | None) -> None:
    """As ECR's findings have them; a guess is worse than nothing."""
    assert told(version, uri=uri) == name


def test_the_majority_tells_and_a_contradiction_tells_nothing() -> None:
    """A backport among many changes nothing; one against one is unknown."""
    assert told("1+deb11u1", "2+deb11u2", "3+deb12u1", "14.2.0-19") == "Debian 11"
    assert told("1+deb11u1", "3+deb12u1") is None
    assert told("1+deb11u1", "3+deb12u1", "14.2.0-19") is None
    assert told("14.2.0-19", "1.2.3-r4", uri="") == "Alpine"
    assert told() is None


@pytest.mark.parametrize(
    ("file", "name"),
    [("debian13-2026-09.json", "Debian 13"), ("ubuntu2004-2025-01.json", "Ubuntu 20.04")],
)
def test_real_findings_tell_their_release(file: str, name: str) -> None:
    """Excerpts of published results."""
    wire = json.loads((ROOT / "tests" / "data" / "signals" / file).read_text())
    findings = [
        ScanFinding(
            one["name"],
            "",
            next((item["value"] for item in one["attributes"] if item["key"] == "package_version"), ""),
            Severity.LOW,
            uri=one.get("uri", ""),
        )
        for one in wire["imageScanFindings"]["findings"]
    ]
    assert release_of(findings) == name


def test_free_support_counts_and_paid_support_does_not() -> None:
    """Debian's LTS is free; Ubuntu's ESM is not. A date that nobody gives is none."""
    assert release("Debian 11").ends == date(2026, 8, 31)  # type: ignore[union-attr]
    assert release("Ubuntu 20.04").ends == date(2025, 5, 31)  # type: ignore[union-attr]
    assert release("Oracle Linux 10").ends is None  # type: ignore[union-attr]
    assert release("Plan 9") is None
    debian = release("Debian 11")
    assert debian is not None
    assert [debian.ended_on(date(2026, 8, 31)), debian.ended_on(date(2026, 9, 1))] == [False, True]
    assert last_end(date(2026, 9, 1)) == date(2026, 8, 31)


def test_the_table_is_not_older_than_a_year() -> None:
    """Counted to the newest date that the project itself names: a test must not fail because a day went by."""
    text = (ROOT / "CHANGELOG.md").read_text() + "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    named = [date.fromisoformat(found) for found in re.findall(r"\b20\d\d-\d\d-\d\d\b", text)]
    past = [day for day in named if day <= table_date() + timedelta(days=3650)]
    assert max(past, default=table_date()) - table_date() <= timedelta(days=366)
    assert len(table()) > 200
