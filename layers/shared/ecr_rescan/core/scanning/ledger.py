"""The image ledger of a repository: which images it holds, when each was scanned, and when each is due.

Written by StartScan alone, at every claim and every completion; the findings themselves are in ``findings``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.artifacts import INDEX_MEDIA_TYPES, is_image
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.times import from_text, from_text_or_none, to_text, to_text_or_none

SCHEMA = 1


class ScanState(enum.StrEnum):
    """What people see of a manifest's newest scan. None of them reads as "no vulnerabilities"."""

    NEVER_SCANNED = "NEVER_SCANNED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    UNSUPPORTED = "UNSUPPORTED"
    ARCHIVED = "ARCHIVED"
    EXPIRED = "EXPIRED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(slots=True)
class ManifestRecord:
    """What is known of one scannable manifest's scans.

    ``claimed_at``: a start was about to be sent, so it may have been accepted; the 24 hours run from it until a
    completion is seen. ``completed_at``: ECR's imageScanCompletedAt of the newest complete result. ``basic_at``: when
    the newest basic scan ended, where ``completed_at`` does not tell: it failed, or enhanced scanning hides it (then it
    may be when it was started).
    ``read_at``: when an enhanced result was last read: Inspector renews it when there is reason to.
    ``seen_by``: how the registry was scanned when ECR last said anything of the image's scans.
    ``retry_at``: not to be touched before (a cool-down). ``refusals``: how often in a row ECR refused.
    ``asked``: how often an overdue result was asked for, ``asked_at`` when last. ``counts``: by severity, of the newest
    complete result. ``failures``: consecutive scans without a result.
    """

    platform: str | None = None
    state: ScanState = ScanState.NEVER_SCANNED
    reason: str = ""
    looked_up: bool = False
    claimed_at: datetime | None = None
    completed_at: datetime | None = None
    basic_at: datetime | None = None
    read_at: datetime | None = None
    scan_type: ScanType | None = None
    seen_by: ScanType | None = None
    counts: dict[Severity, int] = field(default_factory=dict)
    retry_at: datetime | None = None
    failures: int = 0
    refusals: int = 0
    asked: int = 0
    asked_at: datetime | None = None


@dataclass(slots=True)
class LedgerImage:
    """An image of the repository: tagged, or a child of a tagged index.

    ``tags``: tag → since when it is known to name this image. ``children``: for an index, digest → platform of its
    scannable manifests, resolved once (None: not yet). ``gone``: those of them that ECR has no longer. ``resolve_at``:
    not to be resolved before, for it failed.
    """

    pushed_at: datetime
    tags: dict[str, datetime] = field(default_factory=dict)
    media_type: str = ""
    artifact_type: str = ""
    archived: bool = False
    children: dict[str, str | None] | None = None
    gone: dict[str, str | None] = field(default_factory=dict)
    resolve_at: datetime | None = None
    problem: str = ""

    @property
    def is_index(self) -> bool:
        """Whether its children are scanned in its place."""
        return self.media_type in INDEX_MEDIA_TYPES

    @property
    def is_scannable(self) -> bool:
        """Whether ECR scans artifacts of this kind; where ECR names no kind, it is tried."""
        return is_image(self)


@dataclass(slots=True)
class Ledger:
    """All of one repository. ``since``: first listed; ``listed_at``: when the last complete listing began.
    ``is_behind``: an event told of an image that the ledger does not have, so that it is to be listed again.

    ``attached``: what the last complete listing had of signatures and the like, kind → how many.
    ``missing_since``: ECR said RepositoryNotFound. ``problem``: why the repository can't be read at the moment,
    ``tried_at``: since when, as of the last try, ``refusals``: how often in a row ECR refused that.
    ``version``: counts the changes of what the findings are recorded for: the images that a configuration may select,
    and the configurations (``recorded_for``, a fingerprint; ``recorded_as_of``, when they were read). The findings
    document has a version, too. ``recorded_version``: one that it is known to have; it may have a later one.
    """

    registry: str
    region: str
    repository: str
    since: datetime
    listed_at: datetime | None = None
    missing_since: datetime | None = None
    problem: str = ""
    tried_at: datetime | None = None
    refusals: int = 0
    is_behind: bool = False
    version: int = 0
    recorded_version: int = 0
    recorded_for: str = ""
    recorded_as_of: datetime | None = None
    attached: dict[str, int] = field(default_factory=dict)
    images: dict[str, LedgerImage] = field(default_factory=dict)
    manifests: dict[str, ManifestRecord] = field(default_factory=dict)

    def manifests_of(self, digest: str) -> dict[str, str | None]:
        """The scannable manifests behind an image, digest → platform: itself, or an index's resolved children."""
        image = self.images[digest]
        if image.is_index:
            return image.children or {}
        return {digest: None}

    def to_json(self) -> bytes:
        """The document's one and only form: the same content gives the same bytes."""
        wire = {
            "schema": SCHEMA,
            "registry": self.registry,
            "region": self.region,
            "repository": self.repository,
            "since": to_text(self.since),
            "listed_at": to_text_or_none(self.listed_at),
            "missing_since": to_text_or_none(self.missing_since),
            "problem": self.problem,
            "tried_at": to_text_or_none(self.tried_at),
            "refusals": self.refusals,
            "is_behind": self.is_behind,
            "version": self.version,
            "recorded_version": self.recorded_version,
            "recorded_for": self.recorded_for,
            "recorded_as_of": to_text_or_none(self.recorded_as_of),
            "attached": dict(sorted(self.attached.items())),
            "images": {digest: _image_to_wire(image) for digest, image in sorted(self.images.items())},
            "manifests": {digest: _record_to_wire(record) for digest, record in sorted(self.manifests.items())},
        }
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Ledger:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no image ledger.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="image ledger")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Ledger:
        return cls(
            registry=wire["registry"],
            region=wire["region"],
            repository=wire["repository"],
            since=from_text(wire["since"]),
            listed_at=from_text_or_none(wire.get("listed_at")),
            missing_since=from_text_or_none(wire.get("missing_since")),
            problem=wire.get("problem", ""),
            tried_at=from_text_or_none(wire.get("tried_at")),
            refusals=wire.get("refusals", 0),
            is_behind=wire.get("is_behind", False),
            version=wire.get("version", 0),
            recorded_version=wire.get("recorded_version", 0),
            recorded_for=wire.get("recorded_for", ""),
            recorded_as_of=from_text_or_none(wire.get("recorded_as_of")),
            attached=wire.get("attached", {}),
            images={digest: _image_from_wire(item) for digest, item in wire["images"].items()},
            manifests={digest: _record_from_wire(item) for digest, item in wire["manifests"].items()},
        )


