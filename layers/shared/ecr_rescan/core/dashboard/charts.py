"""The dashboard's charts, as SVG drawn here: bars of findings by severity, a bar of coverage, the last 30 days."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.severity import Severity

Counts = Mapping[Severity, int]

SHOWN = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFORMATIONAL)
"""The rated severities, in the order of the bars; the unrated ones are drawn as one."""

DRAWN = ("critical", "high", "medium", "low", "unrated")
"""What bars and columns are made of: the informational ones would often hide all others."""

_BAR_WIDTH, _BAR_HEIGHT = 240, 12
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 24
_WIDTH, _HEIGHT = 860, 240
_STEPS = 4


def parts(counts: Counts) -> Iterator[tuple[str, str, int]]:
    """(class, name, number) of what is not zero, the most severe first."""
    for severity in SHOWN:
        if counts.get(severity):
            yield severity.value.lower(), severity.value.capitalize(), counts[severity]
    unrated = counts.get(Severity.UNDEFINED, 0) + counts.get(Severity.UNTRIAGED, 0)
    if unrated:
        yield "unrated", "Unrated", unrated


def drawn(counts: Counts) -> list[tuple[str, int]]:
    """(class, number) of what is drawn of them."""
    return [(kind, number) for kind, _, number in parts(counts) if kind in DRAWN]


def in_words(counts: Counts) -> str:
    """``2 critical, 5 high``, or ``no findings``."""
    return ", ".join(f"{number} {name.lower()}" for _, name, number in parts(counts)) or "no findings"


def bar(segments: Sequence[tuple[str, int]], *, most: int, label: str) -> Html:
    """A bar of (class, number) as long as its sum is to ``most``; what is there is never too thin to be seen."""
    x = 0.0
    shapes = []
    for kind, number in segments:
        width = max(2.0, number / max(1, most) * _BAR_WIDTH)
        shapes.append(tag("rect", x=round(x, 1), y=0, width=round(width, 1), height=_BAR_HEIGHT, class_=f"s-{kind}"))
        x += width + 1
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=_BAR_WIDTH, height=_BAR_HEIGHT, class_="track"),
        shapes,
        viewBox=f"0 0 {_BAR_WIDTH} {_BAR_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_="bar",
    )


def plot(days: Sequence[tuple[date, Counts | None]]) -> Html:
    """A column for each day, the most severe at its foot; a day of which nothing is known is a gap, not a zero."""
    totals = [sum(number for _, number in drawn(counts)) for _, counts in days if counts]
    highest = _round_up(max(totals, default=0))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(days))
    shapes = [*_grid(highest)]
    for place, (day, counts) in enumerate(days):
        x = _LEFT + place * step
        shapes.append(_column(x, step, day, counts, highest))
        if place % 7 == (len(days) - 1) % 7:
            label = tag("text", f"{day:%b} {day.day}", x=_number(x + step / 2), y=_HEIGHT - 6, class_="tick middle")
            shapes.append(label)
    return tag(
        "svg",
        tag("title", "Open findings by severity on each of the last days"),
        shapes,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_labelledby="plot-heading",
        class_="plot",
    )


def _grid(highest: int) -> Iterator[Html]:
    for step in range(_STEPS + 1):
        value = highest * step / _STEPS
        y = _number(_y(value, highest))
        yield tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield tag("text", f"{value:,.0f}", x=_LEFT - 8, y=_number(_y(value, highest) + 4), class_="tick end")


def _column(x: float, step: float, day: date, counts: Counts | None, highest: int) -> Html:
    if counts is None:
        title = tag("title", f"{day.isoformat()}: not recorded")
        y = _HEIGHT - _BOTTOM - 3
        hole = tag("rect", x=_number(x + 2), y=y, width=_number(step - 4), height=3, class_="hole")
        return tag("g", title, hole)
    shapes = []
    below = 0
    for kind, number in drawn(counts):
        top, foot = _y(below + number, highest), _y(below, highest)
        below += number
        shapes.append(
            tag(
                "rect",
                x=_number(x + 2),
                y=_number(top),
                width=_number(step - 4),
                height=_number(max(0.5, foot - top)),
                class_=f"s-{kind}",
            )
        )
    return tag("g", tag("title", f"{day.isoformat()}: {in_words(counts)}"), shapes)


def _y(value: float, highest: int) -> float:
    return _HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _TOP - _BOTTOM)


def _number(value: float) -> str:
    return f"{value:.1f}"


def _round_up(value: int) -> int:
    """The next number that divides well by four."""
    if value <= _STEPS:
        return _STEPS
    size = 10 ** int(math.log10(value))
    return next(int(size * factor) for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if size * factor >= value)
