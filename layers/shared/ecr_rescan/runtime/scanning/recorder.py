"""Recording: a batch of messages from the events queue becomes one look at each repository that they are about.

A message only says that there is something to see; what is recorded is what ECR shows then. So messages may come
twice, late, or out of order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, EcrRescanError
from ecr_rescan.core.keys import account_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.events import (
    Ignored,
    Message,
    ResultAsked,
    ScanCompleted,
    parse,
    tells_of_arrivals,
    tells_of_scans,
)
from ecr_rescan.core.scanning.facts import Facts, apply_images, is_unknown
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord
from ecr_rescan.core.scanning.listing import selected_images
from ecr_rescan.core.scanning.plan import selected_manifests
from ecr_rescan.core.scanning.schedule import is_pending
from ecr_rescan.runtime.garbage import uncollected
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.looking import look_up
from ecr_rescan.runtime.scanning.place import Place
from ecr_rescan.runtime.scanning.registries import Registries
from ecr_rescan.runtime.scanning.repositories import Readers, Repositories
from ecr_rescan.runtime.scanning.shares import Shares, rotated

ALONE_AFTER = 3
"""A message received so often is worked on alone, so that a giant result does not take its whole batch with it."""

SAME_SCAN = timedelta(minutes=30)
"""An event this long after a recorded completion is about that scan: another one is a day away."""

NOTE_EVENTS = timedelta(hours=6)
"""How often it is noted that events of images arrive."""

_CALLS_AT_ONCE = 16


@dataclass(slots=True)
class Batch:
    """What a batch came to: the one line that it logs."""

    messages: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    repositories: int = 0
    read: int = 0
    failed: list[str] = field(default_factory=list)
    sent: int = 0

    def to_log(self) -> dict[str, Any]:
        """For the log, without what is empty."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in named.items() if value}


@dataclass(slots=True)
class _Work:
    """The messages of a batch about one repository."""

    place: Place
    ids: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


