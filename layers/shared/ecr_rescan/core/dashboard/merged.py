"""Rows of several configurations as one: to people, a vulnerability in a package is one thing, and is counted so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.view import View, view
from ecr_rescan.core.fixes.known import joined
from ecr_rescan.core.fixes.words import fixed_in
from ecr_rescan.core.severity import most_severe
from ecr_rescan.core.vulnerabilities.rows import STATES, Row


@dataclass(frozen=True, slots=True)
class Merged:
    """A vulnerability in a package. ``row``: what holds of it in all; ``rows``: as each configuration has it."""

    row: Row
    rows: tuple[Row, ...]


def merge(rows: Iterable[Row]) -> list[Merged]:
    """Each (vulnerability, package) once: open where it is open for one, at its highest severity, since the oldest."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.vulnerability, row.package), []).append(row)
    return [_merged(sorted(group, key=lambda row: row.configuration.id)) for group in grouped.values()]


def _merged(group: Sequence[Row]) -> Merged:
    first = min(group, key=lambda row: STATES[row.state])
    told = tuple(row for row in group if row.state == first.state)
    if len(told) == 1:
        return Merged(first, told)
    fixes = joined(fix for row in told for fix in row.fixes)
    row = replace(
        first,
        severity=most_severe([row.severity for row in told]),
        since=min(row.since for row in told),
        first_seen=min(row.first_seen for row in told),
        updated=max(row.updated for row in told),
        fixed_in=fixed_in(fixes),
        fixes=fixes,
        repositories=tuple(sorted({name for row in told for name in row.repositories})),
    )
    return Merged(row, told)


class ImageCounts:
    """How many images findings are in: one that several configurations select is one."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, int], tuple[View, FindingsDocument]] = {}
        self._known: dict[tuple[str, int, int], frozenset[tuple[int, str]]] = {}

    def of(self, merged: Merged) -> int:
        """Images that have it now; none where it is over."""
        found: set[tuple[int, str]] = set()
        for row in merged.rows:
            for one in row.occurrences:
                found |= self._images(row, one.document, one.mask)
        return len(found)

    def _images(self, row: Row, document: FindingsDocument, mask: int) -> frozenset[tuple[int, str]]:
        place = row.configuration.id, id(document)
        known = self._known.get((*place, mask))
        if known is None:
            if place not in self._views:
                self._views[place] = view(row.configuration, document), document
            seen = self._views[place][0]
            known = self._known[*place, mask] = frozenset(
                (id(document), digest)
                for digest in seen.images
                if (document.images[digest].manifests | seen.stand_ins.get(digest, 0)) & mask
            )
        return known
