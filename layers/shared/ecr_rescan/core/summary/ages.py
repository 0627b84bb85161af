"""How long findings have been open, and which of them longer than the days allowed (a service level by severity)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_rescan.core.severity import Severity

DaysAllowed = Mapping[Severity, int]
"""Within how many days a finding is to be mended; a severity that it doesn't name has no limit."""


@dataclass(frozen=True, slots=True)
class Age:
    """The open findings of one severity: since when the oldest is open, and how many are beyond the days allowed."""

    oldest_since: datetime
    days_allowed: int | None
    beyond: int


def ages(
    beginnings: Mapping[Severity, Sequence[datetime]], allowed: DaysAllowed, *, at: datetime
) -> dict[Severity, Age]:
    """By severity, for those that have open findings.

    Args:
        beginnings: when the findings of each severity began, the oldest first.
    """
    found = {}
    for severity, moments in beginnings.items():
        days = allowed.get(severity)
        beyond = 0 if days is None else bisect_left(moments, at - timedelta(days=days))
        found[severity] = Age(moments[0], days, beyond)
    return found
