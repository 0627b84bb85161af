"""The findings document of a repository: what is and was found in it, since when, and in which images.

It carries its own list of images, so that a feed needs nothing else, and changes only when the findings or that list
change: completion times and scan states are the ledger's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.changes.masks import bits, from_ranges, mask_of, to_ranges
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.severity import ORDER, Severity, most_severe
from ecr_rescan.core.times import from_text, to_text

SCHEMA = 1

FindingKey = tuple[str, str]
"""(vulnerability, package): with registry, Region and repository, the recorded identity of a finding."""


@dataclass(slots=True)
class Manifest:
    """One scannable, single-platform image; its position in the document is its bit in every mask.

    ``result_at`` is the completion of the result that last changed this document (None: no complete result yet).
    ``unconfirmed`` says why the newest scan gave no result (FAILED, UNSUPPORTED …), where it did not. ``vanished_at``:
    since when its results lack most of what they had, which is kept for a while. ``release``: of which distribution it
    is, such as ``Debian 11``, as its findings told once.
    """

    digest: str
    platform: str | None = None
    result_at: datetime | None = None
    scan_type: ScanType | None = None
    unconfirmed: str | None = None
    vanished_at: datetime | None = None
    release: str | None = None


@dataclass(slots=True)
class Image:
    """What tags name: a single-platform image or an image index, with the manifests that are scanned for it.

    ``took`` tells, per tag, the image that held it before, as long as this one lacks results: its findings stand in.
    ``appeared_at`` is the push, or that of the image without results whose tag it took.
    """

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    manifests: int
    appeared_at: datetime
    changed_at: datetime
    took: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class News:
    """What an opening was to one configuration.

    ``wave``: when the alert began that this opening belongs to; None where it was baseline.
    ``severity``: the configuration's severity when it became news. ``raised``: (when, to what) it escalated.
    """

    wave: datetime | None
    severity: Severity
    raised: tuple[tuple[datetime, Severity], ...] = ()


@dataclass(slots=True)
class Closing:
    """Why (see ``closing``) and when nothing was affected any more; ``severity`` and ``tags`` of what was last."""

    at: datetime
    reason: str
    severity: Severity
    tags: tuple[str, ...]


@dataclass(slots=True)
class Opening:
    """A stretch of time in which images of the repository were affected.

    ``affected``: version of the package → severity → mask of manifests. ``peaks``: higher severities that manifests
    had earlier in this opening → mask. ``unreported``: the affected manifests whose newest result lacks it, though it
    still counts. ``news``: by configuration id; none for a configuration means baseline.
    """

    at: datetime
    affected: dict[str, dict[Severity, int]] = field(default_factory=dict)
    peaks: dict[Severity, int] = field(default_factory=dict)
    unreported: int = 0
    news: dict[str, News] = field(default_factory=dict)
    closed: Closing | None = None

    @property
    def mask(self) -> int:
        """All affected manifests."""
        mask = 0
        for by_severity in self.affected.values():
            for part in by_severity.values():
                mask |= part
        return mask

    def severity(self, mask: int) -> Severity:
        """The highest severity now among these manifests."""
        return most_severe(
            [severity for parts in self.affected.values() for severity, part in parts.items() if part & mask]
        )

    def peak(self, mask: int) -> Severity:
        """The highest severity that any of these manifests had in this opening."""
        earlier = [severity for severity, part in self.peaks.items() if part & mask]
        return most_severe([self.severity(mask), *earlier])


@dataclass(slots=True)
class Finding:
    """A (vulnerability, package) of the repository. At most one opening, the last, is open.

    ``fixes``: affected version → the version that mends it, where a result named one.
    """

    first_seen: datetime
    updated_at: datetime
    fixes: dict[str, str] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)

    @property
    def current(self) -> Opening | None:
        """The opening that is open, if one is."""
        return self.openings[-1] if self.openings and self.openings[-1].closed is None else None


@dataclass(slots=True)
class Advisory:
    """What is said of a vulnerability, stored once. ``source`` is the manifest whose result it was taken from."""

    description: str
    uri: str
    score: str | None
    vector: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that a configuration has not been told yet: an alert began, or rose, ``at`` this time."""

    config_id: str
    vulnerability: str
    package: str
    wave: datetime | None
    at: datetime


