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
_HEIGHT, _TOP, _BOTTOM = 240, 10, 24
_THINNEST = 1.5
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
    return ", ".join(f"{number:,} {name.lower()}" for _, name, number in parts(counts)) or "no findings"


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
    """A column for each day, the most severe at its foot; a day of which nothing is known is a gap, not a zero.

    Across, everything is in per cent, so that a narrow window squeezes the columns and leaves height and text alone.
    The numbers stand left of the drawing, in the padding that the style sheet gives it.
    """
    totals = [sum(number for _, number in drawn(counts)) for _, counts in days if counts]
    highest = _round_up(max(totals, default=0))
    step = 100 / max(1, len(days))
    shapes = [*_grid(highest)]
    for place, (day, counts) in enumerate(days):
        shapes.append(_column(place * step, step, day, counts, highest))
        if place % 7 == (len(days) - 1) % 7:
            x = _percent((place + 0.5) * step)
            shapes.append(tag("text", f"{day:%b} {day.day}", x=x, y=_HEIGHT - 6, class_="tick middle"))
    return tag(
        "svg",
        tag("title", "Open findings by severity on each of the last days"),
        shapes,
        height=_HEIGHT,
        role="img",
        aria_labelledby="plot-heading",
        class_="plot",
    )


def _grid(highest: int) -> Iterator[Html]:
    for step in range(_STEPS + 1):
        value = highest * step / _STEPS
        y = _y(value, highest)
        yield tag("line", x1=0, x2="100%", y1=_number(y), y2=_number(y), class_="grid")
        yield tag("text", f"{value:,.0f}", x=-8, y=_number(y + 4), class_="tick end")


def _column(x: float, step: float, day: date, counts: Counts | None, highest: int) -> Html:
    across = {"x": _percent(x + step * 0.07), "width": _percent(step * 0.86)}
    if counts is None:
        title = tag("title", f"{day.isoformat()}: not recorded")
        return tag("g", title, tag("rect", **across, y=_HEIGHT - _BOTTOM - 3, height=3, class_="hole"))
    shapes = []
    below = 0
    for kind, number in drawn(counts):
        foot = _y(below, highest)
        below += number
        # What is there is seen: one critical finding among thousands, too.
        height = max(_THINNEST, foot - _y(below, highest))
        shapes.append(tag("rect", **across, y=_number(foot - height), height=_number(height), class_=f"s-{kind}"))
    return tag("g", tag("title", f"{day.isoformat()}: {in_words(counts)}"), shapes)


def _y(value: float, highest: int) -> float:
    return _HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _TOP - _BOTTOM)


def _number(value: float) -> str:
    return f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _round_up(value: int) -> int:
    """The next round number that has a whole quarter."""
    size: int = 10 ** int(math.log10(max(1, value)))
    rounded = (round(size * factor) for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12))
    return next(number for number in rounded if number >= value and number % _STEPS == 0)
