"""The document of signals: what the public sources said when each was last read, for all who show or tell findings.

One document, so that a reader needs one request, by ETag. What is unknown is None, never False: an id that no list
names is known as not exploited only once every list has been read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.fixes.known import NO_FIXES, Fixes
from ecr_rescan.core.signals.sources import EPSS, EUVD, FIX_SOURCES, KEV, NAMES, Listed
from ecr_rescan.core.times import from_text_or_none, to_text_or_none

SCHEMA = 1

STALE_AFTER = dict.fromkeys((KEV, EUVD, EPSS, *FIX_SOURCES), timedelta(days=3))
"""Not read for so long, a source is called stale beside everything that is told from it."""


@dataclass(slots=True)
class Source:
    """How a source stands.

    ``checked_at``: the last attempt; ``read_at``: the last good one (None: never). ``version``, ``count``: of the
    good copy. ``etag``, ``modified``: to ask whether it changed. ``failures``: attempts since the good one;
    ``problem``: why.
    """

    checked_at: datetime | None = None
    read_at: datetime | None = None
    version: str = ""
    count: int = 0
    etag: str = ""
    modified: str = ""
    asked: str = ""
    failures: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Exploited:
    """A vulnerability that somebody exploits.

    ``lists``: which lists name it, and since when by their own dates. ``noticed_at``: when this service first read it
    there; None where it stood in the first reading, which is no news. ``ransomware``: a list says so.
    """

    lists: Mapping[str, date]
    noticed_at: datetime | None
    ransomware: bool = False

    @property
    def since(self) -> date:
        """The earliest date on a list."""
        return min(self.lists.values())


@dataclass(frozen=True, slots=True)
class Signal:
    """What is known of one vulnerability.

    ``known``: whether ``exploited`` None means no; else nobody knows. ``epss``: score and percentile, 0 to 1.
    ``likely``: the score reached the threshold, and has not fallen well below it since ``likely_since`` (None: from the
    first reading).
    """

    known: bool = False
    exploited: Exploited | None = None
    epss: tuple[float, float] | None = None
    likely: bool = False
    likely_since: datetime | None = None


NOTHING_KNOWN = Signal()


@dataclass(slots=True)
class Signals:
    """All of it. ``changed_at`` and ``version`` change with what is said of vulnerabilities, not with each reading.

    ``fixes_version``: of the document of fixes, which is one of its own and is read where this changed; ``fixes`` is
    what was read of it.
    """

    changed_at: datetime | None = None
    version: str = ""
    sources: dict[str, Source] = field(default_factory=dict)
    exploited: dict[str, Exploited] = field(default_factory=dict)
    model: str = ""
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    likely: dict[str, datetime | None] = field(default_factory=dict)
    fixes_version: str = ""
    fixes: Fixes = field(default=NO_FIXES, repr=False, compare=False)
    _made: dict[str, Signal] = field(default_factory=dict, repr=False, compare=False)

    def of(self, vulnerability: str) -> Signal:
        """What is known of a vulnerability; kept, because a feed asks thousands of times."""
        made = self._made.get(vulnerability)
        if made is None:
            made = self._made[vulnerability] = self._signal(vulnerability)
        return made

    def _signal(self, vulnerability: str) -> Signal:
        known = self.lists_known
        exploited, epss = self.exploited.get(vulnerability), self.scores.get(vulnerability)
        if exploited is None and epss is None:
            return _NOT_LISTED if known else NOTHING_KNOWN
        likely = vulnerability in self.likely
        return Signal(known or exploited is not None, exploited, epss, likely, self.likely.get(vulnerability))

    @property
    def lists_known(self) -> bool:
        """Whether every list of exploited ones was read."""
        read = [self.sources.get(name) for name in (KEV, EUVD)]
        return all(source is not None and source.read_at is not None for source in read)

    def newest(self) -> datetime | None:
        """When the last vulnerability became known as exploited after the first reading."""
        noticed = [one.noticed_at for one in self.exploited.values() if one.noticed_at is not None]
        return max(noticed, default=None)

    def stale(self, on: date) -> tuple[str, ...]:
        """Sentences of the sources that were not read lately, of a day; the same all day."""
        told = []
        for name, source in sorted(self.sources.items()):
            if source.read_at is None:
                told.append(f"{NAMES[name]} could not be read yet")
            elif on - source.read_at.date() >= STALE_AFTER[name]:
                told.append(f"{NAMES[name]} not read since {source.read_at.date().isoformat()}")
        return tuple(told)

    def went_stale(self, on: date) -> Iterator[datetime]:
        """When sources began to be called stale, as far as that is past on a day."""
        for name, source in self.sources.items():
            if source.read_at is not None and on - source.read_at.date() >= STALE_AFTER[name]:
                yield datetime.combine(source.read_at.date() + STALE_AFTER[name], time(), UTC)

    def line(self, on: date) -> str:
        """Sources and their ages, in one line; the same all day."""
        if not self.sources:
            return "Whether anything is exploited is not known: no public list has been read."
        read = [name for name, one in sorted(self.sources.items()) if one.read_at is not None]
        lists = ", ".join(NAMES[name] for name in read if name not in FIX_SOURCES)
        fixes = ", ".join(NAMES[name] for name in read if name in FIX_SOURCES)
        told = [f"Exploited and likely by {lists}"] if lists else []
        told += [f"Fixes by {fixes}"] if fixes else []
        return "; ".join([*told, *self.stale(on)]) + "."

    def to_json(self) -> bytes:
        """The document's one and only form."""
        return record_form.to_json(
            {
                "schema": SCHEMA,
                "changed_at": to_text_or_none(self.changed_at),
                "version": self.version,
                "sources": {name: _source_to_wire(source) for name, source in sorted(self.sources.items())},
                **self._content(),
            }
        )

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Signals:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no document of signals.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="document of signals")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Signals:
        return cls(
            changed_at=from_text_or_none(wire["changed_at"]),
            version=str(wire["version"]),
            sources={name: _source_from_wire(one) for name, one in wire["sources"].items()},
            exploited={cve: _exploited_from_wire(one) for cve, one in wire["exploited"].items()},
            model=str(wire["model"]),
            scores={cve: (score, percentile) for cve, (score, percentile) in wire["scores"].items()},
            likely={cve: from_text_or_none(since) for cve, since in wire["likely"].items()},
            fixes_version=str(wire.get("fixes", "")),
        )

    def _content(self) -> dict[str, Any]:
        return {
            "exploited": {cve: _exploited_to_wire(one) for cve, one in sorted(self.exploited.items())},
            "model": self.model,
            "scores": {cve: list(self.scores[cve]) for cve in sorted(self.scores)},
            "likely": {cve: to_text_or_none(since) for cve, since in sorted(self.likely.items())},
            **({"fixes": self.fixes_version} if self.fixes_version else {}),
        }

    def settle(self, now: datetime) -> None:
        """Note whether what is said changed."""
        self._made.clear()
        said = [self._content(), self.lists_known]
        version = hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()[:16]
        if version != self.version:
            self.version, self.changed_at = version, now


