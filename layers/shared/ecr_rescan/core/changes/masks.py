"""Sets of manifests as bits of an int, written in documents as ranges (``0-12,15``) that a person can read.

A finding of a large repository affects hundreds of images; as bits, "is any of them selected?" is one operation.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

_RANGES = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", re.ASCII)


def bits(mask: int) -> Iterator[int]:
    """The positions in a mask, lowest first."""
    # Taking the bits off an int one by one copies it each time.
    digits = bin(mask)[:1:-1]
    position = digits.find("1")
    while position >= 0:
        yield position
        position = digits.find("1", position + 1)


def mask_of(positions: Iterable[int]) -> int:
    """The mask of some positions."""
    listed = list(positions)
    parts = bytearray(max(listed, default=0) // 8 + 1)
    for position in listed:
        parts[position // 8] |= 1 << position % 8
    return int.from_bytes(parts, "little")


@functools.lru_cache(maxsize=8192)
def to_ranges(mask: int) -> str:
    """``0-12,15`` for a mask; an empty string for none."""
    ranges = []
    start = 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        start += skip
        run = (~mask & (mask + 1)).bit_length() - 1
        ranges.append(str(start) if run == 1 else f"{start}-{start + run - 1}")
        mask >>= run
        start += run
    return ",".join(ranges)


@functools.lru_cache(maxsize=8192)
def from_ranges(text: str) -> int:
    """Read what ``to_ranges`` wrote; ValueError for anything else."""
    if text and not _RANGES.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no set of positions")
    mask = 0
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if low > high:
            raise ValueError(f"{part!r} is no range of positions")
        mask |= ((1 << (high - low + 1)) - 1) << low
    return mask


class MaskCounter:
    """Counts at every position of masks how many of them have it.

    A step for each position of each mask would be millions for a large repository, so all are counted at once: bit k of
    a position's count is that position's bit in plane k, and adding a mask is a binary addition, carry by carry.
    """

    __slots__ = ("_planes",)

    def __init__(self) -> None:
        self._planes: list[int] = []

    def add(self, mask: int) -> None:
        """Count one more at every position of the mask."""
        for place, plane in enumerate(self._planes):
            if not mask:
                return
            self._planes[place] = plane ^ mask
            mask &= plane
        if mask:
            self._planes.append(mask)

    def counts(self, positions: int) -> list[int]:
        """The counts at the first so many positions; no mask may have reached beyond."""
        if not self._planes:
            return [0] * positions
        digits = [f"{plane:0{positions}b}" for plane in reversed(self._planes)]
        return [int("".join(column), 2) for column in zip(*digits, strict=True)][::-1]
