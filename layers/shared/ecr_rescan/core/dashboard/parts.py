"""Small pieces that several pages of the dashboard share: tables, chips, moments, and the way through a long list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.dashboard.charts import SHOWN, in_words
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.text import enumerated

T = TypeVar("T")


def table(heading: Iterable[Html], rows: Iterable[Html], caption: str) -> Html:
    """A table whose rows are stacked on a phone."""
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", heading)), tag("tbody", rows), class_="stack")
    return tag("div", made, class_="wide")


def column(text: Child, kind: str = "") -> Html:
    """The heading of a column."""
    return tag("th", text, scope="col", class_=kind or None)


def named(*children: Child) -> Html:
    """The first cell of a row, which says what the row is about."""
    return tag("th", children, scope="row")


def when(moment: datetime | None) -> str:
    """A moment to the minute, or ``never``."""
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment is not None else "never"


def chip(text: str, kind: str) -> Html:
    """A short word with a colour, which it doesn't need to be understood."""
    return tag("span", text, class_=f"chip c-{kind}")


def severity_chip(severity: Severity) -> Html:
    """A severity as a chip."""
    return chip(severity.value.lower(), severity.value.lower() if severity in SHOWN else "unrated")


def title_of(configuration: ScanConfiguration) -> str:
    """What people call a configuration."""
    return configuration.description or enumerated(configuration.repository)


def words(counts: Counts | None) -> str:
    """Counts in words, or that there are none."""
    return "no result" if counts is None else in_words(counts)


def options(chosen: str, offered: Iterable[tuple[str, str]]) -> Iterator[Html]:
    """The choices of a field: (value, what people read)."""
    for value, text in offered:
        yield tag("option", text, value=value, selected=value == chosen)


def on_page(everything: Sequence[T], number: int, size: int) -> tuple[Sequence[T], int, int]:
    """The rows of a page, its number, which is at most that of the last, and that of the last."""
    last = max(1, -(-len(everything) // size))
    number = min(number, last)
    return everything[(number - 1) * size : number * size], number, last


def turning(previous: str | None, following: str | None, label: str) -> Html | None:
    """Links to the pages before and after."""
    if previous is None and following is None:
        return None
    links = [
        tag("a", name, href=link, rel=relation)
        for name, link, relation in (("Previous", previous, "prev"), ("Next", following, "next"))
        if link is not None
    ]
    return tag("nav", links, class_="pages", aria_label=label)
