"""A tick of StartScan: for every configuration's images, decide what is due, look up, start, ask again.

Every account, repository and image is its own unit of work: what fails there is reported and stops nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, EcrRescanError, MessageError, RegistryError
from ecr_rescan.core.keys import IMAGES, account_key, parse_images_key
from ecr_rescan.core.patterns import is_exact
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType
from ecr_rescan.core.scanning.account import REPOSITORIES_FOR, SCAN_TYPE_FOR, Account
from ecr_rescan.core.scanning.enhanced import explained, leaves_out
from ecr_rescan.core.scanning.events import ResultAsked
from ecr_rescan.core.scanning.facts import Facts, apply_facts
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import selected_images, unheard_of, unresolved
from ecr_rescan.core.scanning.plan import LISTING_FOR, LISTING_FOR_WITH_EVENTS, Plan, listing_due, make_plan
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.looking import list_repository, look_up, resolve
from ecr_rescan.runtime.scanning.place import Place, naming
from ecr_rescan.runtime.scanning.registries import Registries
from ecr_rescan.runtime.scanning.report import Report
from ecr_rescan.runtime.scanning.repositories import Repositories
from ecr_rescan.runtime.scanning.starting import Starter

RESERVE_SECONDS = 30.0
"""No repository is begun, and no start sent, with less time than this left."""

LOOK_UPS = 3000
"""Look-ups of one tick, at most: the first tick over many images must leave time for the rest."""

BEHIND = 1000
"""With more messages than this waiting, what is overdue is probably among them."""

_REPOSITORIES_AT_ONCE = 8
_CALLS_AT_ONCE = 16

Signature = tuple[ScanType, tuple[tuple[str, datetime], ...]]


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A ledger's plan as of its last reading; good as long as the ledger and what it was made for are the same."""

    etag: str | None
    made_for: Signature
    plan: Plan


