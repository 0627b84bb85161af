"""How old open findings are, and which are beyond the days allowed."""

from __future__ import annotations

from datetime import timedelta

from ecr_rescan.core.summary.ages import Age, ages
from tests.summary_records import CRITICAL, HIGH, LOW, NOW


def days(*numbers: float) -> list[object]:
    return [NOW - timedelta(days=number) for number in numbers]


def test_the_oldest_and_those_beyond_by_severity() -> None:
    """A finding is beyond its days only after the whole of the last; a severity without days has none beyond."""
    found = ages(
        {CRITICAL: days(9, 7.001, 7, 1), HIGH: days(29), LOW: days(400)},  # type: ignore[dict-item]
        {CRITICAL: 7, HIGH: 30},
        at=NOW,
    )
    assert found == {
        CRITICAL: Age(NOW - timedelta(days=9), 7, 2),
        HIGH: Age(NOW - timedelta(days=29), 30, 0),
        LOW: Age(NOW - timedelta(days=400), None, 0),
    }
