"""The charts, by the numbers that are drawn."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from ecr_rescan.core.dashboard.charts import bar, in_words, plot
from tests.summary_records import CRITICAL, HIGH, LOW, UNDEFINED

TODAY = date(2026, 11, 23)


def numbers(svg: str) -> list[int]:
    """Those at the left."""
    return [int(text.replace(",", "")) for text in re.findall(r'class="tick end">([\d,]+)<', svg)]


def heights(svg: str, kind: str) -> list[float]:
    return [float(height) for height in re.findall(rf'height="([\d.]+)" class="s-{kind}"', svg)]


@pytest.mark.parametrize(
    ("most", "highest"), [(0, 4), (4, 4), (5, 8), (9, 12), (10, 12), (13, 16), (99, 100), (101, 120), (14_400, 16_000)]
)
def test_the_numbers_at_the_left_are_whole_and_evenly_apart(most: int, highest: int) -> None:
    """A line stands where its number says."""
    assert numbers(plot([(TODAY, {HIGH: most})])) == [highest * quarter // 4 for quarter in range(5)]


def test_columns_are_as_high_as_their_numbers_and_stand_on_each_other() -> None:
    """The most severe at the foot."""
    svg = plot([(TODAY, {HIGH: 50, CRITICAL: 25, LOW: 25})])
    assert heights(svg, "high")[0] == pytest.approx(2 * heights(svg, "critical")[0], abs=0.2)
    feet = [float(y) + float(height) for y, height in re.findall(r'y="([\d.]+)" height="([\d.]+)" class="s-', svg)]
    assert feet == sorted(feet, reverse=True)


def test_one_critical_finding_among_thousands_is_seen() -> None:
    """In a column, and in a bar."""
    assert heights(plot([(TODAY, {CRITICAL: 1, LOW: 16_000})]), "critical") == [1.5]
    (width,) = re.findall(
        r'width="([\d.]+)" height="12" class="s-critical"', bar([("critical", 1)], most=9999, label="")
    )
    assert float(width) >= 2


def test_a_day_of_which_nothing_is_known_is_a_gap() -> None:
    """Not a zero, and it says so."""
    svg = plot([(TODAY - timedelta(days=1), None), (TODAY, {})])
    assert svg.count('class="hole"') == 1
    assert "2026-11-22: not recorded" in svg
    assert "2026-11-23: no findings" in svg


def test_nothing_depends_on_the_width_of_the_window() -> None:
    """Across, everything is in per cent, and within the drawing."""
    svg = plot([(TODAY - timedelta(days=ago), {HIGH: 1}) for ago in range(29, -1, -1)])
    assert "viewBox" not in svg
    across = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%"', svg)
    assert len(across) == 30
    assert all(float(x) + float(width) <= 100 for x, width in across)


def test_counts_in_words() -> None:
    """As a screen reader tells a bar."""
    assert in_words({CRITICAL: 1, HIGH: 2_000, UNDEFINED: 3}) == "1 critical, 2,000 high, 3 unrated"
    assert in_words({CRITICAL: 0}) == "no findings"
