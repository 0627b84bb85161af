"""How many findings of a repository a configuration sees: by severity in each image, and which ones they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.findings import Finding, FindingKey, FindingsDocument, Opening
from ecr_rescan.core.changes.has_fix import DocumentFixes
from ecr_rescan.core.changes.masks import MaskCounter
from ecr_rescan.core.changes.suppressions import Suppressions, hidden
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.text import number_of


@dataclass(frozen=True, slots=True)
class Upgrades:
    """The smallest set of upgrades of an image: so many packages, which close so many of the findings shown.

    One upgrade of a package closes all of its findings that have a fix: the highest fixed version is above the others.
    """

    packages: int
    findings: int

    def sentence(self) -> str:
        """``5 package upgrades close 31 findings``."""
        several = self.packages != 1
        upgrades = f"{self.packages:,} package upgrade{'s close' if several else ' closes'}"
        return f"{upgrades} {number_of(self.findings, 'finding', 'findings')}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What a configuration sees of a repository.

    ``findings`` and ``suppressed``: what is in sight and what is hidden in at least one image, each with its highest
    severity there, whatever the configuration's ``severity``; ``since``: when each of ``findings`` began.
    ``by_manifest``: for the digest of each manifest with a result, the findings shown by severity, every severity
    named, how many are suppressed, and how many of those shown are exploited (None: not known). ``has_results``:
    whether any result counts at all. ``fixable``: those of ``findings`` that an upgrade mends in an image, and since
    when; ``upgrades``: what is to be done in each, by digest as ``by_manifest``. Both are None where nobody knows.
    """

    findings: Mapping[FindingKey, Severity]
    suppressed: Mapping[FindingKey, Severity]
    since: Mapping[FindingKey, datetime]
    by_manifest: Mapping[str, tuple[Mapping[Severity, int], int, int | None]]
    has_results: bool
    fixable: Mapping[FindingKey, datetime] | None = None
    upgrades: Mapping[str, Upgrades] | None = None


def tally(
    configuration: ScanConfiguration, document: FindingsDocument, suppressions: Suppressions, signals: Signals
) -> Tally:
    """Count the findings of a document as a configuration sees them."""
    seen = view(configuration, document)
    effective = seen.effective
    shown = {severity: MaskCounter() for severity in Severity if severity.passes(configuration.severity)}
    out_of_sight, exploited = MaskCounter(), MaskCounter()
    findings: dict[FindingKey, Severity] = {}
    suppressed: dict[FindingKey, Severity] = {}
    since: dict[FindingKey, datetime] = {}
    hiding: dict[tuple[Suppression, ...], int] = {(): 0}
    mending = _Mending(document, signals)
    for key, finding in document.findings.items():
        opening = finding.current
        if opening is None:
            continue
        matching = suppressions.matching(*key)
        hide = hiding.get(matching)
        if hide is None:
            hide = hiding[matching] = hidden(matching, as_seen(seen, document))
        left, in_sight = effective, 0
        for severity, mask in _graded(opening):
            mask &= left
            if not mask:
                continue
            left ^= mask
            counter = shown.get(severity)
            if mask & hide:
                suppressed.setdefault(key, severity)
                if counter is not None:
                    out_of_sight.add(mask & hide)
                mask &= ~hide
            if mask:
                findings.setdefault(key, severity)
                since[key] = opening.at
                if counter is not None:
                    counter.add(mask)
                    in_sight |= mask
                    if key[0] in signals.exploited:
                        exploited.add(mask)
        if in_sight:
            mending.add(key, finding, opening, in_sight)
    positions = len(document.manifests)
    numbers = {severity: counter.counts(positions) for severity, counter in shown.items()}
    hidden_numbers, exploited_numbers = out_of_sight.counts(positions), exploited.counts(positions)
    known = signals.lists_known
    by_manifest = {}
    for place, manifest in enumerate(document.manifests):
        if manifest is not None and manifest.result_at is not None:
            counts = {severity: numbers[severity][place] if severity in numbers else 0 for severity in Severity}
            by_manifest[manifest.digest] = counts, hidden_numbers[place], exploited_numbers[place] if known else None
    return Tally(
        findings,
        suppressed,
        since,
        by_manifest,
        effective != 0,
        fixable=mending.since if mending.known else None,
        upgrades=mending.upgrades() if mending.known else None,
    )


class _Mending:
    """What upgrades mend, gathered finding by finding."""

    def __init__(self, document: FindingsDocument, signals: Signals) -> None:
        self._document = document
        self._fixes = DocumentFixes(document, signals.fixes)
        self._findings = MaskCounter()
        self._packages: dict[str, int] = {}
        self.since: dict[FindingKey, datetime] = {}
        self.known = bool(signals.fixes)

    def add(self, key: FindingKey, finding: Finding, opening: Opening, mask: int) -> None:
        self.known = self.known or bool(finding.fixes)
        mended = self._fixes.mended(key, finding, opening, mask) if self.known else 0
        if mended:
            fixes = self._fixes.of_all(key, finding, mended)
            self.since[key] = max(opening.at, min(fix.since or opening.at for fix in fixes if fix.fixable))
            self._findings.add(mended)
            self._packages[key[1]] = self._packages.get(key[1], 0) | mended

    def upgrades(self) -> dict[str, Upgrades]:
        packages = MaskCounter()
        for mask in self._packages.values():
            packages.add(mask)
        positions = len(self._document.manifests)
        numbers, closed = packages.counts(positions), self._findings.counts(positions)
        return {
            manifest.digest: Upgrades(numbers[place], closed[place])
            for place, manifest in enumerate(self._document.manifests)
            if manifest is not None and manifest.result_at is not None
        }


def _graded(opening: Opening) -> Iterable[tuple[Severity, int]]:
    """The affected manifests by severity over all versions of the package, most severe first."""
    if len(opening.affected) == 1:
        (parts,) = opening.affected.values()
        if len(parts) == 1:
            return parts.items()
    merged: dict[Severity, int] = {}
    for parts in opening.affected.values():
        for severity, mask in parts.items():
            merged[severity] = merged.get(severity, 0) | mask
    return sorted(merged.items(), key=lambda part: ORDER[part[0]])
