"""Parts of long answers, each small enough for a function's 6 MB, in an order that new images don't disturb."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.summary.summary import ConfigurationSummary, ImageSummary, Summary

LARGEST_PAGE = 20_000
_FEW = 1_000
_LARGEST_BYTES = 5_500_000
"""What the rows of an answer may take of Lambda's 6 MB, in which the answer is a string of JSON."""
_LONGEST_CURSOR = 2_000

Cursor = tuple[str | int, ...]
"""The place of a row in the order of all rows."""

Row = tuple[ConfigurationSummary, ImageSummary | None]
"""An image as a configuration has it, or the configuration itself."""

T = TypeVar("T")


def to_text(cursor: Cursor) -> str:
    """A cursor for a URL; what is in it is nobody's business."""
    return base64.urlsafe_b64encode(json.dumps(cursor, separators=(",", ":")).encode()).decode().rstrip("=")


def from_text(text: str, shape: str) -> Cursor:
    """Read what ``to_text`` wrote.

    Args:
        shape: a letter for each part, ``s`` for text and ``i`` for a whole number.

    Raises:
        InvalidRequestError: it is no cursor of that shape.
    """
    kinds = [str if letter == "s" else int for letter in shape]
    try:
        padded = text[:_LONGEST_CURSOR] + "=" * (-len(text) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if isinstance(parts, list) and [type(part) for part in parts] == kinds:
            return tuple(parts)
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise InvalidRequestError(
        "after: must be what the link to this page says", [Fault("after", "must be what the link to this page says")]
    )


def page(
    rows: Iterable[tuple[Cursor, T]],
    size: Callable[[T], int],
    *,
    after: Cursor | None,
    limit: int,
    largest_bytes: int | None = None,
) -> tuple[list[T], Cursor | None]:
    """The rows that come after a cursor, as many as may be, and the cursor of the last where others follow it.

    Args:
        rows: in the order of their cursors.
        size: what a row takes of an answer, at most; see ``carried``.
        largest_bytes: what all of them may take; by default what a function may answer, less some room.
    """
    taken: list[T] = []
    last: Cursor | None = None
    left = _LARGEST_BYTES if largest_bytes is None else largest_bytes
    for cursor, row in rows:
        if after is not None and cursor <= after:
            continue
        left -= size(row)
        if len(taken) == limit or (taken and left < 0):
            return taken, last
        taken.append(row)
        last = cursor
    return taken, None


def carried(text: str) -> int:
    """How many bytes a text takes, at most: in JSON, which itself is a string in JSON on its way out of a function."""
    plain = text.isascii() and '"' not in text and "\\" not in text
    return len(text) if plain else 14 * len(text)


SUMMARY_CURSOR = "ssisss"


def page_of_summary(
    summary: Summary, size: Callable[[Row], int], *, after: Cursor | None, limit: int
) -> tuple[Summary, Cursor | None]:
    """The summary with a part of its images, and with those configurations alone that the part is about.

    Args:
        size: what a row takes in the form that is asked for.
    """
    if after is None and _rows_of(summary) <= min(limit, _FEW) and _fits(summary, size):
        return summary, None
    rows = ((cursor, row) for item in summary.configurations for cursor, row in _rows(item))
    taken, last = page(rows, size, after=after, limit=limit)
    images: dict[str, list[ImageSummary]] = {}
    for item, image in taken:
        kept = images.setdefault(item.configuration.id, [])
        if image is not None:
            kept.append(image)
    configurations = tuple(
        replace(item, images=tuple(images[item.configuration.id]))
        for item in summary.configurations
        if item.configuration.id in images
    )
    return replace(summary, configurations=configurations), last


def beginnings(summary: Summary, size: Callable[[Row], int]) -> list[str]:
    """Where each page of the summary begins, the first with nothing."""
    found = [""]
    if _rows_of(summary) <= LARGEST_PAGE and _fits(summary, size):
        return found
    last: Cursor | None = None
    while True:
        last = page_of_summary(summary, size, after=last, limit=LARGEST_PAGE)[1]
        if last is None:
            return found
        found.append(to_text(last))


def _rows_of(summary: Summary) -> int:
    return sum(len(item.images) + 1 for item in summary.configurations)


def _fits(summary: Summary, size: Callable[[Row], int]) -> bool:
    return sum(size((item, row)) for item in summary.configurations for row in (None, *item.images)) <= _LARGEST_BYTES


def _rows(item: ConfigurationSummary) -> Iterable[tuple[Cursor, Row]]:
    """A configuration, and its images in the order that the summary has them: newest first in each repository."""
    yield (item.configuration.id, "", 0, "", "", ""), (item, None)
    for image in item.images:
        status = image.status
        pushed = -int(image.pushed_at.timestamp())
        platform, manifest = status.platform or "", status.manifest or ""
        yield (item.configuration.id, image.repository, pushed, image.digest, platform, manifest), (item, image)
