"""A registry in a few words, and what the service records of it: the stage of the tests of the change rules.

``World`` does with the core what StartScan does with it: it lists and records, remembers the newest completion of each
manifest, asks for waves, announces, and writes every document down as bytes before it reads it again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.changes.recording import Changes, Update, announce, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scan_result import ScanFinding, ScanResult, ScanType
from ecr_rescan.core.severity import Severity

REGISTRY = "123456789012"
REGION = "eu-west-1"
BEGAN = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""When the service is deployed, in these worlds."""

CRITICAL, HIGH, MEDIUM, LOW, UNDEFINED = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.MEDIUM,
    Severity.LOW,
    Severity.UNDEFINED,
)


def configuration(name: str = "a", **changes: Any) -> ScanConfiguration:
    """A scan configuration of all repositories, named by one letter or word."""
    made = ScanConfiguration(
        id=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        created=BEGAN,
        updated=BEGAN,
        selected_since=BEGAN,
        region=REGION,
        registry=REGISTRY,
        repository=("*",),
    )
    return replace(made, **changes)


def found(vulnerability: str, severity: Severity = HIGH, **changes: Any) -> ScanFinding:
    """One finding of a result."""
    return replace(ScanFinding(vulnerability, "pkg", "1.0", severity), **changes)


def scan_result(
    digest: str, at: datetime, findings: Iterable[ScanFinding | str], scan_type: ScanType = ScanType.BASIC
) -> ScanResult:
    """A complete result; a finding given by its name alone is HIGH."""
    listed = tuple(found(item) if isinstance(item, str) else item for item in findings)
    return ScanResult(digest, at, scan_type, listed)


