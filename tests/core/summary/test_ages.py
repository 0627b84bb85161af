"""How old open findings are, and which are beyond the days allowed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import Exploited, Signals
from ecr_rescan.core.summary.ages import Age, DaysAllowed, ages, beginnings, exploited_beyond
from tests.summary_records import CRITICAL, HIGH, LOW, MEDIUM, NOW, UNDEFINED

Findings = dict[tuple[str, str], tuple[Severity, datetime]]


def findings(**days: tuple[Severity, float]) -> Findings:
    return {(name, "pkg"): (severity, NOW - timedelta(days=age)) for name, (severity, age) in days.items()}


def test_the_oldest_and_those_beyond_by_severity() -> None:
    """A finding is beyond its days only after the whole of the last; a severity without days has none beyond."""
    old = findings(a=(CRITICAL, 9), b=(CRITICAL, 7.001), c=(CRITICAL, 7), d=(CRITICAL, 1), e=(HIGH, 29), f=(LOW, 400))
    assert ages(beginnings(old, Signals()), DaysAllowed({CRITICAL: 7, HIGH: 30}), at=NOW) == {
        CRITICAL: Age(NOW - timedelta(days=9), 7, 2),
        HIGH: Age(NOW - timedelta(days=29), 30, 0),
        LOW: Age(NOW - timedelta(days=400), None, 0),
    }


@pytest.mark.parametrize(("listed_days_ago", "late"), [(2, 0), (5, 1)])
def test_an_exploited_finding_is_held_to_its_own_days_from_when_it_was_listed(listed_days_ago: int, late: int) -> None:
    """They win over those of its severity, which may be longer, or shorter."""
    listed = Exploited({"kev": (NOW - timedelta(days=listed_days_ago)).date()}, NOW)
    signals = Signals(exploited={"CVE-1": listed})
    begun = beginnings(findings(**{"CVE-1": (LOW, 100), "CVE-2": (LOW, 100)}), signals)
    allowed = DaysAllowed({LOW: 50}, exploited=3)
    assert exploited_beyond(begun, allowed, at=NOW) == late
    assert ages(begun, allowed, at=NOW)[LOW] == Age(NOW - timedelta(days=100), 50, 1 + late)


def test_an_old_listing_gives_a_new_finding_its_days_all_the_same() -> None:
    """They count from the finding where that is later."""
    signals = Signals(exploited={"CVE-1": Exploited({"kev": date(2021, 12, 10)}, None)})
    begun = beginnings(findings(**{"CVE-1": (LOW, 1)}), signals)
    assert exploited_beyond(begun, DaysAllowed(exploited=3), at=NOW) == 0


def test_unrated_findings_have_days_too() -> None:
    """Those of MEDIUM, or as the deployment says; those of HIGH where they are likely to be exploited."""
    signals = Signals(scores={"CVE-1": (0.2, 0.9)}, likely={"CVE-1": None})
    begun = beginnings(findings(**{"CVE-1": (UNDEFINED, 40), "CVE-2": (UNDEFINED, 40)}), signals)
    days = {HIGH: 30, MEDIUM: 90, LOW: 20}
    assert ages(begun, DaysAllowed(days), at=NOW)[UNDEFINED].beyond == 1
    assert ages(begun, DaysAllowed(days, unrated_as=LOW), at=NOW)[UNDEFINED].beyond == 2
