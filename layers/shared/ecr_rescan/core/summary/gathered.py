"""What the findings of all its repositories come to for one configuration, apart from the time of asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.suppressions import Suppressions
from ecr_rescan.core.configuration import FIXABLE, ScanConfiguration, Suppression
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.summary.ages import Beginnings, beginnings
from ecr_rescan.core.summary.recent import Change, changes
from ecr_rescan.core.summary.tally import Tally, tally

Counts = Mapping[Severity, int]
"""Findings by severity, every severity named. Where there may be no such thing, None: never zeros instead."""

Tallying = Callable[[ScanConfiguration, FindingsDocument, Suppressions, Signals], Tally]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything counted once, however many repositories have it.

    ``tallies`` and ``repositories`` (findings by severity) are by repository. ``findings`` are those shown, with
    their severity and beginning; ``exploited``, those of them that are known to be. ``suppressed``: how many are
    hidden wherever they are. ``ignoring``: the suppressions that apply, with how many findings each hides.
    ``recent``: the latest changes, the newest first. ``has_results``: whether any result counts at all. ``fixable``:
    those of ``findings`` that an upgrade mends, and since when; None where nobody knows.
    """

    tallies: Mapping[str, Tally]
    repositories: Mapping[str, Counts]
    findings: Mapping[FindingKey, tuple[Severity, datetime]]
    counts: Counts
    beginnings: Beginnings
    exploited: frozenset[FindingKey]
    suppressed: int
    ignoring: tuple[tuple[Suppression, int], ...]
    recent: tuple[Change, ...]
    has_results: bool
    fixable: Mapping[FindingKey, datetime] | None = None


def gather(
    configuration: ScanConfiguration,
    documents: Sequence[FindingsDocument],
    *,
    since: datetime,
    on: date,
    signals: Signals,
    tally: Tallying = tally,
) -> Gathered:
    """Join the findings of a configuration's repositories.

    Args:
        since: how far back the changes go.
        on: the day for which suppressions count.
        signals: what is known of vulnerabilities.
        tally: counts the findings of one document, or remembers what that gave before.
    """
    suppressions = Suppressions(configuration, on)
    tallies = {document.repository: tally(configuration, document, suppressions, signals) for document in documents}
    found: dict[FindingKey, tuple[Severity, datetime]] = {}
    hidden: dict[FindingKey, Severity] = {}
    for one in tallies.values():
        join(found, ((key, (severity, one.since[key])) for key, severity in one.findings.items()))
        for key, severity in one.suppressed.items():
            if key not in hidden or ORDER[severity] < ORDER[hidden[key]]:
                hidden[key] = severity
    threshold = configuration.severity
    # As the feed does it: by the highest severity anywhere, once that is known.
    shown = {key: value for key, value in found.items() if value[0].passes(threshold)}
    fixable = _fixable(tallies.values(), shown)
    return Gathered(
        tallies=tallies,
        repositories={
            name: counted(severity for severity in one.findings.values() if severity.passes(threshold))
            for name, one in tallies.items()
            if one.has_results
        },
        findings=shown,
        counts=counted(severity for severity, _ in shown.values()),
        beginnings=beginnings(shown, signals, (fixable or {}) if configuration.clock == FIXABLE else None),
        exploited=frozenset(key for key in shown if key[0] in signals.exploited),
        suppressed=sum(key not in found and severity.passes(threshold) for key, severity in hidden.items()),
        ignoring=suppressions.used(hidden),
        recent=changes(configuration, documents, since=since, on=on, signals=signals),
        has_results=any(one.has_results for one in tallies.values()),
        fixable=fixable,
    )


def _fixable(
    tallies: Iterable[Tally], shown: Mapping[FindingKey, tuple[Severity, datetime]]
) -> dict[FindingKey, datetime] | None:
    """Those that can be mended in any repository, each since the earliest; None where that is known of none."""
    known = [one.fixable for one in tallies if one.fixable is not None]
    found: dict[FindingKey, datetime] = {}
    for part in known:
        for key, since in part.items():
            if key in shown:
                found[key] = min(since, found.get(key, since))
    return found if known else None


def fixable_counts(several: Iterable[Gathered]) -> Counts | None:
    """How many findings an upgrade mends, by severity, each once; None where nobody knows."""
    found: dict[FindingKey, Severity] = {}
    known = False
    for gathered in several:
        known = known or gathered.fixable is not None
        for key in gathered.fixable or ():
            severity = gathered.findings[key][0]
            if key not in found or ORDER[severity] < ORDER[found[key]]:
                found[key] = severity
    return counted(found.values()) if known else None


def join(
    found: dict[FindingKey, tuple[Severity, datetime]],
    more: Iterable[tuple[FindingKey, tuple[Severity, datetime]]],
) -> None:
    """Add findings, each with its highest severity and its earliest beginning."""
    for key, value in more:
        known = found.get(key)
        if known is None:
            found[key] = value
        elif known != value:
            severity = value[0] if ORDER[value[0]] < ORDER[known[0]] else known[0]
            found[key] = severity, min(known[1], value[1])


def counted(severities: Iterable[Severity]) -> Counts:
    """How many there are of each severity."""
    counts = Counter(severities)
    return {severity: counts[severity] for severity in Severity}
