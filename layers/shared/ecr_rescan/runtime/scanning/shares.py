"""How the time of an invocation is shared among those who want some of it, and who is first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

TICK = timedelta(minutes=5)

T = TypeVar("T")


def rotated(items: Sequence[T], now: datetime) -> list[T]:
    """The items, beginning with another one at each tick."""
    first = int(now.timestamp() // TICK.total_seconds()) % len(items) if items else 0
    return [*items[first:], *items[:first]]


class Shares:
    """The seconds that are left of an invocation, and of the share that was last begun."""

    def __init__(self, seconds_left: Callable[[], float], *, reserve: float) -> None:
        """``reserve``: seconds that are not shared out, for what has to be done in the end."""
        self._seconds_left = seconds_left
        self._reserve = self._end = reserve

    def begin(self, sharers: int) -> None:
        """Begin a share: what is left, divided by those who are still to have one."""
        left = self.in_all()
        self._end = self._reserve + max(0.0, left - left / sharers)

    def __call__(self) -> float:
        """Seconds that are left of the share."""
        return self._seconds_left() - self._end

    def in_all(self) -> float:
        """Seconds that are left of all shares."""
        return self._seconds_left() - self._reserve
