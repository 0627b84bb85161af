"""The document of fixes: what public fix data says of all that is on record, for all who show or tell findings.

One document, compact: a deployment asks for some thousand (distribution, vulnerability) pairs. Nothing is here that was
not looked up; what was looked up and not found is here as such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.fixes.distributions import distribution_of
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.fixes.states import NO_DISTRIBUTION, NO_SOURCE, NOT_READ, Fix, FixState, fix_of
from ecr_rescan.core.times import from_text_or_none, to_text_or_none

SCHEMA = 1

Pair = tuple[str, str]
"""A distribution's key, and a vulnerability."""

_NONE, _WITHDRAWN = "none", "withdrawn"


@dataclass(slots=True, eq=False)
class Fixes:
    """``records``: distribution → vulnerability → package → [when first read, what it says], as stored.

    What it says is ``none`` (there is no record), ``withdrawn``, or release → spans; ``{}``: the package is not named.
    ``version`` and ``changed_at`` change with what is said.
    """

    version: str = ""
    changed_at: datetime | None = None
    records: dict[str, dict[str, dict[str, list[Any]]]] = field(default_factory=dict)
    _made: dict[tuple[str | None, str, str, str], Fix] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether anything was ever read."""
        return bool(self.records)

    def of(self, release: str | None, vulnerability: str, package: str, installed: str) -> Fix:
        """The state of a finding in an image of that release; kept, because a feed asks thousands of times."""
        asked = release, vulnerability, package, installed
        made = self._made.get(asked)
        if made is None:
            made = self._made[asked] = self._fix(*asked)
        return made

    def _fix(self, release: str | None, vulnerability: str, package: str, installed: str) -> Fix:
        found = distribution_of(release)
        if found is None:
            return NO_SOURCE if release else NO_DISTRIBUTION
        kept = self.records.get(found[0].key, {}).get(vulnerability, {}).get(package)
        if kept is None:
            return NOT_READ
        read_at, said = kept
        fix = fix_of(release, package, installed, _record(package, said))
        return replace(fix, known_at=fix.since or _moment(read_at))

    def knows(self, pair: Pair, packages: Set[str]) -> bool:
        """Whether all of a pair's packages were looked up."""
        return packages <= self.records.get(pair[0], {}).get(pair[1], {}).keys()

    def take(self, pair: Pair, packages: Iterable[str], record: Record | None, now: datetime) -> None:
        """Take in what was read of a pair. A fix that was not there in an earlier reading is news since now.

        Args:
            packages: those that findings name.
            record: None where there is none.
        """
        entry = self.records.setdefault(pair[0], {}).setdefault(pair[1], {})
        for package in sorted({*packages, *entry}):
            before = entry.get(package)
            read_at = int(now.timestamp()) if before is None else before[0]
            entry[package] = [read_at, _said(package, record, before, now)]

    def forget(self, wanted: Set[Pair], before: datetime) -> None:
        """Drop what nothing names any more and was read long ago."""
        oldest = int(before.timestamp())
        for distribution, entries in self.records.items():
            for vulnerability in [name for name in entries if (distribution, name) not in wanted]:
                if all(read_at < oldest for read_at, _ in entries[vulnerability].values()):
                    del entries[vulnerability]

    def settle(self, now: datetime) -> bool:
        """Note whether what is said changed."""
        self._made.clear()
        version = hashlib.sha256(record_form.to_json(self._content())).hexdigest()[:16]
        changed = version != self.version
        if changed:
            self.version, self.changed_at = version, now
        return changed

    def news(self, after: datetime | None) -> set[str]:
        """The vulnerabilities of which something became known after that time: a fix, or a first reading."""
        start = -1 if after is None else int(after.timestamp())
        return {name for name, at in self._known() if at > start}

    def newest(self) -> datetime | None:
        """When something became known last."""
        last = max((at for _, at in self._known()), default=None)
        return None if last is None else _moment(last)

    def appeared(self, since: datetime) -> set[str]:
        """The vulnerabilities for which a fix appeared since then, where there had been none."""
        start = int(since.timestamp())
        return {
            name
            for name, _, said in self._entries()
            if isinstance(said, dict)
            and any(len(span) > 3 and span[3] >= start for spans in said.values() for span in spans)
        }

    def _known(self) -> Iterator[tuple[str, int]]:
        for name, read_at, said in self._entries():
            yield name, read_at
            if isinstance(said, dict):
                yield from ((name, span[3]) for spans in said.values() for span in spans if len(span) > 3)

    def _entries(self) -> Iterator[tuple[str, int, Any]]:
        for entries in self.records.values():
            for vulnerability, packages in entries.items():
                for read_at, said in packages.values():
                    yield vulnerability, read_at, said

    def to_json(self) -> bytes:
        """The document's one and only form."""
        head = {"schema": SCHEMA, "version": self.version, "changed_at": to_text_or_none(self.changed_at)}
        return record_form.to_json(head | self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "records": {
                distribution: {name: dict(sorted(entries[name].items())) for name in sorted(entries)}
                for distribution, entries in sorted(self.records.items())
            }
        }

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Fixes:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no document of fixes.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="document of fixes")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Fixes:
        return cls(str(wire["version"]), from_text_or_none(wire["changed_at"]), dict(wire["records"]))


NO_FIXES = Fixes()
"""Where nothing was ever read. Nobody changes it."""


def _record(package: str, said: Any) -> Record | None:
    if said == _NONE:
        return None
    if said == _WITHDRAWN:
        return Record(withdrawn=True)
    return Record({package: {release: tuple(map(_span, spans)) for release, spans in said.items()}})


def _said(package: str, record: Record | None, before: list[Any] | None, now: datetime) -> Any:
    if record is None:
        return _NONE
    if record.withdrawn:
        return _WITHDRAWN
    earlier = _record(package, before[1]) if before else None
    known = earlier.packages[package] if earlier and earlier.packages else {}
    releases = record.packages.get(package) or record.binaries.get(package) or {}
    return {
        release: [_span_to_wire(span, before is not None, known.get(release, ()), now) for span in spans]
        for release, spans in sorted(releases.items())
    }


def _span_to_wire(span: Span, read_before: bool, known: tuple[Span, ...], now: datetime) -> list[Any]:
    wire: list[Any] = [span.fixed, span.introduced, int(span.ended)]
    if span.fixed:
        fixed = [one for one in known if one.fixed]
        # Another version of a fix is no news; a fix where there was none is, but not in the first reading.
        if fixed:
            same = next((one for one in fixed if one.fixed == span.fixed), fixed[0])
            wire += [int(same.fixed_at.timestamp())] if same.fixed_at else []
        elif read_before:
            wire.append(int(now.timestamp()))
    while wire[-1] in ("", 0) and len(wire) > 1:
        wire.pop()
    return wire


def _span(wire: list[Any]) -> Span:
    introduced = wire[1] if len(wire) > 1 else ""
    return Span(wire[0], introduced, len(wire) > 2 and bool(wire[2]), _moment(wire[3]) if len(wire) > 3 else None)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def joined(fixes: Iterable[Fix]) -> tuple[Fix, ...]:
    """Each of them once, those that can be done first."""
    return tuple(sorted(dict.fromkeys(fixes), key=lambda fix: (_PLACES[fix.state], fix.version, fix.release, fix.why)))


_PLACES = {state: place for place, state in enumerate(FixState)}


def fixable(fixes: Iterable[Fix]) -> bool | None:
    """Whether an upgrade mends it somewhere; None where nobody knows."""
    states = {fix.state for fix in fixes}
    if FixState.FIXED in states:
        return True
    return None if FixState.UNKNOWN in states or not states else False
