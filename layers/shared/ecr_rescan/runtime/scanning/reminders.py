"""The one message about suppressions that ended, will end soon, or match nothing: looked for once a day."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.changes.reminders import fingerprint, just_ended, remind
from ecr_rescan.core.changes.suppressions import Suppressions
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals
from ecr_rescan.core.summary.tally import tally
from ecr_rescan.core.telling.message import suppressions_message
from ecr_rescan.runtime.scanning.named_documents import named_documents
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard


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

    def send(self, configuration: ScanConfiguration, now: datetime) -> int:
        """Look, where that was not done today or the suppressions were changed, and send; how many messages.

        Raises:
            MessageError: SNS failed; the message will be tried again.
            StoreError, ConflictError, DocumentError: a document can't be read or written.
        """
        if not configuration.ignore:
            return 0
        notices = self._notices.read(configuration.id)
        checked = _look(configuration, now)
        # Before its baseline is complete, everything seems to match nothing.
        if notices.checked == checked or not notices.known or notices.baseline_since is not None:
            return 0
        # As if those that ended went on: what they would hide is shown again.
        ended = just_ended(configuration, notices.suppressions, now.date())
        ignore = tuple(replace(one, until=None) if one in ended else one for one in configuration.ignore)
        continued = replace(configuration, ignore=ignore)
        seen, used = self._read(configuration, continued, now)
        reminder, noted = remind(configuration, used, notices.suppressions, now.date())
        shown_again = _shown_again(configuration, continued, seen, self._signals, now) if ended else []
        sent: tuple[str, ...] = ()
        if shown_again or reminder.ending or reminder.unused:
            message = suppressions_message(
                configuration,
                ended=reminder.ended if shown_again else (),
                shown_again=shown_again,
                ending=reminder.ending,
                unused=reminder.unused,
                base_url=self._base_url,
                now=now,
            )
            claims = self._notices.change(configuration.id, lambda fresh: fresh.claim([f"reminder {checked}"], now))
            if not claims.mine:
                return 0
            self._topic.publish(message)
            sent = claims.mine

        def done(fresh: Notices) -> None:
            fresh.sent(sent, now)
            fresh.suppressions, fresh.checked = noted, checked

        self._notices.change(configuration.id, done)
        return len(sent)

    def _read(
        self, configuration: ScanConfiguration, continued: ScanConfiguration, now: datetime
    ) -> tuple[list[FindingsDocument], set[Suppression]]:
        """The documents, with only what falls under suppressions, and which of these hide something."""
        active, all_of_them = Suppressions(configuration, now.date()), Suppressions(continued, now.date())
        seen = []
        hidden: set[FindingKey] = set()
        for document in named_documents(self._documents, configuration):
            hidden |= tally(configuration, document, active, self._signals).suppressed.keys()
            document.findings = {
                key: finding for key, finding in document.findings.items() if all_of_them.matching(*key)
            }
            seen.append(document)
        return seen, {one for one, count in active.used(hidden) if count}


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


def _look(configuration: ScanConfiguration, now: datetime) -> str:
    """What a look is of: the day, and all suppressions."""
    all_of_them = " ".join(sorted(fingerprint(one) for one in configuration.ignore))
    return f"{now.date().isoformat()} {hashlib.sha256(all_of_them.encode()).hexdigest()[:16]}"
