"""What StartScan does when it is woken, from the first read to the log line."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.credentials import EcrClients
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import EcrRescanError, MessageError
from ecr_rescan.core.scanning.events import retry_after
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals
from ecr_rescan.runtime.history import write_history
from ecr_rescan.runtime.observability import logger, metrics
from ecr_rescan.runtime.scanning.announcing import Announcer
from ecr_rescan.runtime.scanning.baselines import Baselines
from ecr_rescan.runtime.scanning.expiries import NOTED, Expiries
from ecr_rescan.runtime.scanning.notice_board import Kept, NoticeBoard
from ecr_rescan.runtime.scanning.recorder import Recorder
from ecr_rescan.runtime.scanning.registries import Registries
from ecr_rescan.runtime.scanning.reminders import Reminders
from ecr_rescan.runtime.scanning.repositories import Repositories
from ecr_rescan.runtime.scanning.retention import Retention
from ecr_rescan.runtime.scanning.shares import Shares
from ecr_rescan.runtime.scanning.signal_news import SignalNews, ToldMarker
from ecr_rescan.runtime.scanning.tick import Tick
from ecr_rescan.runtime.scanning.troubles import Troubles
from ecr_rescan.runtime.scanning.turns import KnownPlan
from ecr_rescan.runtime.scanning.vital_signs import VitalSigns
from ecr_rescan.runtime.settings import StartScanSettings
from ecr_rescan.runtime.signals.fetching import SignalsKeeper, refreshed
from ecr_rescan.runtime.signals.fixing import FixesKeeper
from ecr_rescan.runtime.signals.reading import signals_reader

RESERVE_SECONDS = 30.0
"""No repository is begun, and no start sent, with less time than this left: of a batch, its messages come again."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an execution environment keeps between invocations.

    ``plans``: what earlier ticks learned, by ledger key. ``notices``: the notices documents that they read, by key.
    ``swept``: the day of the last sweep. ``vitals``: what was last noted of the service. ``base_url``: where people
    reach the API, where it is known. ``signals``, ``told``: what public lists say, and up to when people were told.
    ``sleep`` and ``chance`` pace the retries of ECR calls.
    """

    settings: StartScanSettings
    documents: DocumentStore
    configurations: ConfigurationStore
    ecr_clients: EcrClients
    queue: EventsQueue
    topic: Topic
    base_url: Callable[[], str | None]
    signals: SignalsKeeper
    fixes: FixesKeeper
    told: ToldMarker
    plans: dict[str, KnownPlan] = field(default_factory=dict)
    notices: dict[str, Kept] = field(default_factory=dict)
    swept: dict[str, str] = field(default_factory=dict)
    vitals: dict[str, Stored] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def registries(self, seconds_left: Callable[[], float]) -> Registries:
        """The registries of one invocation."""
        return Registries(self.settings, self.ecr_clients, seconds_left, sleep=self.sleep, chance=self.chance)

    def take_calls(self) -> dict[str, int]:
        """S3 calls by operation since this was last asked."""
        calls = dict(self.documents.calls)
        self.documents.calls.clear()
        return calls


def tick(environment: Environment, now: datetime, seconds_left: Callable[[], float]) -> None:
    """Run a tick, announce what it found, and log one line.

    Raises:
        EcrRescanError: nothing at all could be done.
    """
    documents, notices = environment.documents, NoticeBoard(environment.documents, environment.notices)
    shares = Shares(seconds_left, reserve=RESERVE_SECONDS)
    environment.topic.seconds_left = seconds_left
    registries = environment.registries(shares)
    # Before anything is recorded: what opens now and is listed already was so from its beginning.
    signals = refreshed(environment.signals, now)
    run = Tick(
        documents=documents,
        configurations=environment.configurations,
        repositories=Repositories(documents, notices),
        registries=registries,
        queue=environment.queue,
        known=environment.plans,
        shares=shares,
    )
    try:
        configurations = run.run(now)
        run.report.messages = _announce(
            environment, notices, run.news, configurations, now, environment.signals.current
        )
        run.report.messages += _signal_news(environment, notices, signals, configurations, now)
        run.report.messages += _notices(environment, notices, run, signals or NO_SIGNALS, configurations, now)
        if not run.report.unreadable:
            run.report.removed = Retention(documents, environment.swept).sweep(configurations, run.plans(), now)
        write_history(documents, configurations, now)
        vitals = _vital_signs(environment).tick_ended(registries.refusals(now), now)
        run.report.fixes_left = _fixes(environment, now, seconds_left() - RESERVE_SECONDS)
    finally:
        logger.info(
            "tick",
            **run.report.to_log(),
            ecr_calls=dict(registries.calls),
            s3_calls=environment.take_calls(),
            seconds_left=round(seconds_left(), 1),
        )
    metrics.add_metric("ScansStarted", MetricUnit.Count, run.report.started)
    metrics.add_metric("StartsRefused", MetricUnit.Count, run.report.refused.total())
    metrics.add_metric("ImagesSelected", MetricUnit.Count, run.report.selected)
    metrics.add_metric("ImagesOverdue", MetricUnit.Count, run.report.overdue)
    troubles = run.report.problems.total() + run.report.unreadable + run.report.troubled
    metrics.add_metric("Problems", MetricUnit.Count, troubles)
    metrics.add_metric("NobodyTold", MetricUnit.Count, int(vitals.is_mute))


def record(
    environment: Environment, records: Sequence[Mapping[str, Any]], now: datetime, seconds_left: Callable[[], float]
) -> list[str]:
    """Record a batch, announce what it changed, and log one line; answers the ids of the messages to come again.

    Raises:
        StoreError: the whole batch is to come again.
    """
    documents, notices = environment.documents, NoticeBoard(environment.documents, environment.notices)
    shares = Shares(seconds_left, reserve=RESERVE_SECONDS)
    registries = environment.registries(shares)
    environment.topic.seconds_left = seconds_left
    recorder = Recorder(
        documents=documents,
        configurations=environment.configurations,
        repositories=Repositories(documents, notices),
        registries=registries,
        shares=shares,
    )
    configurations = recorder.record(records, now)
    # Read anew: another execution environment's tick may have written it.
    signals = signals_reader(environment.documents).require
    recorder.batch.sent = _announce(environment, notices, recorder.news, configurations, now, signals, leftovers=False)
    logger.info(
        "batch",
        **recorder.batch.to_log(),
        ecr_calls=dict(registries.calls),
        s3_calls=environment.take_calls(),
    )
    metrics.add_metric("ResultsRead", MetricUnit.Count, recorder.batch.read)
    _vital_signs(environment).batch_came(records, registries.refusals(now), now)
    _retry(environment, records, set(recorder.batch.failed))
    return recorder.batch.failed


def _vital_signs(environment: Environment) -> VitalSigns:
    return VitalSigns(environment.documents, environment.topic, environment.queue, environment.vitals)


def _retry(environment: Environment, records: Sequence[Mapping[str, Any]], failed: Container[str]) -> None:
    """Have failed messages again soon, but ever later: a queue gives them up after eight times."""
    receipts = [
        (record["receiptHandle"], retry_after(int(record["attributes"]["ApproximateReceiveCount"])))
        for record in records
        if record["messageId"] in failed and "receiptHandle" in record
    ]
    try:
        environment.queue.retry(receipts)
    except MessageError as error:
        logger.warning("Failed messages will come again when the queue's own time is over", error=str(error))


def _announce(
    environment: Environment,
    notices: NoticeBoard,
    news: set[str],
    configurations: Sequence[ScanConfiguration],
    now: datetime,
    signals: Callable[[], Signals],
    *,
    leftovers: bool = True,
) -> int:
    """Announce; what can't be announced now stays in its outbox for a later tick."""
    announcer = Announcer(environment.documents, notices, environment.topic, environment.base_url(), signals)
    sent = 0
    try:
        if leftovers:
            notices.load([NOTED, *(configuration.id for configuration in configurations)])
        sent += announcer.drain(news, configurations, now)
        if leftovers:
            sent += announcer.drain_leftovers(configurations, now)
    except EcrRescanError as error:
        metrics.add_metric("MessagesDelayed", MetricUnit.Count, 1)
        logger.warning("Changes could not be announced yet", error=str(error))
    return sent


