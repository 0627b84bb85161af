"""Makes a broken run smaller, as long as it still breaks the same promise: fewer images, days, faults and pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from simulation.gate import START
from simulation.plan import FAULTS, Size
from simulation.run import Outcome

TRIES = 60
"""Runs at most: each is smaller than the broken one, and many end where they break."""

T = TypeVar("T")

Run = Callable[[Size], Outcome]
"""Runs a plan up to where the promise in question is broken."""


@dataclass(slots=True)
class Shrunk:
    """The simplest plan found that breaks ``invariant``, what came of it, and after how many runs."""

    size: Size
    outcome: Outcome
    invariant: str
    tries: int = 1


Simplify = Callable[[Shrunk], Iterator[Size]]
"""Plans that are simpler than what is known to break the promise, the boldest first."""


def shrink(size: Size, invariant: str, run: Run, tries: int = TRIES) -> Shrunk:
    """Take away what is not needed to break a promise, until nothing can be, or so many runs were made.

    Raises:
        ValueError: the plan does not break the promise at all.
    """

    def is_broken(outcome: Outcome) -> bool:
        return any(one.invariant == invariant for one in outcome.broken)

    known = Shrunk(size, run(size), invariant)
    if not is_broken(known.outcome):
        raise ValueError(f"{invariant} is not broken by {size}")
    tried = {size}

    def breaks(plan: Size) -> bool:
        if plan in tried or known.tries >= tries:
            return False
        tried.add(plan)
        known.tries += 1
        outcome = run(plan)
        if is_broken(outcome):
            known.size, known.outcome = plan, outcome
            return True
        return False

    simplest = None
    while simplest is not known.size:
        simplest = known.size
        for simplify in SIMPLIFICATIONS:
            while any(breaks(plan) for plan in simplify(known)):
                pass
    return known


def fewer_habits(known: Shrunk) -> Iterator[Size]:
    """Without some of those that people had."""
    for portion in _portions(sorted(known.outcome.habits)):
        yield replace(known.size, habits=known.outcome.habits - set(portion))


def fewer_repositories(known: Shrunk) -> Iterator[Size]:
    """With as many images in each."""
    size = known.size
    for repositories in _halves(size.repositories):
        yield replace(size, repositories=repositories, images=max(1, size.images * repositories // size.repositories))


def fewer_images(known: Shrunk) -> Iterator[Size]:
    """In as many repositories."""
    for images in _halves(known.size.images):
        if images >= known.size.repositories:
            yield replace(known.size, images=images)


def fewer_days(known: Shrunk) -> Iterator[Size]:
    """A run that is over some days after it broke."""
    at = min(one.at for one in known.outcome.broken if one.invariant == known.invariant)
    for days in range((at - START) // timedelta(days=1) + 1, known.size.days):
        yield replace(known.size, days=days)


def fewer_pushes(known: Shrunk) -> Iterator[Size]:
    """None but those that pauses attract, or half as many."""
    if known.size.pushes:
        yield replace(known.size, pushes=0.0)
    if known.size.pushes > 0.1:
        yield replace(known.size, pushes=known.size.pushes / 2)


def fewer_faults(known: Shrunk) -> Iterator[Size]:
    """Without some kinds of them."""
    for portion in _portions([fault for fault in FAULTS if known.size.has(fault)]):
        yield replace(known.size, without=known.size.without | set(portion))


def fewer_pauses(known: Shrunk) -> Iterator[Size]:
    """The last few alone; then without some."""
    pauses = sorted(known.outcome.pauses)
    for count in (2, 8, 32):
        if count < len(pauses):
            yield replace(known.size, pauses=frozenset(pauses[-count:]))
    for portion in _portions(pauses):
        yield replace(known.size, pauses=frozenset(pauses) - set(portion))


SIMPLIFICATIONS: tuple[Simplify, ...] = (
    fewer_habits,
    fewer_repositories,
    fewer_images,
    fewer_days,
    fewer_pushes,
    fewer_faults,
    fewer_pauses,
)


def _halves(number: int) -> list[int]:
    """Smaller numbers: a half, a quarter and so on, the smallest first, and one less."""
    return sorted({number >> half for half in range(1, number.bit_length())} | ({number - 1} if number > 1 else set()))


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """All of them, each half, each quarter, and so on to each single one."""
    size = len(items)
    while size:
        yield from (items[begin : begin + size] for begin in range(0, len(items), size))
        size = size // 2 if size > 1 else 0
