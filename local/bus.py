"""EventBridge: matches events against the template's rules and hands them to their queues; faulty on request."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from moto.events.models import EventPattern
from moto.events.utils import EventMessageType

from local.clock import Clock
from local.faults import EVENT_EFFECTS, Faults
from local.wiring import Rule

Event = dict[str, Any]


class EventBus:
    """Takes events from anywhere (``put``), delivers them when asked (``deliver``). Safe for threads.

    Args:
        send: takes a queue's ARN and a message body.
        faults: troubles on request, service ``events``, by detail-type.
    """

    def __init__(self, rules: Iterable[Rule], clock: Clock, send: Callable[[str, str], None], faults: Faults) -> None:
        self._rules = [(EventPattern(None, rule.pattern), rule.queues) for rule in rules]
        self._clock = clock
        self._send = send
        self._faults = faults
        self._waiting: list[tuple[datetime, int, Event]] = []
        self._number = 0
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """Take an event."""
        now = self._clock.now()
        copies, delay = 1, timedelta()
        for fault in self._faults.take("events", event["detail-type"], EVENT_EFFECTS):
            match fault.effect:
                case "lose":
                    copies = 0
                case "double":
                    copies *= 2
                case "delay":
                    delay += timedelta(seconds=fault.seconds)
        with self._lock:
            for _ in range(copies):
                self._number += 1
                heapq.heappush(self._waiting, (now + delay, self._number, event))

    def deliver(self) -> int:
        """Send what is due to the queues of the rules that match; the number of messages sent."""
        now, sent = self._clock.now(), 0
        while (event := self._next(now)) is not None:
            for queue in {
                queue
                for pattern, queues in self._rules
                if pattern.matches_event(cast(EventMessageType, event))
                for queue in queues
            }:
                self._send(queue, json.dumps(event))
                sent += 1
        return sent

    def _next(self, now: datetime) -> Event | None:
        with self._lock:
            if not self._waiting or self._waiting[0][0] > now:
                return None
            return heapq.heappop(self._waiting)[2]
