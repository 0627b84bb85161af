"""The turns of a tick: each account and Region gets its share of the time, and what is left goes to who has work left.

No account waits for another one for longer than its share, nor forever: who is first changes from tick to tick.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, DocumentError, EcrRescanError, RegistryError, StoreError
from ecr_rescan.core.keys import IMAGES, account_key, parse_images_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.patterns import is_exact
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import (
    ASK_FOR,
    GUESS,
    REPOSITORIES,
    REPOSITORIES_FOR,
    SCAN_TYPE,
    SCAN_TYPE_FOR,
    SILENT,
    SILENT_FOR,
    Account,
)
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.plan import LISTING_FOR, LISTING_FOR_WITH_EVENTS, Plan, make_plan
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.place import Place
from ecr_rescan.runtime.scanning.registries import Registries
from ecr_rescan.runtime.scanning.report import Report
from ecr_rescan.runtime.scanning.shares import Shares, rotated
from ecr_rescan.runtime.scanning.starting import Starter

COUNTING_SECONDS = 15.0
"""How much of what is kept for the end may go into counting what was not reached."""

_READ_AT_ONCE = 200
_REPOSITORIES_AT_ONCE = 8
_CALLS_AT_ONCE = 16

Signature = tuple[ScanType, bool, tuple[tuple[str, datetime], ...]]


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A ledger's plan as of its last reading; good as long as the ledger and what it was made for are the same."""

    etag: str | None
    made_for: Signature
    plan: Plan


@dataclass(slots=True)
class Group:
    """One registry in one Region during a tick.

    ``named``: its repositories and the configurations that name each; ``etags``: their ledgers as they were listed.
    ``waiting``: the repositories that are to be worked on, in their order; ``reached``: those that were. ``look_ups``:
    how many may still be made in this turn. ``loaded``: the account as it was read; None until it was. ``probe``: the
    repository in which one start is to show whether the registry is ENHANCED, as is only believed. ``listed``: all
    repositories that the account is known to have.
    """

    account: Account
    configurations: list[ScanConfiguration]
    calls: Executor
    now: datetime
    starter: Starter
    loaded: Account | None = None
    named: dict[Place, Sequence[ScanConfiguration]] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    waiting: list[Place] = field(default_factory=list)
    reached: set[Place] = field(default_factory=set)
    look_ups: int = 0
    probe: Place | None = None
    listed: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[str, str]:
        """The registry and the Region."""
        return self.account.registry, self.account.region

    @property
    def listing_for(self) -> timedelta:
        """How long a listing of a repository is good for."""
        return LISTING_FOR_WITH_EVENTS if self.account.hears_events(self.now) else LISTING_FOR

    def scan_type_of(self, place: Place) -> ScanType:
        """How a repository's images are to be treated: as basic ones where that is being tried."""
        return ScanType.BASIC if place == self.probe else self.account.scan_type

    def signature(self, place: Place) -> Signature:
        """What a plan of a repository is made for."""
        configurations = tuple((item.id, item.updated) for item in self.named[place])
        return self.account.scan_type, place.repository in self.listed, configurations

    def is_gone(self, place: Place, ledger: Ledger) -> bool:
        """Whether there is nothing to ask about: only patterns name the repository, and the account has it no more."""
        exact = any(place.repository in item.repository for item in self.named[place])
        return not exact and self.account.lacks(ledger)


