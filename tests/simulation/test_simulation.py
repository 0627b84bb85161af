"""A short run of the simulation with faults, and one without: no promise is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simulation.plan import Size
from simulation.run import simulate

ALONE: dict[str, Any] = {"quiet": False, "habits": frozenset()}
"""Without what ``test_people`` and ``test_quiet`` look at."""


@pytest.mark.parametrize(("seed", "from_completion"), [(3, False), (6, True)])
def test_no_promise_is_broken_under_faults(seed: int, from_completion: bool) -> None:
    """Throttling, errors, deaths, lost and doubled events: under both readings of the throttle."""
    size = Size(days=6, images=80, repositories=10, from_completion=from_completion)
    outcome = simulate(replace(size, quiet=False), seed)
    assert outcome.broken == [], outcome.timeline
    assert outcome.deaths > 0


def test_no_promise_is_broken_between_any_two_calls() -> None:
    """Two recorders and a tick at once, in the same repository, and people push there meanwhile."""
    outcome = simulate(Size(days=5, images=40, repositories=4, quiet=False, habits=frozenset()), 3)
    assert outcome.broken == [], outcome.timeline


def test_in_calm_nothing_is_overdue_or_refused_and_every_push_is_found_within_a_tick() -> None:
    """Without faults there is no excuse."""
    outcome = simulate(Size(days=4, images=80, repositories=10, pushes=4, faults=False, **ALONE), 1)
    assert outcome.broken == [], outcome.timeline
    assert (outcome.scans.overdue, outcome.scans.excused, outcome.scans.refused) == (0, 0, 0)


def test_an_hour_after_an_outage_of_three_nothing_is_overdue() -> None:
    """The outage comes when nearly all images are due: they are late, and made up for in time."""
    outcome = simulate(Size(days=3, images=200, repositories=10, pushes=4, faults=False, outage=3, **ALONE), 1)
    assert outcome.broken == [], outcome.timeline
    assert outcome.scans.excused > 100
    assert outcome.scans.overdue == 0
