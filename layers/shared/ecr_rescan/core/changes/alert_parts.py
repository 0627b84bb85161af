"""The parts of alerts: openings as a configuration sees them in one repository, and where they are there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.findings import Closing, Finding, FindingKey, FindingsDocument, News, Opening
from ecr_rescan.core.changes.has_fix import DocumentFixes
from ecr_rescan.core.changes.suppressions import hidden
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.fixes.known import Fixes
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.severity import Severity, most_severe


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where an alert's package is, in one repository and version: the affected manifests that the configuration sees.

    ``mask`` is over ``document.manifests``; ``severity`` is the highest among them. ``fixes``: the states of it there.
    """

    document: FindingsDocument
    version: str
    severity: Severity
    mask: int
    fixes: tuple[Fix, ...] = ()


class SeenRepository:
    """A document, with what is asked of it for many findings."""

    def __init__(self, configuration: ScanConfiguration, document: FindingsDocument, fixes: Fixes) -> None:
        self.document = document
        self.fixes = DocumentFixes(document, fixes)
        self._seen = view(configuration, document)
        self.effective = self._seen.effective
        changes: dict[datetime, int] = {}
        for image in document.images.values():
            changes[image.changed_at] = changes.get(image.changed_at, 0) | image.manifests
        self._changes = sorted(changes.items(), reverse=True)
        self._changed_at: dict[int, datetime] = {}
        self._hidden: dict[tuple[Suppression, ...], int] = {}

    def changed_at(self, mask: int) -> datetime:
        """The last change of what the images of these manifests are called."""
        known = self._changed_at.get(mask)
        if known is None:
            known = self._changed_at[mask] = next(at for at, manifests in self._changes if manifests & mask)
        return known

    def hidden(self, suppressions: tuple[Suppression, ...]) -> int:
        """The manifests in which these suppressions hide a finding."""
        known = self._hidden.get(suppressions)
        if known is None:
            known = self._hidden[suppressions] = hidden(suppressions, as_seen(self._seen, self.document))
        return known


@dataclass(slots=True)
class Part:
    """One opening's share in an alert.

    ``mask`` is what the configuration sees of it: 0 where it is closed, and where only others see it by now. ``left``
    is the closing, where it is one to tell the configuration of.
    """

    repository: SeenRepository
    finding: Finding
    opening: Opening
    news: News | None
    mask: int
    left: Closing | None

    @property
    def document(self) -> FindingsDocument:
        return self.repository.document


def apply(
    key: FindingKey, suppressions: tuple[Suppression, ...], parts: list[Part]
) -> tuple[Suppression | None, tuple[Occurrence, ...]]:
    """What suppressions leave of an alert. Where that is nothing: one of them, and all occurrences."""
    if not suppressions:
        return None, _occurrences(key, parts, ())
    left = _occurrences(key, parts, suppressions)
    if left:
        return None, left
    return next((one for one in suppressions if not one.tags), suppressions[0]), _occurrences(key, parts, ())


def _occurrences(key: FindingKey, parts: list[Part], suppressions: tuple[Suppression, ...]) -> tuple[Occurrence, ...]:
    found = []
    for part in parts:
        visible = part.mask & ~part.repository.hidden(suppressions) if suppressions else part.mask
        for version, severities in sorted(part.opening.affected.items()):
            mask = 0
            present = []
            for severity, members in severities.items():
                if members & visible:
                    mask |= members & visible
                    present.append(severity)
            if mask:
                fixes = part.repository.fixes.of(key, part.finding, version, mask)
                found.append(Occurrence(part.document, version, most_severe(present), mask, fixes))
    return tuple(found)
