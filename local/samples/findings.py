"""Findings in the shapes that ECR and Inspector give them, made from fixed tables: the same on every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One vulnerability of one package, as a basic scan reports it; scores and texts may be missing."""

    name: str
    severity: str
    package: str
    version: str
    uri: str
    description: str | None = None
    vector: str | None = None
    score: str | None = None

    def to_wire(self) -> Wire:
        """The finding as in ``imageScanFindings.findings``."""
        values = [
            ("package_version", self.version),
            ("package_name", self.package),
            ("CVSS3_VECTOR", self.vector),
            ("CVSS3_SCORE", self.score),
        ]
        finding: Wire = {
            "name": self.name,
            "uri": self.uri,
            "severity": self.severity,
            "attributes": [{"key": key, "value": value} for key, value in values if value is not None],
        }
        return finding | ({"description": self.description} if self.description else {})


def alpine(name: str, severity: str, package: str, version: str) -> Vulnerability:
    """As for Alpine images: no description, a link to MITRE."""
    return Vulnerability(name, severity, package, version, f"http://cve.mitre.org/cgi-bin/cvename.cgi?name={name}")


def debian(
    name: str, severity: str, package: str, version: str, description: str, score: str | None = None
) -> Vulnerability:
    """As for Debian images: the tracker's link, mostly a description, CVSS where it was rated."""
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N" if score else None
    return Vulnerability(
        name,
        severity,
        package,
        version,
        f"https://security-tracker.debian.org/tracker/{name}",
        description,
        vector,
        score,
    )


# Source packages of a Debian 12 base image with their binary packages: one CVE is reported for each binary package.
_PACKAGES = (
    ("glibc", "2.36-9+deb12u8", ("libc6", "libc-bin")),
    ("openssl", "3.0.14-1~deb12u2", ("openssl", "libssl3")),
    ("systemd", "252.30-1~deb12u2", ("libsystemd0", "libudev1")),
    ("util-linux", "2.38.1-5+deb12u1", ("util-linux", "libmount1", "libuuid1")),
    ("perl", "5.36.0-7+deb12u1", ("perl-base",)),
    ("tar", "1.34+dfsg-1.2+deb12u1", ("tar",)),
    ("zlib", "1:1.2.13.dfsg-1", ("zlib1g",)),
    ("gnupg2", "2.2.40-1.1", ("gpgv", "gnupg")),
    ("shadow", "1:4.13+dfsg1-1+b1", ("login", "passwd")),
    ("ncurses", "6.4-4", ("libtinfo6", "ncurses-bin")),
    ("krb5", "1.20.1-2+deb12u2", ("libkrb5-3", "libgssapi-krb5-2")),
    ("curl", "7.88.1-10+deb12u7", ("curl", "libcurl4")),
    ("apt", "2.6.1", ("apt",)),
    ("sqlite3", "3.40.1-2", ("libsqlite3-0",)),
)
_FAULTS = (
    "A buffer overflow in {} allows remote attackers to cause a denial of service (crash) via a crafted <input>.",
    "An integer overflow in {} leads to a heap-based out-of-bounds write when lengths > 2^31 are given.",
    "{} before its latest release mishandles '\\0' bytes & **escapes**, so local users read other users' files.",
    "A use-after-free in {} can be triggered by a server that answers twice.",
    "{} does not check the return value of a system call and goes on with more rights than it should have.",
)
# Most findings of a distribution's base image are informational; a few are not rated at all.
_SEVERITIES = ("INFORMATIONAL",) * 14 + ("LOW",) * 3 + ("MEDIUM",) * 4 + ("HIGH",) * 2 + ("UNDEFINED",)
_SCORES = {"LOW": "3.3", "MEDIUM": "5.9", "HIGH": "7.8"}


def base_image(number: int) -> Iterator[Vulnerability]:
    """``number`` findings of a Debian base image, several packages sharing a CVE."""
    made = cve = 0
    while made < number:
        source, version, packages = _PACKAGES[cve % len(_PACKAGES)]
        severity = _SEVERITIES[cve * 7 % len(_SEVERITIES)]
        name = f"CVE-{2011 + cve % 15}-{1000 + cve * 37}"
        text = "" if severity == "UNDEFINED" else _FAULTS[cve % len(_FAULTS)].format(source)
        for package in packages[: number - made]:
            yield debian(name, severity, package, version, text, _SCORES.get(severity))
            made += 1
        cve += 1


def inspector(
    name: str, severity: str, package: str, version: str, fixed_in: str | None, *, registry: str, image: str
) -> Wire:
    """The finding as Inspector reports it (``enhancedFindings``); UNTRIAGED is a severity there."""
    return {
        "awsAccountId": registry,
        "findingArn": f"arn:aws:inspector2:us-east-1:{registry}:finding/{abs(hash_text(name + package)):032x}",
        "title": f"{name} - {package}",
        "description": f"{package} parses untrusted input in a way that an attacker can use.\n\nNone Provided",
        "severity": severity,
        "score": {"CRITICAL": 9.8, "HIGH": 8.1, "MEDIUM": 5.5}.get(severity, 0.0),
        "status": "ACTIVE",
        "type": "PACKAGE_VULNERABILITY",
        "fixAvailable": "YES" if fixed_in else "NO",
        "exploitAvailable": "NO",
        "firstObservedAt": 1767225600.0,
        "lastObservedAt": 1767225600.0,
        "updatedAt": 1767225600.0,
        "packageVulnerabilityDetails": {
            "vulnerabilityId": name,
            "source": "NVD",
            "sourceUrl": f"https://nvd.nist.gov/vuln/detail/{name}",
            "vendorSeverity": severity.lower(),
            "referenceUrls": [f"https://nvd.nist.gov/vuln/detail/{name}"],
            "relatedVulnerabilities": [],
            "cvss": [],
            "vulnerablePackages": [
                {"name": package, "version": version, "packageManager": "PYTHON", "filePath": "app/requirements.txt"}
                | ({"fixedInVersion": fixed_in} if fixed_in else {})
            ],
        },
        "remediation": {"recommendation": {"text": "None Provided"}},
        "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": image}],
    }


def hash_text(text: str) -> int:
    """A number for a text, the same in every process (unlike ``hash``)."""
    value = 0
    for character in text:
        value = (value * 131 + ord(character)) % (1 << 127)
    return value