_NOT_LISTED = Signal(known=True)

NO_SIGNALS = Signals()
"""Where nothing was ever read. Nobody changes it."""


def merge_listed(known: Mapping[str, date], lists: Mapping[str, Listed]) -> dict[str, date]:
    """The lists that name a vulnerability, each with its earliest date."""
    merged = dict(known)
    for name, listed in lists.items():
        merged[name] = min(merged.get(name, listed.since), listed.since)
    return merged


def _exploited_to_wire(one: Exploited) -> list[Any]:
    lists = {name: since.isoformat() for name, since in sorted(one.lists.items())}
    return [to_text_or_none(one.noticed_at), lists, one.ransomware]


def _exploited_from_wire(wire: list[Any]) -> Exploited:
    noticed, lists, ransomware = wire
    return Exploited(
        {name: date.fromisoformat(since) for name, since in lists.items()},
        from_text_or_none(noticed),
        bool(ransomware),
    )


def _source_to_wire(source: Source) -> dict[str, Any]:
    return {
        "checked_at": to_text_or_none(source.checked_at),
        "read_at": to_text_or_none(source.read_at),
        "version": source.version,
        "count": source.count,
        "etag": source.etag,
        "modified": source.modified,
        "asked": source.asked,
        "failures": source.failures,
        "problem": source.problem,
    }


def _source_from_wire(wire: dict[str, Any]) -> Source:
    return Source(
        checked_at=from_text_or_none(wire["checked_at"]),
        read_at=from_text_or_none(wire["read_at"]),
        version=str(wire["version"]),
        count=int(wire["count"]),
        etag=str(wire["etag"]),
        modified=str(wire["modified"]),
        asked=str(wire["asked"]),
        failures=int(wire["failures"]),
        problem=str(wire["problem"]),
    )
