"""StartScan: the scan cycle, woken by the schedule every five minutes, and the recording, woken by the events queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ecr_rescan.core.scanning.events import is_schedule
from ecr_rescan.runtime import clock
from ecr_rescan.runtime.observability import logger, metrics
from ecr_rescan.runtime.scanning import scan_wiring, start_scan


@metrics.log_metrics(raise_on_empty_metrics=False)
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do a tick, or record a batch and answer which of its messages are to come again."""
    if is_schedule(event):
        start_scan.tick(scan_wiring.environment(), clock.now(), _seconds_left(context))
        return {}
    records = event.get("Records", [])
    failed = start_scan.record(scan_wiring.environment(), records, clock.now(), _seconds_left(context))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _seconds_left(context: LambdaContext) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000
