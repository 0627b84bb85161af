"""How long findings have been open, and which of them longer than the days allowed (a service level)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from ecr_rescan.core.changes.findings import FindingKey
from ecr_rescan.core.configuration import FIXABLE
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import Exploited, Signals

EXPLOITED = "EXPLOITED"

Rule = str
"""What decides on the days allowed: a severity, ``EXPLOITED``, or "" for an unrated finding."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Of the findings of one severity: since when the oldest is open; and when each began to count, by rule, sorted."""

    oldest: datetime
    counting: Mapping[Rule, Sequence[datetime]]


Beginnings = Mapping[Severity, Beginning]


@dataclass(frozen=True, slots=True)
class DaysAllowed:
    """Within how many days a finding is to be mended; what has none here has no limit.

    ``exploited`` wins over ``by_severity``. ``unrated_as``: the severity whose days an unrated finding is allowed,
    unless it is exploited or likely to be: then it has those of HIGH.
    """

    by_severity: Mapping[Severity, int] = field(default_factory=dict)
    exploited: int | None = None
    unrated_as: Severity = Severity.MEDIUM

    def of(self, rule: Rule) -> int | None:
        """The days of a rule."""
        if rule == EXPLOITED:
            return self.exploited
        return self.by_severity.get(Severity(rule) if rule else self.unrated_as)


@dataclass(frozen=True, slots=True)
class Age:
    """The open findings of one severity: since when the oldest is open, and how many are beyond the days allowed.

    ``days_allowed`` are those of the severity; the exploited ones among them are held to their own.
    """

    oldest_since: datetime
    days_allowed: int | None
    beyond: int


def mendable_since(since: datetime, fixes: Sequence[Fix], clock: str) -> datetime | None:
    """From when something can be mended, by the configuration's ``clock``; None: it can't be yet.

    Where the fix was there when it was first looked for, that is since the finding is open.
    """
    if clock != FIXABLE:
        return since
    moments = [fix.since or since for fix in fixes if fix.fixable]
    return max(since, min(moments)) if moments else None


def counting_from(
    severity: Severity, since: datetime, listed: Exploited | None, *, likely: bool
) -> tuple[Rule, datetime]:
    """By which rule a finding is to be mended, and from when its days count."""
    if listed is not None:
        return EXPLOITED, max(since, datetime.combine(listed.since, time(), UTC))
    if severity.rated:
        return severity.value, since
    return Severity.HIGH.value if likely else "", since


def beginnings(
    findings: Mapping[FindingKey, tuple[Severity, datetime]],
    signals: Signals,
    mendable: Mapping[FindingKey, datetime] | None = None,
) -> Beginnings:
    """By which rule each finding is to be mended, and from when its days count; a severity without any is left out.

    ``mendable``: where given, what is not in it can't be mended yet, and no days count.
    The days of an exploited one count from the day on which a list named it, where that is later than the finding.
    """
    moments: dict[Severity, dict[Rule, list[datetime]]] = {}
    oldest: dict[Severity, datetime] = {}
    for key, (severity, since) in findings.items():
        by_rule = moments.setdefault(severity, {})
        started = since if mendable is None else mendable.get(key)
        if started is not None:
            likely = key[0] in signals.likely
            rule, start = counting_from(severity, started, signals.exploited.get(key[0]), likely=likely)
            by_rule.setdefault(rule, []).append(start)
        known = oldest.get(severity)
        if known is None or since < known:
            oldest[severity] = since
    return {
        severity: Beginning(oldest[severity], {rule: sorted(starts) for rule, starts in moments[severity].items()})
        for severity in Severity
        if severity in moments
    }


def ages(beginnings: Beginnings, allowed: DaysAllowed, *, at: datetime) -> dict[Severity, Age]:
    """By severity, for those that have open findings.

    Args:
        beginnings: when the findings of each severity began to count.
    """
    found = {}
    for severity, beginning in beginnings.items():
        own = allowed.of(severity.value if severity.rated else "")
        found[severity] = Age(beginning.oldest, own, _beyond(beginning.counting.items(), allowed, at))
    return found


def exploited_beyond(beginnings: Beginnings, allowed: DaysAllowed, *, at: datetime) -> int:
    """How many exploited findings are beyond the days allowed to them."""
    every = [(EXPLOITED, beginning.counting.get(EXPLOITED, ())) for beginning in beginnings.values()]
    return _beyond(every, allowed, at)


def _beyond(by_rule: Iterable[tuple[Rule, Sequence[datetime]]], allowed: DaysAllowed, at: datetime) -> int:
    beyond = 0
    for rule, moments in by_rule:
        days = allowed.of(rule)
        beyond += 0 if days is None else bisect_left(moments, at - timedelta(days=days))
    return beyond
