"""Made-up records of a registry, the same every time: ledgers and findings documents as StartScan leaves them.

Shaped as registries are: repositories share base images, so most of a vulnerability's places come from a few families;
a repository's images share most findings; texts are a few hundred characters; some openings are news, most baseline.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ecr_rescan.core.changes.findings import (
    Advisory,
    Closing,
    Finding,
    FindingKey,
    FindingsDocument,
    Image,
    Manifest,
    News,
    Opening,
)
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import account_key, config_key, findings_key, images_key, tokens_key
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.tokens import TokenSet

REGISTRY = "123456789012"
REGION = "us-east-1"
CONFIG_ID = "6f2d3c1e-8a47-4b0e-9c55-1d7e2a90b3f4"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RANDOM_BYTES = bytes(range(32))

_FAMILIES = 20
_SEVERITIES = [Severity.CRITICAL] * 2 + [Severity.HIGH] * 8 + [Severity.MEDIUM] * 20 + [Severity.LOW] * 18
_PHRASES = (
    "A flaw was found in the way that the library handles length fields of crafted input",
    "which allows a remote attacker to cause a denial of service",
    "or possibly have unspecified other impact via a long string",
    "because the result of an allocation is not checked",
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: images per repository, findings per image."""

    repositories: int
    images: int
    findings: int

    @property
    def all_images(self) -> int:
        """Images in all repositories."""
        return self.repositories * self.images


def digest(*parts: object) -> str:
    """A digest that looks like one."""
    return f"sha256:{random.Random(repr(parts)).getrandbits(256):064x}"


def repository_name(number: int) -> str:
    """Such as ``team-3/service-17``."""
    return f"team-{number % 8}/service-{number}"


def image_name(number: int, place: int) -> str:
    """One of a repository's images, in full."""
    return f"{REGISTRY}.dkr.ecr.{REGION}.amazonaws.com/{repository_name(number)}:1.{place}"


def configuration(repository: str = "team-*") -> ScanConfiguration:
    """A configuration of everything, or of one repository."""
    body = {"region": REGION, "registry": REGISTRY, "repository": repository, "description": "All services"}
    return ScanConfiguration.from_wire(body, id=CONFIG_ID, now=NOW - timedelta(days=30))


