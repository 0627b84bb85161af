"""Noting how the service itself does, in as few writes as tell it: see ``core.health.vitals``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.errors import EcrRescanError, MessageError, UnknownSchemaError
from ecr_rescan.core.health.findings import LATE_SECONDS, is_stale
from ecr_rescan.core.health.vitals import NOTE_EVERY, Refusal, Vitals
from ecr_rescan.core.keys import HEALTH
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.core.version import VERSION
from ecr_rescan.runtime.observability import logger


class VitalSigns:
    """The note, changed by compare-and-swap. What can't be noted is logged, and stops nothing."""

    def __init__(self, documents: DocumentStore, topic: Topic, queue: EventsQueue, kept: dict[str, Stored]) -> None:
        """``kept``: the note as this execution environment last saw it, by key."""
        self._documents = documents
        self._topic = topic
        self._queue = queue
        self._kept = kept

    def tick_ended(self, refusals: Sequence[Refusal], now: datetime) -> Vitals:
        """Note that a tick came to its end, and once an hour who is told and what waits; answers the note."""
        now = whole_seconds(now)
        known = self._known()
        fresh = known.tick_at is not None and now - known.tick_at < NOTE_EVERY and known.version == VERSION
        stale = is_stale(known, now)
        if fresh and not stale and not _tell_more(known, refusals):
            return known
        looked = self._looked(now) if stale else {}
        return self._note(lambda it: replace(it.refused(refusals, now), tick_at=now, version=VERSION, **looked))

    def batch_came(self, records: Sequence[Mapping[str, Any]], refusals: Sequence[Refusal], now: datetime) -> None:
        """Note what a batch was refused, and that it came late."""
        now = whole_seconds(now)
        late = max((_waited(record, now) for record in records), default=0)
        if late <= LATE_SECONDS and not refusals:
            return
        known = self._known()
        told = late <= LATE_SECONDS or (known.late_at is not None and now - known.late_at < NOTE_EVERY)
        if told and not _tell_more(known, refusals):
            return
        lateness: dict[str, Any] = {} if told else {"late_at": now, "late_seconds": late}
        self._note(lambda it: replace(it.refused(refusals, now), **lateness))

    def _looked(self, now: datetime) -> dict[str, Any]:
        looked: dict[str, Any] = {
            "looked_at": now,
            "confirmed": None,
            "pending": None,
            "topic_problem": "",
            "waiting": None,
            "dead": None,
            "queue_problem": "",
        }
        try:
            looked["confirmed"], looked["pending"] = self._topic.subscriptions()
        except MessageError as error:
            looked["topic_problem"] = error.code
            logger.warning("The topic could not be asked who is told", error=str(error))
        try:
            looked["waiting"], looked["dead"] = self._queue.backlog(), self._queue.dead_letters()
        except MessageError as error:
            looked["queue_problem"] = error.code
            logger.warning("The queues could not be asked how much they hold", error=str(error))
        return looked

    def _known(self) -> Vitals:
        if HEALTH not in self._kept:
            try:
                if (stored := self._documents.get(HEALTH)) is not None:
                    self._kept[HEALTH] = stored
            except EcrRescanError:
                return Vitals()
        try:
            return _read(self._kept[HEALTH].body) if HEALTH in self._kept else Vitals()
        except UnknownSchemaError:
            return Vitals()

    def _note(self, change: Callable[[Vitals], Vitals]) -> Vitals:
        made = Vitals()

        def rewrite(body: bytes | None) -> bytes:
            nonlocal made
            made = change(_read(body) if body else Vitals())
            return made.to_json()

        try:
            etag = self._documents.update(HEALTH, rewrite, known=self._kept.pop(HEALTH, None))
            if etag is not None:
                self._kept[HEALTH] = Stored(HEALTH, etag, made.to_json(), datetime.now(UTC))
        except EcrRescanError as error:
            logger.warning("The service's health could not be noted", error=str(error))
        return made


def _tell_more(known: Vitals, refusals: Sequence[Refusal]) -> bool:
    """Whether there is a refusal that is not noted yet, or was noted half an hour ago."""
    noted = {(one.action, one.role, one.registry, one.region, one.repository): one.at for one in known.refusals}
    return any(
        (at := noted.get((one.action, one.role, one.registry, one.region, one.repository))) is None
        or one.at - at >= NOTE_EVERY
        for one in refusals
    )


def _waited(record: Mapping[str, Any], now: datetime) -> int:
    sent = record.get("attributes", {}).get("SentTimestamp")
    return int(now.timestamp() - int(sent) / 1000) if sent else 0


def _read(body: bytes) -> Vitals:
    try:
        return Vitals.from_json(HEALTH, body)
    except UnknownSchemaError:
        raise
    except EcrRescanError:
        # It says nothing that the next look doesn't.
        return Vitals()
