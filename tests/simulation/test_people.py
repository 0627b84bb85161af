"""What people do: each habit happens, changes no other, and what it leads to is shown as promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.people import HABITS
from simulation.plan import Size
from simulation.run import simulate
from simulation.truth import Tagged
from simulation.world import World

SMALL = Size(days=4, images=4, repositories=2, faults=False, pushes=0, quiet=False, habits=frozenset())

TROUBLING = frozenset({"second_role", "silent_region"})
"""What is to trouble everybody else."""


@pytest.mark.parametrize(
    "habits",
    [
        TROUBLING,
        HABITS - TROUBLING,
    ],
    ids=lambda habits: "+".join(sorted(habits)) if len(habits) < 3 else "all others",
)
def test_no_promise_is_broken_whatever_people_do(habits: frozenset[str]) -> None:
    """In calm: what is broken is broken by the habit alone."""
    outcome = simulate(replace(SMALL, habits=habits), 1)
    assert outcome.habits == habits
    assert outcome.broken == [], outcome.timeline


def happened(habits: frozenset[str]) -> dict[str, list[dict[str, str]]]:
    """The tags that were there, by repository, one after the other."""
    world = World(replace(SMALL, habits=habits), 1)
    world.scene.play(world.size.end)
    return {
        place[1]: [dict(step.tags) for step in history.steps if isinstance(step, Tagged)]
        for place, history in world.truth.histories.items()
    }


def test_a_habit_that_is_left_out_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a broken run can be made smaller by leaving out what does not matter."""
    for step in ("_tick", "_plan_batch"):
        monkeypatch.setattr(World, step, lambda _: None)
    everything, less = happened(HABITS), happened(HABITS - {"branching", "suppressing"})
    assert less == {name: steps for name, steps in everything.items() if "branching" not in name and "supp" not in name}
    assert {name.split("/")[1] for name in everything if name.startswith("lab/")} == HABITS - {"silent_region"}


def test_a_week_has_most_habits() -> None:
    """Drawn from the seed, each with its own rate."""
    numbers = [len(World(replace(SMALL, habits=None), seed).habits) for seed in range(20)]
    assert sum(number > len(HABITS) / 2 for number in numbers) > 15
    assert sum(numbers) < 20 * len(HABITS)
