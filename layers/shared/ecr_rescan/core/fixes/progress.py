"""How far the reading of fixes has come, so that the next tick goes on there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.times import from_text, to_text

SCHEMA = 1


@dataclass(slots=True)
class Progress:
    """``cursors``: distribution → up to when its list of changes was read. ``again``: what is to be reread.

    ``edge``: what was listed at that end, which the next reading meets again.
    """

    cursors: dict[str, datetime] = field(default_factory=dict)
    again: dict[str, set[str]] = field(default_factory=dict)
    edge: dict[str, set[str]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The document's one and only form."""
        return record_form.to_json(
            {
                "schema": SCHEMA,
                "cursors": {name: to_text(at) for name, at in sorted(self.cursors.items())},
                "again": _ids_to_wire(self.again),
                "edge": _ids_to_wire(self.edge),
            }
        )

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Progress:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no such document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="document of progress")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Progress:
        return cls(
            {name: from_text(at) for name, at in wire["cursors"].items()},
            *({name: set(ids) for name, ids in wire[part].items()} for part in ("again", "edge")),
        )


def _ids_to_wire(by_name: dict[str, set[str]]) -> dict[str, list[str]]:
    return {name: sorted(ids) for name, ids in sorted(by_name.items()) if ids}
