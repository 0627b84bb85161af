"""The one message about everything that was there when a configuration, or a part of what it selects, was new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.notices import BASELINE_LIMIT, Notices, Selection
from ecr_rescan.core.changes.view import select
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import IMAGES, account_key, parse_images_key
from ecr_rescan.core.naming import names
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.artifacts import only_images
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.plan import Plan
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.message import baseline_message
from ecr_rescan.core.times import to_text, whole_seconds
from ecr_rescan.runtime.scanning.named_documents import named_documents
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place

_NEW_NAMES = "The registry changed to {} scanning, which names findings anew; from now on only changes are sent."
_MORE = "More is selected than before; what is there already is no news, and from now on its changes are sent, too."


class Baselines:
    """Announces baselines when they are complete, or when waiting for them has taken a day."""

    def __init__(
        self,
        documents: DocumentStore,
        notices: NoticeBoard,
        topic: Topic,
        base_url: str | None,
        *,
        plans: Mapping[Place, Plan],
        complete: bool,
    ) -> None:
        """``plans``: what the tick knows of repositories; ``complete``: whether it had time for all of them."""
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url
        self._plans = plans
        self._complete = complete
        self._places: dict[tuple[str, str], list[Place]] = {}
        self._scan_types: dict[tuple[str, str], ScanType | None] = {}

    def send(self, configuration: ScanConfiguration, now: datetime) -> int:
        """Send a configuration's baseline, where one is to be announced; how many messages.

        Raises:
            MessageError: SNS failed; the message will be tried again.
            StoreError, ConflictError, DocumentError: a document can't be read or written.
        """
        notices = self._follow(configuration, now)
        unknown = {
            place: plan
            for place, plan in self._plans.items()
            if plan.states and place.findings_key not in notices.known and names(configuration, place)
        }
        # A listing at every tick would be a tenth of a small bill: only where there may be something to tell.
        plans = {place: unknown[place] for place in self._named(configuration) if place in unknown} if unknown else {}
        if not plans:
            return 0
        since = notices.baseline_since
        if since is None:
            since = self._notices.change(configuration.id, lambda fresh: _begin(fresh, now))
        waiting = sum(plan.waiting for plan in plans.values())
        unsettled = waiting or not self._complete or notices.scan_type_changed
        if unsettled and now - since < BASELINE_LIMIT:
            return 0
        claims = self._notices.change(configuration.id, lambda fresh: fresh.claim([f"baseline {to_text(since)}"], now))
        if not claims.mine:
            return 0
        why = ""
        if notices.scan_type_changed:
            why = _NEW_NAMES.format(notices.scan_type)
        elif notices.selection_before is not None:
            why = _MORE
        message = baseline_message(
            configuration,
            [place.repository for place in plans],
            self._counts(configuration, notices, list(plans), now),
            waiting,
            self._base_url,
            now,
            began=since,
            why=why,
        )
        self._topic.publish(message)

        def end(fresh: Notices) -> None:
            fresh.sent(claims.mine, now)
            fresh.known |= {place.findings_key for place in plans}
            fresh.baseline_since = fresh.selection_before = None
            fresh.scan_type_changed = False

        self._notices.change(configuration.id, end)
        return 1

    def _follow(self, configuration: ScanConfiguration, now: datetime) -> Notices:
        """Note what changed since the last baseline, and what has to be announced because of that."""
        notices = self._notices.read(configuration.id)
        before = notices.selection
        selection, scan_type = Selection.of(configuration), self._scan_type(configuration) or notices.scan_type
        if (before, notices.scan_type) == (selection, scan_type):
            return notices
        widened = self._widened(configuration, notices) if before not in (None, selection) else set()
        renamed = notices.scan_type not in (None, scan_type)

        def follow(fresh: Notices) -> None:
            fresh.selection, fresh.scan_type = selection, scan_type
            fresh.known -= widened
            if widened:
                fresh.selection_before = fresh.selection_before or before
            if renamed and fresh.known:
                fresh.known = set()
                fresh.scan_type_changed = True
                fresh.baseline_since = whole_seconds(now)

        self._notices.change(configuration.id, follow)
        return self._notices.read(configuration.id)

    def _widened(self, configuration: ScanConfiguration, notices: Notices) -> set[str]:
        """The known findings documents of whose images more are selected now, apart from those that are news."""
        before = notices.selection
        assert before is not None
        known = [place for place in self._named(configuration) if place.findings_key in notices.known]
        widened = set()
        for place, stored in zip(known, self._documents.get_many([place.images_key for place in known]), strict=True):
            if not isinstance(stored, Stored):
                continue
            images = only_images(Ledger.from_json(place.images_key, stored.body).images)
            more = set(select(configuration, images)) - set(select(before, images))
            if any(images[digest].pushed_at <= configuration.selected_since for digest in more):
                widened.add(place.findings_key)
        return widened

    def _named(self, configuration: ScanConfiguration) -> list[Place]:
        group = (configuration.registry, configuration.region)
        if group not in self._places:
            listed = self._documents.list(f"{IMAGES}{configuration.registry}/{configuration.region}/")
            self._places[group] = [Place(*parsed) for item in listed if (parsed := parse_images_key(item.key))]
        return [place for place in self._places[group] if names(configuration, place)]

    def _scan_type(self, configuration: ScanConfiguration) -> ScanType | None:
        group = (configuration.registry, configuration.region)
        if group not in self._scan_types:
            key = account_key(*group)
            stored = self._documents.get(key)
            account = Account.from_json(key, stored.body) if stored else None
            self._scan_types[group] = account.scan_type if account and account.scan_type_at else None
        return self._scan_types[group]

    def _counts(
        self, configuration: ScanConfiguration, notices: Notices, places: Sequence[Place], now: datetime
    ) -> Counter[Severity]:
        """Open findings by severity, without those that are news, and those that were in sight before."""
        before = notices.selection_before
        earlier = before and replace(
            configuration, repository=before.repository, tags=before.tags, newest=before.newest
        )
        counts: dict[tuple[str, str], Severity] = {}
        known = set()
        for document in named_documents(self._documents, configuration, places):
            for alert in alerts(configuration, [document], on=now.date()):
                if alert.wave is None and not alert.suppressed:
                    key = (alert.vulnerability, alert.package)
                    counts[key] = max(counts.get(key, alert.severity), alert.severity, key=lambda one: one.rank)
            if earlier and matches(document.repository, earlier.repository):
                found = alerts(earlier, [document], on=now.date())
                known |= {(alert.vulnerability, alert.package) for alert in found if not alert.suppressed}
        return Counter(severity for key, severity in counts.items() if key not in known)


def _begin(notices: Notices, now: datetime) -> datetime:
    notices.baseline_since = notices.baseline_since or whole_seconds(now)
    return notices.baseline_since
