"""Draws how figures grow with size, as an SVG of lines on two logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.suite import Growth

_WIDTH, _HEIGHT = 920, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 300, 40, 50
_COLOURS = (
    "#1f77b4",
    "#d62728",
    "#2ca02c",
    "#9467bd",
    "#ff7f0e",
    "#8c564b",
    "#17becf",
    "#7f7f7f",
    "#bcbd22",
    "#e377c2",
)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The power with which a figure grows (least squares of the logarithms): 0 is constant, 1 is in proportion."""
    across = [math.log(size) for size, _ in points]
    up = [math.log(value) for _, value in points]
    middle_across, middle_up = sum(across) / len(across), sum(up) / len(up)
    together = sum((x - middle_across) * (y - middle_up) for x, y in zip(across, up, strict=True))
    return together / sum((x - middle_across) ** 2 for x in across)


def svg(title: str, unit: str, lines: Sequence[Growth]) -> str:
    """The chart; each line is named with its slope."""
    sizes = sorted({size for line in lines for size, _ in line.points})
    values = [value for line in lines for _, value in line.points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: float) -> float:
        return _LEFT + (math.log10(size) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(value) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        step = f"{10**power:,} {unit}".rstrip()
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(step)}</text>')
    under = _HEIGHT - _BOTTOM + 18
    parts += [
        f'<text x="{x(size):.1f}" y="{under}" text-anchor="middle">{size:,.0f}</text>' for size in sorted({*sizes})
    ]
    ends = sorted(lines, key=lambda line: -line.points[-1][1])
    label = _TOP
    for number, line in enumerate(ends):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        dots = [f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3"/>' for size, value in line.points]
        parts.append(f'<g fill="{colour}">{"".join(dots)}</g>')
        label = max(label + 18, int(y(line.points[-1][1])))
        text = f"{line.name} (slope {slope(line.points):.2f})"
        parts.append(f'<text x="{_WIDTH - _RIGHT + 10}" y="{label}" fill="{colour}">{escape(text)}</text>')
    across = escape(" / ".join(dict.fromkeys(line.over for line in lines)))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">{across}</text></svg>')
    return "\n".join(parts) + "\n"