class Recorder:
    """Works on one batch."""

    def __init__(
        self,
        *,
        documents: DocumentStore,
        configurations: ConfigurationStore,
        repositories: Repositories,
        registries: Registries,
        shares: Shares,
    ) -> None:
        self._documents = documents
        self._configurations = configurations
        self._repositories = repositories
        self._registries = registries
        self._shares = shares
        self._accounts: dict[tuple[str, str], Account] = {}
        self.batch = Batch()
        self.news: set[str] = set()

    def record(self, records: Sequence[Mapping[str, Any]], now: datetime) -> list[ScanConfiguration]:
        """Record what a batch of SQS records is about; ``batch.failed`` then holds the message ids to deliver again.

        ``news`` holds the keys of the findings documents with something to announce.

        Returns:
            The configurations that could be read.

        Raises:
            StoreError: the configurations could not be listed: the whole batch is to come again.
        """
        listed = self._configurations.list_all()
        naming = Naming(listed.valid)
        self.batch.messages = len(records)
        with uncollected(keeping=False), ThreadPoolExecutor(_CALLS_AT_ONCE) as calls:
            regions = groupby(self._sorted(records), key=lambda work: work.place[:2])
            groups = rotated([list(group) for _, group in regions], now)
            for number, group in enumerate(groups):
                self._shares.begin(len(groups) - number)
                for work in group:
                    self._isolated(work, naming.of(work.place), now, calls, complete=not listed.problems)
        return list(listed.valid)

    def _isolated(
        self,
        work: _Work,
        configurations: Sequence[ScanConfiguration],
        now: datetime,
        calls: ThreadPoolExecutor,
        *,
        complete: bool,
    ) -> None:
        if not configurations:
            self.batch.ignored["no configuration names the repository"] += len(work.ids)
            return
        if self._shares() <= 0:
            self.batch.failed += work.ids
            return
        self.batch.repositories += 1
        try:
            self._repository(work, configurations, now, calls, complete=complete)
        except EcrRescanError as error:
            self._failed(work, error)
        except Exception:
            logger.exception("Unexpected error in a repository", repository=work.place.repository)
            self.batch.failed += work.ids

    def _sorted(self, records: Sequence[Mapping[str, Any]]) -> list[_Work]:
        work: dict[tuple[Place, str], _Work] = {}
        for record in records:
            message = parse(record["body"])
            if isinstance(message, Ignored):
                self.batch.ignored[message.reason] += 1
                continue
            place = Place(message.registry, message.region, message.repository)
            received = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
            alone = record["messageId"] if received >= ALONE_AFTER else ""
            item = work.setdefault((place, alone), _Work(place))
            item.ids.append(record["messageId"])
            item.messages.append(message)
        return [work[key] for key in sorted(work)]

    def _repository(
        self,
        work: _Work,
        configurations: Sequence[ScanConfiguration],
        now: datetime,
        calls: ThreadPoolExecutor,
        *,
        complete: bool,
    ) -> None:
        place = work.place
        account = self._account(place, work.messages, now)
        readers = Readers(configurations, as_of=now, complete=complete)
        self._registries.heed(account, now)
        ledger, stored = self._repositories.ledger(place, now)
        facts = Facts(began=now, scan_type=account.scan_type)
        facts.events = [
            message for message in work.messages if not isinstance(message, ScanCompleted | ResultAsked | Ignored)
        ]
        apply_images(ledger, facts, now)
        ended = [message for message in work.messages if isinstance(message, ScanCompleted)]
        facts.scanned = {message.digest: message.at for message in sorted(ended, key=lambda message: message.at)}
        if not ledger.is_behind:
            tagged = {message.digest for message in ended if message.is_tagged}
            facts.unheard = {digest for digest in tagged if is_unknown(ledger, digest, facts.scanned[digest])}
        # What nobody selects is read when somebody does; where it is not known what they select, all may be meant.
        chosen = selected_images(ledger, configurations) if readers.are_known(ledger) else ledger.images
        digests = _to_read(ledger, selected_manifests(ledger, chosen), work.messages)
        if digests:
            registry = self._registries.of(configurations)
            answers = look_up(registry, place.repository, digests, account.scan_type, calls) if registry else []
            self.batch.read += len(answers)
            facts.answers = [
                answer
                for answer in answers
                # What is refused is refused a minute later, too: the tick asks again, ever more rarely.
                if not (isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE) or answer.refused
            ]
            unread = set(digests) - {answer.digest for answer in facts.answers}
            for message_id, message in zip(work.ids, work.messages, strict=True):
                if isinstance(message, ScanCompleted | ResultAsked) and message.digest in unread:
                    self.batch.failed.append(message_id)
        if facts.events or facts.answers or facts.unheard:
            written = self._repositories.write(place, facts, readers, now, known=stored)
            if written.news:
                self.news.add(place.findings_key)

    def _account(self, place: Place, messages: Sequence[Message], now: datetime) -> Account:
        """What is known of the account; notes there, now and then, that events of images arrive."""
        key = account_key(place.registry, place.region)
        known = self._accounts.get((place.registry, place.region))
        if known is None:
            stored = self._documents.get(key)
            known = Account.from_json(key, stored.body) if stored else Account(place.registry, place.region)
            self._accounts[place.registry, place.region] = known
        arrivals = tells_of_arrivals(messages) and _is_long_ago(known.events_at, now)
        scans = tells_of_scans(messages) and _is_long_ago(known.scans_at, now)
        if arrivals or scans:

            def note(body: bytes | None) -> bytes:
                fresh = Account.from_json(key, body) if body else Account(place.registry, place.region)
                fresh.events_at = now if arrivals else fresh.events_at
                fresh.scans_at = now if scans else fresh.scans_at
                return fresh.to_json()

            # Only how often repositories are listed depends on it, and another event will come.
            with suppress(ConflictError):
                self._documents.update(key, note)
            known.events_at = now if arrivals else known.events_at
            known.scans_at = now if scans else known.scans_at
        return known

    def _failed(self, work: _Work, error: EcrRescanError) -> None:
        logger.warning(
            "A repository could not be recorded; its messages will come again",
            repository=work.place.repository,
            region=work.place.region,
            registry=work.place.registry,
            error=str(error),
        )
        self.batch.failed += work.ids


def _is_long_ago(noted: datetime | None, now: datetime) -> bool:
    return noted is None or now - noted >= NOTE_EVENTS


def _to_read(ledger: Ledger, selected: Container[str], messages: Sequence[Message]) -> list[str]:
    """The selected manifests of which ECR may have more than the ledger."""
    digests = []
    for message in messages:
        if not isinstance(message, ScanCompleted | ResultAsked):
            continue
        record = ledger.manifests.get(message.digest) if message.digest in selected else None
        if record is not None and (isinstance(message, ResultAsked) or not _is_recorded(record, message.at)):
            digests.append(message.digest)
    return sorted(set(digests))


def _is_recorded(record: ManifestRecord, at: datetime) -> bool:
    if (
        not record.looked_up
        or is_pending(record)
        or record.completed_at is None
        or record.scan_type is ScanType.ENHANCED
    ):
        return False
    return at <= record.completed_at + SAME_SCAN
