"""Reads what a dry run is told from: the account and the image ledgers of a configuration's registry and Region."""

from __future__ import annotations

from datetime import datetime

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.summary.dry_run import Preview, preview
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving.records import ledgers


def read_preview(
    configurations: ConfigurationStore, documents: DocumentStore, configuration: ScanConfiguration, *, now: datetime
) -> Preview:
    """What a configuration would do.

    Raises:
        StoreError: S3 failed.
        DocumentError: the account's document can't be used.
    """
    place = configuration.registry, configuration.region
    key = keys.account_key(*place)
    stored = documents.get(key)
    others = tuple(
        one
        for one in configurations.list_all().valid
        if (one.registry, one.region) == place and one.id != configuration.id
    )
    found = ledgers(documents).read([configuration], under=f"{place[0]}/{place[1]}/")
    for problem in found.problems:
        logger.warning("left out of a dry run", key=problem.key, problem=problem.problem)
    return preview(
        configuration,
        others,
        {ledger.repository: ledger for ledger in found.by_repository.values()},
        Account.from_json(key, stored.body) if stored else None,
        at=whole_seconds(now),
    )
