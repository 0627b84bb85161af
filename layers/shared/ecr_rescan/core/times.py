"""Instants on the wire and in documents: aware UTC, whole seconds, ISO 8601 with a Z."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def whole_seconds(moment: datetime) -> datetime:
    """The instant in UTC without its fraction: what documents, feeds and answers show."""
    return moment.astimezone(UTC).replace(microsecond=0)


def to_text(moment: datetime) -> str:
    """``2026-11-23T18:00:00Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


# Documents name the same few instants over and over.
@lru_cache(maxsize=8192)
def from_text(text: str) -> datetime:
    """Read what ``to_text`` wrote, or any ISO 8601 instant with an offset; ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def to_text_or_none(moment: datetime | None) -> str | None:
    """``to_text`` of an instant that may be unknown."""
    return None if moment is None else to_text(moment)


def from_text_or_none(text: str | None) -> datetime | None:
    """Read what ``to_text_or_none`` wrote."""
    return None if text is None else from_text(text)
