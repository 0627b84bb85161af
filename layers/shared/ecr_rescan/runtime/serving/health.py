"""What is wrong with this deployment, from what is recorded: nobody is asked."""

from __future__ import annotations

from datetime import datetime

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.errors import DocumentError
from ecr_rescan.core.health.findings import Patient, examine
from ecr_rescan.core.health.wire import to_wire
from ecr_rescan.core.keys import account_key
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.runtime.serving.records import read_vitals
from ecr_rescan.runtime.serving.summaries import SummaryService


class HealthService:
    """Examines the deployment."""

    def __init__(
        self,
        configurations: ConfigurationStore,
        documents: DocumentStore,
        summaries: SummaryService,
        *,
        is_paused: bool,
    ) -> None:
        """``summaries`` finds the documents that can't be used; ``is_paused``: the deployer wants no ticks."""
        self._configurations = configurations
        self._documents = documents
        self._summaries = summaries
        self._is_paused = is_paused

    def examine(self, *, at: datetime) -> dict[str, object]:
        """The answer of ``GET /health``.

        Raises:
            StoreError: the bucket can't be listed.
        """
        valid = self._configurations.list_all().valid
        vitals = read_vitals(self._documents)
        problems = self._summaries.unreadable(at=at)
        if isinstance(vitals, Problem):
            problems, vitals = [vitals, *problems], None
        keys = [account_key(*place) for place in sorted({(one.registry, one.region) for one in valid})]
        accounts = []
        for key, stored in zip(keys, self._documents.get_many(keys), strict=True):
            if isinstance(stored, Stored):
                try:
                    accounts.append(Account.from_json(key, stored.body))
                except DocumentError:
                    # It is among the problems.
                    continue
        patient = Patient(vitals, accounts, problems, len(valid), self._is_paused)
        return to_wire(patient, examine(patient, at), at)
