"""Telling people: drains the outboxes of findings documents into one message per configuration.

Nothing is lost: an outbox is cleared only after its message was sent. Nothing is sent twice beyond what that forces:
each alert is first claimed in the configuration's notices, by the findings document that announces it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.alerts import Alert, alerts
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.findings import Announcement, FindingKey, FindingsDocument
from ecr_rescan.core.keys import FINDINGS, parse_findings_key
from ecr_rescan.core.message import changes_message
from ecr_rescan.core.notices import Notices
from ecr_rescan.core.recording import WAVE
from ecr_rescan.runtime.notice_board import NoticeBoard
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.place import Place, naming

LEFT_OVER = timedelta(minutes=30)
"""An outbox that was not drained for so long belongs to somebody who died."""

_AT_ONCE = 32


class Announcer:
    """Sends what the outboxes hold."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard, topic: Topic, base_url: str | None) -> None:
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url

    def drain(self, findings_keys: Collection[str], configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what these documents' outboxes hold, and clear them.

        Returns:
            How many messages were sent.

        Raises:
            MessageError: SNS failed; the outboxes keep what was not sent.
            StoreError, ConflictError, DocumentError: a document can't be read or written.
        """
        known = {configuration.id: configuration for configuration in configurations}
        waiting: dict[str, list[tuple[str, Announcement]]] = {}
        for key in sorted(findings_keys):
            stored = self._documents.get(key)
            for item in FindingsDocument.from_json(key, stored.body).outbox if stored else ():
                waiting.setdefault(item.config_id, []).append((key, item))
        sent = 0
        for config_id, items in sorted(waiting.items()):
            configuration = known.get(config_id)
            if configuration is not None:
                sent += self._announce(configuration, items, now)
            self._clear(items)
            if configuration is not None:
                self._notices.change(config_id, functools.partial(_done, findings_keys=findings_keys))
        return sent

    def drain_leftovers(self, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what somebody who died left behind."""
        keys = set()
        for configuration in configurations:
            pending = self._notices.read(configuration.id).pending
            keys |= {key for key, since in pending.items() if now - since >= LEFT_OVER}
        if not keys:
            return 0
        sent = self.drain(keys, configurations, now)
        for configuration in configurations:
            self._notices.change(configuration.id, functools.partial(_done, findings_keys=keys))
        return sent

    def _announce(
        self, configuration: ScanConfiguration, items: Sequence[tuple[str, Announcement]], now: datetime
    ) -> int:
        keys = {(item.vulnerability, item.package) for _, item in items}
        documents = list(self._documents_of(configuration, keys))
        found = {
            (alert.vulnerability, alert.package, alert.wave): alert
            for alert in alerts(configuration, documents, on=now.date(), only=keys)
        }
        wanted: dict[str, dict[str, Alert]] = {}
        for key, item in items:
            alert = found.get((item.vulnerability, item.package, item.wave))
            if alert is None or alert.suppressed or not alert.severity.reaches(configuration.notify):
                continue
            # An item whose alert began long before it only added a repository, or repeated a rise.
            if alert.published >= item.at - WAVE:
                wanted.setdefault(key, {})[alert.id] = alert
        mine: dict[str, Alert] = {}

        def claim(notices: Notices) -> None:
            mine.clear()
            for key, by_id in sorted(wanted.items()):
                mine.update({alert_id: by_id[alert_id] for alert_id in notices.claim(sorted(by_id), key, now)})

        if wanted:
            self._notices.change(configuration.id, claim)
        if not mine:
            return 0
        message = changes_message(configuration, list(mine.values()), self._base_url)
        self._topic.publish(message.subject, message.text, attributes=message.attributes)
        return 1

    def _documents_of(
        self, configuration: ScanConfiguration, keys: Collection[FindingKey]
    ) -> Iterable[FindingsDocument]:
        """All findings documents of a configuration, each cut down at once to the findings in question."""
        prefix = f"{FINDINGS}{configuration.registry}/{configuration.region}/"
        named = []
        for listed in self._documents.list(prefix):
            parsed = parse_findings_key(listed.key)
            if parsed and naming(Place(*parsed), [configuration]):
                named.append(listed.key)
        for start in range(0, len(named), _AT_ONCE):
            for stored in self._documents.get_many(named[start : start + _AT_ONCE]):
                if not isinstance(stored, Stored):
                    if stored is not None:
                        logger.warning("A findings document could not be read", error=str(stored))
                    continue
                document = FindingsDocument.from_json(stored.key, stored.body)
                document.findings = {key: document.findings[key] for key in keys if key in document.findings}
                yield document

    def _clear(self, items: Sequence[tuple[str, Announcement]]) -> None:
        by_key: dict[str, set[Announcement]] = {}
        for key, item in items:
            by_key.setdefault(key, set()).add(item)
        for key, handled in by_key.items():

            def rewrite(body: bytes | None, key: str = key, handled: set[Announcement] = handled) -> bytes | None:
                if body is None:
                    return None
                document = FindingsDocument.from_json(key, body)
                document.outbox = [item for item in document.outbox if item not in handled]
                return document.to_json()

            self._documents.update(key, rewrite)


def _done(notices: Notices, findings_keys: Collection[str]) -> None:
    for key in findings_keys:
        notices.pending.pop(key, None)
