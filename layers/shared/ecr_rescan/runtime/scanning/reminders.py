"""The one message about suppressions that ended, will end soon, or match nothing: looked for once a day."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.changes.reminders import fingerprint, just_ended, remind
from ecr_rescan.core.changes.suppressions import Suppressions
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.errors import StoreError
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals
from ecr_rescan.core.summary.tally import tally
from ecr_rescan.core.telling.message import suppressions_message
from ecr_rescan.runtime.scanning.named_documents import each_document, named_places
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.troubles import Troubles


class Reminders:
    """Sends what there is to say of suppressions, each thing once."""

    def __init__(
        self,
        documents: DocumentStore,
        notices: NoticeBoard,
        topic: Topic,
        base_url: str | None,
        signals: Signals = NO_SIGNALS,
    ) -> None:
        self._signals = signals
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url

    def send(self, configurations: Sequence[ScanConfiguration], now: datetime, troubles: Troubles) -> int:
        """Look, where that was not done today or the suppressions were changed, and send; how many messages.

        Trouble of one configuration stops no other's.
        """
        looks: dict[str, _Look] = {}
        for configuration in configurations:
            with troubles.of(configuration):
                if (look := self._due(configuration, now)) is not None:
                    looks[configuration.id] = look
        try:
            places = named_places(self._documents, [look.configuration for look in looks.values()])
        except StoreError as error:
            for look in looks.values():
                troubles.tell(look.configuration, error)
            return 0
        for place, document in each_document(self._documents, places):
            for config_id in places[place]:
                if not isinstance(document, StoreError):
                    if config_id in looks:
                        looks[config_id].at(document, self._signals, now)
                elif config_id in looks:
                    troubles.tell(looks.pop(config_id).configuration, document)
        sent = 0
        for look in looks.values():
            with troubles.of(look.configuration):
                sent += self._tell(look, now)
        return sent

    def _due(self, configuration: ScanConfiguration, now: datetime) -> _Look | None:
        if not configuration.ignore:
            return None
        notices = self._notices.read(configuration.id)
        checked = f"{now.date().isoformat()} {_all_of(configuration.ignore)}"
        # Before its baseline is complete, everything seems to match nothing.
        if notices.checked == checked or not notices.known or notices.baseline_since is not None:
            return None
        # As if those that ended went on: what they would hide is shown again.
        ended = just_ended(configuration, notices.suppressions, now.date())
        ignore = tuple(replace(one, until=None) if one in ended else one for one in configuration.ignore)
        return _Look(configuration, notices, checked, ended, replace(configuration, ignore=ignore))

    def _tell(self, look: _Look, now: datetime) -> int:
        configuration = look.configuration
        reminder, noted = remind(configuration, look.used(now), look.notices.suppressions, now.date())
        shown_again = _shown_again(configuration, look.continued, look.seen, self._signals, now) if look.ended else []
        sent: tuple[str, ...] = ()
        if shown_again or reminder.ending or reminder.unused:
            claimed = f"reminder {look.checked}"
            claims = self._notices.change(configuration.id, lambda fresh: fresh.claim([claimed], now))
            if claims.taken:
                return 0
            sent = claims.mine
        if sent:
            message = suppressions_message(
                configuration,
                ended=reminder.ended if shown_again else (),
                shown_again=shown_again,
                ending=reminder.ending,
                unused=reminder.unused,
                base_url=self._base_url,
                now=now,
            )
            self._topic.publish(message)

        # Also where it was sent before: suppressions that were put back on the same day are looked at once.
        def done(fresh: Notices) -> None:
            fresh.sent(sent, now)
            fresh.suppressions, fresh.checked = noted, look.checked

        self._notices.change(configuration.id, done)
        return len(sent)


@dataclass(slots=True)
class _Look:
    """A look at a configuration's suppressions.

    ``continued``: the configuration as if those that ``ended`` went on. ``seen``: its documents, with only what falls
    under suppressions, where any ended. ``hidden``: the findings that suppressions hide.
    """

    configuration: ScanConfiguration
    notices: Notices
    checked: str
    ended: tuple[Suppression, ...]
    continued: ScanConfiguration
    seen: list[FindingsDocument] = field(default_factory=list)
    hidden: set[FindingKey] = field(default_factory=set)

    def at(self, document: FindingsDocument, signals: Signals, now: datetime) -> None:
        """Look at one document."""
        active = Suppressions(self.configuration, now.date())
        self.hidden |= tally(self.configuration, document, active, signals).suppressed.keys()
        if self.ended:
            all_of_them = Suppressions(self.continued, now.date())
            findings = {key: finding for key, finding in document.findings.items() if all_of_them.matching(*key)}
            self.seen.append(replace(document, findings=findings))

    def used(self, now: datetime) -> set[Suppression]:
        """The suppressions that hide something."""
        active = Suppressions(self.configuration, now.date())
        return {one for one, count in active.used(self.hidden) if count}


def _shown_again(
    configuration: ScanConfiguration,
    continued: ScanConfiguration,
    seen: Sequence[FindingsDocument],
    signals: Signals,
    now: datetime,
) -> list[Alert]:
    """The alerts that are in sight now, and would not be if nothing had ended."""
    hidden = {alert.id for alert in alerts(continued, seen, on=now.date(), signals=signals) if alert.suppressed}
    found = alerts(configuration, seen, on=now.date(), signals=signals)
    return [
        alert
        for alert in found
        if alert.id in hidden and not alert.suppressed and alert.severity.passes(configuration.severity)
    ]


@functools.lru_cache(maxsize=4096)
def _all_of(ignore: tuple[Suppression, ...]) -> str:
    """Tells one set of suppressions from another."""
    return hashlib.sha256(" ".join(sorted(map(fingerprint, ignore))).encode()).hexdigest()[:16]