class World:
    """One registry, the time, and all documents as they are stored."""

    def __init__(self, *configurations: ScanConfiguration, began: datetime = BEGAN) -> None:
        self.configurations = list(configurations) or [configuration()]
        self.now = began
        self.images: dict[str, dict[str, ImageFact]] = {}
        self.documents: dict[str, bytes] = {}
        self.notices: dict[str, bytes] = {}
        self.completed: dict[tuple[str, str], datetime] = {}
        self.changes = Changes()

    def wait(self, hours: float) -> None:
        """Let time pass; on whole seconds."""
        self.now += timedelta(hours=hours)

    def push(
        self,
        digest: str,
        *tags: str,
        repository: str = "app",
        platforms: Iterable[str] = (),
        hours_ago: float = 0,
        listed: bool = True,
    ) -> Changes:
        """An image appears, or an old one gets more tags. The manifests of an index are named ``digest/platform``."""
        images = self.images.setdefault(repository, {})
        for other, fact in list(images.items()):
            images[other] = replace(fact, tags=tuple(tag for tag in fact.tags if tag not in tags))
        old = images.get(digest)
        if old is None:
            children: dict[str, str | None] = {f"{digest}/{platform}": platform for platform in platforms}
            manifests = children or {digest: None}
            old = ImageFact(digest, (), self.now - timedelta(hours=hours_ago), manifests)
        images[digest] = replace(old, tags=(*old.tags, *tags))
        return self.record(repository) if listed else Changes()

    def untag(self, *tags: str, repository: str = "app", listed: bool = True) -> Changes:
        """Tags are deleted; an image without any is gone as far as the service goes."""
        images = self.images[repository]
        for digest, fact in list(images.items()):
            images[digest] = replace(fact, tags=tuple(tag for tag in fact.tags if tag not in tags))
        return self.record(repository) if listed else Changes()

    def delete(self, digest: str, *, repository: str = "app", listed: bool = True) -> Changes:
        """An image is deleted with all its tags."""
        self.images[repository].pop(digest, None)
        return self.record(repository) if listed else Changes()

    def scan(
        self,
        results: Mapping[str, Iterable[ScanFinding | str]],
        *,
        repository: str = "app",
        scan_type: ScanType = ScanType.BASIC,
        failed: Iterable[str] = (),
        hours_ago: float = 0,
    ) -> Changes:
        """Scans end: manifest → what was found in it; ``failed`` gave no result."""
        at = self.now - timedelta(hours=hours_ago)
        made = {digest: scan_result(digest, at, findings, scan_type) for digest, findings in results.items()}
        return self.record(repository, made, dict.fromkeys(failed, "FAILED"))

    def record(
        self,
        repository: str = "app",
        results: Mapping[str, ScanResult] | None = None,
        failed: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Changes:
        """What a worker does: list, drop what is older than what the ledger knows, merge, announce, write."""
        images = [fact for fact in self.images.get(repository, {}).values() if fact.tags]
        fresh = {}
        for digest, result in (results or {}).items():
            last = self.completed.get((repository, digest))
            if last is None or result.completed_at >= last:
                fresh[digest] = result
                self.completed[repository, digest] = result.completed_at
        document = self.document(repository)
        changes = record(document, Update(images, fresh, failed or {}), self.configurations, self.now, **options)
        waves = {}
        for config_id in sorted({*changes.opened, *changes.raised}):
            notices = self.notices_of(config_id)
            waves[config_id] = notices.join_waves(changes.opened.get(config_id, ()), self.now)
            self.notices[config_id] = notices.to_json()
        announce(document, changes, waves, self.now)
        self.documents[repository] = document.to_json()
        self.changes = changes
        return changes

    def document(self, repository: str = "app") -> FindingsDocument:
        """The stored document, read; a new one where there is none."""
        body = self.documents.get(repository)
        if body is None:
            return FindingsDocument(REGISTRY, REGION, repository, self.now, self.now)
        return FindingsDocument.from_json("findings", body)

    def notices_of(self, config_id: str) -> Notices:
        """A configuration's notices."""
        body = self.notices.get(config_id)
        return Notices.from_json("notices", body) if body else Notices()

    def all_documents(self) -> list[FindingsDocument]:
        """Everything recorded."""
        return [self.document(repository) for repository in self.documents]

    def alerts(self, of: ScanConfiguration | None = None, **options: Any) -> list[Alert]:
        """The alerts of a configuration, by default the first."""
        return alerts(of or self.configurations[0], self.all_documents(), on=self.now.date(), **options)

    def kinds(self, of: ScanConfiguration | None = None, **options: Any) -> dict[str, str]:
        """Vulnerability → kind of alert, for worlds where each has one alert."""
        return {alert.vulnerability: alert.kind for alert in self.alerts(of, **options)}

    def ids(self, of: ScanConfiguration | None = None) -> set[str]:
        """The identities of a configuration's alerts."""
        return {alert.id for alert in self.alerts(of)}

    def news(self, of: ScanConfiguration | None = None) -> list[str]:
        """The vulnerabilities of which the last step told a configuration that they are there, or are back."""
        return [vulnerability for vulnerability, _ in self.changes.opened.get((of or self.configurations[0]).id, [])]

    def rises(self, of: ScanConfiguration | None = None) -> list[str]:
        """The vulnerabilities of which the last step told a configuration that they became more severe."""
        return [vulnerability for vulnerability, _ in self.changes.raised.get((of or self.configurations[0]).id, [])]

    def closings(self, repository: str = "app") -> dict[FindingKey, str]:
        """The findings that are closed → why."""
        findings = self.document(repository).findings
        return {
            key: finding.openings[-1].closed.reason
            for key, finding in findings.items()
            if finding.openings[-1].closed is not None
        }


def open_set(document: FindingsDocument) -> set[tuple[str, str, str, str, Severity]]:
    """All that is open: (vulnerability, package, manifest, version, severity)."""
    return {
        (*key, manifest.digest, version, severity)
        for key, finding in document.findings.items()
        if finding.current is not None
        for version, parts in finding.current.affected.items()
        for severity, mask in parts.items()
        for manifest in document.manifests_of(mask)
    }


def settled(*configurations: ScanConfiguration, findings: Iterable[ScanFinding | str] = ("CVE-OLD",)) -> World:
    """A world with one image, ``v1``, tagged ``latest``, whose baseline is recorded; a day later."""
    world = World(*configurations)
    world.push("v1", "latest", hours_ago=100)
    world.scan({"v1": findings})
    world.wait(24)
    return world