def _signal_news(
    environment: Environment,
    notices: NoticeBoard,
    signals: Signals | None,
    configurations: Sequence[ScanConfiguration],
    now: datetime,
) -> int:
    """What public lists and time alone changed; what can't be sent now is tried again by a later tick."""
    if signals is None:
        return 0
    sending = (environment.documents, notices, environment.topic, environment.base_url())
    try:
        return SignalNews(*sending, marker=environment.told, signals=signals).send(configurations, now)
    except EcrRescanError as error:
        metrics.add_metric("MessagesDelayed", MetricUnit.Count, 1)
        logger.warning("News of signals could not be sent yet", error=str(error))
        return 0


def _fixes(environment: Environment, now: datetime, seconds: float) -> int:
    """A part of what is to be known of fixes, in the time that is left; how many are left for later ticks."""
    try:
        reading = environment.fixes.refresh(now, seconds)
    except EcrRescanError as error:
        logger.warning("Fixes could not be refreshed", error=str(error))
        return 0
    if reading is None:
        return 0
    if reading.changed:
        environment.signals.forget()
    return reading.left


def _notices(
    environment: Environment,
    notices: NoticeBoard,
    run: Tick,
    signals: Signals,
    configurations: Sequence[ScanConfiguration],
    now: datetime,
) -> int:
    """What is told beside changes: baselines, and what there is to say of suppressions and of tokens."""
    sending = (environment.documents, notices, environment.topic, environment.base_url())
    troubles = Troubles()
    baselines = Baselines(*sending, plans=run.plans(), complete=not run.report.left_for_next_tick)
    sent = baselines.send(configurations, now, troubles)
    sent += Reminders(*sending, signals).send(configurations, now, troubles)
    sent += Expiries(*sending).send(configurations, now, troubles)
    if troubles.count:
        metrics.add_metric("MessagesDelayed", MetricUnit.Count, troubles.count)
    return sent
