"""The list of findings for people: filtered, sorted, in pages, each row a link to its own page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.dashboard import parts
from ecr_rescan.core.dashboard.frame import Frame, framed
from ecr_rescan.core.dashboard.merged import ImageCounts, Merged
from ecr_rescan.core.dashboard.query import UNRATED, FindingsQuery, Links
from ecr_rescan.core.fixes.words import fix_words
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.severity import RATED
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.text import enumerated, number_of
from ecr_rescan.core.vulnerabilities.forms import NOTE, Listing
from ecr_rescan.core.vulnerabilities.looked_at import LookedAt
from ecr_rescan.core.vulnerabilities.rows import RESOLVED, SUPPRESSED, Row

FINDINGS_ON_A_PAGE = 100

_STATES = {"open": "open", "resolved": "resolved", "suppressed": "ignored", "all": "all"}
_SORTS = {
    "matters": "What matters first",
    "newest": "Newest first",
    "oldest": "Oldest first",
    "vulnerability": "Vulnerability",
    "package": "Package",
}
_TITLES = {
    "open": "Open findings",
    "resolved": "Resolved findings",
    "suppressed": "Ignored findings",
    "all": "Findings",
}


@dataclass(frozen=True, slots=True)
class FindingsPage:
    """A page of the list. ``following``: the cursor of the next one, None where this is the last."""

    frame: Frame
    query: FindingsQuery
    listing: Listing
    page: Sequence[Merged]
    is_first: bool
    following: str | None


def heading(query: FindingsQuery) -> str:
    """What the list is called."""
    return _TITLES[query.listed.state]


def to_html(page: FindingsPage, style: str) -> str:
    """The document."""
    listing, links, query = page.listing, page.frame.links, page.query
    counts = ImageCounts()
    rows = [_row(one, listing, links, counts) for one in page.page]
    columns = [
        parts.column("Severity"),
        parts.column("Vulnerability and package", "w3"),
        parts.column("Where", "w3"),
        parts.column("Open since"),
        parts.column("Fix"),
    ]
    caption = number_of(listing.total, "finding", "findings")
    if rows and not (page.is_first and page.following is None):
        caption += f", {len(rows):,} on this page"
    made = parts.table(columns, rows, caption) if rows else tag("p", nothing(page), class_="soft")
    turning = parts.turning(
        None if page.is_first else links.same(query.changed()),
        None if page.following is None else links.same(query.changed(after=page.following)),
        "Pages of findings",
    )
    card = tag("section", tag("h2", "The list"), _filter(query, links), made, turning, class_="card", id="findings")
    csv = tag("a", "This list as CSV", href=links.same(query.changed(format="csv")))
    return framed(page.frame, heading(query), [card], [tag("p", csv), tag("p", resting_on(listing.looked_at))], style)


def nothing(page: FindingsPage) -> str:
    """That no finding fits, never without what was looked at."""
    if not page.listing.looked_at.with_results:
        return "No image has a result yet, so nothing can be said."
    return f"No finding fits. {resting_on(page.listing.looked_at)}"


def resting_on(looked_at: LookedAt) -> str:
    """What a list rests on, in two sentences."""
    had = f"{looked_at.with_results:,} of {number_of(looked_at.images, 'selected image', 'selected images')}"
    return f"{had} {'has' if looked_at.images == 1 else 'have'} a result. {NOTE}"


def _row(one: Merged, listing: Listing, links: Links, counts: ImageCounts) -> Html:
    row = one.row
    link = tag("a", row.vulnerability, href=links.finding(row.vulnerability, row.package))
    chips: list[Child] = [" ", parts.chip("exploited", "bad")] if row.signal.exploited else []
    if row.suppressed is not None:
        until = f" until {row.suppressed.until}" if row.suppressed.until else ""
        chips += [tag("div", f"ignored{until}: {row.suppressed.reason}", class_="soft")]
    images = counts.of(one)
    where = [tag("div", enumerated(row.repositories), class_="name")]
    if images:
        where.append(tag("div", number_of(images, "image", "images"), class_="soft"))
    return tag(
        "tr",
        parts.named(parts.severity_chip(row.severity)),
        tag("td", link, chips, tag("div", row.package, class_="soft"), class_="name"),
        tag("td", where),
        tag("td", tag("div", f"{row.since:%Y-%m-%d}", class_="when"), _age(row, listing), data_label="Open since"),
        tag("td", fix_words(row.package, row.fixes) or "not known", data_label="Fix", class_="name"),
    )


def _age(row: Row, listing: Listing) -> Html:
    if row.state == RESOLVED:
        return tag("div", f"{row.close_reason} {row.closed_at:%Y-%m-%d}", class_="soft")
    return due(row, listing.days_allowed, listing.at) or tag("div", days(row.days_open(listing.at)), class_="soft")


def days(number: int) -> str:
    """``3 days``."""
    return number_of(number, "day", "days")


def due(row: Row, allowed: DaysAllowed, at: datetime) -> Html | None:
    """How long there is to mend it; None where there is no limit."""
    left = row.days_left(allowed, at)
    if left is None or row.state == SUPPRESSED:
        return None
    if left < 0:
        return tag("div", f"{days(-left)} overdue", class_="c-bad")
    return tag("div", f"{days(left)} left", class_="soft")


def _filter(query: FindingsQuery, links: Links) -> Html:
    asked = query.asked
    severities = [("", "any"), ("CRITICAL,HIGH", "critical and high"), *((one, one.lower()) for one in RATED)]
    severities.append((UNRATED, "unrated"))
    return tag(
        "form",
        tag("input", type="hidden", name="view", value="findings"),
        [tag("input", type="hidden", name=name, value=value) for name, value in _kept(asked)],
        tag(
            "label",
            "Vulnerability, package or repository",
            tag("input", type="search", name="q", value=query.q or None),
        ),
        tag("label", "Severity", tag("select", parts.options(",".join(query.only), severities), name="only")),
        tag("label", "State", tag("select", parts.options(query.listed.state, _STATES.items()), name="state")),
        _flag("overdue", "Overdue", given=query.listed.overdue),
        _flag("exploited", "Exploited", given=query.listed.exploited),
        _flag("fixable", "With a fix", given=query.listed.fixable),
        tag("label", "Order", tag("select", parts.options(query.listed.sort, _SORTS.items()), name="sort")),
        tag("button", "Show", type="submit"),
        tag("a", "Show all", href=links.findings()) if asked else None,
        action=f"{links.base}{links.here}",
        method="get",
        class_="filter",
    )


def _flag(name: str, text: str, *, given: bool) -> Html:
    offered = (("", "any"), ("true", "only these"))
    return tag("label", text, tag("select", parts.options("true" if given else "", offered), name=name))


def _kept(asked: object) -> Iterator[tuple[str, str]]:
    """What a link has narrowed by, and the form has no field for."""
    if isinstance(asked, dict):
        for name in ("repository", "tag", "package", "vulnerability", "configuration", "owner", "severity", "since"):
            if name in asked:
                yield name, asked[name]
