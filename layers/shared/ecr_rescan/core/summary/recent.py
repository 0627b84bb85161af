"""What changed lately for a configuration: the alerts that began, and the findings that were resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.changes.closing import TOLD
from ecr_rescan.core.changes.findings import Finding, FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.known import NO_SIGNALS, Signals

LONGEST = timedelta(days=7)
WINDOWS = {"last_24h": timedelta(hours=24), "last_7d": LONGEST}
KINDS = ("new", "spread", "reopened", "escalated", "exploited", "fixable", "resolved")


@dataclass(frozen=True, slots=True)
class Change:
    """A (vulnerability, package) that became news, or was resolved, ``at`` that time; ``kind`` is one of ``KINDS``."""

    at: datetime
    kind: str
    severity: Severity
    vulnerability: str
    package: str
    repositories: tuple[str, ...]
    reason: str = ""


def changes(
    configuration: ScanConfiguration,
    documents: Iterable[FindingsDocument],
    *,
    since: datetime,
    on: date,
    signals: Signals = NO_SIGNALS,
) -> tuple[Change, ...]:
    """Every change since then, the newest and most severe first, as the feed has them; baseline is no change.

    Args:
        documents: of all repositories that the configuration names.
        on: the day for which suppressions count.
        signals: what is known of vulnerabilities.
    """
    noticed = {cve for cve, one in signals.exploited.items() if one.noticed_at is not None and one.noticed_at >= since}
    noticed |= signals.fixes.appeared(since)
    keys = set()
    told = []
    for document in documents:
        touched = [
            key
            for key, finding in document.findings.items()
            if key[0] in noticed or _is_news(configuration.id, finding, since)
        ]
        keys.update(touched)
        told.append(document)
    concerned = [document for document in told if not keys.isdisjoint(document.findings)]
    found = [
        change
        for alert in (
            alerts(configuration, concerned, on=on, resolved=True, only=keys, signals=signals) if keys else ()
        )
        if alert.suppressed is None and alert.severity.passes(configuration.severity)
        for change in _changes_of(alert)
        if change.at >= since
    ]
    found.sort(
        key=lambda change: (-change.at.timestamp(), ORDER[change.severity], change.vulnerability, change.package)
    )
    return tuple(found)


def count(found: Iterable[Change], *, since: datetime) -> dict[str, int]:
    """How many there are of each kind since then."""
    counted = Counter(change.kind for change in found if change.at >= since)
    return {kind: counted[kind] for kind in KINDS}


def count_reasons(found: Iterable[Change], *, since: datetime) -> dict[str, int]:
    """How many were resolved since then, by why: only what is fixed was mended."""
    counted = Counter(change.reason for change in found if change.at >= since and change.kind == "resolved")
    return {reason: counted[reason] for reason in TOLD}


def _is_news(configuration_id: str, finding: Finding, since: datetime) -> bool:
    for opening in finding.openings:
        if opening.closed is not None and opening.closed.at >= since:
            return True
        news = opening.news.get(configuration_id)
        if news is None:
            continue
        if (news.wave is not None and news.wave >= since) or any(at >= since for at, _ in news.raised):
            return True
    return False


def _changes_of(alert: Alert) -> Iterable[Change]:
    what = alert.severity, alert.vulnerability, alert.package, alert.repositories
    kind = alert.kind
    if alert.resolved_at is not None:
        yield Change(alert.resolved_at, "resolved", *what, alert.resolved_reason)
        # What came and went is both; by then nobody can tell any more in which of its ways it came.
        kind = "exploited" if alert.was_exploited else "new" if alert.wave is not None else "baseline"
    if kind != "baseline":
        yield Change(alert.published, kind, *what)
