"""A tick of StartScan: for every configuration's images, decide what is due, look up, start, ask again.

Every account, repository and image is its own unit of work: what fails there is reported and stops nothing else.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import groupby
from typing import Any

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.core.account import REPOSITORIES_FOR, SCAN_TYPE_FOR, Account
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, EcrRescanError, MessageError, RegistryError
from ecr_rescan.core.events import ResultAsked
from ecr_rescan.core.facts import Facts, apply_facts
from ecr_rescan.core.keys import IMAGES, account_key, parse_images_key
from ecr_rescan.core.ledger import Ledger
from ecr_rescan.core.listing import selected_images, unresolved
from ecr_rescan.core.patterns import is_exact
from ecr_rescan.core.plan import Plan, make_plan, needs_listing
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType, SkippedScan, SkipReason
from ecr_rescan.core.schedule import INTERVAL, QUOTA_REST
from ecr_rescan.runtime.looking import list_repository, look_up, resolve
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.place import Place, naming
from ecr_rescan.runtime.registries import Registries
from ecr_rescan.runtime.repositories import Repositories

RESERVE_SECONDS = 30.0
"""No repository is begun with less time than this left."""

LOOK_UPS = 3000
"""Look-ups of one tick, at most: the first tick over many images must leave time for the rest."""

BEHIND = 1000
"""With more messages than this waiting, what is overdue is probably among them."""

_REPOSITORIES_AT_ONCE = 8
_CALLS_AT_ONCE = 16


@dataclass(slots=True)
class Report:
    """What a tick did: the one line that it logs."""

    configurations: int = 0
    unreadable: int = 0
    accounts: int = 0
    repositories: int = 0
    checked: int = 0
    selected: int = 0
    states: Counter[str] = field(default_factory=Counter)
    looked_up: int = 0
    started: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    overdue: int = 0
    oldest_hours: float | None = None
    left_for_next_tick: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    messages: int = 0

    def to_log(self) -> dict[str, Any]:
        """For the log, without what is empty."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A ledger's plan as of its last reading; good as long as the ledger and the configurations are the same."""

    etag: str | None
    configurations: tuple[tuple[str, datetime], ...]
    plan: Plan


@dataclass(slots=True)
class _Group:
    """One registry in one Region during a tick."""

    account: Account
    configurations: list[ScanConfiguration]
    registry: Registry
    now: datetime


