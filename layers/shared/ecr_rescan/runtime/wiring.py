"""Builds everything that lives as long as an execution environment, when it is first asked for: clients and stores.

The only place that makes AWS clients. Nothing is made at import.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import boto3
import botocore
from botocore.config import Config
from botocore.session import Session
from botocore.utils import parse_timestamp

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.deployment import DeploymentStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.token_sets import TokenSetStore
from ecr_rescan.core.version import VERSION
from ecr_rescan.runtime.refusals import Refusals
from ecr_rescan.runtime.settings import (
    ConfigSettings,
    Settings,
    SummarySettings,
    load_config_settings,
    load_settings,
    load_summary_settings,
)
from ecr_rescan.runtime.uses import Uses

# Whoever reads CloudTrail learns who called. botocore's own text takes a tenth of every call to be put together.
USER_AGENT = f"ecr-rescan/{VERSION} Botocore/{botocore.__version__}"

_PATIENT = Config(
    connect_timeout=2,
    read_timeout=10,
    max_pool_connections=16,
    retries={"mode": "standard", "total_max_attempts": 4},
    user_agent=USER_AGENT,
)


@cache
def settings() -> Settings:
    """What every function is told; SettingsError when the deployment is incomplete."""
    return load_settings()


@cache
def summary_settings() -> SummarySettings:
    """What Summary is told; SettingsError when the deployment is incomplete."""
    return load_summary_settings()


@cache
def config_settings() -> ConfigSettings:
    """What Config is told; SettingsError when the deployment is incomplete."""
    return load_config_settings()


@cache
def documents() -> DocumentStore:
    """The bucket."""
    return DocumentStore(client("s3"), settings().bucket_name)


@cache
def configurations() -> ConfigurationStore:
    """The scan configurations."""
    return ConfigurationStore(documents())


@cache
def token_sets() -> TokenSetStore:
    """The named tokens."""
    return TokenSetStore(documents())


@cache
def deployment() -> DeploymentStore:
    """What the deployment knows of itself."""
    return DeploymentStore(documents())


def take_calls() -> dict[str, int]:
    """S3 calls by operation since this was last asked: a part of the one log line of an invocation."""
    if not documents.cache_info().currsize:
        return {}
    calls = dict(documents().calls)
    documents().calls.clear()
    return calls


def reset() -> None:
    """Forget everything built, so that a test starts as cold as a new execution environment."""
    for factory in (
        session,
        settings,
        summary_settings,
        config_settings,
        documents,
        configurations,
        token_sets,
        deployment,
        refusals,
        uses,
    ):
        factory.cache_clear()


@cache
def session() -> boto3.Session:
    """What clients are made of; they share its parsed service models."""
    made = Session()
    made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_instant)
    return boto3.Session(botocore_session=made)


def _instant(value: Any) -> datetime:
    """Read a time in a reply. botocore's own way guesses at the form: of a listing it takes nine tenths of the time."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value) if value[4:5] == "-" else parsedate_to_datetime(value)
        except ValueError:
            pass
    made: datetime = parse_timestamp(value)
    return made


@cache
def refusals() -> Refusals:
    """Who was refused a token of late."""
    return Refusals()


@cache
def uses() -> Uses:
    """Which uses of tokens were noted."""
    return Uses(token_sets())


@cache
def regions() -> frozenset[str]:
    """The Regions, of all partitions, that botocore knows to have ECR."""
    made = session()
    partitions = made.get_available_partitions()
    return frozenset(name for partition in partitions for name in made.get_available_regions("ecr", partition))


def client(service: str) -> Any:
    """A client of a service in the function's own Region, with retries."""
    return session().client(service, region_name=settings().region, config=_PATIENT)