@dataclass(slots=True)
class _Group:
    """One registry in one Region during a tick. ``named``: its repositories and the configurations that name each."""

    account: Account
    configurations: list[ScanConfiguration]
    registry: Registry
    starter: Starter
    calls: Executor
    listing_for: timedelta
    now: datetime
    named: dict[Place, list[ScanConfiguration]]

    def signature(self, place: Place) -> Signature:
        """What a plan of a repository is made for."""
        return self.account.scan_type, tuple((item.id, item.updated) for item in self.named[place])


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
        self._total_seconds_left = seconds_left
        self._look_ups_left = LOOK_UPS
        self._behind: bool | None = None
        self._complete = False
        self.report = Report()
        self.news: set[str] = set()

    def _seconds_left(self) -> float:
        return self._total_seconds_left() - RESERVE_SECONDS

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
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as calls:
            for (registry, region), group in groupby(sorted(listed.valid, key=place), key=place):
                self.report.accounts += 1
                try:
                    self._account(registry, region, sorted(group, key=lambda item: item.id), calls, now)
                except EcrRescanError as error:
                    self._trouble(error, (registry, region))
                    errors.append(error)
        if errors and len(errors) == self.report.accounts:
            raise errors[0]
        return list(listed.valid)

    def plans(self) -> dict[Place, Plan]:
        """What is known after the run of every repository that was seen."""
        return {Place(*parsed): known.plan for key, known in self._known.items() if (parsed := _parsed(key))}

    def _account(
        self, registry_id: str, region: str, configurations: list[ScanConfiguration], calls: Executor, now: datetime
    ) -> None:
        key = account_key(registry_id, region)
        stored = self._documents.get(key)
        account = Account.from_json(key, stored.body) if stored else Account(registry_id, region)
        loaded = replace(account, refused=dict(account.refused))
        started = 0
        try:
            registry = self._registries.of(configurations)
            self._refresh(account, registry, configurations, now)
            starter = Starter(account, registry, self.report, self._seconds_left, now)
            listing_for = LISTING_FOR_WITH_EVENTS if account.hears_events(now) else LISTING_FOR
            group = _Group(account, configurations, registry, starter, calls, listing_for, now, {})
            try:
                self._work(group)
            finally:
                started = starter.started
            account.problem = ""
        except RegistryError as error:
            account.problem = f"{error.code}: {error.message}"
            self._trouble(error, (registry_id, region))
        self.report.paused += account.paused_until is not None
        self.report.troubled += bool(account.problem or account.refused)
        self._save(account, loaded, started, now, stored)

    def _refresh(
        self, account: Account, registry: Registry, configurations: Sequence[ScanConfiguration], now: datetime
    ) -> None:
        """The scan type and the list of repositories, once in a while."""
        if account.scan_type_at is None or now - account.scan_type_at >= SCAN_TYPE_FOR:
            try:
                if (scanning := registry.scanning()) is not None:
                    account.scan_type, account.scan_filters = scanning.scan_type, scanning.filters
                account.scan_type_at = now
                account.refused.pop("scan_type", None)
            except RegistryError as error:
                account.refused["scan_type"] = f"{error.code}: {error.message}"
                self._trouble(error, (account.registry, account.region))
        patterned = [item for item in configurations if not all(map(is_exact, item.repository))]
        if not patterned:
            account.refused.pop("repositories", None)
            return
        since = max(item.selected_since for item in patterned)
        at = account.repositories_at
        if at is None or at < since or now - at >= REPOSITORIES_FOR:
            try:
                account.repositories = tuple(registry.repositories())
                account.repositories_at = now
                account.refused.pop("repositories", None)
            except RegistryError as error:
                account.refused["repositories"] = f"{error.code}: {error.message}"
                # What is known of the repositories serves until they can be listed again.
                self._trouble(error, (account.registry, account.region))

    def _work(self, group: _Group) -> None:
        account = group.account
        prefix = f"{IMAGES}{account.registry}/{account.region}/"
        etags = {listed.key: listed.etag for listed in self._documents.list(prefix)}
        names = set(account.repositories)
        names |= {parsed[2] for key in etags if (parsed := _parsed(key))}
        names |= {name for item in group.configurations for name in item.repository if is_exact(name)}
        places = [Place(account.registry, account.region, name) for name in sorted(names)]
        group.named = {place: named for place in places if (named := naming(place, group.configurations))}
        self.report.repositories += len(group.named)
        stale = [place for place in group.named if self._is_stale(group, place, etags.get(place.images_key))]
        stale.sort(key=lambda place: self._turn(group, place))
        account.resume_at = ""
        with ThreadPoolExecutor(_REPOSITORIES_AT_ONCE) as pool:
            left = [place for place in pool.map(lambda place: self._isolated(group, place), stale) if place]
        if left:
            account.resume_at = left[0].repository
            self.report.left_for_next_tick += len(left)
        for place in group.named:
            if (known := self._known.get(place.images_key)) is not None:
                self.report.count(known.plan, group.now)

    def _is_stale(self, group: _Group, place: Place, etag: str | None) -> bool:
        known = self._known.get(place.images_key)
        if known is None or known.etag != etag or known.made_for != group.signature(place):
            return True
        return known.plan.next_at is None or known.plan.next_at <= group.now

    def _turn(self, group: _Group, place: Place) -> tuple[bool, datetime, str]:
        """Where the last tick ran out of time, this one begins; else with what has waited longest."""
        known = self._known.get(place.images_key)
        waiting_since = known.plan.next_at if known and known.plan.next_at else group.now
        return place.repository < group.account.resume_at, waiting_since, place.repository

    def _isolated(self, group: _Group, place: Place) -> Place | None:
        """Work on one repository; answers it back where there is no time for it."""
        if self._seconds_left() <= 0:
            return place
        try:
            self._repository(group, place)
        except EcrRescanError as error:
            self._trouble(error, place)
        except Exception:
            with self.report.lock:
                self.report.problems["unexpected"] += 1
            logger.exception("Unexpected error in a repository", repository=place.repository, region=place.region)
        return None

    def _repository(self, group: _Group, place: Place) -> None:
        now, name, registry, scan_type = group.now, place.repository, group.registry, group.account.scan_type
        configurations = group.named[place]
        stored = self._documents.get(place.images_key)
        ledger = Ledger.from_json(place.images_key, stored.body) if stored else Ledger(*place, since=now)
        facts = Facts(began=now, scan_type=scan_type)
        must_list = listing_due(ledger, group.listing_for, now) <= now
        if not must_list:
            unknown = unheard_of(ledger, selected_images(ledger, configurations))
            facts.answers = look_up(registry, name, unknown, scan_type, group.calls)
            must_list = any(is_never_scanned(answer) for answer in facts.answers)
        if must_list:
            list_repository(registry, name, facts)
        unlisted = must_list and facts.details is None
        if unlisted:
            # Whether what only an event told of is an image at all, the listing was to show: it is not to be started.
            facts.answers = [answer for answer in facts.answers if not is_never_scanned(answer)]
        apply_facts(ledger, facts, now)
        indexes = [
            digest
            for digest in unresolved(ledger, selected_images(ledger, configurations))
            if (ledger.images[digest].resolve_at or now) <= now
        ]
        if indexes:
            resolve(registry, name, indexes, facts)
            apply_facts(ledger, facts, now)
        plan = make_plan(ledger, configurations, scan_type, now, listing_for=group.listing_for)
        unsure = set(unheard_of(ledger, selected_images(ledger, configurations))) if unlisted else set()
        look_ups = [digest for digest in plan.look_ups if digest not in unsure]
        wanted = look_ups[: self._take_look_ups(len(look_ups))]
        facts.answers += look_up(registry, name, wanted, scan_type, group.calls)
        facts.asked = self._ask(place, plan.asks)
        left_out = leaves_out(scan_type, group.account.scan_filters, name)
        facts.answers = explained(facts.answers, left_out=left_out)
        reserved = group.starter.reserve(len(plan.starts) + len(wanted))
        written = self._repositories.write(
            place, facts, configurations, now, complete=self._complete, claim_up_to=reserved, known=stored
        )
        group.starter.give_back(reserved - len(written.claimed))
        news = written.news
        if written.claimed:
            outcome = group.starter.start(name, written.claimed, group.calls)
            if outcome.skips:
                written = self._repositories.write(place, outcome, configurations, now, complete=self._complete)
        left = make_plan(written.ledger, configurations, scan_type, now, listing_for=group.listing_for)
        if left.look_ups:
            left.next_at = now
        elif left.starts:
            left.next_at = group.account.paused_until or left.due_since
        with self.report.lock:
            self.report.checked += 1
            self.report.listed += facts.details is not None
            self.report.looked_up += len(facts.answers)
            self.report.due += len(plan.starts)
            if news or written.news:
                self.news.add(place.findings_key)
            self._known[place.images_key] = KnownPlan(written.etag, group.signature(place), left)

    def _take_look_ups(self, wanted: int) -> int:
        with self.report.lock:
            taken = min(wanted, self._look_ups_left)
            self._look_ups_left -= taken
            return taken

    def _ask(self, place: Place, digests: Sequence[str]) -> set[str]:
        """Ask for overdue results by the queue, unless they are probably in it."""
        if not digests:
            return set()
        with self.report.lock:
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

    def _save(self, account: Account, loaded: Account, started: int, now: datetime, stored: Stored | None) -> None:
        key = account_key(account.registry, account.region)

        def rewrite(body: bytes | None) -> bytes:
            # Two ticks at once must not count each other's starts away, nor forget what the other learned.
            fresh = Account.from_json(key, body) if body else Account(account.registry, account.region)
            merged = replace(
                account,
                starts=dict(fresh.starts),
                events_at=fresh.events_at,
                unnamed=fresh.unnamed,
                swept_at=fresh.swept_at,
            )
            if account.paused_until == loaded.paused_until:
                merged.paused_until = fresh.paused_until
            merged.count_starts(started, now)
            return merged.to_json()

        # What is in it can be learned again: the next tick writes it.
        with suppress(ConflictError):
            self._documents.update(key, rewrite, known=stored)

    def _trouble(self, error: EcrRescanError, place: tuple[str, ...]) -> None:
        with self.report.lock:
            self.report.problems[type(error).__name__] += 1
        logger.warning("Something could not be done in this tick", error=str(error), place="/".join(place))


def is_never_scanned(answer: ScanResult | NoResult) -> bool:
    """Whether ECR has no scan of an image, which may then not even be one."""
    return isinstance(answer, NoResult) and answer.reason is NoResultReason.NEVER_SCANNED


_parsed = functools.lru_cache(maxsize=65536)(parse_images_key)
