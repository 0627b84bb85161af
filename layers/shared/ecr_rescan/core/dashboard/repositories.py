"""Repositories with their open findings: the worst of them on the overview, and the list of all."""

from __future__ import annotations

from collections.abc import Sequence

from ecr_rescan.core.dashboard import parts
from ecr_rescan.core.dashboard.charts import bar, drawn, in_words
from ecr_rescan.core.dashboard.frame import Frame, framed
from ecr_rescan.core.dashboard.places import Places, weight
from ecr_rescan.core.dashboard.query import Links
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.naming import RepositoryId
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.text import number_of

REPOSITORIES_ON_A_PAGE = 100
CSV_COLUMNS = ("registry", "region", "repository", *(severity.value.lower() for severity in Severity))

_MOST_ON_OVERVIEW = 40

Repositories = Sequence[tuple[RepositoryId, Counts]]


def ordered(summary: Summary) -> Repositories:
    """Each repository with a result, the worst first, as the configuration has it that sees the most."""
    joined: dict[RepositoryId, Counts] = {}
    for item in summary.configurations:
        for name, counts in item.repositories.items():
            place = (item.configuration.registry, item.configuration.region, name)
            if place not in joined or weight(counts) > weight(joined[place]):
                joined[place] = counts
    return sorted(joined.items(), key=lambda pair: (tuple(-number for number in weight(pair[1])), pair[0]))


def section(summary: Summary, links: Links) -> Html:
    """Bars of open findings, the worst first."""
    found = ordered(summary)
    shown = found[:_MOST_ON_OVERVIEW]
    without = summary.totals.repositories - len(found)
    rest = f"; {without:,} without a result" if without else ""
    with_results = number_of(len(found), "repository with a result", "repositories with results")
    caption = f"{len(shown):,} of {with_results}, the most severe first{rest}"
    body = _table(summary, found, shown, caption, links)
    more = None
    if len(found) > len(shown):
        link = links.same({"view": "repositories"})
        more = tag("p", tag("a", f"and {len(found) - len(shown):,} more", href=link))
    return tag("section", tag("h2", "Repositories"), body, more, class_="card")


def to_html(frame: Frame, summary: Summary, number: int, style: str) -> str:
    """The list of all, as a document."""
    links = frame.links
    found = ordered(summary)
    shown, number, last = parts.on_page(found, number, REPOSITORIES_ON_A_PAGE)
    with_results = number_of(len(found), "repository with a result", "repositories with results")
    body = _table(summary, found, shown, f"{with_results}, page {number:,} of {last:,}", links)

    def page(other: int) -> str:
        return links.same({"view": "repositories", "page": str(other)})

    turning = parts.turning(
        page(number - 1) if number > 1 else None, page(number + 1) if number < last else None, "Pages of repositories"
    )
    card = tag("section", tag("h2", "The list"), body, turning, class_="card")
    csv = tag("a", "This list as CSV", href=links.same({"view": "repositories", "format": "csv"}))
    return framed(frame, "Repositories", [card], [tag("p", csv)], style)


def cells(summary: Summary) -> list[list[str]]:
    """The list for CSV, without its heading."""
    return [[*place, *(str(counts.get(severity, 0)) for severity in Severity)] for place, counts in ordered(summary)]


def _table(summary: Summary, found: Repositories, shown: Repositories, caption: str, links: Links) -> Html:
    if not shown:
        return tag("p", "No repository has a result yet.", class_="soft")
    most = max((sum(number for _, number in drawn(counts)) for _, counts in found), default=0)
    places = Places(summary)
    heading = [parts.column("Repository"), parts.column("By severity")]
    heading += [parts.column(one.value.capitalize(), "num") for one in RATED[:4]]
    return parts.table(heading, [_row(place, counts, most, places, links) for place, counts in shown], caption)


def _row(place: RepositoryId, counts: Counts, most: int, places: Places, links: Links) -> Html:
    name = place[2]

    def number(severity: Severity) -> Child:
        text = f"{counts[severity]:,}"
        return tag("a", text, href=links.findings(repository=name, only=severity.value)) if counts[severity] else text

    numbers = [
        tag("td", number(severity), class_="num", data_label=severity.value.capitalize()) for severity in RATED[:4]
    ]
    link = tag("a", name, href=links.findings(repository=name), class_="name")
    images = tag("a", "images", href=links.same({"q": name}, "images"), class_="soft", aria_label=f"Images of {name}")
    return tag(
        "tr",
        parts.named(link, places.suffix(place), images),
        tag("td", bar(drawn(counts), most=most, label=in_words(counts)), class_="barcell"),
        numbers,
    )
