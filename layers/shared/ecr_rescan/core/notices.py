"""What a configuration was told: its running waves, the alerts announced, its baseline, warnings given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from ecr_rescan.core.findings import FindingKey
from ecr_rescan.core.recording import WAVE
from ecr_rescan.core.times import from_text, to_text, whole_seconds

SCHEMA = 1

REMEMBER = timedelta(days=7)
"""How long an announced alert is remembered: longer than any leftover outbox and any wave."""

BASELINE_LIMIT = timedelta(hours=25)
"""A baseline is announced after this time, complete or not."""


@dataclass(slots=True)
class Notices:
    """One configuration's.

    ``waves``: finding → when its running wave began. ``told``: alert id → (when, by which repository's document).
    ``baseline_since``: a baseline is running since then and not announced yet (None: announced).
    ``known``: the findings documents whose baseline was announced. ``pending``: the findings documents whose outbox
    may still hold changes for this configuration → since when.
    """

    waves: dict[FindingKey, datetime] = field(default_factory=dict)
    told: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    baseline_since: datetime | None = None
    known: set[str] = field(default_factory=set)
    pending: dict[str, datetime] = field(default_factory=dict)

    def join_waves(self, keys: Iterable[FindingKey], now: datetime) -> dict[FindingKey, datetime]:
        """The wave of each finding that opened now: the running one, or a new one that begins."""
        self.waves = {key: began for key, began in self.waves.items() if abs(now - began) <= WAVE}
        return {key: self.waves.setdefault(key, whole_seconds(now)) for key in sorted(keys)}

    def claim(self, alert_ids: Iterable[str], by: str, now: datetime) -> list[str]:
        """The alerts that ``by`` is to announce: nobody has, or it claimed them itself but may not have sent them."""
        self.told = {alert: told for alert, told in self.told.items() if now - told[0] <= REMEMBER}
        mine = [alert for alert in alert_ids if self.told.get(alert, (now, by))[1] == by]
        for alert in mine:
            self.told.setdefault(alert, (now, by))
        return mine

    def to_json(self) -> bytes:
        """The document's one and only form."""
        waves: dict[str, dict[str, str]] = {}
        for (vulnerability, package), began in sorted(self.waves.items()):
            waves.setdefault(vulnerability, {})[package] = to_text(began)
        wire = {
            "schema": SCHEMA,
            "waves": waves,
            "told": {alert: [to_text(at), by] for alert, (at, by) in sorted(self.told.items())},
            "baseline_since": self.baseline_since and to_text(self.baseline_since),
            "known": sorted(self.known),
            "pending": {key: to_text(since) for key, since in sorted(self.pending.items())},
        }
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Notices:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no notices document.
        """
        try:
            wire: dict[str, Any] = json.loads(body)
            if wire["schema"] != SCHEMA:
                raise UnknownSchemaError(key, wire["schema"])
            return cls(
                waves={
                    (vulnerability, package): from_text(began)
                    for vulnerability, packages in wire["waves"].items()
                    for package, began in packages.items()
                },
                told={alert: (from_text(at), by) for alert, (at, by) in wire["told"].items()},
                baseline_since=from_text(wire["baseline_since"]) if wire["baseline_since"] else None,
                known=set(wire["known"]),
                pending={key: from_text(since) for key, since in wire["pending"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DocumentError(key, f"is no notices document: {error!r}") from error
