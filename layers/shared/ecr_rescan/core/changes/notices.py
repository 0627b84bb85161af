"""What a configuration was told: its running waves, the alerts announced, its baseline, warnings given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.changes.baseline_rule import Lacking
from ecr_rescan.core.changes.findings import FindingKey
from ecr_rescan.core.changes.recording import WAVE
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.times import from_text, to_text, whole_seconds

SCHEMA = 1

REMEMBER = timedelta(days=7)
"""How long an announced alert is remembered: longer than any leftover outbox and any wave."""

CLAIMED_FOR = timedelta(minutes=30)
"""Who claimed something and has not sent it after this time is dead."""

BASELINE_LIMIT = timedelta(hours=25)
"""A baseline is announced after this time, complete or not."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a configuration selected at some time; a selector of images."""

    repository: tuple[str, ...]
    tags: tuple[str, ...]
    newest: int | None

    @classmethod
    def of(cls, configuration: ScanConfiguration) -> Selection:
        """A configuration's, as it is now."""
        return cls(configuration.repository, configuration.tags, configuration.newest)


@dataclass(frozen=True, slots=True)
class Claims:
    """What became of a claim: ids that are the caller's to send, and those that somebody else is sending now."""

    mine: tuple[str, ...]
    taken: tuple[str, ...]


@dataclass(slots=True)
class Notices:
    """One configuration's.

    ``waves``: finding → when its running wave began. ``told``: id of an alert or another notice → (when it was claimed,
    whether it was sent). ``pending``: the findings documents whose outbox may still hold changes for this configuration
    → (since when, how often changes were put there).

    ``known``: the findings documents whose baseline was announced, ``selection`` and ``scan_type`` under which.
    ``baseline_since``: a baseline is running since then and not announced yet (None: announced); ``selection_before``
    and ``scan_type_changed`` tell what made it one, where that was such a change.

    ``lacking``: findings document → what of it had no result when it was last told; ``late_at``: when first results
    that came after a baseline were last told.

    ``suppressions``: fingerprint → what was noted of it (``active``, ``ending``, ``unused``, ``ended``); ``checked``:
    the day and the suppressions of the last look.

    ``states``: what holds for longer and was told of when it began, such as a release that has ended.
    """

    waves: dict[FindingKey, datetime] = field(default_factory=dict)
    told: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    pending: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    selection: Selection | None = None
    scan_type: ScanType | None = None
    baseline_since: datetime | None = None
    selection_before: Selection | None = None
    scan_type_changed: bool = False
    lacking: dict[str, Lacking] = field(default_factory=dict)
    late_at: datetime | None = None
    suppressions: dict[str, frozenset[str]] = field(default_factory=dict)
    checked: str = ""
    states: frozenset[str] = frozenset()

    def join_waves(self, keys: Iterable[FindingKey], now: datetime) -> dict[FindingKey, datetime]:
        """The wave of each finding that opened now: the running one, or a new one that begins."""
        self.waves = {key: began for key, began in self.waves.items() if abs(now - began) <= WAVE}
        return {key: self.waves.setdefault(key, whole_seconds(now)) for key in sorted(keys)}

    def expect_changes(self, findings_key: str, now: datetime) -> None:
        """Note, before a document is written, that its outbox will hold changes."""
        since, times = self.pending.get(findings_key, (whole_seconds(now), 0))
        self.pending[findings_key] = (since, times + 1)

    def drained(self, seen: Mapping[str, tuple[datetime, int]]) -> None:
        """Documents whose outboxes were emptied, with what was pending when that began: more may have come since."""
        self.pending = {key: pending for key, pending in self.pending.items() if seen.get(key) != pending}

    def claim(self, ids: Iterable[str], now: datetime) -> Claims:
        """Claim what is to be sent: what nobody sent or claimed before, or somebody who died since."""
        self.told = {known: told for known, told in self.told.items() if now - told[0] <= REMEMBER}
        mine, taken = [], []
        for wanted in sorted(set(ids)):
            claimed, sent = self.told.get(wanted, (None, False))
            if claimed is None or (not sent and now - claimed >= CLAIMED_FOR):
                self.told[wanted] = (whole_seconds(now), False)
                mine.append(wanted)
            elif not sent:
                taken.append(wanted)
        return Claims(tuple(mine), tuple(taken))

    def sent(self, ids: Iterable[str], now: datetime) -> None:
        """Note that what was claimed was sent."""
        for told in ids:
            self.told[told] = (whole_seconds(now), True)

    def to_json(self) -> bytes:
        """The document's one and only form."""
        waves: dict[str, dict[str, str]] = {}
        for (vulnerability, package), began in sorted(self.waves.items()):
            waves.setdefault(vulnerability, {})[package] = to_text(began)
        wire = {
            "schema": SCHEMA,
            "waves": waves,
            "told": {told: [to_text(at), sent] for told, (at, sent) in sorted(self.told.items())},
            "pending": {key: [to_text(since), times] for key, (since, times) in sorted(self.pending.items())},
            "known": sorted(self.known),
            "selection": _selection_to_wire(self.selection),
            "scan_type": self.scan_type,
            "baseline_since": self.baseline_since and to_text(self.baseline_since),
            "selection_before": _selection_to_wire(self.selection_before),
            "scan_type_changed": self.scan_type_changed,
            "lacking": {key: [to_text(held.since), *sorted(held.marks)] for key, held in sorted(self.lacking.items())},
            "late_at": self.late_at and to_text(self.late_at),
            "suppressions": {one: sorted(noted) for one, noted in sorted(self.suppressions.items())},
            "checked": self.checked,
        }
        if self.states:
            wire["states"] = sorted(self.states)
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Notices:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no notices document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="notices document")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Notices:
        return cls(
            waves={
                (vulnerability, package): from_text(began)
                for vulnerability, packages in wire["waves"].items()
                for package, began in packages.items()
            },
            told={told: (from_text(at), bool(sent)) for told, (at, sent) in wire["told"].items()},
            pending={key: (from_text(since), int(times)) for key, (since, times) in wire["pending"].items()},
            known=set(wire["known"]),
            selection=_selection_from_wire(wire["selection"]),
            scan_type=ScanType(wire["scan_type"]) if wire["scan_type"] else None,
            baseline_since=from_text(wire["baseline_since"]) if wire["baseline_since"] else None,
            selection_before=_selection_from_wire(wire["selection_before"]),
            scan_type_changed=bool(wire["scan_type_changed"]),
            lacking={
                key: Lacking(from_text(since), frozenset(marks))
                for key, (since, *marks) in wire.get("lacking", {}).items()
            },
            late_at=from_text(wire["late_at"]) if wire.get("late_at") else None,
            suppressions={one: frozenset(noted) for one, noted in wire["suppressions"].items()},
            checked=str(wire["checked"]),
            states=frozenset(wire.get("states", ())),
        )


def _selection_to_wire(selection: Selection | None) -> dict[str, object] | None:
    if selection is None:
        return None
    return {"repository": selection.repository, "tags": selection.tags, "newest": selection.newest}


def _selection_from_wire(wire: dict[str, Any] | None) -> Selection | None:
    if wire is None:
        return None
    return Selection(tuple(wire["repository"]), tuple(wire["tags"]), wire["newest"])
