"""What makes a live stack move by itself: the schedule, the passing of virtual time, the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from local.functions import FunctionError
from local.queues import QueuePoller
from local.wiring import Schedule

if TYPE_CHECKING:
    from local.stack import LocalStack

# Real seconds: how often time and queues are looked at, and how long a failed message rests.
PULSE = 0.1
POLL = 0.25
REST = 2.0


class Loops:
    """The threads of a live stack."""

    def __init__(
        self,
        stack: LocalStack,
        schedules: Sequence[Schedule],
        pollers: Sequence[QueuePoller],
        speed: float,
        tick_seconds: float | None,
        log: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._speed = speed
        self._log = log
        self._ending = threading.Event()
        intervals = [tick_seconds or schedule.every.total_seconds() / speed for schedule in schedules]
        self._threads = [
            threading.Thread(target=self._pulse, daemon=True),
            *(
                threading.Thread(target=self._tick, args=pair, daemon=True)
                for pair in zip(schedules, intervals, strict=True)
            ),
            *(threading.Thread(target=self._poll, args=(poller,), daemon=True) for poller in pollers),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more; what runs ends with its function."""
        self._ending.set()

    def _pulse(self) -> None:
        told = 0
        while not self._ending.wait(PULSE):
            try:
                self._stack.settle()
                self._stack.deliver()
                for message in self._stack.published[told:]:
                    self._log(f"message: {message.subject or message.body[:120]}")
                    told += 1
            except Exception as error:
                self._report("time", error)

    def _tick(self, schedule: Schedule, seconds: float) -> None:
        due = time.monotonic()
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            try:
                self._stack.run_schedule(schedule)
            except FunctionError as error:
                self._report("schedule", error)
            # A run that takes longer than the interval: those that fell due meanwhile are skipped.
            due = max(due + seconds, time.monotonic())

    def _poll(self, poller: QueuePoller) -> None:
        while not self._ending.is_set():
            try:
                size, failed = poller.poll()
                # While everything is being closed, calls in flight break: nobody needs to hear of it.
                if failed and not self._ending.is_set():
                    self._log(f"queue: {len(failed)} of {size} messages failed")
                    poller.release(failed, REST * self._speed)
            except Exception as error:
                self._report("queue", error)
                size = 0
            if not size:
                self._ending.wait(POLL)

    def _report(self, what: str, error: Exception) -> None:
        if not self._ending.is_set():
            self._log(f"{what}: {error}")
