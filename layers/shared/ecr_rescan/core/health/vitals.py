"""What StartScan notes of itself, so that what is wrong can be told without asking: ``accounts/health.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.times import from_text, from_text_or_none, to_text, to_text_or_none

SCHEMA = 1

NOTE_EVERY = timedelta(minutes=30)
"""How often a tick notes that it came to its end."""

LOOK_EVERY = timedelta(hours=1)
"""How often the topic and the queues are looked at."""

REFUSED_FOR = timedelta(hours=25)
"""How long a refusal is lately: what is left alone after a refusal is tried again at least once a day."""

MOST_REFUSALS = 50


@dataclass(frozen=True, slots=True)
class Refusal:
    """An action that a role was not permitted, and where; ``role`` is "" for the service's own."""

    action: str
    role: str
    registry: str
    region: str
    repository: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is noted. Numbers are None where nobody could look.

    Attributes:
        tick_at: the last tick that came to its end, to half an hour.
        version: of the service that noted this.
        looked_at: when topic and queues were looked at.
        confirmed: subscriptions of the topic that messages are delivered to; ``pending``: such that nobody confirmed.
        topic_problem: why the topic could not be asked, "" where it could; ``queue_problem``: the same of the queues.
        waiting: messages in the events queue; ``dead``: in the dead-letter queue.
        late_at: the last batch whose oldest message had waited for long; ``late_seconds``: for how long.
        refusals: what was refused lately, newest first.
    """

    tick_at: datetime | None = None
    version: str = ""
    looked_at: datetime | None = None
    confirmed: int | None = None
    pending: int | None = None
    topic_problem: str = ""
    waiting: int | None = None
    dead: int | None = None
    queue_problem: str = ""
    late_at: datetime | None = None
    late_seconds: int = 0
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_mute(self) -> bool:
        """Whether it is known that nobody gets the messages."""
        return self.confirmed == 0

    def refused(self, found: Iterable[Refusal], now: datetime) -> Vitals:
        """With these refusals, and without those of long ago."""
        known = {_about(one): one for one in self.refusals if now - one.at < REFUSED_FOR}
        known |= {_about(one): one for one in found}
        newest = sorted(known.values(), key=lambda one: (-one.at.timestamp(), _about(one)))
        return replace(self, refusals=tuple(newest[:MOST_REFUSALS]))

    def to_json(self) -> bytes:
        """The document's one and only form."""
        return record_form.to_json(
            {
                "schema": SCHEMA,
                "tick_at": to_text_or_none(self.tick_at),
                "version": self.version,
                "looked_at": to_text_or_none(self.looked_at),
                "confirmed": self.confirmed,
                "pending": self.pending,
                "topic_problem": self.topic_problem,
                "waiting": self.waiting,
                "dead": self.dead,
                "queue_problem": self.queue_problem,
                "late_at": to_text_or_none(self.late_at),
                "late_seconds": self.late_seconds,
                "refusals": [[*_about(one), to_text(one.at)] for one in self.refusals],
            }
        )

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Vitals:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no such document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="note of the service's health")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Vitals:
        return cls(
            tick_at=from_text_or_none(wire["tick_at"]),
            version=wire["version"],
            looked_at=from_text_or_none(wire["looked_at"]),
            confirmed=wire["confirmed"],
            pending=wire["pending"],
            topic_problem=wire["topic_problem"],
            waiting=wire["waiting"],
            dead=wire["dead"],
            queue_problem=wire["queue_problem"],
            late_at=from_text_or_none(wire["late_at"]),
            late_seconds=wire["late_seconds"],
            refusals=tuple(_refusal(*one) for one in wire["refusals"]),
        )


def _about(one: Refusal) -> tuple[str, str, str, str, str]:
    return one.action, one.role, one.registry, one.region, one.repository


def _refusal(action: str, role: str, registry: str, region: str, repository: str, at: str) -> Refusal:
    return Refusal(action, role, registry, region, repository, from_text(at))
