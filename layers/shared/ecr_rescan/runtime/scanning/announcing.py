"""Telling people: drains the outboxes of findings documents into one message per configuration.

Nothing is lost: an outbox is cleared only after its message was sent. Nothing is sent twice beyond what that forces:
each alert is claimed in the configuration's notices before, and marked as sent there after it was.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import Announcement, FindingsDocument
from ecr_rescan.core.changes.notices import REMEMBER
from ecr_rescan.core.changes.outbox import read_outbox, without_announcements
from ecr_rescan.core.changes.recording import WAVE
from ecr_rescan.core.changes.worth import reaches
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, EcrRescanError, StoreError
from ecr_rescan.core.keys import parse_findings_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals
from ecr_rescan.core.telling.message import changes_message
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.named_documents import each_document, named_places
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard

T = TypeVar("T")

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

    def __init__(
        self,
        documents: DocumentStore,
        notices: NoticeBoard,
        topic: Topic,
        base_url: str | None,
        signals: Callable[[], Signals] = lambda: NO_SIGNALS,
    ) -> None:
        # Read when there is something to tell, and once: all of a batch is told by the same.
        self._signals = functools.cache(signals)
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url
        self._troubles: list[EcrRescanError] = []

    def drain(self, findings_keys: Collection[str], configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what these documents' outboxes hold, and clear them.

        Changes of a configuration that can't be read, or is deleted, wait a week for it.

        Returns:
            How many messages were sent.

        Raises:
            EcrRescanError: the first trouble, after everything else was done; the outboxes keep what was not sent.
        """
        naming = Naming(configurations)
        places = [parsed for key in findings_keys if (parsed := parse_findings_key(key))]
        concerned = {configuration.id for place in places for configuration in naming.of(place)}
        return self._drain(findings_keys, self._pending(concerned), configurations, now)

    def drain_leftovers(self, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Announce what somebody who died left behind; as ``drain``."""
        pending = self._pending(configuration.id for configuration in configurations)
        keys = {key for seen in pending.values() for key, (since, _) in seen.items() if now - since >= LEFT_OVER}
        return self._drain(keys, pending, configurations, now)

    def _pending(self, config_ids: Iterable[str]) -> dict[str, _Pending]:
        """What the notices expect in outboxes, of each configuration whose notices can be read."""
        pending: dict[str, _Pending] = {}
        for config_id in config_ids:
            try:
                pending[config_id] = self._notices.read(config_id).pending
            except EcrRescanError as error:
                self._troubles.append(error)
        return pending

    def _drain(
        self,
        findings_keys: Collection[str],
        pending: Mapping[str, _Pending],
        configurations: Sequence[ScanConfiguration],
        now: datetime,
    ) -> int:
        """``pending`` was read before the outboxes: what is put there since is somebody else's, or a later tick's."""
        known = {configuration.id: configuration for configuration in configurations}
        read = self._read(findings_keys)
        waiting: dict[str, list[_Item]] = {}
        for key, (_, outbox) in read.items():
            for item in outbox:
                waiting.setdefault(item.config_id, []).append((key, item))
        bodies = {key: stored for key, (stored, _) in read.items() if stored}
        told = self._documents_of([known[one] for one in sorted(waiting) if one in known], waiting, bodies)
        sent, handled = 0, []
        for config_id, items in sorted(waiting.items()):
            if config_id not in known:
                handled += [item for item in items if now - item[1].at > REMEMBER]
            elif config_id in told:
                outcome = self._isolated(_Outcome(0, set(items)), self._announce, known[config_id], items, told, now)
                sent += outcome.sent
                handled += [item for item in items if item not in outcome.kept]
        left = {item for items in waiting.values() for item in items} - self._clear(handled, bodies)
        self._settle(pending, read.keys(), left)
        troubles, self._troubles = self._troubles, []
        if troubles:
            raise troubles[0]
        return sent

    def _read(self, keys: Collection[str]) -> dict[str, tuple[Stored | None, Sequence[Announcement]]]:
        """The documents, and what is in their outboxes; without those that can't be read for now."""
        ordered = sorted(keys)
        read: dict[str, tuple[Stored | None, Sequence[Announcement]]] = {}
        for key, stored in zip(ordered, self._documents.get_many(ordered), strict=True):
            try:
                if isinstance(stored, Exception):
                    raise stored
                read[key] = (stored, read_outbox(key, stored.body) if stored else ())
            except DocumentError as error:
                logger.warning("An outbox can't be read", key=key, problem=error.problem)
                read[key] = (None, ())
            except StoreError as error:
                self._troubles.append(error)
        return read

    def _documents_of(
        self,
        configurations: Sequence[ScanConfiguration],
        waiting: Mapping[str, Sequence[_Item]],
        bodies: Mapping[str, Stored],
    ) -> dict[str, list[FindingsDocument]]:
        """By configuration id, what all its repositories have on what waits for it: each document is read once.

        A configuration is left out where one of its documents can't be read for now.
        """
        wanted = {
            configuration.id: {(item.vulnerability, item.package) for _, item in waiting[configuration.id]}
            for configuration in configurations
        }
        found: dict[str, list[FindingsDocument]] = {config_id: [] for config_id in wanted}
        try:
            places = named_places(self._documents, configurations)
        except StoreError as error:
            self._troubles.append(error)
            return {}
        for place, document in each_document(self._documents, places, bodies):
            if isinstance(document, StoreError):
                self._troubles.append(document)
                for config_id in places[place]:
                    found.pop(config_id, None)
                continue
            keys = document.findings.keys() & set().union(*(wanted[config_id] for config_id in places[place]))
            document.findings = {key: document.findings[key] for key in sorted(keys)}
            named = {vulnerability for vulnerability, _ in keys}
            document.advisories = {name: one for name, one in document.advisories.items() if name in named}
            for config_id in places[place]:
                if config_id in found and not wanted[config_id].isdisjoint(keys):
                    found[config_id].append(document)
        return found

    def _isolated(self, otherwise: T, work: Callable[..., T], *arguments: object) -> T:
        """What some work gives; what goes wrong there is told in the end, and stops nothing else."""
        try:
            return work(*arguments)
        except EcrRescanError as error:
            self._troubles.append(error)
            return otherwise

    def _announce(
        self,
        configuration: ScanConfiguration,
        items: Sequence[_Item],
        told: Mapping[str, Sequence[FindingsDocument]],
        now: datetime,
    ) -> _Outcome:
        by_item = _worth_telling(configuration, items, told[configuration.id], self._signals(), now)
        by_id = {alert.id: alert for alert in by_item.values()}
        if not by_id:
            return _Outcome()
        claims = self._notices.change(configuration.id, lambda notices: notices.claim(by_id, now))
        kept = {item for item, alert in by_item.items() if alert.id in claims.taken}
        if not claims.mine:
            return _Outcome(kept=kept)
        news = [by_id[alert_id] for alert_id in claims.mine]
        self._topic.publish(changes_message(configuration, news, self._base_url, now))
        self._notices.change(configuration.id, lambda notices: notices.sent(claims.mine, now))
        return _Outcome(1, kept)

    def _clear(self, handled: Iterable[_Item], bodies: Mapping[str, Stored]) -> set[_Item]:
        """Take what was handled out of its outboxes, each document once; what is out of them."""
        by_key: dict[str, set[Announcement]] = {}
        for key, item in handled:
            by_key.setdefault(key, set()).add(item)
        cleared: set[_Item] = set()
        for key, items in sorted(by_key.items()):
            change = functools.partial(_without, key=key, handled=items)
            try:
                self._documents.update(key, change, known=bodies[key])
                cleared |= {(key, item) for item in items}
            except EcrRescanError as error:
                self._troubles.append(error)
        return cleared

    def _settle(self, pending: Mapping[str, _Pending], read: Collection[str], left: Collection[_Item]) -> None:
        """Expect nothing more in outboxes that were read and hold nothing for a configuration any more."""
        kept = {(item.config_id, key) for key, item in left}
        for config_id, seen in sorted(pending.items()):
            done = {key: seen[key] for key in read if key in seen and (config_id, key) not in kept}
            if done:
                self._isolated(None, self._notices.change, config_id, lambda notices, done=done: notices.drained(done))


def _worth_telling(
    configuration: ScanConfiguration,
    items: Sequence[_Item],
    documents: Sequence[FindingsDocument],
    signals: Signals,
    now: datetime,
) -> dict[_Item, Alert]:
    """The changes that are worth a message now, with the alerts that they are."""
    keys = {(item.vulnerability, item.package) for _, item in items}
    found = {
        (alert.vulnerability, alert.package, alert.wave): alert
        for alert in alerts(configuration, documents, on=now.date(), only=keys, signals=signals)
    }
    worth = {}
    for item in items:
        change = item[1]
        alert = found.get((change.vulnerability, change.package, change.wave))
        # One that is baseline again rose here, but another repository had been that severe from the beginning.
        if alert is None or alert.suppressed or alert.kind == "baseline":
            continue
        # A change whose alert began long before it only added a repository, or repeated a rise.
        if reaches(alert, configuration) and alert.published >= change.at - WAVE:
            worth[item] = alert
    return worth


def _without(body: bytes | None, *, key: str, handled: set[Announcement]) -> bytes | None:
    return without_announcements(key, body, handled) if body is not None else None
