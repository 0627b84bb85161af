"""Builds what StartScan alone needs, when it is first asked for: the clients of ECR, STS, SQS and SNS.

Apart from ``wiring``, so that the functions that face the internet don't even import it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config

from ecr_rescan.adapters.credentials import AssumedRoles, Credentials, EcrClients
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.signals_fetch import CopyFetcher, Fetcher, WebFetcher
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.errors import StoreError
from ecr_rescan.runtime import clock, pacing, wiring
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.signal_news import ToldMarker
from ecr_rescan.runtime.scanning.start_scan import Environment
from ecr_rescan.runtime.settings import StartScanSettings, load_start_scan_settings
from ecr_rescan.runtime.signals.fetching import SignalsKeeper
from ecr_rescan.runtime.signals.fixing import PACE_SECONDS, FixesKeeper

# The standard mode takes LimitExceededException for a throttle, and would spend three calls and seconds on each image
# that was scanned within 24 hours. Whoever calls ECR retries what deserves it.
#
# Three calls without a reply show that a Region does not answer: with these timeouts that takes 15 seconds at most.
_ONCE = Config(
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=16,
    retries={"mode": "standard", "total_max_attempts": 1},
    user_agent=wiring.USER_AGENT,
)


@cache
def settings() -> StartScanSettings:
    """What StartScan is told; SettingsError when the deployment is incomplete."""
    return load_start_scan_settings()


@cache
def environment() -> Environment:
    """Everything that StartScan works with."""
    fetcher = _fetcher()
    roles = AssumedRoles(wiring.client("sts"), external_id=settings().role_external_id or "", now=clock.now)
    return Environment(
        settings=settings(),
        documents=wiring.documents(),
        configurations=wiring.configurations(),
        ecr_clients=EcrClients(_ecr, roles),
        queue=EventsQueue(wiring.client("sqs"), settings().queue_url, settings().dead_letters_url),
        topic=Topic(wiring.client("sns"), settings().topic_arn, seconds=pacing.seconds, sleep=pacing.sleep),
        base_url=_base_url,
        signals=SignalsKeeper(wiring.documents(), fetcher, settings().epss_likely),
        fixes=FixesKeeper(wiring.documents(), fetcher, pace=_pace()),
        told=ToldMarker(wiring.documents()),
    )


def reset() -> None:
    """Forget everything built, so that a test starts as cold as a new execution environment."""
    for factory in (settings, environment):
        factory.cache_clear()


def _base_url() -> str | None:
    """Where people reach the API: as the deployment was told, else as the last request to it came in."""
    try:
        return settings().public_url or wiring.deployment().base_url()
    except StoreError as error:
        # Messages without links are better than none, and than a tick that fails.
        logger.warning("the base URL could not be read", problem=error.code)
        return None


def _fetcher() -> Fetcher | None:
    origin = settings().signals
    if origin is None:
        return None
    if origin.bucket is not None:
        return CopyFetcher(wiring.client("s3"), origin.bucket, origin.prefix)
    return WebFetcher(base=origin.base)


def _pace() -> float:
    """Nobody is spared by pacing requests to this machine, or to our own copies."""
    origin = settings().signals
    return PACE_SECONDS if origin is not None and origin.base is None and origin.bucket is None else 0.0


def _ecr(region: str, credentials: Credentials | None) -> Any:
    given = {}
    if credentials is not None:
        given = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    return wiring.session().client("ecr", region_name=region, config=_ONCE, **given)
