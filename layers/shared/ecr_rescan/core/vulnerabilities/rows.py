"""The rows of the list, worked out from the same alerts as the feed's entries, and what a question leaves of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ecr_rescan.core.changes.alert_parts import Occurrence
from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.findings import Advisory, FindingsDocument
from ecr_rescan.core.changes.view import View, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.fixes.known import fixable, joined
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.fixes.words import fixed_in
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import Severity, most_severe
from ecr_rescan.core.signals.known import NO_SIGNALS, NOTHING_KNOWN, Signal, Signals
from ecr_rescan.core.signals.order import urgency
from ecr_rescan.core.summary.ages import DaysAllowed, counting_from, mendable_since
from ecr_rescan.core.summary.pages import Cursor
from ecr_rescan.core.vulnerabilities.query import ListQuery

OPEN, SUPPRESSED, RESOLVED = "open", "suppressed", "resolved"
STATES = {OPEN: 0, SUPPRESSED: 1, RESOLVED: 2}
"""The order of states: what is open comes first."""


@dataclass(frozen=True, slots=True)
class Row:
    """A vulnerability in a package, as a configuration has it across its repositories.

    ``kind`` and ``published`` are those of its latest alert, ``since`` is when the oldest of its openings began: its
    age runs from then. ``fixes``: the states that it has in the images. ``signal``: what public lists
    say. A resolved row has no occurrences; ``closed_at`` and ``close_reason`` say how it ended.
    """

    configuration: ScanConfiguration
    vulnerability: str
    package: str
    state: str
    kind: str
    severity: Severity
    first_seen: datetime
    since: datetime
    published: datetime
    updated: datetime
    fixed_in: str | None
    repositories: tuple[str, ...]
    occurrences: tuple[Occurrence, ...]
    advisory: Advisory
    signal: Signal = NOTHING_KNOWN
    suppressed: Suppression | None = None
    closed_at: datetime | None = None
    close_reason: str | None = None
    fixes: tuple[Fix, ...] = ()

    @property
    def fixable(self) -> bool | None:
        """Whether an upgrade mends it somewhere; None where nobody knows."""
        return fixable(self.fixes)

    def days_open(self, at: datetime) -> int:
        """Whole days since it began, until it ended or now."""
        return max(0, ((self.closed_at or at) - self.since).days)

    def days_left(self, allowed: DaysAllowed, at: datetime) -> int | None:
        """Whole days left to mend it, negative where it is overdue; None where there is no limit, or no need."""
        started = mendable_since(self.since, self.fixes, self.configuration.clock)
        if started is None:
            return None
        rule, start = counting_from(self.severity, started, self.signal.exploited, likely=self.signal.likely)
        days = allowed.of(rule)
        return None if days is None or self.state != OPEN else (start + timedelta(days=days) - at).days


def rows(
    configuration: ScanConfiguration,
    documents: Sequence[FindingsDocument],
    *,
    on: date,
    signals: Signals = NO_SIGNALS,
) -> list[Row]:
    """Every row of a configuration, resolved ones included, in no particular order.

    Args:
        documents: of all repositories that it names.
        on: the day for which suppressions count.
        signals: what is known of vulnerabilities.
    """
    grouped: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts(configuration, documents, on=on, resolved=True, signals=signals):
        grouped.setdefault((alert.vulnerability, alert.package), []).append(alert)
    made = (_row(configuration, group) for group in grouped.values())
    return [row for row in made if row.severity.passes(configuration.severity)]


def _row(configuration: ScanConfiguration, group: Sequence[Alert]) -> Row:
    there = [alert for alert in group if alert.resolved_at is None]
    in_sight = [alert for alert in there if alert.suppressed is None]
    state, told = (OPEN, in_sight) if in_sight else (SUPPRESSED, there) if there else (RESOLVED, list(group))
    latest = max(told, key=lambda alert: (alert.published, alert.id))
    occurrences = tuple(one for alert in told for one in alert.occurrences)
    first_seen = min(alert.first_seen for alert in told)
    return Row(
        configuration=configuration,
        vulnerability=latest.vulnerability,
        package=latest.package,
        state=state,
        kind=latest.kind,
        severity=most_severe([alert.severity for alert in told]),
        first_seen=first_seen,
        since=_since(latest, occurrences) or first_seen,
        published=latest.published,
        updated=max(alert.updated for alert in told),
        fixed_in=", ".join(sorted({alert.fixed_in for alert in told if alert.fixed_in})) or None,
        repositories=tuple(sorted({name for alert in told for name in alert.repositories})),
        occurrences=occurrences,
        advisory=latest.advisory,
        signal=latest.signal,
        suppressed=latest.suppressed if state == SUPPRESSED else None,
        closed_at=latest.resolved_at,
        close_reason=latest.resolved_reason or None,
        fixes=joined(fix for one in occurrences for fix in one.fixes),
    )


def _since(alert: Alert, occurrences: Iterable[Occurrence]) -> datetime | None:
    key = alert.vulnerability, alert.package
    openings = (one.document.findings[key].current for one in occurrences)
    return min((opening.at for opening in openings if opening is not None), default=None)


class Asked:
    """What a question leaves of the rows of one configuration."""

    def __init__(self, query: ListQuery, configuration: ScanConfiguration, allowed: DaysAllowed, at: datetime) -> None:
        self._query = query
        self._configuration = configuration
        self._allowed = allowed
        self._at = at
        self._tagged: dict[int, int] = {}

    def narrowed(self, row: Row) -> Row | None:
        """The row with only what was asked for; None where that is nothing."""
        query = self._query
        if query.state not in ("all", row.state) or not (
            _like(row.vulnerability, query.vulnerability) and _like(row.package, query.package)
        ):
            return None
        if query.repository is not None or query.tag is not None:
            left = self._placed(row)
            if left is None:
                return None
            row = left
        if (query.exploited and row.signal.exploited is None) or (query.fixable and not row.fixable):
            return None
        if not row.severity.passes(query.severity) or (query.since is not None and row.since < query.since):
            return None
        if query.overdue:
            days_left = row.days_left(self._allowed, self._at)
            if days_left is None or days_left >= 0:
                return None
        return row

    def _placed(self, row: Row) -> Row | None:
        """The row as it is in the repositories and under the tags that were asked for."""
        names = tuple(name for name in row.repositories if _like(name, self._query.repository))
        if not names:
            return None
        if row.state == RESOLVED:
            # Under which tags it was is not told of all that is over.
            return None if self._query.tag is not None else replace(row, repositories=names)
        occurrences = []
        for one in row.occurrences:
            if _like(one.document.repository, self._query.repository):
                mask = one.mask & self._under_tag(one.document)
                if mask:
                    occurrences.append(replace(one, mask=mask))
        if not occurrences:
            return None
        fixes = joined(fix for one in occurrences for fix in one.fixes)
        return replace(
            row,
            occurrences=tuple(occurrences),
            fixes=fixes,
            fixed_in=fixed_in(fixes),
            repositories=tuple(sorted({one.document.repository for one in occurrences})),
            severity=most_severe([one.severity for one in occurrences]),
        )

    def _under_tag(self, document: FindingsDocument) -> int:
        if self._query.tag is None:
            return -1
        known = self._tagged.get(id(document))
        if known is None:
            known = 0
            seen = view(self._configuration, document)
            for digest, tags in seen.images.items():
                if any(_like(tag, self._query.tag) for tag in tags):
                    known |= _manifests(seen, document, digest)
            self._tagged[id(document)] = known
        return known


def _manifests(seen: View, document: FindingsDocument, digest: str) -> int:
    return document.images[digest].manifests | seen.stand_ins.get(digest, 0)


def _like(text: str, glob: str | None) -> bool:
    return glob is None or matches(text.lower(), (glob.lower(),))


class Extents:
    """How many images and platforms rows are about. Many have the same, so each is counted once."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, int], View] = {}
        self._known: dict[tuple[str, int, int], tuple[int, int]] = {}

    def of(self, row: Row) -> tuple[int, int]:
        """Images, and the platforms of them that have it."""
        masks: dict[int, tuple[FindingsDocument, int]] = {}
        for one in row.occurrences:
            document, mask = masks.get(id(one.document), (one.document, 0))
            masks[id(document)] = document, mask | one.mask
        images = platforms = 0
        for document, mask in masks.values():
            more = self._count(row.configuration, document, mask)
            images, platforms = images + more[0], platforms + more[1]
        return images, platforms

    def _count(self, configuration: ScanConfiguration, document: FindingsDocument, mask: int) -> tuple[int, int]:
        place = configuration.id, id(document), mask
        if place not in self._known:
            seen = self._views.get(place[:2])
            if seen is None:
                seen = self._views[place[:2]] = view(configuration, document)
            images = sum((_manifests(seen, document, digest) & mask) != 0 for digest in seen.images)
            self._known[place] = images, mask.bit_count()
        return self._known[place]


# How each order's cursors look: see ``pages.from_text``.
SHAPES = {"matters": "iiiiiisss", "newest": "isss", "oldest": "isss", "vulnerability": "sss", "package": "sss"}


def cursor(row: Row, sort: str) -> Cursor:
    """The place of a row in an order. What a row is about makes it unique, so rows that come or go move no other."""
    began = int(row.since.timestamp())
    name = row.vulnerability, row.package, row.configuration.id
    if sort == "newest":
        return -began, *name
    if sort == "oldest":
        return began, *name
    if sort == "vulnerability":
        return name
    if sort == "package":
        return row.package, row.vulnerability, row.configuration.id
    urgent = urgency(row.severity, row.signal, fixable=bool(row.fixable), since=row.since)
    return STATES[row.state], *map(int, urgent), *name


def ordered(found: Iterable[Row], sort: str) -> Iterator[tuple[Cursor, Row]]:
    """The rows in an order, with their cursors."""
    yield from sorted(((cursor(row, sort), row) for row in found), key=lambda pair: pair[0])
