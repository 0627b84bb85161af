"""Reads the public sources in their own forms, strictly: they are foreign bytes, and a wrong "no" is worse than none.

Forms: CISA's schema of the catalogue of known exploited vulnerabilities; ENISA's ``/api/kev/dump``; FIRST's daily file
of EPSS scores. See ``docs/signals.md``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from ecr_rescan.core.errors import SignalError

KEV, EUVD, EPSS = "kev", "euvd", "epss"
FIX_SOURCES = {
    "debian": "OSV (Debian)",
    "ubuntu": "OSV (Ubuntu)",
    "alpine": "OSV (Alpine)",
    "amazon-2": "ALAS (Amazon Linux 2)",
    "amazon-2023": "ALAS (Amazon Linux 2023)",
}
NAMES = {KEV: "CISA KEV", EUVD: "ENISA EUVD", EPSS: "FIRST EPSS", **FIX_SOURCES}

_CVE = re.compile(r"CVE-\d{4}-\d{1,19}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPSS_HEAD = re.compile(r"#model_version:(v[0-9.]{1,20}),score_date:([0-9T:.+Z-]{10,40})", re.ASCII)
_MOST_ENTRIES = 100_000
_MOST_SCORES = 5_000_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A vulnerability on one list of exploited ones: since when by the list's own date; ransomware None = not said."""

    since: date
    ransomware: bool | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One reading of a source of exploited vulnerabilities.

    ``version`` orders readings: when it was released, or its newest date. ``count``: rows, also those without a CVE id.
    ``entries``: CVE id → name of the list (``kev``, ``euvd``) → what it says.
    """

    version: str
    count: int
    entries: Mapping[str, Mapping[str, Listed]]


@dataclass(frozen=True, slots=True)
class Scores:
    """One day's EPSS: ``scores`` holds (score, percentile), 0 to 1, of the ids that were asked for; ``count`` rows."""

    model: str
    version: str
    count: int
    scores: Mapping[str, tuple[float, float]]


def read_kev(body: bytes) -> Catalogue:
    """CISA's catalogue.

    Raises:
        SignalError: it is anything else, or a part of it is.
    """
    wire = _json(KEV, body)
    if not isinstance(wire, dict):
        raise SignalError(KEV, "is no JSON object")
    rows = _rows(KEV, wire.get("vulnerabilities"))
    if wire.get("count") != len(rows):
        raise SignalError(KEV, f"says {wire.get('count')!r:.20} entries and has {len(rows)}")
    released = _instant(KEV, wire.get("dateReleased"))
    entries: dict[str, dict[str, Listed]] = {}
    for row in rows:
        cve = row.get("cveID")
        if not isinstance(cve, str) or not _CVE.fullmatch(cve):
            raise SignalError(KEV, "has an entry without a CVE id")
        known = row.get("knownRansomwareCampaignUse") == "Known"
        entries[cve] = {KEV: Listed(_day(KEV, row.get("dateAdded")), known)}
    return Catalogue(released, len(rows), entries)


def read_euvd(body: bytes) -> Catalogue:
    """ENISA's list, which repeats CISA's; rows that have no CVE id are counted alone.

    Raises:
        SignalError: it is anything else, or a part of it is.
    """
    rows = _rows(EUVD, _json(EUVD, body))
    entries: dict[str, dict[str, Listed]] = {}
    newest = date.min
    for row in rows:
        added = _day(EUVD, row.get("dateAdded"))
        newest = max(newest, added)
        cve, sources = row.get("cveId"), row.get("sources")
        if not isinstance(sources, list) or not isinstance(cve, str | None):
            raise SignalError(EUVD, "has an entry of another form")
        if cve is None:
            continue
        if not _CVE.fullmatch(cve):
            raise SignalError(EUVD, "has an entry with something else for a CVE id")
        lists = entries.setdefault(cve, {})
        for name in {KEV if source == "cisa_kev" else EUVD for source in sources} or {EUVD}:
            known = lists.get(name)
            lists[name] = Listed(added if known is None else min(known.since, added))
    return Catalogue(newest.isoformat(), len(rows), entries)


def read_epss(lines: Iterable[bytes], wanted: Collection[str]) -> Scores:
    """FIRST's daily file, line by line: it has hundreds of thousands, of which few are wanted.

    Raises:
        SignalError: it is anything else, or a part of it is.
    """
    given = iter(lines)
    head = _EPSS_HEAD.fullmatch(next(given, b"")[:200].decode("ascii", "replace").strip())
    if head is None or next(given, b"").strip() != b"cve,epss,percentile":
        raise SignalError(EPSS, "does not begin as a file of EPSS scores")
    scores: dict[str, tuple[float, float]] = {}
    count = 0
    for line in given:
        parts = line.split(b",")
        count += 1
        if len(parts) != 3 or len(line) > 100 or count > _MOST_SCORES:
            raise SignalError(EPSS, f"has another form in line {count + 2}")
        cve = parts[0].decode("ascii", "replace")
        if cve in wanted:
            scores[cve] = (_share(parts[1]), _share(parts[2]))
    return Scores(head[1], _instant(EPSS, head[2]), count, scores)


def _json(source: str, body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise SignalError(source, "is not JSON") from error


def _rows(source: str, rows: object) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_ENTRIES:
        raise SignalError(source, "has no list of entries")
    if not all(isinstance(row, dict) for row in rows):
        raise SignalError(source, "has an entry of another form")
    return rows


def _day(source: str, value: object) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise SignalError(source, "has an entry without a date")


def _instant(source: str, value: object) -> str:
    """In one form, so that texts compare as the instants do."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        pass
    raise SignalError(source, "does not say of when it is")


def _share(text: bytes) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise SignalError(EPSS, "has a score that is no number from 0 to 1")
    return value
