"""Rebuilding the record of a repository from all that ECR has, without losing what only the record knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.recording import Changes, Update, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.text import clean, enumerated

_UNREAD = datetime(1970, 1, 1, tzinfo=UTC)

_Affected = set[tuple[str, str, str]]
"""(digest, version, severity)."""


def rebuild(
    document: FindingsDocument,
    update: Update,
    configurations: Sequence[ScanConfiguration],
    now: datetime,
    *,
    keep_all: bool = False,
) -> Changes:
    """Merge all results of a repository into its document (changed in place), those recorded already, too.

    First-seen dates, openings and alerts stay; a document that was right stays the same to the byte. Images without a
    result in the update keep what is recorded. As after ``record``, ``announce`` is to be called with the changes.
    """
    recorded = {}
    for place, manifest in enumerate(document.manifests):
        if manifest is not None and manifest.result_at is not None and manifest.digest in update.results:
            recorded[manifest.digest] = manifest.result_at
            document.manifests[place] = replace(manifest, result_at=_UNREAD)
    changes = record(document, update, configurations, now, keep_all=keep_all)
    for manifest in document.manifests:
        if manifest is not None and manifest.result_at == _UNREAD:
            manifest.result_at = recorded[manifest.digest]
    return changes


def differences(before: FindingsDocument, after: FindingsDocument) -> list[str]:
    """What is open in one and not in the other, and which images they know, as lines for a person."""
    lines = []
    for digest in sorted(before.images.keys() | after.images.keys()):
        if digest not in after.images:
            lines.append(f"- image {_image(before, digest)}")
        elif digest not in before.images:
            lines.append(f"+ image {_image(after, digest)}")
        elif before.images[digest].tags != after.images[digest].tags:
            lines.append(f"~ image {_image(before, digest)} is {_image(after, digest)}")
    recorded, found = _affected(before), _affected(after)
    for key in sorted(recorded.keys() | found.keys()):
        less, more = recorded.get(key, set()) - found.get(key, set()), found.get(key, set()) - recorded.get(key, set())
        lines += [f"{sign} {_finding(key, part)}" for sign, part in (("-", less), ("+", more)) if part]
    return lines


def _affected(document: FindingsDocument) -> dict[FindingKey, _Affected]:
    return {
        key: {
            (manifest.digest, version, severity.value)
            for version, parts in opening.affected.items()
            for severity, mask in parts.items()
            for manifest in document.manifests_of(mask)
        }
        for key, finding in document.findings.items()
        if (opening := finding.current)
    }


def _image(document: FindingsDocument, digest: str) -> str:
    tags = document.images[digest].tags
    return f"{clean(digest, 80)} ({enumerated(tags, 5) or 'untagged'})"


def _finding(key: FindingKey, affected: _Affected) -> str:
    vulnerability, package = (clean(part, 128) for part in key)
    severities = ", ".join(sorted({severity for _, _, severity in affected}))
    versions = enumerated(sorted({version for _, version, _ in affected if version}))
    images = len({digest for digest, _, _ in affected})
    found = f"{vulnerability} in {package} {versions}".rstrip() if package else vulnerability
    return f"{found} {severities}: {images} {'image' if images == 1 else 'images'}"