def findings_document(number: int, scale: Scale) -> FindingsDocument:
    """One repository: every image has ``scale.findings`` findings, two thirds of them from its base images."""
    chance = random.Random(f"findings of {number}")
    document = FindingsDocument(REGISTRY, REGION, repository_name(number), NOW - timedelta(days=40), NOW)
    for place in range(scale.images):
        document.manifests.append(
            Manifest(digest(number, place), "linux/amd64", NOW - timedelta(hours=3), ScanType.BASIC)
        )
        pushed = NOW - timedelta(days=1, hours=place)
        name = digest(number, place)
        document.images[name] = Image(name, (f"1.{place}",), pushed, 1 << place, pushed, pushed)
    everybody, half = (1 << scale.images) - 1, (1 << scale.images // 2) - 1
    shared = scale.findings * 2 // 3
    for place, key in enumerate(_keys(number, shared, scale.findings + scale.findings // 5)):
        # Of the last two fifths each is in one half of the images: the older and the newer version of a package.
        split = place >= scale.findings - scale.findings // 5
        mask = everybody if not split else half if place % 2 else everybody & ~half
        document.findings[key] = _finding(chance, mask, place)
        document.advisories.setdefault(key[0], _advisory(chance, digest(number, 0)))
    return document


def ledger(number: int, scale: Scale) -> Ledger:
    """The image ledger of the same repository, all scanned three hours ago."""
    made = Ledger(REGISTRY, REGION, repository_name(number), since=NOW - timedelta(days=40), listed_at=NOW)
    for place in range(scale.images):
        pushed = NOW - timedelta(days=1, hours=place)
        made.images[digest(number, place)] = LedgerImage(pushed, tags={f"1.{place}": pushed})
        made.manifests[digest(number, place)] = ManifestRecord(
            platform="linux/amd64",
            state=ScanState.COMPLETE,
            looked_up=True,
            claimed_at=NOW - timedelta(hours=3, minutes=2),
            completed_at=NOW - timedelta(hours=3),
            scan_type=ScanType.BASIC,
            counts={Severity.HIGH: scale.findings},
        )
    return made


def bucket(scale: Scale, *, of: ScanConfiguration | None = None) -> Iterator[tuple[str, bytes]]:
    """Keys and bodies of everything that a deployment with one configuration holds."""
    yield config_key(CONFIG_ID), (of or configuration()).to_document()
    tokens, _ = TokenSet().add("default", random_bytes=RANDOM_BYTES, now=NOW)
    yield tokens_key(CONFIG_ID), tokens.to_document()
    names = tuple(sorted(map(repository_name, range(scale.repositories))))
    account = Account(REGISTRY, REGION, scan_type_at=NOW, repositories=names, repositories_at=NOW, events_at=NOW)
    yield account_key(REGISTRY, REGION), account.to_json()
    for number in range(scale.repositories):
        name = repository_name(number)
        yield images_key(REGISTRY, REGION, name), ledger(number, scale).to_json()
        yield findings_key(REGISTRY, REGION, name), findings_document(number, scale).to_json()


def unrecorded(images: int) -> Iterator[tuple[str, bytes]]:
    """A deployment with one repository, all of whose images are being scanned for the first time."""
    yield config_key(CONFIG_ID), configuration().to_document()
    made = ledger(0, Scale(1, images, 0))
    for record in made.manifests.values():
        record.state, record.completed_at, record.counts = ScanState.IN_PROGRESS, None, {}
        record.claimed_at = NOW - timedelta(minutes=2)
    yield images_key(REGISTRY, REGION, made.repository), made.to_json()


def scans(findings: int) -> list[list[dict[str, object]]]:
    """ECR's findings of ten kinds of images, which share most of theirs."""
    chance = random.Random("scans")
    pool: list[dict[str, object]] = []
    for place in range(findings * 6 // 5):
        advisory = _advisory(chance, "")
        pool.append(
            {
                "name": f"CVE-2025-{place}",
                "severity": chance.choice(_SEVERITIES).value,
                "description": advisory.description,
                "uri": advisory.uri,
                "attributes": [
                    {"key": "package_name", "value": f"lib{place % 90}"},
                    {"key": "package_version", "value": f"1.{place % 7}"},
                    {"key": "CVSS3_SCORE", "value": "7.5"},
                ],
            }
        )
    return [chance.sample(pool, findings) for _ in range(10)]


def token() -> str:
    """What opens the feed."""
    return TokenSet().add("default", random_bytes=RANDOM_BYTES, now=NOW)[1]


def _keys(number: int, shared: int, total: int) -> list[FindingKey]:
    family = number % _FAMILIES
    keys = [(f"CVE-2025-{family * 1000 + place}", f"lib{place % 90}") for place in range(shared)]
    own = [(f"CVE-2024-{(number * 37 + place * 11) % 20_000}", f"package-{place % 300}") for place in range(total)]
    return list(dict.fromkeys(keys + own))[:total]


def _finding(chance: random.Random, mask: int, place: int) -> Finding:
    seen = NOW - timedelta(days=chance.randrange(1, 30), seconds=chance.randrange(86_400))
    severity = chance.choice(_SEVERITIES)
    version = f"{chance.randrange(4)}.{chance.randrange(20)}.{chance.randrange(20)}"
    finding = Finding(seen, seen, {version: f"{version}-fixed"} if place % 2 else {})
    if place % 10 == 0:
        closing = Closing(seen, "fixed", severity, ("1.0",))
        finding.openings.append(Opening(seen - timedelta(days=5), {version: {severity: mask}}, closed=closing))
    opening = Opening(seen, {version: {severity: mask}})
    if place % 8 == 0:
        wave = seen.replace(hour=0, minute=0, second=0)
        opening.news[CONFIG_ID] = News(wave, severity)
    finding.openings.append(opening)
    return finding


def _advisory(chance: random.Random, source: str) -> Advisory:
    text = " ".join(chance.choices(_PHRASES, k=chance.randrange(2, 11)))
    uri = f"https://security.example.com/{chance.randrange(10**9)}"
    return Advisory(text, uri, "7.5", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", source)
