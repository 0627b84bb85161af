"""What a findings document says of its vulnerabilities: description, link, score, fix; each stored once.

A text is taken from one image's result and only changed by that image's next one: images of different distributions
describe the same vulnerability differently, and taking turns would be a change a day.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ecr_rescan.core.changes.findings import Advisory, FindingKey, FindingsDocument
from ecr_rescan.core.scan_result import ScanFinding, ScanResult


def update_texts(
    document: FindingsDocument, results: Collection[ScanResult], touched: Collection[FindingKey], now: datetime
) -> None:
    """Take texts and fixes from new results, and date every finding of which something changed."""
    changed = set(touched)
    for result in sorted(results, key=lambda result: result.digest):
        changed |= _take_advisories(document, result) | _take_fixes(document, result)
    for key in changed:
        finding = document.findings[key]
        finding.updated_at = now
        opening = finding.current
        if opening is not None:
            finding.fixes = {version: fix for version, fix in finding.fixes.items() if version in opening.affected}


def _take_advisories(document: FindingsDocument, result: ScanResult) -> set[FindingKey]:
    candidates: dict[str, ScanFinding] = {}
    for found in result.findings:
        best = candidates.get(found.vulnerability)
        if best is None or _says_more(found) > _says_more(best):
            candidates[found.vulnerability] = found
    sources = {manifest.digest for manifest in document.manifests if manifest is not None}
    replaced = set()
    for vulnerability, found in candidates.items():
        known = document.advisories.get(vulnerability)
        if known is not None and known.source != result.digest and known.source in sources:
            continue
        advisory = Advisory(found.description, found.uri, found.score, found.vector, result.digest)
        document.advisories[vulnerability] = advisory
        if known is None or _text(known) != _text(advisory):
            replaced.add(vulnerability)
    return {key for key in document.findings if key[0] in replaced} if replaced else set()


def _says_more(found: ScanFinding) -> tuple[bool, bool, bool, str, str, str, str]:
    """Any total order will do; one that prefers a text to none is kinder."""
    score, vector = found.score or "", found.vector or ""
    return (bool(found.description), bool(found.uri), bool(score), found.description, found.uri, score, vector)


def _text(advisory: Advisory) -> tuple[str, str, str | None, str | None]:
    return (advisory.description, advisory.uri, advisory.score, advisory.vector)


def _take_fixes(document: FindingsDocument, result: ScanResult) -> set[FindingKey]:
    changed = set()
    for found in result.findings:
        key = (found.vulnerability, found.package)
        if found.fixed_in and key in document.findings:
            fixes = document.findings[key].fixes
            # The later of two texts for one version, whatever the order they come in.
            if found.fixed_in > fixes.get(found.version, ""):
                fixes[found.version] = found.fixed_in
                changed.add(key)
    return changed
