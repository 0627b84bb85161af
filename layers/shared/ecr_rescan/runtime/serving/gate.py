"""Reads what the gate needs of the record, and has it judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import Fault, InvalidRequestError, NotFoundError
from ecr_rescan.core.gate.question import ImageName, Question
from ecr_rescan.core.gate.verdict import Record, Verdict, judge
from ecr_rescan.core.naming import RepositoryId, names
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime.serving.records import ledgers, recorded_findings
from ecr_rescan.runtime.signals.reading import signals_reader


class GateService:
    """Answers from the configurations, the two documents of one repository and public fixes; ECR is never asked."""

    def __init__(self, configurations: ConfigurationStore, documents: DocumentStore) -> None:
        self._configurations = configurations
        self._ledgers = ledgers(documents)
        self._findings = recorded_findings(documents)
        self._signals = signals_reader(documents)

    def judge(self, question: Question, *, at: datetime) -> Verdict:
        """May the image go on?

        Raises:
            NotFoundError: there is no such configuration.
            InvalidRequestError: the image's registry is left out, and several may be meant.
            StoreError: the bucket can't be listed, or the configuration not read.
            DocumentError: the configuration can't be used.
        """
        known, unreadable = self._read_configurations(question)
        place = _place(question.image, known)
        naming = [one for one in known if place is not None and names(one, place)]
        if place is None or not naming:
            return judge(question, Record([], None, None), at=whole_seconds(at))
        under = keys.images_key(*place).removeprefix(keys.IMAGES)
        # In this order: findings are recorded before the ledger says that the scan is complete. The other way round, a
        # result that is recorded in between would be missed, and its completion believed.
        recorded = self._ledgers.read(naming, under=under)
        found = self._findings.read(naming, under=under)
        record = Record(
            configurations=naming,
            ledger=recorded.by_repository.get(place),
            document=found.by_repository.get(place),
            unreadable=[f"{problem.key}: {problem.problem}" for problem in (*recorded.problems, *found.problems)],
            unreadable_configurations=unreadable,
            fixes=self._signals.read().fixes,
        )
        return judge(question, record, at=whole_seconds(at))

    def _read_configurations(self, question: Question) -> tuple[Sequence[ScanConfiguration], int]:
        if question.configuration is None:
            stored = self._configurations.list_all()
            return stored.valid, len(stored.problems)
        found = self._configurations.get(question.configuration)
        if found is None:
            raise NotFoundError(f"configuration {question.configuration}")
        return [found[0]], 0


def _place(image: ImageName, configurations: Sequence[ScanConfiguration]) -> RepositoryId | None:
    """Where the image is: as it says, or else where the configurations look for its repository."""
    if image.registry is not None and image.region is not None:
        return image.registry, image.region, image.repository
    places = {
        (one.registry, one.region)
        for one in configurations
        if image.registry in (None, one.registry) and matches(image.repository, one.repository)
    }
    if len(places) > 1:
        several = ", ".join("/".join(place) for place in sorted(places)[:5])
        problem = f"must be named with its registry and Region: configurations look for it in {several}"
        raise InvalidRequestError(f"image: {problem}", [Fault("image", problem)])
    return (*places.pop(), image.repository) if places else None