@dataclass(slots=True)
class FindingsDocument:
    """All of one repository. ``since`` is when the service first listed it, ``changed_at`` the last real change.

    ``images_version``: the version of the ledger whose images are listed here.
    """

    registry: str
    region: str
    repository: str
    since: datetime
    changed_at: datetime
    manifests: list[Manifest | None] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)
    findings: dict[FindingKey, Finding] = field(default_factory=dict)
    advisories: dict[str, Advisory] = field(default_factory=dict)
    outbox: list[Announcement] = field(default_factory=list)
    images_version: int = 0

    def manifests_of(self, mask: int) -> Iterator[Manifest]:
        """The manifests in a mask, by position."""
        for position in bits(mask):
            manifest = self.manifests[position]
            if manifest is not None:
                yield manifest

    @property
    def with_result(self) -> int:
        """The manifests that have had a complete result."""
        return mask_of(
            place for place, one in enumerate(self.manifests) if one is not None and one.result_at is not None
        )

    def to_json(self) -> bytes:
        """The document's one and only form: the same content gives the same bytes."""
        findings: dict[str, dict[str, Any]] = {}
        for (vulnerability, package), finding in sorted(self.findings.items()):
            findings.setdefault(vulnerability, {})[package] = finding_to_wire(finding)
        wire = {
            "schema": SCHEMA,
            "registry": self.registry,
            "region": self.region,
            "repository": self.repository,
            "since": to_text(self.since),
            "changed_at": to_text(self.changed_at),
            "images_version": self.images_version,
            "manifests": [None if manifest is None else _manifest_to_wire(manifest) for manifest in self.manifests],
            "images": [_image_to_wire(image) for _, image in sorted(self.images.items())],
            "findings": findings,
            "advisories": {name: _advisory_to_wire(advisory) for name, advisory in sorted(self.advisories.items())},
            "outbox": sorted(_announcement_to_wire(item) for item in self.outbox),
        }
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> FindingsDocument:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no findings document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="findings document")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> FindingsDocument:
        return cls(
            registry=wire["registry"],
            region=wire["region"],
            repository=wire["repository"],
            since=from_text(wire["since"]),
            changed_at=from_text(wire["changed_at"]),
            images_version=int(wire.get("images_version", 0)),
            manifests=[None if item is None else _manifest_from_wire(item) for item in wire["manifests"]],
            images={item["digest"]: _image_from_wire(item) for item in wire["images"]},
            findings={
                (vulnerability, package): _finding_from_wire(item)
                for vulnerability, packages in wire["findings"].items()
                for package, item in packages.items()
            },
            advisories={name: _advisory_from_wire(item) for name, item in wire["advisories"].items()},
            outbox=[announcement_from_wire(item) for item in wire["outbox"]],
        )


# Calling an enum takes several times as long as a look-up.
_SEVERITIES = {severity.value: severity for severity in Severity}
_SCAN_TYPES = {scan_type.value: scan_type for scan_type in ScanType}


def _compact(**members: Any) -> dict[str, Any]:
    """Without what is empty: it is read back as the default."""
    return {name: value for name, value in members.items() if value not in (None, "", {}, [], ())}


def _manifest_to_wire(manifest: Manifest) -> dict[str, Any]:
    return _compact(
        digest=manifest.digest,
        platform=manifest.platform,
        result_at=manifest.result_at and to_text(manifest.result_at),
        scan_type=manifest.scan_type,
        unconfirmed=manifest.unconfirmed,
        vanished_at=manifest.vanished_at and to_text(manifest.vanished_at),
        release=manifest.release,
    )


def _manifest_from_wire(wire: dict[str, Any]) -> Manifest:
    return Manifest(
        digest=wire["digest"],
        platform=wire.get("platform"),
        result_at=from_text(wire["result_at"]) if "result_at" in wire else None,
        scan_type=_SCAN_TYPES[wire["scan_type"]] if "scan_type" in wire else None,
        unconfirmed=wire.get("unconfirmed"),
        vanished_at=from_text(wire["vanished_at"]) if "vanished_at" in wire else None,
        release=wire.get("release"),
    )


def _image_to_wire(image: Image) -> dict[str, Any]:
    return _compact(
        digest=image.digest,
        tags=list(image.tags),
        pushed_at=to_text(image.pushed_at),
        manifests=to_ranges(image.manifests),
        appeared_at=None if image.appeared_at == image.pushed_at else to_text(image.appeared_at),
        changed_at=to_text(image.changed_at),
        took=dict(sorted(image.took.items())),
    )