class Turns:
    """The turns of one tick. ``work`` is done for each repository in which there may be something to do."""

    def __init__(
        self,
        documents: DocumentStore,
        registries: Registries,
        shares: Shares,
        known: dict[str, KnownPlan],
        report: Report,
        work: Callable[[Group, Place], None],
        *,
        look_ups: int,
    ) -> None:
        """``known``: the plans of warm invocations, by ledger key; ``look_ups``: how many there may be in all."""
        self._documents = documents
        self._registries = registries
        self._shares = shares
        self._known = known
        self._report = report
        self._work = work
        self._look_ups = look_ups

    def run(self, configurations: Iterable[ScanConfiguration], naming: Naming, now: datetime) -> None:
        """Give every account and Region its turns.

        Raises:
            StoreError: S3 failed for all of them.
        """

        def place(item: ScanConfiguration) -> tuple[str, str]:
            return (item.registry, item.region)

        failed: list[Exception] = []
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as calls:
            groups = []
            for key, named in groupby(sorted(configurations, key=place), key=place):
                account = Account(*key)
                starter = Starter(account, self._report, self._shares, now)
                groups.append(Group(account, sorted(named, key=lambda item: item.id), calls, now, starter))
            self._report.accounts = len(groups)
            waiting = rotated(groups, now)
            while waiting:
                for number, group in enumerate(waiting):
                    self._shares.begin(len(waiting) - number)
                    group.look_ups = max(1, self._look_ups // (len(waiting) - number))
                    try:
                        self._take(group, naming)
                    except Exception as error:
                        group.waiting = []
                        failed.append(error)
                        self.trouble(error, group.place)
                waiting = [group for group in waiting if group.waiting and self._goes_on(group)]
            for group in groups:
                self._count(group)
        if failed and len(failed) == len(groups) and all(isinstance(error, StoreError) for error in failed):
            raise failed[0]

    def trouble(self, error: Exception, place: tuple[str, ...]) -> None:
        """Count and log what could not be done, and for whom; what nobody foresaw, with where it happened."""
        foreseen = isinstance(error, EcrRescanError)
        with self._report.lock:
            self._report.problems[type(error).__name__ if foreseen else "unexpected"] += 1
        logger.warning(
            "Something could not be done in this tick",
            error=str(error) if foreseen else repr(error),
            place="/".join(place),
            exc_info=None if foreseen else error,
        )

    def take_look_ups(self, group: Group, wanted: int) -> int:
        """How many of the wanted look-ups may be made in this turn."""
        with self._report.lock:
            taken = max(0, min(wanted, group.look_ups, self._look_ups))
            group.look_ups -= taken
            self._look_ups -= taken
            return taken

    def _goes_on(self, group: Group) -> bool:
        return self._shares.in_all() > 0 and not self._registries.is_silent(group.account.region)

    def _take(self, group: Group, naming: Naming) -> None:
        """A turn of one group; the first one begins with what is known of the account."""
        if group.loaded is None:
            key = account_key(*group.place)
            stored = self._documents.get(key)
            if stored:
                group.account = group.starter.account = Account.from_json(key, stored.body)
            group.loaded = replace(group.account, rests=dict(group.account.rests))
        else:
            stored = None
        before = group.starter.started
        group.account.problem = ""
        failed: Exception | None = None
        try:
            if not group.named:
                self._open(group, naming)
            self._work_on(group)
        except Exception as error:
            group.account.problem = str(error) if isinstance(error, EcrRescanError) else f"unexpected: {error!r}"
            failed = error
        self._note_silence(group)
        group.account.problems = self._registries.problems(*group.place)
        self._save(group, group.starter.started - before, stored)
        if failed is not None:
            raise failed

    def _open(self, group: Group, naming: Naming) -> None:
        """Whether the Region answers, the scan type and the repositories, and which of them are to be worked on."""
        account = group.account
        self._registries.heed(account, group.now)
        registry = self._registries.of(group.configurations)
        if registry is not None and registry.may_ask():
            self._refresh(group, registry)
        prefix = f"{IMAGES}{account.registry}/{account.region}/"
        group.etags = {listed.key: listed.etag for listed in self._documents.list(prefix)}
        group.listed = frozenset(account.repositories)
        names = set(account.repositories)
        names |= {parsed[2] for key in group.etags if (parsed := parsed_key(key))}
        names |= {name for item in group.configurations for name in item.repository if is_exact(name)}
        places = [Place(*group.place, name) for name in sorted(names)]
        group.named = {place: named for place in places if (named := naming.of(place))}
        self._report.repositories += len(group.named)
        group.probe = self._probe(group)
        group.starter.probing = group.probe.repository if group.probe else None
        stale = [place for place in group.named if place == group.probe or self._is_stale(group, place)]
        group.waiting = sorted(stale, key=lambda place: self._turn(group, place))

    @staticmethod
    def _probe(group: Group) -> Place | None:
        """Another repository at each tick, once the belief that the registry is ENHANCED is to be tried."""
        guess = group.account.rests.get(GUESS)
        if guess is None or group.now < guess.until or not group.named:
            return None
        return rotated(list(group.named), group.now)[0]

    def _refresh(self, group: Group, registry: Registry) -> None:
        """The scan type and the list of repositories, once in a while."""
        account, now = group.account, group.now
        if account.scan_type_at is None or now - account.scan_type_at >= SCAN_TYPE_FOR:
            with self._asking(group, SCAN_TYPE) as may_ask:
                if may_ask:
                    scanning = registry.scanning()
                    account.scan_type_at = now
                    if scanning is not None:
                        account.scan_type, account.scan_filters = scanning.scan_type, scanning.filters
                        account.rests.pop(GUESS, None)
        patterned = [item for item in group.configurations if not all(map(is_exact, item.repository))]
        if not patterned:
            account.rests.pop(REPOSITORIES, None)
            return
        since = max(item.selected_since for item in patterned)
        at = account.repositories_at
        if at is None or at < since or now - at >= REPOSITORIES_FOR:
            # What is known of the repositories serves until they can be listed again.
            with self._asking(group, REPOSITORIES) as may_ask:
                if may_ask:
                    account.repositories = tuple(registry.repositories())
                    account.repositories_at = now

    @contextmanager
    def _asking(self, group: Group, what: str) -> Iterator[bool]:
        """Ask for something of the account, unless that failed a moment ago; whether it is to be asked for."""
        account = group.account
        rest = account.rests.get(what)
        if rest is not None and group.now < rest.until:
            yield False
            return
        try:
            yield True
        except RegistryError as error:
            if not self._registries.is_silent(account.region):
                account.rest(what, ASK_FOR, f"{error.code}: {error.message}", group.now)
            self.trouble(error, group.place)
        else:
            account.rests.pop(what, None)

    def _known_of(self, group: Group, place: Place) -> Plan | None:
        """The plan of a repository, if nothing that it was made of has changed."""
        known = self._known.get(place.images_key)
        if known is None or known.etag != group.etags.get(place.images_key):
            return None
        return known.plan if known.made_for == group.signature(place) else None

    def _is_stale(self, group: Group, place: Place) -> bool:
        plan = self._known_of(group, place)
        return plan is None or plan.next_at is None or plan.next_at <= group.now

    def _turn(self, group: Group, place: Place) -> tuple[bool, datetime, str]:
        """Where the last tick ran out of time, this one begins; else with what has waited longest."""
        known = self._known.get(place.images_key)
        waiting_since = known.plan.next_at if known and known.plan.next_at else group.now
        return place.repository < group.account.resume_at, waiting_since, place.repository

    def _work_on(self, group: Group) -> None:
        group.starter.open(group.now)
        with ThreadPoolExecutor(_REPOSITORIES_AT_ONCE) as pool:
            left = [place for place in pool.map(lambda place: self._isolated(group, place), group.waiting) if place]
        group.waiting = left
        unreached = [place for place in left if place not in group.reached]
        group.account.resume_at = unreached[0].repository if unreached else ""

    def _isolated(self, group: Group, place: Place) -> Place | None:
        """Work on one repository; answers it back where it is to have another turn, if there is one."""
        registry = self._registries.of(group.named[place])
        if registry is None:
            # Which role can't be used is told once, and not for each repository.
            return None
        if not registry.may_ask():
            return place
        try:
            self._work(group, place)
        except Exception as error:
            self.trouble(error, place)
        group.reached.add(place)
        known = self._known.get(place.images_key)
        return place if known and known.plan.look_ups and not group.look_ups else None

    def _note_silence(self, group: Group) -> None:
        account, now = group.account, group.now
        reason = self._registries.is_silent(account.region)
        silence = account.rests.get(SILENT)
        if not reason and self._registries.is_heard(account.region):
            account.rests.pop(SILENT, None)
        elif reason and (silence is None or silence.until <= now):
            account.rest(SILENT, SILENT_FOR, f"the Region does not answer: {reason}", now)
            logger.warning("A Region does not answer", registry=account.registry, region=account.region, reason=reason)
            with self._report.lock:
                self._report.problems["silent Region"] += 1

    def _count(self, group: Group) -> None:
        """Add up what is known; of what was not reached, the record tells."""
        unread = [place for place in group.named if place not in group.reached and not self._known_of(group, place)]
        for begin in range(0, len(unread), _READ_AT_ONCE):
            if self._shares.in_all() > -COUNTING_SECONDS:
                self._read(group, unread[begin : begin + _READ_AT_ONCE])
        for place in group.named:
            if (known := self._known.get(place.images_key)) is not None:
                self._report.count(known.plan, group.now)
        self._report.left_for_next_tick += sum(place not in group.reached for place in group.waiting)
        self._report.paused += group.account.paused_until is not None
        self._report.troubled += group.account.is_troubled

    def _read(self, group: Group, places: Sequence[Place]) -> None:
        keys = [place.images_key for place in places]
        for place, stored in zip(places, self._documents.get_many(keys), strict=True):
            with suppress(DocumentError):
                if isinstance(stored, Stored):
                    ledger = Ledger.from_json(stored.key, stored.body)
                    plan = make_plan(ledger, group.named[place], group.account.scan_type, group.now)
                    # Nothing of it has been done.
                    plan.next_at = group.now
                    self._known[stored.key] = KnownPlan(stored.etag, group.signature(place), plan)

    def _save(self, group: Group, started: int, stored: Stored | None) -> None:
        account, loaded, key = group.account, group.loaded, account_key(*group.place)
        assert loaded is not None

        def rewrite(body: bytes | None) -> bytes:
            # Two ticks at once must not count each other's starts away, nor forget what the other learned.
            fresh = Account.from_json(key, body) if body else Account(*group.place)
            merged = replace(
                account,
                starts=dict(fresh.starts),
                events_at=fresh.events_at,
                scans_at=fresh.scans_at,
            )
            if account.paused_until == loaded.paused_until:
                merged.paused_until = fresh.paused_until
            merged.count_starts(started, group.now)
            return merged.to_json()

        # What is in it can be learned again: the next tick writes it.
        with suppress(ConflictError):
            self._documents.update(key, rewrite, known=stored)


parsed_key = functools.lru_cache(maxsize=65536)(parse_images_key)
"""The place that an image ledger's key names, as a tick asks of every one of them."""
