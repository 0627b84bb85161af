"""The overview as one HTML document: no script, nothing fetched from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecr_rescan.core.dashboard import overview, repositories, tables
from ecr_rescan.core.dashboard.frame import Frame, framed
from ecr_rescan.core.dashboard.parts import title_of
from ecr_rescan.core.dashboard.query import Links, PageQuery
from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.version import VERSION
from ecr_rescan.core.vulnerabilities.forms import NOTE


@dataclass(frozen=True, slots=True)
class Page:
    """What the overview is made from.

    ``days``: how many the plot shows. ``csv_parts``: where each part of the table begins that is small enough for one
    answer, the first with nothing.
    """

    summary: Summary
    history: Sequence[Snapshot]
    query: PageQuery
    links: Links
    days: int
    csv_parts: Sequence[str]


def to_html(page: Page, style: str) -> str:
    """The document; ``style`` is the sheet that the page's security policy names by its hash."""
    frame = frame_of(page.summary, page.links)
    return framed(frame, frame.title, _main(page), _footer(page), style)


def frame_of(summary: Summary, links: Links, searched: str = "") -> Frame:
    """What is around a page that tells of these configurations."""
    items = summary.configurations
    if links.here == "/dashboard":
        title = "All configurations"
    else:
        title = title_of(items[0].configuration) if items else "Configuration"
    return Frame(title, summary.at, links, searched)


def _main(page: Page) -> list[Html | None]:
    summary, query, links = page.summary, page.query, page.links
    several = links.here == "/dashboard"
    return [
        None if several else tables.selection(summary),
        tag("p", overview.verdict(summary), class_="verdict"),
        overview.cards(summary, links),
        overview.severities(summary, links),
        overview.trend(page.history, summary, page.days),
        tag("div", overview.newest_changes(summary, links), overview.care(summary, links), class_="grid2"),
        repositories.section(summary, links),
        tables.configurations(summary, links) if several else None,
        tables.images(summary, query, links),
    ]


def _footer(page: Page) -> list[Html]:
    beginnings = page.csv_parts
    links = [
        tag("a", name, href=page.links.to(page.links.here, {"format": "csv"} | ({"after": after} if after else {})))
        for name, after in zip(_names_of_parts(len(beginnings)), beginnings, strict=True)
    ]
    spaced = [part for link in links for part in (" ", link)]
    counted = f". Counted from what is recorded: this page calls nobody. ecr-rescan {VERSION}."
    return [tag("p", "All images as CSV:", spaced, counted), tag("p", NOTE)]


def _names_of_parts(number: int) -> list[str]:
    return ["one file"] if number == 1 else [f"part {place + 1} of {number}" for place in range(number)]