def _image_from_wire(wire: dict[str, Any]) -> Image:
    return Image(
        digest=wire["digest"],
        tags=tuple(wire.get("tags", ())),
        pushed_at=from_text(wire["pushed_at"]),
        manifests=from_ranges(wire.get("manifests", "")),
        appeared_at=from_text(wire.get("appeared_at", wire["pushed_at"])),
        changed_at=from_text(wire["changed_at"]),
        took=dict(wire.get("took", {})),
    )


def finding_to_wire(finding: Finding) -> dict[str, Any]:
    """A finding's form in the document; also what is compared to tell whether it changed."""
    return _compact(
        first_seen=to_text(finding.first_seen),
        updated_at=to_text(finding.updated_at),
        fixes=dict(sorted(finding.fixes.items())),
        openings=[_opening_to_wire(opening) for opening in finding.openings],
    )


def _finding_from_wire(wire: dict[str, Any]) -> Finding:
    return Finding(
        from_text(wire["first_seen"]),
        from_text(wire["updated_at"]),
        wire.get("fixes", {}),
        [_opening_from_wire(item) for item in wire["openings"]],
    )


def _severities_to_wire(parts: dict[Severity, int]) -> dict[str, str]:
    return {severity.value: to_ranges(parts[severity]) for severity in sorted(parts, key=ORDER.__getitem__)}


def _severities_from_wire(wire: dict[str, str]) -> dict[Severity, int]:
    return {_SEVERITIES[severity]: from_ranges(ranges) for severity, ranges in wire.items()}


def _opening_to_wire(opening: Opening) -> dict[str, Any]:
    closed = opening.closed
    return _compact(
        at=to_text(opening.at),
        affected={version: _severities_to_wire(parts) for version, parts in sorted(opening.affected.items())},
        peaks=_severities_to_wire(opening.peaks),
        unreported=to_ranges(opening.unreported),
        news={config_id: _news_to_wire(news) for config_id, news in sorted(opening.news.items())},
        closed=closed and _closing_to_wire(closed),
    )


def _closing_to_wire(closing: Closing) -> dict[str, Any]:
    severity, tags = closing.severity.value, list(closing.tags)
    return {"at": to_text(closing.at), "reason": closing.reason, "severity": severity, "tags": tags}


def _closing_from_wire(wire: dict[str, Any]) -> Closing:
    return Closing(from_text(wire["at"]), wire["reason"], _SEVERITIES[wire["severity"]], tuple(wire["tags"]))


def _opening_from_wire(wire: dict[str, Any]) -> Opening:
    # There are hundreds of thousands of them, most without peaks, news and closing.
    return Opening(
        from_text(wire["at"]),
        {version: _severities_from_wire(parts) for version, parts in wire.get("affected", {}).items()},
        _severities_from_wire(wire["peaks"]) if "peaks" in wire else {},
        from_ranges(wire["unreported"]) if "unreported" in wire else 0,
        {config_id: _news_from_wire(item) for config_id, item in wire["news"].items()} if "news" in wire else {},
        _closing_from_wire(wire["closed"]) if "closed" in wire else None,
    )


def _news_to_wire(news: News) -> dict[str, Any]:
    return _compact(
        wave=news.wave and to_text(news.wave),
        severity=news.severity.value,
        raised=[[to_text(at), severity.value] for at, severity in news.raised],
    )


def _news_from_wire(wire: dict[str, Any]) -> News:
    return News(
        wave=from_text(wire["wave"]) if "wave" in wire else None,
        severity=_SEVERITIES[wire["severity"]],
        raised=tuple((from_text(at), _SEVERITIES[severity]) for at, severity in wire.get("raised", ())),
    )


def _advisory_to_wire(advisory: Advisory) -> dict[str, Any]:
    description, uri, score, vector = advisory.description, advisory.uri, advisory.score, advisory.vector
    return _compact(description=description, uri=uri, score=score, vector=vector, source=advisory.source)


def _advisory_from_wire(wire: dict[str, Any]) -> Advisory:
    return Advisory(
        wire.get("description", ""), wire.get("uri", ""), wire.get("score"), wire.get("vector"), wire["source"]
    )


def _announcement_to_wire(item: Announcement) -> list[str]:
    wave = to_text(item.wave) if item.wave else ""
    return [item.config_id, item.vulnerability, item.package, wave, to_text(item.at)]


def announcement_from_wire(wire: list[str]) -> Announcement:
    """An entry of the outbox, as stored."""
    config_id, vulnerability, package, wave, at = wire
    return Announcement(config_id, vulnerability, package, from_text(wave) if wave else None, from_text(at))
