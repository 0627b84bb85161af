"""Telling people: drains the outboxes of findings documents into one message per configuration.

Nothing is lost: an outbox is cleared only after its message was sent. Nothing is sent twice beyond what that forces:
each alert is claimed in the configuration's notices before, and marked as sent there after it was.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import Announcement, FindingsDocument
from ecr_rescan.core.changes.notices import REMEMBER
from ecr_rescan.core.changes.recording import WAVE
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, EcrRescanError
from ecr_rescan.core.keys import parse_findings_key
from ecr_rescan.core.naming import names
from ecr_rescan.core.telling.message import changes_message
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.named_documents import named_documents
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place

LEFT_OVER = timedelta(minutes=30)
"""An outbox that was not drained for so long belongs to somebody who died."""

_Pending = Mapping[str, tuple[datetime, int]]
_Item = tuple[str, Announcement]
"""A change, and the key of the document whose outbox holds it."""


@dataclass(slots=True)
class _Outcome:
    """What became of a configuration's changes: messages sent, and what stays in its outbox."""

    sent: int = 0
    kept: set[_Item] = field(default_factory=set)


class Announcer:
    """Sends what the outboxes hold."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard, topic: Topic, base_url: str | None) -> None:
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url

    def drain(self, findings_keys: Collection[str], configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what these documents' outboxes hold, and clear them.

        Changes of a configuration that can't be read, or is deleted, wait a week for it.

        Returns:
            How many messages were sent.

        Raises:
            EcrRescanError: the first trouble, after everything else was done; the outboxes keep what was not sent.
        """
        # Before the outboxes: what is put there from now on is somebody else's to announce, or pending.
        pending = {configuration.id: self._pending(configuration, findings_keys) for configuration in configurations}
        known = {configuration.id: configuration for configuration in configurations}
        waiting: dict[str, list[_Item]] = {config_id: [] for config_id, seen in pending.items() if seen}
        for key in sorted(findings_keys):
            for item in self._outbox(key):
                waiting.setdefault(item.config_id, []).append((key, item))
        sent = 0
        troubles = []
        for config_id, items in sorted(waiting.items()):
            try:
                if config_id in known:
                    sent += self._one(known[config_id], items, pending[config_id], now)
                else:
                    self._clear([item for item in items if now - item[1].at > REMEMBER])
            except EcrRescanError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return sent

    def drain_leftovers(self, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what somebody who died left behind; as ``drain``."""
        keys = set()
        for configuration in configurations:
            pending = self._notices.read(configuration.id).pending
            keys |= {key for key, (since, _) in pending.items() if now - since >= LEFT_OVER}
        return self.drain(keys, configurations, now) if keys else 0

    def _pending(self, configuration: ScanConfiguration, findings_keys: Collection[str]) -> _Pending:
        """What the notices expect in these documents' outboxes."""
        places = {key: Place(*parsed) for key in findings_keys if (parsed := parse_findings_key(key))}
        if not any(names(configuration, place) for place in places.values()):
            return {}
        pending = self._notices.read(configuration.id).pending
        return {key: pending[key] for key in findings_keys if key in pending}

    def _outbox(self, key: str) -> Sequence[Announcement]:
        try:
            stored = self._documents.get(key)
            return FindingsDocument.from_json(key, stored.body).outbox if stored else ()
        except DocumentError as error:
            logger.warning("An outbox can't be read", key=key, problem=error.problem)
            return ()

    def _one(self, configuration: ScanConfiguration, items: Sequence[_Item], pending: _Pending, now: datetime) -> int:
        outcome = self._announce(configuration, items, now) if items else _Outcome()
        self._clear([item for item in items if item not in outcome.kept])
        kept = {key for key, _ in outcome.kept}
        done = {key: seen for key, seen in pending.items() if key not in kept}
        if done:
            self._notices.change(configuration.id, lambda notices: notices.drained(done))
        return outcome.sent

    def _announce(self, configuration: ScanConfiguration, items: Sequence[_Item], now: datetime) -> _Outcome:
        by_item = self._worth_telling(configuration, items, now)
        by_id = {alert.id: alert for alert in by_item.values()}
        if not by_id:
            return _Outcome()
        claims = self._notices.change(configuration.id, lambda notices: notices.claim(by_id, now))
        kept = {item for item, alert in by_item.items() if alert.id in claims.taken}
        if not claims.mine:
            return _Outcome(kept=kept)
        told = [by_id[alert_id] for alert_id in claims.mine]
        self._topic.publish(changes_message(configuration, told, self._base_url, now))
        self._notices.change(configuration.id, lambda notices: notices.sent(claims.mine, now))
        return _Outcome(1, kept)

    def _worth_telling(
        self, configuration: ScanConfiguration, items: Sequence[_Item], now: datetime
    ) -> dict[_Item, Alert]:
        """The changes that are worth a message now, with the alerts that they are."""
        keys = {(item.vulnerability, item.package) for _, item in items}
        documents = []
        for document in named_documents(self._documents, configuration):
            document.findings = {key: document.findings[key] for key in keys if key in document.findings}
            documents.append(document)
        found = {
            (alert.vulnerability, alert.package, alert.wave): alert
            for alert in alerts(configuration, documents, on=now.date(), only=keys)
        }
        worth = {}
        for item in items:
            change = item[1]
            alert = found.get((change.vulnerability, change.package, change.wave))
            # One that is baseline again rose here, but another repository had been that severe from the beginning.
            if alert is None or alert.suppressed or alert.kind == "baseline":
                continue
            # A change whose alert began long before it only added a repository, or repeated a rise.
            if alert.severity.reaches(configuration.notify) and alert.published >= change.at - WAVE:
                worth[item] = alert
        return worth

    def _clear(self, items: Sequence[_Item]) -> None:
        by_key: dict[str, set[Announcement]] = {}
        for key, item in items:
            by_key.setdefault(key, set()).add(item)
        for key, handled in by_key.items():
            self._documents.update(key, functools.partial(_without, key=key, handled=handled))


def _without(body: bytes | None, *, key: str, handled: set[Announcement]) -> bytes | None:
    if body is None:
        return None
    document = FindingsDocument.from_json(key, body)
    document.outbox = [item for item in document.outbox if item not in handled]
    return document.to_json()
