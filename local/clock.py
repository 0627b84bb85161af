"""Virtual time: a pure function of the monotonic clock, so that every process of the stack reads the same instant."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """How virtual time runs: it was ``start`` at ``anchor`` (of ``time.monotonic``), and runs at ``speed``.

    ``time.monotonic`` is one clock for the whole machine, so a rate read from its text in another process is in step.
    """

    start: datetime
    speed: float
    anchor: float

    def now(self) -> datetime:
        """The virtual instant, aware UTC."""
        if not self.speed:
            return self.start
        return self.start + timedelta(seconds=(time.monotonic() - self.anchor) * self.speed)

    def to_text(self) -> str:
        """The rate as one line, for ``from_text`` in another process."""
        return f"{self.start.isoformat()} {self.speed!r} {self.anchor!r}"

    @classmethod
    def from_text(cls, text: str) -> Rate:
        """Read what ``to_text`` wrote."""
        start, speed, anchor = text.split()
        return cls(datetime.fromisoformat(start), float(speed), float(anchor))


class Clock:
    """The stack's clock: runs at a speed, or stands still (speed 0) until a test moves it."""

    def __init__(self, start: datetime | None = None, speed: float = 1.0) -> None:
        self.rate = Rate(start or datetime.now(UTC), speed, time.monotonic())

    def now(self) -> datetime:
        """The virtual instant, aware UTC."""
        return self.rate.now()

    def advance(self, step: timedelta) -> None:
        """Move forward by ``step``, running or not."""
        self.rate = replace(self.rate, start=self.rate.start + step)

    def timestamp(self) -> float:
        """Seconds since 1970, what moto's own helpers answer."""
        return self.now().timestamp()
