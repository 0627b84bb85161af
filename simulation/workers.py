"""The service's workers: each runs its unchanged code in a thread of its own, and one at a time has the baton.

A worker hands it over at an AWS call or in a sleep, when anything else happens before that is over: people push, a scan
ends, another worker makes its calls. How long each call takes is drawn from the seed; so a seed gives the same order on
every machine, and between any two calls of one worker there can be any number of calls of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from simulation.gate import Died, VirtualClock, Worker

SHORTEST, LONGEST = 0.005, 150.0
"""Seconds of a pause: from a slow call to a tick over many images; and of all pauses of a worker together."""


@dataclass(slots=True)
class Pace:
    """How slow the calls of a worker are. ``often``: how many of those about a repository take longer than usual."""

    chance: Random
    often: float
    left: float = LONGEST

    def pause(self, *, in_repository: bool) -> float:
        """How many seconds the next call takes beyond the usual: of all lengths, short ones as often as long ones."""
        drawn, length = self.chance.random(), self.chance.random()
        if drawn >= (self.often if in_repository else self.often / 10):
            return 0.0
        seconds: float = min(self.left, SHORTEST * (LONGEST / SHORTEST) ** length)
        self.left -= seconds
        return seconds


class Agenda(Protocol):
    """Everything that is going to happen."""

    @property
    def next_at(self) -> datetime | None: ...
    def at(self, moment: datetime, action: Callable[[], None]) -> None: ...


class Turns:
    """Who has the baton. ``current``: the worker that runs (None: the agenda goes on, in the thread that made this)."""

    def __init__(self, clock: VirtualClock, agenda: Agenda) -> None:
        self._clock = clock
        self._agenda = agenda
        self._agenda_goes_on = threading.Semaphore(0)
        self._waiting: dict[int, tuple[Worker, threading.Semaphore]] = {}
        self._ending = self._leaving = False
        self._trouble: BaseException | None = None
        self.current: Worker | None = None

    def start(self, worker: Worker, work: Callable[[], None]) -> None:
        """Begin a worker, up to its first pause; what ``work`` raises comes out of the agenda's step."""
        turn = threading.Semaphore(0)
        self._waiting[worker.number] = worker, turn
        threading.Thread(target=self._run, args=(turn, work), daemon=True).start()
        self._resume(worker.number)

    def wait(self, until: datetime) -> bool:
        """The current worker does nothing until then; answers whether anything else happened."""
        worker, due = self.current, self._agenda.next_at
        if worker is None or self._ending or due is None or due > until:
            self._clock.reach(until)
            return False
        turn = threading.Semaphore(0)
        self._waiting[worker.number] = worker, turn
        self._agenda.at(until, lambda: self._resume(worker.number))
        self._agenda_goes_on.release()
        turn.acquire()
        if self._leaving:
            raise Died
        return True

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` is to the service."""
        self.wait(self._clock.now() + timedelta(seconds=seconds))

    def finish(self) -> None:
        """Nothing more is on the agenda: the workers end one after the other."""
        self._ending = True
        for number in sorted(self._waiting):
            self._resume(number)

    def leave(self) -> None:
        """The run is given up: no thread stays behind."""
        self._leaving = True
        self.finish()

    def _resume(self, number: int) -> None:
        """Hand the baton to a worker, until it pauses or ends."""
        self.current, turn = self._waiting.pop(number)
        turn.release()
        self._agenda_goes_on.acquire()
        self.current = None
        if self._trouble is not None and not self._leaving:
            trouble, self._trouble = self._trouble, None
            raise trouble

    def _run(self, turn: threading.Semaphore, work: Callable[[], None]) -> None:
        turn.acquire()
        try:
            work()
        except BaseException as error:
            # It is raised again in the agenda's thread.
            self._trouble = error
        finally:
            self._agenda_goes_on.release()
