"""ECR's scan findings, basic and enhanced, as our values: any reply gives a result or says why there is none.

Facts: ECR API reference, DescribeImageScanFindings, where no member of a finding is required; Amazon Inspector API
reference, Finding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanFinding, ScanResult, ScanType
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.times import whole_seconds

MAX_NAME = 256
"""Characters kept of a vulnerability, package, version, fix or vector: the limit of ECR's own attribute values."""
MAX_DESCRIPTION = 4096
MAX_URI = 2000
MAX_DETAIL = 1000

_UNENCODABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_WITH_RESULT = frozenset({"COMPLETE", "ACTIVE"})
_REASONS = {
    "IN_PROGRESS": NoResultReason.IN_PROGRESS,
    "PENDING": NoResultReason.IN_PROGRESS,
    "FAILED": NoResultReason.FAILED,
    "FINDINGS_UNAVAILABLE": NoResultReason.FAILED,
    "UNSUPPORTED_IMAGE": NoResultReason.UNSUPPORTED,
    "IMAGE_SIZE_EXCEEDED": NoResultReason.UNSUPPORTED,
    "SCAN_ELIGIBILITY_EXPIRED": NoResultReason.EXPIRED,
    "LIMIT_EXCEEDED": NoResultReason.LIMIT_EXCEEDED,
    "IMAGE_ARCHIVED": NoResultReason.ARCHIVED,
}
# A suppressed finding was set aside in Inspector by somebody entitled to: alerting on it would overrule them.
_NOT_OPEN = frozenset({"CLOSED", "SUPPRESSED"})
_CVSS_ATTRIBUTES = ("CVSS4", "CVSS3", "CVSS2")


def scan_result(digest: str, pages: Iterable[object], *, scan_type: ScanType | None = None) -> ScanResult | NoResult:
    """Read all pages of a DescribeImageScanFindings reply; the same findings in any order give the same value.

    Args:
        digest: the image that was asked for.
        pages: every page, as boto3 returns them; nothing about them is relied on.
        scan_type: the registry's scan type where it is known; otherwise it is told from the reply.
    """
    read = [_mapping(page) for page in pages]
    bodies = [_mapping(page.get("imageScanFindings")) for page in read]
    statuses = {_status(page) for page in read}
    status = next(iter(statuses), "")
    if len(statuses) <= 1 and status not in _WITH_RESULT:
        return _no_result(digest, status, read)
    completions = {_completed_at(body) for body in bodies}
    if len(statuses) > 1 or len(completions) > 1:
        # A scan that ends between two pages would mix two results.
        return NoResult(digest, NoResultReason.UNAVAILABLE, "the result changed while it was being read")
    completed_at = next(iter(completions))
    basic = [finding for body in bodies for finding in _mappings(body.get("findings"))]
    enhanced = [finding for body in bodies for finding in _mappings(body.get("enhancedFindings"))]
    counts = _counts(bodies)
    if completed_at is None:
        return NoResult(digest, NoResultReason.UNAVAILABLE, f"{status} without a time of completion")
    if not basic and not enhanced and (counts or not any(map(_lists_findings, bodies))):
        # An empty list or no counts say "clean"; where both are missing, or contradict each other, nothing does.
        return NoResult(digest, NoResultReason.UNAVAILABLE, f"{status} without its findings")
    findings = _merged(
        [*map(_basic, basic), *(finding for raw in enhanced if _is_open(raw) for finding in _enhanced(raw))]
    )
    return ScanResult(
        digest=digest,
        completed_at=completed_at,
        scan_type=scan_type or _scan_type(status, bodies, enhanced=bool(enhanced), basic=bool(basic)),
        findings=findings,
        counts=counts or _counted(findings),
    )


def encodable(text: str) -> str:
    """The text without what breaks UTF-8, XML or a terminal (lone surrogates, C0 controls but tab and line ends)."""
    return _UNENCODABLE.sub("\ufffd", text)


def bounded(value: object, limit: int) -> str:
    """A text as received, encodable, trimmed and cut with "…" at ``limit`` characters; "" for anything else."""
    return _bounded(value, limit) if isinstance(value, str) else ""


# The images of a repository mostly have the same findings, so the same texts come a thousand times.
@lru_cache(maxsize=8192)
def _bounded(value: str, limit: int) -> str:
    text = encodable(value).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _status(page: Mapping[object, object]) -> str:
    return bounded(_mapping(page.get("imageScanStatus")).get("status"), MAX_NAME).upper()