class Tick:
    """One run. ``known`` outlives it: the plans of warm invocations, by ledger key."""

    def __init__(
        self,
        *,
        documents: DocumentStore,
        configurations: ConfigurationStore,
        repositories: Repositories,
        registries: Registries,
        queue: EventsQueue,
        known: dict[str, KnownPlan],
        seconds_left: Callable[[], float],
    ) -> None:
        self._documents = documents
        self._configurations = configurations
        self._repositories = repositories
        self._registries = registries
        self._queue = queue
        self._known = known
        self._seconds_left = seconds_left
        self._lock = threading.Lock()
        self._look_ups_left = LOOK_UPS
        self._behind: bool | None = None
        self.report = Report()
        self.news: set[str] = set()

    def run(self, now: datetime) -> list[ScanConfiguration]:
        """Do what is due. ``news`` then holds the keys of the findings documents with something to announce.

        Returns:
            The configurations that could be read.

        Raises:
            EcrRescanError: nothing at all could be done.
        """
        listed = self._configurations.list_all()
        self.report.configurations, self.report.unreadable = len(listed.valid), len(listed.problems)
        for problem in listed.problems:
            logger.warning("A configuration can't be read", key=problem.key, problem=problem.problem)
        self._complete = not listed.problems

        def place(configuration: ScanConfiguration) -> tuple[str, str]:
            return (configuration.registry, configuration.region)

        errors = []
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as self._calls:
            for (registry, region), group in groupby(sorted(listed.valid, key=place), key=place):
                self.report.accounts += 1
                try:
                    self._account(registry, region, sorted(group, key=lambda item: item.id), now)
                except EcrRescanError as error:
                    self._trouble(error, (registry, region))
                    errors.append(error)
        if errors and len(errors) == self.report.accounts:
            raise errors[0]
        return list(listed.valid)

    def plan_of(self, place: Place) -> Plan | None:
        """What is known of a repository after the run; None where it has not been seen."""
        known = self._known.get(place.images_key)
        return known.plan if known else None

    def _account(self, registry_id: str, region: str, configurations: list[ScanConfiguration], now: datetime) -> None:
        key = account_key(registry_id, region)
        stored = self._documents.get(key)
        account = Account.from_json(key, stored.body) if stored else Account(registry_id, region)
        started_before = self.report.started
        try:
            group = _Group(account, configurations, self._registries.of(configurations), now)
            self._refresh(group)
            self._work(group)
            account.problem = ""
        except RegistryError as error:
            account.problem = f"{error.code}: {error.message}"
            self._trouble(error, (registry_id, region))
        self._save(account, self.report.started - started_before, now)

    def _refresh(self, group: _Group) -> None:
        """The scan type and the list of repositories, once in a while."""
        account, now = group.account, group.now
        if account.scan_type_at is None or now - account.scan_type_at >= SCAN_TYPE_FOR:
            try:
                account.scan_type = group.registry.scan_type() or account.scan_type
                account.scan_type_at = now
            except RegistryError as error:
                self._trouble(error, (account.registry, account.region))
        patterned = [item for item in group.configurations if not all(map(is_exact, item.repository))]
        if not patterned:
            return
        since = max(item.selected_since for item in patterned)
        at = account.repositories_at
        if at is None or at < since or now - at >= REPOSITORIES_FOR:
            account.repositories = tuple(group.registry.repositories())
            account.repositories_at = now

    def _work(self, group: _Group) -> None:
        account = group.account
        prefix = f"{IMAGES}{account.registry}/{account.region}/"
        etags = {listed.key: listed.etag for listed in self._documents.list(prefix)}
        names = set(account.repositories)
        names |= {parsed[2] for key in etags if (parsed := parse_images_key(key))}
        names |= {name for item in group.configurations for name in item.repository if is_exact(name)}
        places = [Place(account.registry, account.region, name) for name in sorted(names)]
        places = [place for place in places if naming(place, group.configurations)]
        self.report.repositories += len(places)
        # Where the last tick ran out of time, this one begins.
        places.sort(key=lambda place: (place.repository < account.resume_at, place.repository))
        account.resume_at = ""
        stale = [place for place in places if self._is_stale(group, place, etags.get(place.images_key))]
        with ThreadPoolExecutor(_REPOSITORIES_AT_ONCE) as pool:
            left = [place for place in pool.map(lambda place: self._isolated(group, place), stale) if place]
        if left:
            account.resume_at = left[0].repository
            self.report.left_for_next_tick += len(left)
        for place in places:
            self._count(self._known.get(place.images_key), group.now)

    def _is_stale(self, group: _Group, place: Place, etag: str | None) -> bool:
        known = self._known.get(place.images_key)
        if known is None or known.etag != etag or known.configurations != _signature(group, place):
            return True
        return known.plan.next_at is None or known.plan.next_at <= group.now

    def _isolated(self, group: _Group, place: Place) -> Place | None:
        """Work on one repository; answers it back where there is no time for it."""
        if self._seconds_left() < RESERVE_SECONDS:
            return place
        try:
            self._repository(group, place)
        except EcrRescanError as error:
            self._trouble(error, place)
        except Exception:
            with self._lock:
                self.report.problems["unexpected"] += 1
            logger.exception("Unexpected error in a repository", repository=place.repository, region=place.region)
        return None

    def _repository(self, group: _Group, place: Place) -> None:
        now, name, registry = group.now, place.repository, group.registry
        configurations = naming(place, group.configurations)
        scan_type = group.account.scan_type
        stored = self._documents.get(place.images_key)
        ledger = Ledger.from_json(place.images_key, stored.body) if stored else Ledger(*place, since=now)
        facts = Facts(began=now)
        if needs_listing(ledger, now):
            list_repository(registry, name, facts)
            apply_facts(ledger, facts, now)
        chosen = selected_images(ledger, configurations)
        resolve(registry, name, unresolved(ledger, chosen, again=facts.details is not None), facts)
        apply_facts(ledger, facts, now)
        plan = make_plan(ledger, configurations, scan_type, now)
        wanted = plan.look_ups[: self._take_look_ups(len(plan.look_ups))]
        facts.answers = look_up(registry, name, wanted, scan_type, self._calls)
        facts.asked = self._ask(place, plan.asks)
        may_start = 0 if scan_type is ScanType.ENHANCED else group.account.starts_left(now)
        written = self._repositories.write(
            place, facts, configurations, now, complete=self._complete, claim_up_to=may_start
        )
        news = written.news
        if written.claimed:
            outcome = self._start(group, name, written.claimed)
            if outcome.skips:
                written = self._repositories.write(place, outcome, configurations, now, complete=self._complete)
        with self._lock:
            self.report.checked += 1
            self.report.looked_up += len(wanted)
            if news or written.news:
                self.news.add(place.findings_key)
            left = make_plan(written.ledger, configurations, scan_type, now)
            if left.look_ups or left.starts:
                left.next_at = now
            self._known[place.images_key] = KnownPlan(written.etag, _signature(group, place), left)

    def _take_look_ups(self, wanted: int) -> int:
        with self._lock:
            taken = min(wanted, self._look_ups_left)
            self._look_ups_left -= taken
            return taken

    def _start(self, group: _Group, repository: str, digests: Sequence[str]) -> Facts:
        """Start scans that are claimed, and tell what was refused, and why."""
        facts = Facts(began=group.now)
        for skip, answer in self._calls.map(lambda digest: self._start_one(group, repository, digest), digests):
            if skip is not None:
                facts.skips.append(skip)
                self.report.refused[skip.reason.value] += 1
            else:
                self.report.started += 1
            if answer is not None:
                facts.answers.append(answer)
        return facts

    def _start_one(
        self, group: _Group, repository: str, digest: str
    ) -> tuple[SkippedScan | None, ScanResult | NoResult | None]:
        account = group.account
        if account.scan_type is ScanType.ENHANCED or account.starts_left(group.now) == 0:
            return SkippedScan(digest, SkipReason.LIMIT_EXCEEDED, "not sent"), None
        outcome = group.registry.start(repository, digest)
        if not isinstance(outcome, SkippedScan):
            return None, None
        if outcome.reason is SkipReason.ENHANCED:
            account.scan_type, account.scan_type_at = ScanType.ENHANCED, group.now
        if outcome.reason is not SkipReason.LIMIT_EXCEEDED:
            return outcome, None
        # The code doesn't tell this image's 24 hours from the account's quota (aws/containers-roadmap#1226).
        answer = group.registry.findings(repository, digest, scan_type=account.scan_type)
        if _explains_refusal(answer, group.now):
            return outcome, answer
        if not (isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE):
            account.paused_until = group.now + QUOTA_REST
            logger.warning("The daily scan quota is spent", registry=account.registry, region=account.region)
        return outcome, None

    def _ask(self, place: Place, digests: Sequence[str]) -> set[str]:
        """Ask for overdue results by the queue, unless they are probably in it."""
        if not digests:
            return set()
        with self._lock:
            try:
                if self._behind is None:
                    self._behind = self._queue.backlog() > BEHIND
                if self._behind:
                    return set()
                refused = self._queue.ask(ResultAsked(*place, digest) for digest in digests)
            except MessageError as error:
                self.report.problems["MessageError"] += 1
                logger.warning("Overdue results could not be asked for", error=str(error))
                return set()
            asked = set(digests) - {ask.digest for ask in refused}
            self.report.asked += len(asked)
            return asked

    def _save(self, account: Account, started: int, now: datetime) -> None:
        key = account_key(account.registry, account.region)

        def rewrite(body: bytes | None) -> bytes:
            # Two ticks at once must not count each other's starts away.
            fresh = Account.from_json(key, body) if body else Account(account.registry, account.region)
            account.starts = fresh.starts
            if fresh.paused_until and (account.paused_until is None or fresh.paused_until > account.paused_until):
                account.paused_until = fresh.paused_until
            account.count_starts(started, now)
            return account.to_json()

        # What is in it can be learned again: the next tick writes it.
        with suppress(ConflictError):
            self._documents.update(key, rewrite)

    def _count(self, known: KnownPlan | None, now: datetime) -> None:
        if known is None:
            return
        plan = known.plan
        self.report.states += plan.states
        self.report.selected += plan.states.total()
        self.report.overdue += plan.overdue
        if plan.oldest is not None:
            hours = round((now - plan.oldest).total_seconds() / 3600, 2)
            self.report.oldest_hours = max(self.report.oldest_hours or -math.inf, hours)

    def _trouble(self, error: EcrRescanError, place: tuple[str, ...]) -> None:
        with self._lock:
            self.report.problems[type(error).__name__] += 1
        logger.warning("Something could not be done in this tick", error=str(error), place="/".join(place))


def _signature(group: _Group, place: Place) -> tuple[tuple[str, datetime], ...]:
    return tuple((item.id, item.updated) for item in naming(place, group.configurations))


def _explains_refusal(answer: ScanResult | NoResult, now: datetime) -> bool:
    """Whether what ECR has on an image says that its own 24 hours are not over."""
    if isinstance(answer, ScanResult):
        return now - answer.completed_at < INTERVAL
    return answer.reason not in (NoResultReason.NEVER_SCANNED, NoResultReason.UNAVAILABLE)
