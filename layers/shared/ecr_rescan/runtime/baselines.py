"""The one message about everything that was there when a configuration, or a repository of it, was new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.alerts import alerts
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.findings import FindingsDocument
from ecr_rescan.core.keys import IMAGES, parse_images_key
from ecr_rescan.core.message import baseline_message
from ecr_rescan.core.notices import BASELINE_LIMIT, Notices
from ecr_rescan.core.plan import Plan
from ecr_rescan.core.severity import Severity
from ecr_rescan.runtime.notice_board import NoticeBoard
from ecr_rescan.runtime.place import Place, naming


class Baselines:
    """Announces baselines when they are complete, or when waiting for them has taken a day."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard, topic: Topic, base_url: str | None) -> None:
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url

    def announce(
        self, configurations: Sequence[ScanConfiguration], plan_of: Callable[[Place], Plan | None], now: datetime
    ) -> int:
        """Send what is complete.

        Args:
            configurations: all that could be read.
            plan_of: what the tick knows of a repository.
            now: the time.

        Returns:
            How many messages were sent.

        Raises:
            MessageError: SNS failed; the message will be tried again.
        """
        return sum(self._one(configuration, plan_of, now) for configuration in configurations)

    def _one(self, configuration: ScanConfiguration, plan_of: Callable[[Place], Plan | None], now: datetime) -> int:
        notices = self._notices.read(configuration.id)
        new = [
            (place, plan)
            for place in self._places(configuration)
            if place.findings_key not in notices.known and (plan := plan_of(place)) and plan.states
        ]
        if not new:
            return 0
        since = notices.baseline_since or now
        if notices.baseline_since is None:
            self._notices.change(configuration.id, lambda fresh: _begin(fresh, now))
        waiting = sum(plan.waiting for _, plan in new)
        if waiting and now - since < BASELINE_LIMIT:
            return 0
        places = [place for place, _ in new]
        # Claimed by the hour: of two ticks at once only one sends, and one that dies in between is made up for.
        claim = f"baseline {since.isoformat()} {now:%Y-%m-%dT%H}"
        if not self._notices.change(configuration.id, lambda fresh: _claim(fresh, claim, now)):
            return 0
        message = baseline_message(
            configuration,
            [place.repository for place in places],
            self._counts(configuration, places, now),
            waiting,
            self._base_url,
        )
        self._topic.publish(message.subject, message.text, attributes=message.attributes)
        self._notices.change(configuration.id, lambda fresh: _end(fresh, places))
        return 1

    def _places(self, configuration: ScanConfiguration) -> list[Place]:
        prefix = f"{IMAGES}{configuration.registry}/{configuration.region}/"
        parsed = (parse_images_key(listed.key) for listed in self._documents.list(prefix))
        return [place for item in parsed if item and naming(place := Place(*item), [configuration])]

    def _counts(self, configuration: ScanConfiguration, places: Sequence[Place], now: datetime) -> Counter[Severity]:
        counts: Counter[Severity] = Counter()
        for stored in self._documents.get_many([place.findings_key for place in places]):
            if isinstance(stored, Stored):
                document = FindingsDocument.from_json(stored.key, stored.body)
                found = alerts(configuration, [document], on=now.date())
                counts.update(alert.severity for alert in found if alert.suppressed is None)
        return counts


def _begin(notices: Notices, now: datetime) -> None:
    notices.baseline_since = notices.baseline_since or now


def _claim(notices: Notices, claim: str, now: datetime) -> bool:
    if claim in notices.told:
        return False
    return bool(notices.claim([claim], claim, now))


def _end(notices: Notices, places: Sequence[Place]) -> None:
    notices.known |= {place.findings_key for place in places}
    notices.baseline_since = None
