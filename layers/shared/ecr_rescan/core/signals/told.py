"""Up to when people were told what public lists, and time alone, changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.times import from_text_or_none, to_text_or_none

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Told:
    """``noticed``: what became known as exploited until then was told. ``looked_at``: the last daily look.

    ``fixes``: up to when it was told what became known of fixes.
    """

    noticed: datetime | None = None
    looked_at: datetime | None = None
    fixes: datetime | None = None

    def to_json(self) -> bytes:
        """The document's one and only form."""
        wire = {
            "schema": SCHEMA,
            "noticed": to_text_or_none(self.noticed),
            "looked_at": to_text_or_none(self.looked_at),
            "fixes": to_text_or_none(self.fixes),
        }
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Told:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no such document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="document of what was told")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Told:
        names = ("noticed", "looked_at", "fixes")
        return cls(*(from_text_or_none(wire.get(name)) for name in names))
