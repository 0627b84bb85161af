"""The dashboard as one HTML document: no script, nothing fetched from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ecr_rescan.core.dashboard import overview as page_overview
from ecr_rescan.core.dashboard import tables as page_tables
from ecr_rescan.core.dashboard.query import Links, PageQuery
from ecr_rescan.core.html import Html, raw, tag
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.summary.where import Whereabouts
from ecr_rescan.core.version import VERSION

_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='#0b5cad'/>"
    "<path d='M4 8.5l2.6 2.6L12 5.4' fill='none' stroke='#fff' stroke-width='2'/></svg>"
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of the dashboard is made from.

    ``found``: where the vulnerability is that was asked for. ``days``: how many the plot shows. ``csv_parts``: where
    each part of the table begins that is small enough for one answer, the first with nothing.
    """

    summary: Summary
    history: Sequence[Snapshot]
    found: Whereabouts | None
    query: PageQuery
    links: Links
    days: int
    csv_parts: Sequence[str]


def to_html(page: Page, style: str) -> str:
    """The document; ``style`` is the sheet that the page's security policy names by its hash."""
    title = _title(page)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex, nofollow"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} · ecr-rescan"),
        tag("link", rel="icon", href=f"data:image/svg+xml,{quote(_ICON)}"),
        raw(f"<style>{style}</style>"),
    )
    skip = tag("a", "Skip to the content", href="#content", class_="skip")
    body = tag("body", skip, _header(page), tag("main", _main(page, title), id="content"), _footer(page))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _title(page: Page) -> str:
    if page.links.here == "/dashboard":
        return "All configurations"
    items = page.summary.configurations
    if not items:
        return "Configuration"
    one = items[0].configuration
    return page_overview.title_of(one)


def _header(page: Page) -> Html:
    links = page.links
    home = "/dashboard" if links.everything else links.here
    search = tag(
        "form",
        page_tables.token_field(links),
        tag(
            "input",
            type="search",
            name="cve",
            value=page.query.cve or None,
            placeholder="CVE-2026-1234",
            aria_label="Vulnerability to look for",
        ),
        tag("button", "Where is it?", type="submit"),
        action=f"{links.base}{links.here}",
        method="get",
        role="search",
    )
    return tag(
        "header",
        tag("div", tag("a", "ecr-rescan", href=links.to(home)), class_="brand"),
        tag("div", f"as of {page.summary.at:%Y-%m-%d %H:%M}Z", class_="asof"),
        search,
    )


def _main(page: Page, title: str) -> list[Html | None]:
    summary, query, links = page.summary, page.query, page.links
    several = links.here == "/dashboard"
    up = None if several or not links.everything else tag("a", "All configurations", href=links.to("/dashboard"))
    return [
        None if up is None else tag("nav", up, aria_label="Up", class_="up"),
        tag("h1", title),
        None if several else page_tables.selection(summary),
        tag("p", page_overview.verdict(summary), class_="verdict"),
        None if page.found is None else page_tables.whereabouts(page.found, summary, links),
        page_overview.cards(summary),
        page_overview.severities(summary),
        page_overview.trend(page.history, summary, page.days),
        tag("div", page_overview.newest_changes(summary, links), page_overview.care(summary, links), class_="grid2"),
        page_tables.repositories(summary, query, links),
        page_tables.configurations(summary, links) if several else None,
        page_tables.images(summary, query, links),
    ]


def _footer(page: Page) -> Html:
    beginnings = page.csv_parts
    links = [
        tag("a", name, href=page.links.to(page.links.here, {"format": "csv"} | ({"after": after} if after else {})))
        for name, after in zip(_names_of_parts(len(beginnings)), beginnings, strict=True)
    ]
    spaced = [part for link in links for part in (" ", link)]
    counted = f". Counted from what is recorded: this page calls nobody. ecr-rescan {VERSION}."
    return tag("footer", tag("p", "All images as CSV:", spaced, counted))


def _names_of_parts(number: int) -> list[str]:
    return ["one file"] if number == 1 else [f"part {place + 1} of {number}" for place in range(number)]
