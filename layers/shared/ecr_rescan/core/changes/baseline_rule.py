"""What a baseline may say, and what of it is told later: it never says "none" of what was not scanned.

A baseline is announced when nothing more is to be expected soon. What has no result by then is named with the reason,
remembered, and told when its first result comes: in one further message per configuration and day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_rescan.core.text import number_of

LATE_EVERY = timedelta(days=1)
"""First results that come after a baseline are told so often, at most."""

NO_RESULT_AT_ALL = "*"
"""Among what lacks a result: nothing of the repository had one, so that everything's first result is baseline."""

_MARK = 12


@dataclass(frozen=True, slots=True)
class Lacking:
    """What of a repository had no result when a configuration was last told of it, ``since`` then: marks of images."""

    since: datetime
    marks: frozenset[str]


def marks_of(digests: Iterable[str]) -> frozenset[str]:
    """Short names of images, enough to know those of a repository again."""
    return frozenset(digest.removeprefix("sha256:")[:_MARK] for digest in digests)


def came_late(before: Lacking, lacking: Collection[str], *, any_result: bool) -> bool:
    """Whether something has its first result now, or is gone, that lacked one when it was last told.

    ``lacking``: the marks of what lacks a result now; ``any_result``: whether anything has one.
    """
    if NO_RESULT_AT_ALL in before.marks and any_result:
        return True
    return any(mark not in lacking for mark in before.marks - {NO_RESULT_AT_ALL})


def remembered(lacking: frozenset[str], *, any_result: bool, now: datetime) -> Lacking | None:
    """What to remember after telling; None where everything has a result."""
    marks = lacking if any_result or not lacking else lacking | {NO_RESULT_AT_ALL}
    return Lacking(now, marks) if marks else None


def may_tell(last: datetime | None, now: datetime) -> bool:
    """Whether late first results may be told now: one message a day. ``last``: when the last one was told."""
    return last is None or now - last >= LATE_EVERY


def headline(totals: str, with_result: int) -> str:
    """Of open findings for a subject: their numbers, or what it means that there are none."""
    if totals:
        return totals
    return f"no findings in {number_of(with_result, 'image', 'images')}" if with_result else "no result yet"


def open_findings(totals: str, with_result: int) -> str:
    """The same as a sentence."""
    if totals:
        return f"Open findings: {totals}."
    if with_result:
        return f"Open findings in {number_of(with_result, 'image', 'images')} with a result: none."
    return "No image has a result yet, so nothing can be said of findings."


def without_result(reasons: Mapping[str, int]) -> str | None:
    """How many images have no result, and why; None where all have one."""
    if not reasons:
        return None
    lacking = number_of(sum(reasons.values()), "image has", "images have")
    why = ", ".join(f"{number:,} {reason}" for reason, number in sorted(reasons.items()))
    return f"{lacking} no result: {why}. First results that come later are told once a day, in one message."
