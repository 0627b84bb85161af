"""What ECR says of one image's scan, in our words: the same value for basic and enhanced scanning."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ecr_rescan.core.severity import Severity


class ScanType(enum.StrEnum):
    """Who scans a registry's images (ECR API reference, RegistryScanningConfiguration.scanType)."""

    BASIC = "BASIC"
    ENHANCED = "ENHANCED"


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """One vulnerability in one version of one package, as one result names it.

    ``package`` and ``version`` are "" where ECR doesn't say. ``fixed_in`` and ``score`` are None where unknown.
    Texts are as received, only bounded in size; whoever shows them cleans them.
    """

    vulnerability: str
    package: str
    version: str
    severity: Severity
    description: str = ""
    uri: str = ""
    score: str | None = None
    vector: str | None = None
    fixed_in: str | None = None


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A complete result: every page was read. ``completed_at`` is ECR's imageScanCompletedAt."""

    digest: str
    completed_at: datetime
    scan_type: ScanType
    findings: tuple[ScanFinding, ...]
    counts: Mapping[Severity, int] = field(default_factory=dict)
    """ECR's findingSeverityCounts of the whole image; our own count of the findings where ECR sends none."""


class NoResultReason(enum.StrEnum):
    """Why there is no result to record, in the words that people see."""

    NEVER_SCANNED = "NEVER_SCANNED"
    IN_PROGRESS = "IN_PROGRESS"
    FAILED = "FAILED"
    UNSUPPORTED = "UNSUPPORTED"
    ARCHIVED = "ARCHIVED"
    EXPIRED = "EXPIRED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    REPOSITORY_NOT_FOUND = "REPOSITORY_NOT_FOUND"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class NoResult:
    """ECR has no complete result for this image; expected, so a value and not an error.

    ``detail`` is ECR's own description, bounded in size. UNAVAILABLE means that ECR could not be asked (throttled,
    5xx, timed out, access denied): nothing is known, and nothing may be concluded. ``refused``: ECR said no, and will
    probably say so again.
    """

    digest: str
    reason: NoResultReason
    detail: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class StartedScan:
    """ECR accepted a start."""

    digest: str


@dataclass(frozen=True, slots=True)
class SkippedScan:
    """ECR refused a start, or could not be asked.

    ``reason``: LIMIT_EXCEEDED (this image within 24 h, or the account's 100,000 a day: the code doesn't tell),
    UNSUPPORTED, ARCHIVED, NOT_FOUND, REPOSITORY_NOT_FOUND, ENHANCED (manual scans are disabled), UNAVAILABLE.
    ``maybe_started``: the request may have been carried out though its answer was lost. ``refused``: ECR said no for a
    reason that is none of these, and will probably say so again.
    """

    digest: str
    reason: SkipReason
    detail: str = ""
    maybe_started: bool = False
    refused: bool = False


class SkipReason(enum.StrEnum):
    """Why a start was not accepted."""

    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    UNSUPPORTED = "UNSUPPORTED"
    ARCHIVED = "ARCHIVED"
    NOT_FOUND = "NOT_FOUND"
    REPOSITORY_NOT_FOUND = "REPOSITORY_NOT_FOUND"
    ENHANCED = "ENHANCED"
    UNAVAILABLE = "UNAVAILABLE"
