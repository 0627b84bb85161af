"""A tick of StartScan: for every configuration's images, decide what is due, look up, start, ask again.

Every account, repository and image is its own unit of work: what fails there is reported and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult
from ecr_rescan.core.scanning.enhanced import explained, leaves_out
from ecr_rescan.core.scanning.events import ResultAsked
from ecr_rescan.core.scanning.facts import Facts, apply_images, apply_scans, mark_unrecorded
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import selected_images, unheard_of, unresolved
from ecr_rescan.core.scanning.plan import Plan, listing_due, make_plan
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.looking import list_repository, look_up, resolve
from ecr_rescan.runtime.scanning.place import Place
from ecr_rescan.runtime.scanning.registries import Registries
from ecr_rescan.runtime.scanning.report import Report
from ecr_rescan.runtime.scanning.repositories import Readers, Repositories
from ecr_rescan.runtime.scanning.shares import Shares
from ecr_rescan.runtime.scanning.turns import Group, KnownPlan, Turns, parsed_key

NEVER = datetime.max.replace(tzinfo=UTC)

LOOK_UPS = 3000
"""Look-ups of one tick, at most: the first tick over many images must leave time for the rest."""

BEHIND = 1000
"""With more messages than this waiting, what is overdue is probably among them."""


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
        shares: Shares,
    ) -> None:
        self._documents = documents
        self._configurations = configurations
        self._repositories = repositories
        self._registries = registries
        self._queue = queue
        self._known = known
        self._behind: bool | None = None
        self._complete = False
        self.report = Report()
        self._turns = Turns(documents, registries, shares, known, self.report, self._repository, look_ups=LOOK_UPS)
        self.news: set[str] = set()
        self.naming = Naming(())

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
        self.naming = Naming(listed.valid)
        self._turns.run(listed.valid, self.naming, now)
        return list(listed.valid)

    def plans(self) -> dict[Place, Plan]:
        """What is known after the run of every repository that was seen."""
        return {Place(*parsed): known.plan for key, known in self._known.items() if (parsed := parsed_key(key))}

    def _repository(self, group: Group, place: Place) -> None:
        now, name, scan_type = group.now, place.repository, group.scan_type_of(place)
        configurations = group.named[place]
        registry = self._registries.of(configurations)
        if registry is None:
            return
        readers = Readers(configurations, as_of=now, complete=self._complete)
        ledger, stored = self._repositories.ledger(place, now)
        facts = Facts(began=now, scan_type=scan_type)
        if group.is_gone(place, ledger):
            self._gone(group, place, ledger, stored)
            return
        must_list = listing_due(ledger, group.listing_for, now) <= now
        rests = ledger.tried_at is not None and not must_list
        if not must_list and not rests:
            unknown = unheard_of(ledger, selected_images(ledger, configurations))
            facts.answers = look_up(registry, name, unknown, scan_type, group.calls)
            must_list = any(is_never_scanned(answer) for answer in facts.answers)
        if must_list:
            list_repository(registry, ledger, facts)
            with self.report.lock:
                group.account.note_pushes((detail.pushed_at for detail in facts.details or ()), ledger.since)
        unlisted = rests or (must_list and facts.details is None)
        if unlisted:
            # Whether what only an event told of is an image at all, the listing was to show: it is not to be started.
            facts.answers = [answer for answer in facts.answers if not is_never_scanned(answer)]
        apply_images(ledger, facts, now)
        indexes = [
            digest
            for digest in unresolved(ledger, selected_images(ledger, configurations))
            if (ledger.images[digest].resolve_at or now) <= now
        ]
        if indexes:
            resolve(registry, name, indexes, facts)
            apply_images(ledger, facts, now)
        apply_scans(ledger, facts, now)
        mark_unrecorded(ledger, self._repositories.unrecorded(place, ledger, readers), facts)
        plan = make_plan(ledger, configurations, scan_type, now, listing_for=group.listing_for)
        unsure = set(unheard_of(ledger, selected_images(ledger, configurations))) if unlisted else set()
        look_ups = [digest for digest in plan.look_ups if digest not in unsure]
        if place == group.probe:
            # One image is enough.
            look_ups = look_ups[:1]
        wanted = look_ups[: self._turns.take_look_ups(group, len(look_ups))]
        facts.answers += look_up(registry, name, wanted, scan_type, group.calls)
        facts.asked = self._ask(place, plan.asks)
        left_out = leaves_out(scan_type, group.account.scan_filters, name)
        facts.answers = explained(facts.answers, left_out=left_out)
        reserved = group.starter.reserve(name, len(plan.starts) + len(wanted))
        written = self._repositories.write(place, facts, readers, now, claim_up_to=reserved, known=stored)
        group.starter.give_back(reserved - len(written.claimed))
        news = written.news
        if written.claimed:
            outcome = group.starter.start(registry, name, written.claimed, group.calls)
            if outcome.skips:
                written = self._repositories.write(place, outcome, readers, now)
        left = make_plan(written.ledger, configurations, scan_type, now, listing_for=group.listing_for)
        left.look_ups = [digest for digest in left.look_ups if digest not in unsure]
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

    def _gone(self, group: Group, place: Place, ledger: Ledger, stored: Stored | None) -> None:
        """Note once that a repository is gone; after that nothing is asked or written, until it is listed or pushed."""
        configurations, etag = group.named[place], stored.etag if stored else None
        readers = Readers(configurations, as_of=group.now, complete=self._complete)
        if stored and ledger.missing_since is None:
            facts = Facts(began=group.now, missing=True)
            written = self._repositories.write(place, facts, readers, group.now, known=stored)
            ledger, etag = written.ledger, written.etag
            if written.news:
                with self.report.lock:
                    self.news.add(place.findings_key)
        plan = make_plan(ledger, configurations, group.account.scan_type, group.now)
        plan.next_at = NEVER
        self._known[place.images_key] = KnownPlan(etag, group.signature(place), plan)

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


def is_never_scanned(answer: ScanResult | NoResult) -> bool:
    """Whether ECR has no scan of an image, which may then not even be one."""
    return isinstance(answer, NoResult) and answer.reason is NoResultReason.NEVER_SCANNED
