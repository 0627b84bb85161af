"""What every call of the simulated service passes through: virtual time, other workers, troubles and deaths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ecr_rescan.core.keys import parse_findings_key, parse_images_key
from local.clock import Clock

if TYPE_CHECKING:
    from simulation.workers import Pace, Turns

START = datetime(2026, 3, 1, tzinfo=UTC)
LATENCY = timedelta(milliseconds=2)
"""Of one call: many are made at once in earnest, and one after the other here."""
DEADLINE = timedelta(seconds=240)
"""The function's timeout."""
LONG = 30.0
"""Seconds of a pause in which the events of a push can arrive and be recorded."""


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
        """Move forward by seconds."""
        self._now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Worker:
    """One invocation: dies at its ``die_at``-th call or at its deadline."""

    number: int
    kind: str
    began: datetime
    die_at: int = 0
    pace: Pace | None = None
    calls: int = 0
    died: bool = False

    @property
    def name(self) -> str:
        """As the timeline calls it."""
        return f"{self.kind} {self.number}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a call meets: ``kind`` before it is carried out, or after it where ``done``."""

    kind: str
    done: bool = False


@dataclass(slots=True)
class Call:
    """A call of the service. ``about``: a key or digest. ``version``: the ETag that is to be replaced.

    ``result``: how it was answered; where a document was read or written, with its ETag.
    """

    at: datetime
    who: str
    operation: str
    registry: str
    repository: str
    about: str
    version: str = ""
    result: str = ""


@dataclass(slots=True)
class Gate:
    """Counts calls by (service, operation), lets time pass, and decides what befalls each call.

    ``trouble``: asked before each call with (service, operation, registry, repository). ``slow``: told of each long
    pause in a repository, with its length. ``allowed``: the pauses that may be, by (worker, call); None: all that
    are drawn. ``pauses``: those in which something else happened. ``story``: all calls, where they are kept.
    """

    clock: VirtualClock
    turns: Turns | None = None
    trouble: Callable[[str, str, str, str], Trouble | None] = lambda *call: None
    slow: Callable[[str, str, timedelta], None] = lambda *where: None
    allowed: frozenset[tuple[int, int]] | None = None
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    pauses: list[tuple[int, int]] = field(default_factory=list)
    story: list[Call] | None = None
    _last: Call | None = None

    @property
    def worker(self) -> Worker | None:
        """Who makes the call."""
        return self.turns.current if self.turns else None

    def enter(
        self, service: str, operation: str, registry: str = "", repository: str = "", about: str = ""
    ) -> Trouble | None:
        """A call begins: what befalls it. Until it is answered, nobody else runs.

        Args:
            service: of AWS.
            operation: as boto3 names it in events.
            registry: whose account it is about.
            repository: what it is about, as far as that is one repository.
            about: a digest; or the key of a document, which names registry and repository where they are not given.

        Raises:
            Died: the worker's time was up.
        """
        self.calls[service, operation] += 1
        worker = self.worker
        if worker is None or self.turns is None:
            self.clock.advance(LATENCY)
            return None
        worker.calls += 1
        if worker.pace is not None or self.story is not None:
            registry, repository = (registry, repository) if repository or service == "ecr" else _place(about)
        began = self.clock.now()
        until = began + LATENCY
        if worker.pace is not None:
            until += self._pause(worker, registry, repository)
        if self.turns.wait(until) and until - began > LATENCY:
            self.pauses.append((worker.number, worker.calls))
        died = worker.calls == worker.die_at or self.clock.now() - worker.began > DEADLINE
        trouble = None if died else self.trouble(service, operation, registry, repository)
        if self.story is not None:
            result = "died" if died else (f"{trouble.kind}{', done' * trouble.done}" if trouble else "ok")
            self._last = Call(self.clock.now(), worker.name, operation, registry, repository, about, result=result)
            self.story.append(self._last)
        if died:
            worker.died = True
            raise Died
        return trouble

    def answer(self, result: str, version: str = "") -> None:
        """How the call that entered last was answered, for the story."""
        if self._last is not None:
            self._last.result, self._last.version = result, version
            self._last = None

    def _pause(self, worker: Worker, registry: str, repository: str) -> timedelta:
        assert worker.pace is not None
        seconds = worker.pace.pause(in_repository=bool(repository))
        if not seconds or (self.allowed is not None and (worker.number, worker.calls) not in self.allowed):
            return timedelta()
        if seconds >= LONG and repository:
            self.slow(registry, repository, timedelta(seconds=seconds))
        return timedelta(seconds=seconds)


def _place(key: str) -> tuple[str, str]:
    """The registry and repository that a document is about; nothing of another document."""
    parsed = parse_images_key(key) or parse_findings_key(key)
    return (parsed[0], parsed[2]) if parsed else ("", "")