# Calling an enum takes several times as long as a look-up, and a large account has a hundred thousand records.
_STATES = {state.value: state for state in ScanState}
_SEVERITIES = {severity.value: severity for severity in Severity}
_SCAN_TYPES = {scan_type.value: scan_type for scan_type in ScanType}


def _compact(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", {}, 0, False)}


def _image_to_wire(image: LedgerImage) -> dict[str, Any]:
    wire = _compact(
        pushed_at=to_text(image.pushed_at),
        tags={tag: to_text(since) for tag, since in sorted(image.tags.items())},
        media_type=image.media_type,
        artifact_type=image.artifact_type,
        archived=image.archived,
        gone=dict(sorted(image.gone.items())),
        resolve_at=to_text_or_none(image.resolve_at),
        problem=image.problem,
    )
    if image.children is not None:
        wire["children"] = dict(sorted(image.children.items()))
    return wire


def _image_from_wire(wire: dict[str, Any]) -> LedgerImage:
    return LedgerImage(
        pushed_at=from_text(wire["pushed_at"]),
        tags={tag: from_text(since) for tag, since in wire.get("tags", {}).items()},
        media_type=wire.get("media_type", ""),
        artifact_type=wire.get("artifact_type", ""),
        archived=wire.get("archived", False),
        children=wire.get("children"),
        gone=wire.get("gone", {}),
        resolve_at=from_text_or_none(wire.get("resolve_at")),
        problem=wire.get("problem", ""),
    )


def _record_to_wire(record: ManifestRecord) -> dict[str, Any]:
    return _compact(
        platform=record.platform,
        state=record.state.value,
        reason=record.reason,
        looked_up=record.looked_up,
        claimed_at=to_text_or_none(record.claimed_at),
        completed_at=to_text_or_none(record.completed_at),
        basic_at=to_text_or_none(record.basic_at),
        read_at=to_text_or_none(record.read_at),
        scan_type=record.scan_type,
        seen_by=record.seen_by,
        counts={severity.value: record.counts[severity] for severity in sorted(record.counts, key=ORDER.__getitem__)},
        retry_at=to_text_or_none(record.retry_at),
        failures=record.failures,
        refusals=record.refusals,
        asked=record.asked,
        asked_at=to_text_or_none(record.asked_at),
    )


def _record_from_wire(wire: dict[str, Any]) -> ManifestRecord:
    return ManifestRecord(
        platform=wire.get("platform"),
        state=_STATES[wire["state"]],
        reason=wire.get("reason", ""),
        looked_up=wire.get("looked_up", False),
        claimed_at=from_text_or_none(wire.get("claimed_at")),
        completed_at=from_text_or_none(wire.get("completed_at")),
        basic_at=from_text_or_none(wire.get("basic_at")),
        read_at=from_text_or_none(wire.get("read_at")),
        scan_type=_SCAN_TYPES[wire["scan_type"]] if "scan_type" in wire else None,
        seen_by=_SCAN_TYPES[wire["seen_by"]] if "seen_by" in wire else None,
        counts={_SEVERITIES[severity]: count for severity, count in wire.get("counts", {}).items()},
        retry_at=from_text_or_none(wire.get("retry_at")),
        failures=wire.get("failures", 0),
        refusals=wire.get("refusals", 0),
        asked=wire.get("asked", 0),
        asked_at=from_text_or_none(wire.get("asked_at")),
    )
