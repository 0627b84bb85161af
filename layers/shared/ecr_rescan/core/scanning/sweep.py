"""What nobody asks for any more, since when, and what of it is to be removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.keys import IMAGES
from ecr_rescan.core.times import from_text, from_text_or_none, to_text, to_text_or_none

SCHEMA = 1

KEEP_UNNAMED = timedelta(days=30)
"""A configuration that was deleted by mistake, or for a while, finds its repositories' first-seen dates again."""

KEEP_MISSING = timedelta(days=90)
"""The record of a repository that is gone, what a deleted configuration was told, and accounts that none names."""

SWEEP_EVERY = timedelta(days=1)


@dataclass(slots=True)
class Sweep:
    """``unnamed``: the key of a document that no configuration asks for → since when. ``swept_at``: the last time."""

    swept_at: datetime | None = None
    unnamed: dict[str, datetime] = field(default_factory=dict)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to look again."""
        return self.swept_at is None or now - self.swept_at >= SWEEP_EVERY

    def note(self, unnamed: Iterable[str], now: datetime) -> None:
        """Note what no configuration asks for now; what one asks for again is forgotten."""
        self.unnamed = {key: self.unnamed.get(key, now) for key in sorted(unnamed)}

    def over(self, now: datetime) -> list[str]:
        """The documents that were kept for long enough."""
        return [
            key
            for key, since in self.unnamed.items()
            if now - since >= (KEEP_UNNAMED if key.startswith(IMAGES) else KEEP_MISSING)
        ]

    def to_json(self) -> bytes:
        """The document's one and only form."""
        unnamed = {key: to_text(since) for key, since in sorted(self.unnamed.items())}
        return record_form.to_json({"schema": SCHEMA, "swept_at": to_text_or_none(self.swept_at), "unnamed": unnamed})

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Sweep:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no record of sweeps.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="record of sweeps")

    @classmethod
    def _from_wire(cls, wire: Mapping[str, Any]) -> Sweep:
        unnamed = {key: from_text(since) for key, since in wire["unnamed"].items()}
        return cls(from_text_or_none(wire["swept_at"]), unnamed)
