"""Reads what the list of vulnerabilities needs; rows are worked out anew only when something changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import NotFoundError
from ecr_rescan.core.naming import names
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.summary import pages
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.pages import Cursor
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.core.vulnerabilities import forms
from ecr_rescan.core.vulnerabilities.forms import Listing
from ecr_rescan.core.vulnerabilities.looked_at import Images, LookedAt, looked_at, selected_images
from ecr_rescan.core.vulnerabilities.query import ListQuery
from ecr_rescan.core.vulnerabilities.rows import Asked, Row, ordered, rows
from ecr_rescan.runtime.garbage import uncollected
from ecr_rescan.runtime.serving.records import recorded_findings
from ecr_rescan.runtime.signals.reading import signals_reader

LARGEST_BYTES = 4_900_000
"""What the rows of a page may take: a page is at most 5 MB."""


@dataclass(frozen=True, slots=True)
class _Known:
    configuration: ScanConfiguration
    on: date
    signals: Signals
    documents: Sequence[FindingsDocument]
    rows: Sequence[Row]
    images: Images


class Rows:
    """The rows of each configuration, kept for the next invocation as long as nothing that they rest on changed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def __call__(
        self, configuration: ScanConfiguration, documents: Sequence[FindingsDocument], on: date, signals: Signals
    ) -> tuple[Sequence[Row], Images]:
        """As ``rows`` has them, and how much they rest on."""
        known = self._known.get(configuration.id)
        # A changed document is parsed anew, so its identity tells.
        if (
            known is None
            or (known.configuration, known.on) != (configuration, on)
            or known.signals is not signals
            or list(map(id, known.documents)) != list(map(id, documents))
        ):
            with uncollected(keeping=True):
                found = rows(configuration, documents, on=on, signals=signals)
            seen = selected_images(configuration, documents)
            known = self._known[configuration.id] = _Known(configuration, on, signals, documents, found, seen)
        return known.rows, known.images

    def keep(self, configuration_ids: set[str]) -> None:
        """Forget all others."""
        self._known = {name: known for name, known in self._known.items() if name in configuration_ids}


@lru_cache(maxsize=1)
def _rows(_: DocumentStore) -> Rows:
    return Rows()


@dataclass(frozen=True, slots=True)
class Found:
    """All rows that a question leaves of some configurations, and what they rest on."""

    at: datetime
    rows: Sequence[Row]
    configurations: Sequence[ScanConfiguration]
    looked_at: LookedAt
    problems: Sequence[Problem]
    signals: Signals


class VulnerabilityService:
    """What is open, where, since when, from the findings documents alone."""

    def __init__(self, configurations: ConfigurationStore, documents: DocumentStore, days_allowed: DaysAllowed) -> None:
        self._configurations = configurations
        self._findings = recorded_findings(documents)
        self._signals = signals_reader(documents)
        self._rows = _rows(documents)
        self._days_allowed = days_allowed

    def page(
        self, query: ListQuery, *, after: Cursor | None, limit: int, at: datetime
    ) -> tuple[Listing, Cursor | None]:
        """A page of what is asked for, and the cursor of its last row where others follow.

        Raises:
            NotFoundError: there is no such configuration.
            StoreError: the bucket can't be listed.
        """
        found = self.found(query, at=at)
        taken, last = pages.page(
            ordered(found.rows, query.sort), forms.size, after=after, limit=limit, largest_bytes=LARGEST_BYTES
        )
        return self.listing(found, taken), last

    def listing(self, found: Found, taken: Sequence[Row], *, total: int | None = None) -> Listing:
        """Some of the rows that were found, with what all of them rest on."""
        return Listing(
            at=found.at,
            total=len(found.rows) if total is None else total,
            page=taken,
            looked_at=found.looked_at,
            problems=found.problems,
            days_allowed=self._days_allowed,
            signals=found.signals,
        )

    def found(self, query: ListQuery, *, at: datetime) -> Found:
        """Everything that is asked for, in no particular order; it raises what ``page`` does."""
        at = whole_seconds(at)
        stored = self._configurations.list_all()
        if query.configuration is not None and not any(one.id == query.configuration for one in stored.valid):
            raise NotFoundError(f"configuration {query.configuration}")
        asked = [one for one in stored.valid if _is_asked_for(one, query)]
        self._rows.keep({one.id for one in stored.valid})
        # All that any configuration names, so that asking for one does not make the others be read again.
        recorded = self._findings.read(stored.valid)
        signals = self._signals.read()
        found: list[Row] = []
        looked: list[Images] = []
        for configuration in asked:
            documents = [
                document for place, document in sorted(recorded.by_repository.items()) if names(configuration, place)
            ]
            made, images = self._rows(configuration, documents, at.date(), signals)
            looked.append(images)
            narrowed: Callable[[Row], Row | None] = Asked(query, configuration, self._days_allowed, at).narrowed
            found += [row for row in map(narrowed, made) if row is not None]
        problems = [Problem(problem.key, problem.problem) for problem in stored.problems]
        return Found(
            at=at,
            rows=found,
            configurations=asked,
            looked_at=looked_at(looked),
            problems=sorted([*problems, *recorded.problems], key=lambda problem: problem.key),
            signals=signals,
        )


def _is_asked_for(configuration: ScanConfiguration, query: ListQuery) -> bool:
    return query.configuration in (None, configuration.id) and query.owner in (None, configuration.owner)
