"""The list as JSON, CSV and text have it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.fixes.words import MOST_FIXES, WIRE_BYTES, fix_words, fixes_to_wire
from ecr_rescan.core.signals.known import Signal, Signals
from ecr_rescan.core.signals.wire import epss_words, exploited_words, signal_to_wire, signals_to_wire
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.as_csv import cell
from ecr_rescan.core.summary.pages import carried
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.core.text import clean, enumerated, number_of, safe_link
from ecr_rescan.core.times import to_text, to_text_or_none
from ecr_rescan.core.vulnerabilities.looked_at import LookedAt
from ecr_rescan.core.vulnerabilities.rows import Extents, Row

SCHEMA = 1
MOST_REPOSITORIES = 50
"""So many repositories of a row are named; their number is told."""

NOTE = "ECR's basic scans see packages of the operating system only: no npm, pip, jar or Go modules."

COLUMNS = (
    *("configuration", "description", "owner", "vulnerability", "package", "severity", "state", "kind"),
    *("exploited", "exploited_since", "ransomware", "epss"),
    *("first_seen", "since", "published", "updated", "fixed_in", "fixable", "fix"),
    *("repositories", "images", "platforms"),
    *("days_open", "days_left", "suppressed_reason", "suppressed_until", "closed_at", "close_reason"),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that was found, and a page of it."""

    at: datetime
    total: int
    page: Sequence[Row]
    looked_at: LookedAt
    problems: Sequence[Problem]
    days_allowed: DaysAllowed
    signals: Signals


def to_wire(listing: Listing) -> dict[str, object]:
    """As JSON has it: version 1, which grows by added members only."""
    extents = Extents()
    return {
        "schema": SCHEMA,
        "at": to_text(listing.at),
        "total": listing.total,
        "looked_at": {
            "repositories": listing.looked_at.repositories,
            "images": listing.looked_at.images,
            "with_results": listing.looked_at.with_results,
        },
        "note": NOTE,
        "signals": signals_to_wire(listing.signals),
        "vulnerabilities": [_row_to_wire(row, listing, extents) for row in listing.page],
        "problems": [{"key": problem.key, "problem": problem.problem} for problem in listing.problems],
    }


def _row_to_wire(row: Row, listing: Listing, extents: Extents) -> dict[str, object]:
    images, platforms = extents.of(row)
    hidden = row.suppressed
    return {
        "configuration": row.configuration.id,
        "description": row.configuration.description,
        "owner": row.configuration.owner,
        "registry": row.configuration.registry,
        "region": row.configuration.region,
        "vulnerability": clean(row.vulnerability, 256),
        "package": clean(row.package, 256),
        "severity": row.severity,
        "state": row.state,
        "kind": row.kind,
        **signal_to_wire(row.signal),
        "first_seen": to_text(row.first_seen),
        "since": to_text(row.since),
        "published": to_text(row.published),
        "updated": to_text(row.updated),
        "fixed_in": None if row.fixed_in is None else clean(row.fixed_in, 256),
        **fixes_to_wire(row.fixes),
        "uri": safe_link(row.advisory.uri),
        "repositories": row.repositories[:MOST_REPOSITORIES],
        "repositories_total": len(row.repositories),
        "images": images,
        "platforms": platforms,
        "days_open": row.days_open(listing.at),
        "days_left": row.days_left(listing.days_allowed, listing.at),
        "suppressed": None
        if hidden is None
        else {"reason": hidden.reason, "until": hidden.until.isoformat() if hidden.until else None},
        "closed_at": to_text_or_none(row.closed_at),
        "close_reason": row.close_reason,
    }


def size(row: Row) -> int:
    """What a row takes in JSON, at most; in the other forms it takes less."""
    named = (row.vulnerability[:256], row.package[:256], (row.fixed_in or "")[:256], row.configuration.owner or "")
    texts = (*named, row.configuration.description or "", row.suppressed.reason if row.suppressed else "")
    places = sum(len(name) + 8 for name in row.repositories[:MOST_REPOSITORIES])
    return 1_500 + WIRE_BYTES + _fixes_size(row) + sum(map(carried, texts)) + places + len(row.advisory.uri[:2_000])


def _fixes_size(row: Row) -> int:
    return sum(carried(fix.version[:256]) for fix in row.fixes[:MOST_FIXES])


def to_csv(listing: Listing) -> str:
    """RFC 4180 with a heading; a cell is empty where there is no such thing, never 0."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    extents = Extents()
    for row in listing.page:
        told = _row_to_wire(row, listing, extents)
        hidden = row.suppressed
        told |= {
            "repositories": " ".join(row.repositories[:MOST_REPOSITORIES]),
            **_signal_cells(row.signal),
            "fixable": None if row.fixable is None else "true" if row.fixable else "false",
            "fix": fix_words(row.package, row.fixes),
            "suppressed_reason": hidden.reason if hidden else None,
            "suppressed_until": hidden.until.isoformat() if hidden and hidden.until else None,
        }
        values = [told[name] for name in COLUMNS]
        writer.writerow(
            [str(value) if isinstance(value, int) else cell(None if value is None else str(value)) for value in values]
        )
    return written.getvalue()


def _signal_cells(signal: Signal) -> dict[str, str | None]:
    """Empty is not known, or none; ``false`` is no."""
    one = signal.exploited
    known = "true" if one else "false" if signal.known else None
    return {
        "exploited": known,
        "exploited_since": one.since.isoformat() if one else None,
        "ransomware": None if one is None else "true" if one.ransomware else "false",
        "epss": None if signal.epss is None else str(signal.epss[0]),
    }


def to_lines(listing: Listing, *, following: str | None) -> str:
    """A line for each row, for a terminal; at the end what it rests on, and where it goes on."""
    extents = Extents()
    lines = [clean(_line(row, listing, extents), 500) for row in listing.page]
    looked = listing.looked_at
    if not listing.total:
        lines.append(f"Nothing found. {NOTE}")
    lines.append(
        f"{number_of(listing.total, 'row', 'rows')}; "
        f"{looked.with_results:,} of {looked.images:,} selected images have results."
    )
    lines.append(listing.signals.line(listing.at.date()))
    lines += [f"Problem with {problem.key}: {problem.problem}" for problem in listing.problems]
    if following is not None:
        lines.append(f"More follow: {following}")
    return "\n".join(lines) + "\n"


def _line(row: Row, listing: Listing, extents: Extents) -> str:
    images, _ = extents.of(row)
    parts = [f"{row.severity} {row.vulnerability} {row.package} in {enumerated(row.repositories)}"]
    if exploited := exploited_words(row.signal):
        parts.append(exploited)
    if epss := epss_words(row.signal):
        parts.append(f"EPSS {epss}")
    if row.close_reason:
        parts.append(f"{row.close_reason} {to_text_or_none(row.closed_at)}")
    else:
        parts.append(f"{number_of(images, 'image', 'images')}, {row.days_open(listing.at)} d open")
    left = row.days_left(listing.days_allowed, listing.at)
    if left is not None:
        parts.append(f"{left} d left" if left >= 0 else f"{-left} d overdue")
    if fix := fix_words(row.package, row.fixes):
        parts.append(f"fix: {fix}")
    if row.suppressed:
        parts.append(f"ignored: {row.suppressed.reason}")
    return "; ".join(parts)
