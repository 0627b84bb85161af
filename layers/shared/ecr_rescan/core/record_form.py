"""How records are stored: as JSON with the number of their schema, in one form for the same content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from ecr_rescan.core.errors import DocumentError, UnknownSchemaError

T = TypeVar("T")


def to_json(wire: Mapping[str, Any]) -> bytes:
    """What is stored: the same content, in the same order, gives the same bytes."""
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(key: str, body: bytes, build: Callable[[dict[str, Any]], T], *, schema: int, what: str) -> T:
    """Build a record from what is stored under a key.

    Args:
        build: from the members of its JSON object; where some are missing or of another kind, it may fail as it does.
        schema: the number that this version of the service writes.
        what: names the record, for people: "image ledger".

    Raises:
        UnknownSchemaError: another version of the service wrote it.
        DocumentError: it is no such record.
    """
    try:
        wire = orjson.loads(body)
        if wire["schema"] != schema:
            raise UnknownSchemaError(key, wire["schema"])
        return build(wire)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DocumentError(key, f"is no {what}: {error!r}") from error
