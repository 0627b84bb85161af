"""The one message about everything that was there when a configuration, or a part of what it selects, was new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.baseline_rule import Lacking, came_late, marks_of, may_tell, remembered
from ecr_rescan.core.changes.notices import BASELINE_LIMIT, Notices, Selection
from ecr_rescan.core.changes.view import select
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import IMAGES, account_key, findings_key, parse_images_key
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.artifacts import only_images
from ecr_rescan.core.scanning.lacking import lacking_images, why_lacking
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.plan import Plan
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.message import Known, baseline_message
from ecr_rescan.core.times import to_text, whole_seconds
from ecr_rescan.runtime.scanning.named_documents import named_documents
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place, naming

_NEW_NAMES = "The registry changed to {} scanning, which names findings anew; from now on only changes are sent."
_LATE = "First results came of images that had none when their baseline was sent; from now on their changes are sent."
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
        self._accounts: dict[tuple[str, str], Account | None] = {}

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
            if plan.states and place.findings_key not in notices.known and naming(place, [configuration])
        }
        # A listing at every tick would be a tenth of a small bill: only where there may be something to tell.
        plans = {place: unknown[place] for place in self._named(configuration) if place in unknown} if unknown else {}
        if not plans:
            return self._send_late(configuration, notices, now)
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
        known, lacking = self._known(configuration, list(plans), now)
        message = baseline_message(
            configuration,
            [place.repository for place in plans],
            self._counts(configuration, notices, list(plans), now),
            known,
            self._base_url,
            now,
            began=since,
            why=why,
        )
        self._topic.publish(message)

        def end(fresh: Notices) -> None:
            fresh.sent(claims.mine, now)
            fresh.known |= {place.findings_key for place in plans}
            fresh.lacking = _without(fresh.lacking, plans) | lacking
            fresh.baseline_since = fresh.selection_before = None
            fresh.scan_type_changed = False

        self._notices.change(configuration.id, end)
        return 1

    def _send_late(self, configuration: ScanConfiguration, notices: Notices, now: datetime) -> int:
        """Tell first results that came after the baseline, once a day; how many messages."""
        if not notices.lacking or not may_tell(notices.late_at, now):
            return 0
        late = [
            place
            for place, plan in sorted(self._plans.items())
            if (held := notices.lacking.get(place.findings_key)) is not None
            and came_late(held, plan.lacking, any_result=plan.any_result)
        ]
        if not late:
            return 0
        known, lacking = self._known(configuration, late, now)
        counts = self._counts(configuration, notices, late, now, since=notices.lacking)
        last = min(notices.lacking[place.findings_key].since for place in late)
        claims = self._notices.change(configuration.id, lambda fresh: fresh.claim([f"late {to_text(last)}"], now))
        if not claims.mine:
            return 0
        repositories = [place.repository for place in late]
        self._topic.publish(
            baseline_message(configuration, repositories, counts, known, self._base_url, now, began=last, why=_LATE)
        )

        def end(fresh: Notices) -> None:
            fresh.sent(claims.mine, now)
            fresh.lacking = _without(fresh.lacking, late) | lacking
            fresh.late_at = whole_seconds(now)

        self._notices.change(configuration.id, end)
        return 1

    def _known(
        self, configuration: ScanConfiguration, places: Sequence[Place], now: datetime
    ) -> tuple[Known, dict[str, Lacking]]:
        """How much is known of the images selected there, and what to remember of those without a result."""
        account = self._account(configuration)
        paused = account is not None and account.paused_until is not None
        with_result, without = 0, Counter[str]()
        lacking: dict[str, Lacking] = {}
        for place, stored in zip(places, self._documents.get_many([one.images_key for one in places]), strict=True):
            if not isinstance(stored, Stored):
                continue
            ledger = Ledger.from_json(place.images_key, stored.body)
            selected = select(configuration, only_images(ledger.images))
            missing = [digest for digest, _ in lacking_images(ledger, selected)]
            with_result += len(selected) - len(missing)
            without += why_lacking(ledger, selected, paused=paused)
            held = remembered(marks_of(missing), any_result=len(missing) < len(selected), now=whole_seconds(now))
            if held is not None:
                lacking[place.findings_key] = held
        return Known(with_result, without), lacking

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
        return [place for place in self._places[group] if naming(place, [configuration])]

    def _scan_type(self, configuration: ScanConfiguration) -> ScanType | None:
        account = self._account(configuration)
        return account.scan_type if account and account.scan_type_at else None

    def _account(self, configuration: ScanConfiguration) -> Account | None:
        group = (configuration.registry, configuration.region)
        if group not in self._accounts:
            key = account_key(*group)
            stored = self._documents.get(key)
            self._accounts[group] = Account.from_json(key, stored.body) if stored else None
        return self._accounts[group]

    def _counts(
        self,
        configuration: ScanConfiguration,
        notices: Notices,
        places: Sequence[Place],
        now: datetime,
        *,
        since: Mapping[str, Lacking] | None = None,
    ) -> Counter[Severity]:
        """Open findings by severity, without those that are news, and those that were in sight before.

        ``since``: only those that were first seen after what was remembered of their document.
        """
        before = notices.selection_before
        earlier = before and replace(
            configuration, repository=before.repository, tags=before.tags, newest=before.newest
        )
        counts: dict[tuple[str, str], Severity] = {}
        known = set()
        for document in named_documents(self._documents, configuration, places):
            for alert in alerts(configuration, [document], on=now.date()):
                told = (
                    since.get(findings_key(document.registry, document.region, document.repository)) if since else None
                )
                if told is not None and alert.first_seen <= told.since:
                    continue
                if alert.wave is None and not alert.suppressed:
                    key = (alert.vulnerability, alert.package)
                    counts[key] = max(counts.get(key, alert.severity), alert.severity, key=lambda one: one.rank)
            if earlier and matches(document.repository, earlier.repository):
                found = alerts(earlier, [document], on=now.date())
                known |= {(alert.vulnerability, alert.package) for alert in found if not alert.suppressed}
        return Counter(severity for key, severity in counts.items() if key not in known)


def _without(lacking: Mapping[str, Lacking], places: Iterable[Place]) -> dict[str, Lacking]:
    """What is remembered of other places."""
    keys = {place.findings_key for place in places}
    return {key: held for key, held in lacking.items() if key not in keys}


def _begin(notices: Notices, now: datetime) -> datetime:
    notices.baseline_since = notices.baseline_since or whole_seconds(now)
    return notices.baseline_since
