"""Tells what public lists and time alone change: what is exploited now, and, once a day, what stays unrated.

The findings documents are read once for all configurations, and only where there may be something to tell. Nothing is
lost: the marker of what was told moves on after everything was sent. Nothing is sent twice: each alert is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import Finding, FindingKey, FindingsDocument
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.changes.states import has_states, states
from ecr_rescan.core.changes.worth import UNKNOWN_FOR, fix_due, fix_unknown_due, likely_due, unrated_due
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import EcrRescanError, StoreError
from ecr_rescan.core.keys import TOLD_OF_SIGNALS
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.signals.told import Told
from ecr_rescan.core.telling.message import changes_message, states_message, unrated_message
from ecr_rescan.core.telling.message_forms import Message
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.scanning.named_documents import each_document, named_places
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard


class ToldMarker:
    """The marker, as an execution environment knows it: a quiet tick asks for nothing."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._known: Told | None = None

    def read(self) -> Told:
        """As of the last reading or writing here."""
        if self._known is None:
            stored = self._documents.get(TOLD_OF_SIGNALS)
            self._known = Told.from_json(TOLD_OF_SIGNALS, stored.body) if stored else Told()
        return self._known

    def write(self, told: Told) -> None:
        """Move it on."""
        self._documents.put(TOLD_OF_SIGNALS, told.to_json())
        self._known = told