def _no_result(digest: str, status: str, pages: Sequence[Mapping[object, object]]) -> NoResult:
    if not status:
        return NoResult(digest, NoResultReason.UNAVAILABLE, "ECR sent no scan status")
    description = next(
        (bounded(_mapping(page.get("imageScanStatus")).get("description"), MAX_DETAIL) for page in pages), ""
    )
    reason = _REASONS.get(status, NoResultReason.UNAVAILABLE)
    if reason is NoResultReason.FAILED and "UnsupportedImageError" in description:
        return NoResult(digest, NoResultReason.UNSUPPORTED, description)
    if status != reason:
        description = f"{status}: {description}" if description else status
    return NoResult(digest, reason, bounded(description, MAX_DETAIL))


def _completed_at(body: Mapping[object, object]) -> datetime | None:
    # Where ECR leaves out the completion, the age of the data that it judged by is never later: nothing looks fresher
    # than it is.
    return _moment(body.get("imageScanCompletedAt")) or _moment(body.get("vulnerabilitySourceUpdatedAt"))


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        if not isinstance(value, datetime):
            return None
        return whole_seconds(value if value.tzinfo else value.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _lists_findings(body: Mapping[object, object]) -> bool:
    return any(
        isinstance(body.get(name), kind)
        for name, kind in (("findings", list), ("enhancedFindings", list), ("findingSeverityCounts", Mapping))
    )


def _scan_type(status: str, bodies: Sequence[Mapping[object, object]], *, enhanced: bool, basic: bool) -> ScanType:
    # A clean enhanced image may carry an empty list of basic findings: the key alone tells nothing.
    only_enhanced_list = not basic and any("enhancedFindings" in body and "findings" not in body for body in bodies)
    return ScanType.ENHANCED if status == "ACTIVE" or enhanced or only_enhanced_list else ScanType.BASIC


def _counts(bodies: Sequence[Mapping[object, object]]) -> dict[Severity, int]:
    # Every page repeats the counts of the whole image; Inspector's TOTAL is no severity.
    for body in bodies:
        sent = _mapping(body.get("findingSeverityCounts"))
        counts = {severity: sent.get(severity.value) for severity in Severity}
        usable = {severity: count for severity, count in counts.items() if type(count) is int and count > 0}
        if usable:
            return usable
    return {}


def _counted(findings: Iterable[ScanFinding]) -> dict[Severity, int]:
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
    return {severity: count for severity, count in counts.items() if count}


def _basic(raw: Mapping[object, object]) -> ScanFinding:
    attributes = dict(
        sorted(
            (bounded(item.get("key"), MAX_NAME), bounded(item.get("value"), MAX_NAME))
            for item in _mappings(raw.get("attributes"))
        )
    )
    score, vector = _basic_cvss(attributes)
    return ScanFinding(
        vulnerability=bounded(raw.get("name"), MAX_NAME) or "UNKNOWN",
        package=attributes.get("package_name", ""),
        version=attributes.get("package_version", ""),
        severity=Severity.parse(raw.get("severity")),
        description=_description(raw),
        uri=_uri(raw.get("uri")),
        score=score,
        vector=vector,
    )


def _basic_cvss(attributes: Mapping[str, str]) -> tuple[str | None, str | None]:
    for version in _CVSS_ATTRIBUTES:
        score = _score(attributes.get(f"{version}_SCORE"))
        if score is not None:
            return score, attributes.get(f"{version}_VECTOR") or None
    return None, None


def _is_open(raw: Mapping[object, object]) -> bool:
    return bounded(raw.get("status"), MAX_NAME).upper() not in _NOT_OPEN


def _enhanced(raw: Mapping[object, object]) -> Iterator[ScanFinding]:
    details = _mapping(raw.get("packageVulnerabilityDetails"))
    score, vector = _enhanced_cvss(raw, details)
    for package in _mappings(details.get("vulnerablePackages")) or [{}]:
        yield ScanFinding(
            vulnerability=_enhanced_name(raw, details),
            package=bounded(package.get("name"), MAX_NAME),
            version=_package_version(package),
            severity=Severity.parse(raw.get("severity")),
            description=_description(raw),
            uri=_enhanced_uri(details),
            score=score,
            vector=vector,
            fixed_in=_fixed_in(raw, package),
        )


def _enhanced_name(raw: Mapping[object, object], details: Mapping[object, object]) -> str:
    identifier = bounded(details.get("vulnerabilityId"), MAX_NAME)
    if identifier:
        return identifier
    title = bounded(raw.get("title"), MAX_NAME)
    # Inspector's titles read "CVE-2024-6119 - libssl3t64, openssl".
    first = title.partition(" - ")[0]
    return (title if " " in first else first) or bounded(raw.get("findingArn"), MAX_NAME) or "UNKNOWN"


def _package_version(package: Mapping[object, object]) -> str:
    """As the package's own manager writes it, and as basic findings have it: ``[epoch:]version[-release]``."""
    version, release = bounded(package.get("version"), MAX_NAME), bounded(package.get("release"), MAX_NAME)
    epoch = package.get("epoch")
    if version and release:
        version = f"{version}-{release}"
    if version and type(epoch) is int and 0 < epoch < 1_000_000:
        version = f"{epoch}:{version}"
    return bounded(version, MAX_NAME)


def _fixed_in(raw: Mapping[object, object], package: Mapping[object, object]) -> str | None:
    fixed_in = bounded(package.get("fixedInVersion"), MAX_NAME)
    # "NotAvailable" is what Inspector writes for a package without a fix beside others that have one.
    if raw.get("fixAvailable") == "NO" or fixed_in.replace(" ", "").lower() == "notavailable":
        return None
    return fixed_in or None


def _enhanced_cvss(raw: Mapping[object, object], details: Mapping[object, object]) -> tuple[str | None, str | None]:
    own_source = bounded(details.get("source"), MAX_NAME).upper()

    def preference(rated: tuple[str, str, str, str]) -> tuple[bool, bool, str, str, str]:
        version, source, score, vector = rated
        return version[:1] in ("3", "4"), source in ("NVD", own_source), version, score.zfill(4), vector

    ratings = [
        (bounded(item.get("version"), MAX_NAME), bounded(item.get("source"), MAX_NAME).upper(), score, vector)
        for item in _mappings(details.get("cvss"))
        if (score := _score(item.get("baseScore"))) is not None
        for vector in (bounded(item.get("scoringVector"), MAX_NAME),)
    ]
    if not ratings:
        return _score(raw.get("score")), None
    _, _, score, vector = max(ratings, key=preference)
    return score, vector or None


def _score(value: object) -> str | None:
    """A CVSS score as text with one decimal; None for what is no number from 0 to 10."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return f"{abs(number):.1f}" if 0 <= number <= 10 else None


def _description(raw: Mapping[object, object]) -> str:
    description = bounded(raw.get("description"), MAX_DESCRIPTION)
    return "" if description == "None Provided" else description


def _enhanced_uri(details: Mapping[object, object]) -> str:
    references = details.get("referenceUrls")
    candidates = (details.get("sourceUrl"), *(references if isinstance(references, list) else ()))
    return next(filter(None, map(_uri, candidates)), "")


def _uri(value: object) -> str:
    # A cut link leads elsewhere: one that is too long is no link.
    uri = bounded(value, MAX_URI + 1)
    return uri if len(uri) <= MAX_URI else ""


def _merged(findings: Iterable[ScanFinding]) -> tuple[ScanFinding, ...]:
    """One finding per (vulnerability, package, version), sorted by them."""

    def key(finding: ScanFinding) -> tuple[str, str, str]:
        return finding.vulnerability, finding.package, finding.version

    groups = [list(group) for _, group in groupby(sorted(findings, key=key), key=key)]
    return tuple(_merge(group) if len(group) > 1 else group[0] for group in groups)


def _merge(group: list[ScanFinding]) -> ScanFinding:
    # The most severe entry speaks; the others only fill its gaps. The order among them is total, so that the value
    # doesn't depend on the order of ECR's list.
    ranked = sorted(
        group,
        key=lambda f: (ORDER[f.severity], -float(f.score or -1), *(item or "" for item in _texts(f))),
    )
    first = ranked[0]
    rated = next((finding for finding in ranked if finding.score), first)
    return ScanFinding(
        vulnerability=first.vulnerability,
        package=first.package,
        version=first.version,
        severity=first.severity,
        description=next((finding.description for finding in ranked if finding.description), ""),
        uri=next((finding.uri for finding in ranked if finding.uri), ""),
        score=rated.score,
        vector=rated.vector,
        fixed_in=next((finding.fixed_in for finding in ranked if finding.fixed_in), None),
    )


def _texts(finding: ScanFinding) -> tuple[str | None, ...]:
    return finding.vector, finding.fixed_in, finding.description, finding.uri


def _mapping(value: object) -> Mapping[object, object]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> list[Mapping[object, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
