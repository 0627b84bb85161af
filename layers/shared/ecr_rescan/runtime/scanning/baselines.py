"""The one message about everything that was there when a configuration, or a part of what it selects, was new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.baseline_rule import Lacking, came_late, marks_of, may_tell, remembered
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.notices import BASELINE_LIMIT, Notices, Selection
from ecr_rescan.core.changes.view import select
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, EcrRescanError, StoreError
from ecr_rescan.core.keys import account_key, parse_findings_key
from ecr_rescan.core.naming import Naming, names
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.artifacts import only_images
from ecr_rescan.core.scanning.lacking import lacking_images, why_lacking
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.plan import Plan
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.message import Known, baseline_message
from ecr_rescan.core.times import to_text, whole_seconds
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.named_documents import each_document, each_ledger
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place
from ecr_rescan.runtime.scanning.troubles import Troubles

_NEW_NAMES = "The registry changed to {} scanning, which names findings anew; from now on only changes are sent."
_LATE = "First results came of images that had none when their baseline was sent; from now on their changes are sent."
_MORE = "More is selected than before; what is there already is no news, and from now on its changes are sent, too."


@dataclass(slots=True)
class _Baseline:
    """A baseline, or late first results, to be announced now: of which repositories, and what is open by finding.

    ``with_result`` and ``without``: how many of the images selected there have a result, and why the others have none;
    ``lacking``: what to remember of those.
    """

    configuration: ScanConfiguration
    notices: Notices
    since: datetime
    places: list[Place]
    why: str
    is_late: bool = False
    open: dict[FindingKey, Severity] = field(default_factory=dict)
    in_sight_before: set[FindingKey] = field(default_factory=set)
    with_result: int = 0
    without: Counter[str] = field(default_factory=Counter)
    lacking: dict[str, Lacking] = field(default_factory=dict)


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
        self._accounts: dict[tuple[str, str], Account | None | EcrRescanError] = {}

    def send(self, configurations: Sequence[ScanConfiguration], now: datetime, troubles: Troubles) -> int:
        """Send the baselines that are to be announced; how many. Trouble of one configuration stops no other's."""
        named: dict[str, dict[str, Place]] = {}
        naming = Naming(configurations)
        for place, plan in sorted(self._plans.items()):
            key = place.findings_key
            for configuration in naming.of(place) if plan.states else ():
                named.setdefault(configuration.id, {})[key] = place
        ready = []
        for configuration in configurations:
            with troubles.of(configuration):
                if (one := self._ready(configuration, named.get(configuration.id, {}), now)) is not None:
                    ready.append(one)
        sent = 0
        for one in self._counted(ready, now, troubles):
            with troubles.of(one.configuration):
                sent += self._tell(one, now)
        return sent

    def _ready(self, configuration: ScanConfiguration, named: Mapping[str, Place], now: datetime) -> _Baseline | None:
        """The baseline of a configuration, where one is to be announced now."""
        notices = self._follow(configuration, named, now)
        places = [named[key] for key in sorted(named.keys() - notices.known)]
        if not places:
            return self._late(configuration, notices, now)
        since = notices.baseline_since
        if since is None:
            return None
        waiting = sum(self._plans[place].waiting for place in places)
        unsettled = waiting or not self._complete or notices.scan_type_changed
        if unsettled and now - since < BASELINE_LIMIT:
            return None
        why = ""
        if notices.scan_type_changed:
            why = _NEW_NAMES.format(notices.scan_type)
        elif notices.selection_before is not None:
            why = _MORE
        return _Baseline(configuration, notices, since, places, why)

    def _late(self, configuration: ScanConfiguration, notices: Notices, now: datetime) -> _Baseline | None:
        """First results that came after the baseline, where they are to be told now: once a day."""
        if not notices.lacking or not may_tell(notices.late_at, now):
            return None
        places = []
        for key, held in sorted(notices.lacking.items()):
            place = Place(*parsed) if (parsed := parse_findings_key(key)) else None
            plan = self._plans.get(place) if place else None
            if place and plan and came_late(held, plan.lacking, any_result=plan.any_result):
                places.append(place)
        if not places:
            return None
        since = min(notices.lacking[place.findings_key].since for place in places)
        return _Baseline(configuration, notices, since, places, _LATE, is_late=True)

    def _follow(self, configuration: ScanConfiguration, named: Collection[str], now: datetime) -> Notices:
        """Note what changed since the last baseline, and what has to be announced because of that, from when on."""
        notices = self._notices.read(configuration.id)
        before = notices.selection
        selection, scan_type = Selection.of(configuration), self._scan_type(configuration) or notices.scan_type
        widened = self._widened(configuration, notices, before) if before and before != selection else set()
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
            if not fresh.known.issuperset(named):
                fresh.baseline_since = fresh.baseline_since or whole_seconds(now)

        begins = notices.baseline_since is None and not notices.known.issuperset(named)
        if begins or (before, notices.scan_type) != (selection, scan_type):
            self._notices.change(configuration.id, follow)
        return self._notices.read(configuration.id)

    def _widened(self, configuration: ScanConfiguration, notices: Notices, before: Selection) -> set[str]:
        """The known findings documents of whose images more are selected now, apart from those that are news."""
        parsed = [Place(*place) for key in sorted(notices.known) if (place := parse_findings_key(key))]
        known = [place for place in parsed if names(configuration, place)]
        widened = set()
        for place, stored in zip(known, self._documents.get_many([place.images_key for place in known]), strict=True):
            try:
                if isinstance(stored, Exception):
                    raise stored
                images = Ledger.from_json(place.images_key, stored.body).images if isinstance(stored, Stored) else {}
            except DocumentError as error:
                # Whether more is selected there, nobody can tell: told once more is better than never.
                logger.warning("An image ledger can't be used", key=place.images_key, problem=error.problem)
                widened.add(place.findings_key)
                continue
            images = only_images(images)
            more = set(select(configuration, images)) - set(select(before, images))
            if any(images[digest].pushed_at <= configuration.selected_since for digest in more):
                widened.add(place.findings_key)
        return widened

    def _scan_type(self, configuration: ScanConfiguration) -> ScanType | None:
        account = self._account(configuration)
        return account.scan_type if account and account.scan_type_at else None

    def _account(self, configuration: ScanConfiguration) -> Account | None:
        group = (configuration.registry, configuration.region)
        if group not in self._accounts:
            key = account_key(*group)
            try:
                stored = self._documents.get(key)
                self._accounts[group] = Account.from_json(key, stored.body) if stored else None
            except EcrRescanError as error:
                self._accounts[group] = error
        known = self._accounts[group]
        if isinstance(known, EcrRescanError):
            raise known
        return known

    def _counted(self, ready: Sequence[_Baseline], now: datetime, troubles: Troubles) -> list[_Baseline]:
        """Read each findings document and each ledger once, for all; those of which all could be read."""
        of: dict[Place, list[_Baseline]] = {}
        for one in ready:
            for place in one.places:
                of.setdefault(place, []).append(one)
        failed: set[str] = set()

        def fail(place: Place, error: StoreError) -> None:
            for one in of[place]:
                if one.configuration.id not in failed:
                    failed.add(one.configuration.id)
                    troubles.tell(one.configuration, error)

        for place, document in each_document(self._documents, of):
            if isinstance(document, StoreError):
                fail(place, document)
                continue
            for one in of[place]:
                _count(one, document, now)
        for place, ledger in each_ledger(self._documents, of):
            if isinstance(ledger, StoreError):
                fail(place, ledger)
                continue
            for one in of[place]:
                self._count_images(one, place, ledger, now)
        return [one for one in ready if one.configuration.id not in failed]

    def _count_images(self, one: _Baseline, place: Place, ledger: Ledger, now: datetime) -> None:
        """How much is known of the images selected there, and what to remember of those without a result."""
        account = self._account(one.configuration)
        selected = select(one.configuration, only_images(ledger.images))
        missing = [digest for digest, _ in lacking_images(ledger, selected)]
        one.with_result += len(selected) - len(missing)
        one.without += why_lacking(ledger, selected, paused=account is not None and account.paused_until is not None)
        held = remembered(marks_of(missing), any_result=len(missing) < len(selected), now=whole_seconds(now))
        if held is not None:
            one.lacking[place.findings_key] = held

    def _tell(self, one: _Baseline, now: datetime) -> int:
        configuration = one.configuration
        # Of what came late there is one message after the other: each is told by the one before.
        name = f"late {to_text(one.notices.late_at or one.since)}" if one.is_late else f"baseline {to_text(one.since)}"
        claims = self._notices.change(configuration.id, lambda fresh: fresh.claim([name], now))
        if not claims.mine:
            return 0
        message = baseline_message(
            configuration,
            [place.repository for place in one.places],
            Counter(severity for key, severity in one.open.items() if key not in one.in_sight_before),
            Known(one.with_result, one.without),
            self._base_url,
            now,
            began=one.since,
            why=one.why,
        )
        self._topic.publish(message)

        def end(fresh: Notices) -> None:
            fresh.sent(claims.mine, now)
            fresh.lacking = _without(fresh.lacking, one.places) | one.lacking
            if one.is_late:
                fresh.late_at = whole_seconds(now)
                return
            fresh.known |= {place.findings_key for place in one.places}
            fresh.baseline_since = fresh.selection_before = None
            fresh.scan_type_changed = False

        self._notices.change(configuration.id, end)
        return 1


def _count(one: _Baseline, document: FindingsDocument, now: datetime) -> None:
    """Open findings by severity, without those that are news, and those that were in sight before."""
    place = Place(document.registry, document.region, document.repository)
    told = one.notices.lacking.get(place.findings_key) if one.is_late else None
    for alert in alerts(one.configuration, [document], on=now.date()):
        if told is not None and alert.first_seen <= told.since:
            continue
        if alert.wave is None and not alert.suppressed:
            key = (alert.vulnerability, alert.package)
            one.open[key] = max(one.open.get(key, alert.severity), alert.severity, key=lambda severity: severity.rank)
    before = one.notices.selection_before
    if before is None:
        return
    earlier = replace(one.configuration, repository=before.repository, tags=before.tags, newest=before.newest)
    if names(earlier, place):
        found = alerts(earlier, [document], on=now.date())
        one.in_sight_before |= {(alert.vulnerability, alert.package) for alert in found if not alert.suppressed}


def _without(lacking: Mapping[str, Lacking], places: Iterable[Place]) -> dict[str, Lacking]:
    """What is remembered of other places."""
    keys = {place.findings_key for place in places}
    return {key: held for key, held in lacking.items() if key not in keys}