class SignalNews:
    """Sends it, of one tick."""

    def __init__(
        self,
        documents: DocumentStore,
        notices: NoticeBoard,
        topic: Topic,
        base_url: str | None,
        *,
        marker: ToldMarker,
        signals: Signals,
    ) -> None:
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url
        self._marker = marker
        self._signals = signals
        # Somebody claimed some of it and has not sent it: that one may have died.
        self._unsent = False

    def send(self, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Send what there is to tell; how many messages.

        Raises:
            EcrRescanError: the first trouble, after everything else was done; what was not sent will be tried again.
        """
        told = self._marker.read()
        fresh = {
            cve
            for cve, one in self._signals.exploited.items()
            if one.noticed_at is not None and (told.noticed is None or one.noticed_at > told.noticed)
        }
        daily = told.looked_at is None or told.looked_at.date() != now.date()
        fixes = self._signals.fixes
        known = fixes.newest()
        # What was known when this was first looked at is no news.
        started = told.fixes or known
        mended = fixes.news(started) if any(one.notify_fixable for one in configurations) else set()
        if not fresh and not daily and not mended:
            return 0 if told.fixes == known or told.fixes is not None else self._begin(told, known)
        look = _Look(fresh, daily, told.looked_at or now, now, mended, started or now)
        sent = 0
        troubles: list[EcrRescanError] = []
        documents = self._documents_of(configurations, look, troubles)
        for configuration in configurations:
            if configuration.id in documents:
                try:
                    sent += self._one(configuration, documents[configuration.id], look)
                except EcrRescanError as error:
                    troubles.append(error)
        if troubles:
            raise troubles[0]
        if self._unsent:
            return sent
        newest = max(filter(None, (told.noticed, self._signals.newest())), default=None)
        self._marker.write(Told(newest, whole_seconds(now) if daily else told.looked_at, known))
        return sent

    def _begin(self, told: Told, known: datetime | None) -> int:
        self._marker.write(Told(told.noticed, told.looked_at, known))
        return 0

    def _documents_of(
        self, configurations: Sequence[ScanConfiguration], look: _Look, troubles: list[EcrRescanError]
    ) -> dict[str, list[FindingsDocument]]:
        """By configuration id, the documents with something to look at, and nothing else in them; each is read once.

        A configuration is left out where one of its documents can't be read for now.
        """
        found: dict[str, list[FindingsDocument]] = {configuration.id: [] for configuration in configurations}
        places = named_places(self._documents, configurations)
        for place, document in each_document(self._documents, places):
            if isinstance(document, StoreError):
                troubles.append(document)
                for config_id in places[place]:
                    found.pop(config_id, None)
                continue
            document.findings = {key: one for key, one in document.findings.items() if look.concerns(key, one)}
            if document.findings or (look.daily and has_states(document, look.now.date())):
                for config_id in places[place]:
                    if config_id in found:
                        found[config_id].append(document)
        return found

    def _one(self, configuration: ScanConfiguration, named: Sequence[FindingsDocument], look: _Look) -> int:
        if not named:
            if look.daily and self._notices.read(configuration.id).states:
                return self._states(configuration, named, look.now)
            return 0
        visible = [
            alert
            for alert in alerts(configuration, named, on=look.now.date(), signals=self._signals)
            if not alert.suppressed and alert.severity.passes(configuration.severity)
        ]
        exploited = [one for one in visible if one.kind == "exploited" and one.vulnerability in look.fresh]
        sent = 0
        if exploited and configuration.exploited:
            sent += self._send(
                configuration,
                {alert.id: alert for alert in exploited},
                lambda told: changes_message(configuration, told, self._base_url, look.now),
                look.now,
            )
        fixable = [one for one in visible if fix_due(one, configuration, look.fixes_after, look.now)]
        if look.daily:
            fixable += [one for one in visible if fix_unknown_due(one, configuration, look.after, look.now)]
        sent += self._send(
            configuration,
            {alert.id: alert for alert in fixable},
            lambda told: changes_message(configuration, told, self._base_url, look.now),
            look.now,
        )
        if look.daily:
            unrated = [one for one in visible if unrated_due(one, configuration, look.after, look.now)]
            likely = [one for one in visible if likely_due(one, look.after, look.now)]
            sent += self._send(
                configuration,
                {f"unrated {one.id}": one for one in unrated} | {f"likely {one.id}": one for one in likely},
                lambda told: unrated_message(configuration, told, self._base_url, look.now),
                look.now,
            )
            sent += self._states(configuration, named, look.now)
        return sent

    def _states(self, configuration: ScanConfiguration, named: Sequence[FindingsDocument], now: datetime) -> int:
        """What holds since the last look and was not told; what no longer holds may be told again one day."""
        holding = states(configuration, named, now.date())
        known = self._notices.read(configuration.id).states
        names = frozenset(state.name for state in holding)
        if names == known:
            return 0
        fresh = [state for state in holding if state.name not in known]
        claimed: tuple[str, ...] = ()
        if fresh:
            ids = [f"state {state.name}" for state in fresh]
            claims = self._notices.change(configuration.id, lambda notices: notices.claim(ids, now))
            if claims.taken:
                self._unsent = True
                return 0
            claimed = claims.mine
            told = [state for state in fresh if f"state {state.name}" in claimed]
            if told:
                self._topic.publish(states_message(configuration, told, self._base_url, now))

        def done(notices: Notices) -> None:
            notices.sent(claimed, now)
            notices.states = names

        self._notices.change(configuration.id, done)
        return 1 if claimed else 0

    def _send(
        self,
        configuration: ScanConfiguration,
        wanted: dict[str, Alert],
        message: Callable[[Sequence[Alert]], Message],
        now: datetime,
    ) -> int:
        if not wanted:
            return 0
        claims = self._notices.change(configuration.id, lambda notices: notices.claim(wanted, now))
        self._unsent = self._unsent or bool(claims.taken)
        if not claims.mine:
            return 0
        self._topic.publish(message([wanted[name] for name in claims.mine]))
        self._notices.change(configuration.id, lambda notices: notices.sent(claims.mine, now))
        return 1


class _Look:
    """What is looked for: ``fresh`` are newly exploited; ``daily``: also what time brought since ``after``.

    ``mended``: vulnerabilities of whose fixes something became known after ``fixes_after``.
    """

    def __init__(
        self,
        fresh: Collection[str],
        daily: bool,
        after: datetime,
        now: datetime,
        mended: Collection[str],
        fixes_after: datetime,
    ) -> None:
        self.fresh = fresh
        self.daily = daily
        self.after = after
        self.now = now
        self.mended = mended
        self.fixes_after = fixes_after

    def concerns(self, key: FindingKey, finding: Finding) -> bool:
        """Whether there may be something to tell of a finding."""
        opening = finding.current
        if opening is None:
            return False
        if key[0] in self.fresh or key[0] in self.mended:
            return True
        if not self.daily:
            return False
        if self.after < opening.at + UNKNOWN_FOR <= self.now:
            return True
        return any(not severity.rated for parts in opening.affected.values() for severity in parts)
