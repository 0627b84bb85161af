"""The list of changes: what became news, and what was resolved, in the last day or week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ecr_rescan.core.changes.closing import FIXED
from ecr_rescan.core.dashboard import parts
from ecr_rescan.core.dashboard.frame import Frame, framed
from ecr_rescan.core.dashboard.query import CHANGE_KINDS, ChangesQuery, Links
from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.summary.recent import Change
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.text import enumerated, number_of
from ecr_rescan.core.times import to_text

CHANGES_ON_A_PAGE = 100
CSV_COLUMNS = ("at", "kind", "reason", "severity", "vulnerability", "package", "repositories")

KIND_WORDS = {
    "new": "new",
    "spread": "spread to more repositories",
    "reopened": "back again",
    "escalated": "severity raised",
    "exploited": "now exploited",
    "fixable": "has a fix now",
    "resolved": "resolved",
    "fixed": "fixed",
}
GOOD_KINDS = ("resolved", "fixable")
"""The kinds of change that are good news."""

_HOURS = {24: "in 24 h", 168: "in 7 days"}


def distinct_changes(summary: Summary) -> list[Change]:
    """Every change of the last 7 days once, the newest first: several configurations may be told of one."""
    distinct = {
        (change.kind, change.vulnerability, change.package, change.at): change
        for item in summary.configurations
        for change in item.recent
    }
    return sorted(distinct.values(), key=lambda change: -change.at.timestamp())


def asked_for(summary: Summary, query: ChangesQuery) -> list[Change]:
    """Those that a question leaves."""
    since = summary.at - timedelta(hours=query.hours)
    return [change for change in distinct_changes(summary) if change.at >= since and is_of(change, query.kind)]


def is_of(change: Change, kind: str) -> bool:
    """Whether a change is of a kind; every one is of none."""
    if kind == "fixed":
        return change.kind == "resolved" and change.reason == FIXED
    return kind in ("", change.kind)


def to_html(frame: Frame, summary: Summary, query: ChangesQuery, style: str) -> str:
    """The document."""
    links = frame.links
    found = asked_for(summary, query)
    shown, number, last = parts.on_page(found, query.page, CHANGES_ON_A_PAGE)
    columns = [*map(parts.column, ("What", "Severity")), parts.column("Vulnerability and package", "w3")]
    columns += [parts.column("Where", "w3"), parts.column("When")]
    rows = [row(change, links) for change in shown]
    caption = f"{number_of(len(found), 'change', 'changes')}, page {number:,} of {last:,}"
    nothing = "No such change." if summary.totals.counts is not None else "No image has a result yet."
    turning = parts.turning(
        links.same(query.changed(page=number - 1)) if number > 1 else None,
        links.same(query.changed(page=number + 1)) if number < last else None,
        "Pages of changes",
    )
    body = parts.table(columns, rows, caption) if rows else tag("p", nothing, class_="soft")
    card = tag("section", tag("h2", "The list"), _filter(query, links), body, turning, class_="card")
    csv = tag("a", "This list as CSV", href=links.same(query.changed(format="csv")))
    return framed(frame, f"Changes {_HOURS[query.hours]}", [card], [tag("p", csv)], style)


def row(change: Change, links: Links) -> Html:
    """A change as a row."""
    link = tag("a", change.vulnerability, href=links.finding(change.vulnerability, change.package))
    return tag(
        "tr",
        parts.named(kind_chip(change)),
        tag("td", parts.severity_chip(change.severity)),
        tag("td", link, tag("div", change.package, class_="soft"), class_="name"),
        tag("td", enumerated(change.repositories), class_="name"),
        tag("td", parts.when(change.at), class_="soft when"),
    )


def kind_chip(change: Change) -> Html:
    """What happened, in a word."""
    return parts.chip(change.reason or KIND_WORDS[change.kind], "good" if change.kind in GOOD_KINDS else "bad")


def cells(found: Sequence[Change]) -> list[list[str]]:
    """The list for CSV, without its heading."""
    return [
        [
            to_text(change.at),
            change.kind,
            change.reason,
            change.severity.value,
            change.vulnerability,
            change.package,
            " ".join(change.repositories[:50]),
        ]
        for change in found
    ]


def _filter(query: ChangesQuery, links: Links) -> Html:
    hours = [(str(hours), name) for hours, name in _HOURS.items()]
    kinds = [("", "any"), *((kind, KIND_WORDS[kind]) for kind in CHANGE_KINDS)]
    return tag(
        "form",
        tag("input", type="hidden", name="view", value="changes"),
        tag("label", "When", tag("select", parts.options(str(query.hours), hours), name="hours")),
        tag("label", "What", tag("select", parts.options(query.kind, kinds), name="kind")),
        tag("button", "Show", type="submit"),
        action=f"{links.base}{links.here}",
        method="get",
        class_="filter",
    )
