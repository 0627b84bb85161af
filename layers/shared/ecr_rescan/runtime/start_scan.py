"""What StartScan does when it is woken, from the first read to the log line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import EcrRescanError
from ecr_rescan.runtime import scan_wiring, wiring
from ecr_rescan.runtime.announcing import Announcer
from ecr_rescan.runtime.baselines import Baselines
from ecr_rescan.runtime.notice_board import NoticeBoard
from ecr_rescan.runtime.observability import logger, metrics
from ecr_rescan.runtime.recorder import Recorder
from ecr_rescan.runtime.registries import Registries
from ecr_rescan.runtime.repositories import Repositories
from ecr_rescan.runtime.tick import Tick


def tick(now: datetime, seconds_left: Callable[[], float]) -> None:
    """Run a tick, announce what it found, and log one line.

    Raises:
        EcrRescanError: nothing at all could be done.
    """
    documents, notices = wiring.documents(), NoticeBoard(wiring.documents())
    registries = Registries(scan_wiring.settings(), scan_wiring.ecr_clients(), seconds_left)
    run = Tick(
        documents=documents,
        configurations=wiring.configurations(),
        repositories=Repositories(documents, notices),
        registries=registries,
        queue=scan_wiring.queue(),
        known=scan_wiring.plans(),
        seconds_left=seconds_left,
    )
    try:
        configurations = run.run(now)
        run.report.messages = _announce(notices, run.news, configurations, now)
        run.report.messages += _baselines(notices, run, configurations, now)
    finally:
        logger.info(
            "tick",
            **run.report.to_log(),
            ecr_calls=dict(registries.calls),
            s3_calls=wiring.take_calls(),
            seconds_left=round(seconds_left(), 1),
        )
    metrics.add_metric("ScansStarted", MetricUnit.Count, run.report.started)
    metrics.add_metric("StartsRefused", MetricUnit.Count, run.report.refused.total())
    metrics.add_metric("ImagesSelected", MetricUnit.Count, run.report.selected)
    metrics.add_metric("ImagesOverdue", MetricUnit.Count, run.report.overdue)
    metrics.add_metric("Problems", MetricUnit.Count, run.report.problems.total() + run.report.unreadable)


def record(records: Sequence[Mapping[str, Any]], now: datetime, seconds_left: Callable[[], float]) -> list[str]:
    """Record a batch, announce what it changed, and log one line; answers the ids of the messages to come again.

    Raises:
        StoreError: the whole batch is to come again.
    """
    documents, notices = wiring.documents(), NoticeBoard(wiring.documents())
    registries = Registries(scan_wiring.settings(), scan_wiring.ecr_clients(), seconds_left)
    recorder = Recorder(
        documents=documents,
        configurations=wiring.configurations(),
        repositories=Repositories(documents, notices),
        registries=registries,
    )
    configurations = recorder.record(records, now)
    recorder.batch.sent = _announce(notices, recorder.news, configurations, now, leftovers=False)
    logger.info(
        "batch",
        **recorder.batch.to_log(),
        ecr_calls=dict(registries.calls),
        s3_calls=wiring.take_calls(),
    )
    metrics.add_metric("ResultsRead", MetricUnit.Count, recorder.batch.read)
    return recorder.batch.failed


def _announce(
    notices: NoticeBoard,
    news: set[str],
    configurations: Sequence[ScanConfiguration],
    now: datetime,
    *,
    leftovers: bool = True,
) -> int:
    """Announce; what can't be announced now stays in its outbox for a later tick."""
    announcer = Announcer(wiring.documents(), notices, scan_wiring.topic(), scan_wiring.base_url())
    sent = 0
    try:
        sent += announcer.drain(news, configurations, now)
        if leftovers:
            sent += announcer.drain_leftovers(configurations, now)
    except EcrRescanError as error:
        metrics.add_metric("MessagesDelayed", MetricUnit.Count, 1)
        logger.warning("Changes could not be announced yet", error=str(error))
    return sent


def _baselines(notices: NoticeBoard, run: Tick, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
    try:
        baselines = Baselines(wiring.documents(), notices, scan_wiring.topic(), scan_wiring.base_url())
        return baselines.announce(configurations, run.plan_of, now)
    except EcrRescanError as error:
        metrics.add_metric("MessagesDelayed", MetricUnit.Count, 1)
        logger.warning("A baseline could not be announced yet", error=str(error))
        return 0
