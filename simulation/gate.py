"""What every call of the simulated service passes through: virtual time, troubles, deaths, and other workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from local.clock import Clock

START = datetime(2026, 3, 1, tzinfo=UTC)
LATENCY = timedelta(milliseconds=2)
"""Of one call: many are made at once in earnest, and one after the other here."""

T = TypeVar("T")


class Died(BaseException):
    """The function was killed here: no handler of errors sees it, only what is stored survives."""


class VirtualClock(Clock):
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """The virtual instant, aware UTC."""
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move forward."""
        self._now += step

    def reach(self, moment: datetime) -> None:
        """Move forward to a moment, if it is not past."""
        self._now = max(self._now, moment)

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` is to the service."""
        self._now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Worker:
    """One invocation: dies at its ``die_at``-th call or at its deadline; ``interrupt_at``: another runs in between."""

    number: int
    kind: str
    began: datetime
    die_at: int = 0
    interrupt_at: int = 0
    calls: int = 0
    died: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a call meets: ``kind`` before it is carried out, or after it where ``done``."""

    kind: str
    done: bool = False


@dataclass(slots=True)
class Gate:
    """Counts calls by (service, operation), advances the clock, and decides what befalls each call.

    ``trouble``: asked before each call with (service, operation, registry, repository). ``interrupt``: runs another
    worker. ``trace``: the last calls, for the report of a broken invariant.
    """

    clock: VirtualClock
    chance: Random
    trouble: Callable[[str, str, str, str], Trouble | None] = lambda *call: None
    interrupt: Callable[[], None] = lambda: None
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    workers: list[Worker] = field(default_factory=list)

    def enter(self, service: str, operation: str, registry: str = "", repository: str = "") -> Trouble | None:
        """A call begins: what befalls it.

        Raises:
            Died: the worker's time was up.
        """
        self.calls[service, operation] += 1
        self.clock.advance(LATENCY)
        if not self.workers:
            return None
        worker = self.workers[-1]
        worker.calls += 1
        if worker.calls == worker.interrupt_at:
            self.interrupt()
        if worker.calls == worker.die_at or self.clock.now() - worker.began > timedelta(seconds=240):
            worker.died = True
            raise Died
        return self.trouble(service, operation, registry, repository)
