"""The outbox of a stored findings document, without building the rest of it.

Errors are those of ``FindingsDocument.from_json``.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.changes.findings import SCHEMA, Announcement, announcement_from_wire

_WHAT = "findings document"


def read_outbox(key: str, body: bytes) -> list[Announcement]:
    """The outbox of a stored findings document alone."""

    def build(wire: dict[str, Any]) -> list[Announcement]:
        return [announcement_from_wire(item) for item in wire["outbox"]]

    return record_form.from_json(key, body, build, schema=SCHEMA, what=_WHAT)


def without_announcements(key: str, body: bytes, handled: Set[Announcement]) -> bytes:
    """A stored findings document without what was handled of its outbox."""

    def build(wire: dict[str, Any]) -> dict[str, Any]:
        outbox = [item for item in wire["outbox"] if announcement_from_wire(item) not in handled]
        return {**wire, "outbox": outbox}

    return record_form.to_json(record_form.from_json(key, body, build, schema=SCHEMA, what=_WHAT))
