"""The lower half of the dashboard: configurations, and images."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ecr_rescan.core.dashboard.overview import STATE_NAMES
from ecr_rescan.core.dashboard.parts import chip, column, named, on_page, options, table, title_of, turning, when, words
from ecr_rescan.core.dashboard.places import Places, distinct_images, platforms_of, weight
from ecr_rescan.core.dashboard.query import SORTS, Links, PageQuery
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.naming import RepositoryId
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.summary.summary import COVERAGE, ImageSummary, Summary
from ecr_rescan.core.text import enumerated, number_of

IMAGES_ON_A_PAGE = 50
_NOTHING = dict.fromkeys(Severity, 0)
_FIRST = datetime.min.replace(tzinfo=UTC)


def selection(summary: Summary) -> Html | None:
    """What a configuration selects and shows, in a line."""
    if not summary.configurations:
        return None
    one = summary.configurations[0].configuration
    said = [f"{enumerated(one.repository)} in {one.registry}, {one.region}"]
    said += [f"tags {enumerated(one.tags)}"] if one.tags else []
    said += [f"the newest {one.newest} of each repository"] if one.newest else []
    said += [f"{one.severity.lower()} or worse"] if one.severity else []
    return tag("p", "; ".join(said), class_="soft")


def configurations(summary: Summary, links: Links) -> Html:
    """A line for each configuration, with a link to its own page."""
    rows = []
    for item in summary.configurations:
        one = item.configuration
        selected = item.coverage.selected
        fresh = item.coverage.states.get(COVERAGE["scanned_24h"], 0)
        ignored = f", {item.suppressed:,} ignored" if item.suppressed else ""
        open_here = links.to(f"/dashboard/{one.id}", {"view": "findings"})
        rows.append(
            tag(
                "tr",
                named(tag("a", title_of(one), href=links.to(f"/dashboard/{one.id}"), class_="name")),
                tag("td", f"{enumerated(one.repository)} in {one.registry}, {one.region}", class_="soft name"),
                tag("td", f"{fresh:,} of {selected:,} fresh", data_label="Images"),
                tag("td", tag("a", words(item.counts), href=open_here), ignored, data_label="Open"),
            )
        )
    heading = (column("Configuration", "w3"), column("Selects", "w3"), column("Images"), column("Open findings"))
    caption = number_of(len(rows), "scan configuration", "scan configurations")
    body = table(heading, rows, caption) if rows else tag("p", "None yet.", class_="soft")
    return tag("section", tag("h2", "Configurations"), body, class_="card")


def images(summary: Summary, query: PageQuery, links: Links) -> Html:
    """The selected images, filtered and sorted as asked, a page of them."""
    places = Places(summary)
    everything = list(distinct_images(summary))
    found = [row for row in everything if _fits(row[1], query)]
    found.sort(key=lambda row: _order(row[0], row[1], query.sort))
    shown, number, last = on_page(found, query.page, IMAGES_ON_A_PAGE)
    heading = [
        _sortable("Image", "repository", query, links, "w3"),
        column("State", "w3"),
        _sortable("Findings", "findings", query, links),
        _sortable("Scanned", "scanned", query, links),
        _sortable("Pushed", "pushed", query, links),
    ]
    of = f"{len(found):,} of " if len(found) < len(everything) else ""
    caption = f"{of}{platforms_of(summary)}, page {number:,} of {last:,}"
    rows = [_image(image, places.suffix(place), links) for place, image in shown]
    pages = turning(
        links.same(query.changed(page=number - 1), "images") if number > 1 else None,
        links.same(query.changed(page=number + 1), "images") if number < last else None,
        "Pages of images",
    )
    csv = None
    if query.narrows and found:
        csv = tag("p", tag("a", "These as CSV", href=links.same(query.changed() | {"format": "csv"})))
    nothing = "No image fits." if everything else "No image is selected."
    return tag(
        "section",
        tag("h2", "Images"),
        _filter(query, links),
        table(heading, rows, caption) if rows else tag("p", nothing, class_="soft"),
        pages,
        csv,
        class_="card",
        id="images",
    )


def narrowed(summary: Summary, query: PageQuery) -> Summary:
    """The summary with only the images that a question leaves."""
    return replace(
        summary,
        configurations=tuple(
            replace(item, images=tuple(image for image in item.images if _fits(image, query)))
            for item in summary.configurations
        ),
    )


def _fits(image: ImageSummary, query: PageQuery) -> bool:
    if query.state and image.status.state is not COVERAGE[query.state]:
        return False
    if query.q and query.q not in image.repository and not any(query.q in tag for tag in image.tags):
        return False
    if query.fixable and not (image.upgrades and image.upgrades.findings):
        return False
    if query.severity is None:
        return True
    return any(number and severity.reaches(query.severity) for severity, number in (image.counts or {}).items())


def _order(place: RepositoryId, image: ImageSummary, sort: str) -> tuple[object, ...]:
    name = (image.repository, image.tags, image.status.platform or "", image.digest, place)
    if sort == "repository":
        return name
    if sort == "scanned":
        return (image.status.scanned_at or _FIRST, *name)
    if sort == "pushed":
        return (-image.pushed_at.timestamp(), *name)
    # Of nothing found and nothing known, the latter is the worse news.
    return (tuple(-number for number in weight(image.counts) or weight(_NOTHING)), image.counts is not None, *name)


def _sortable(text: str, sort: str, query: PageQuery, links: Links, kind: str = "") -> Html:
    chosen = query.sort == sort
    direction = "descending" if sort in ("findings", "pushed") else "ascending"
    link = tag("a", text, href=links.same(query.changed(sort=sort), "images"))
    return tag("th", link, scope="col", aria_sort=direction if chosen else None, class_=kind or None)


def _image(image: ImageSummary, suffix: str, links: Links) -> Html:
    status = image.status
    kind, name = STATE_NAMES[status.state]
    where = tag("div", image.repository, ":", enumerated(image.tags), suffix, class_="name")
    about = " ".join(part for part in (status.platform, image.release, image.digest[:19]) if part)
    ignored = f", {image.suppressed:,} ignored" if image.suppressed else ""
    exploited = [chip(f"{image.exploited:,} exploited", "bad"), " "] if image.exploited else []
    mending = image.upgrades.sentence() if image.upgrades and image.upgrades.findings else ""
    return tag(
        "tr",
        named(where, tag("div", about, class_="soft mono")),
        tag("td", chip(name, kind), tag("div", status.reason, class_="soft")),
        tag(
            "td",
            *(exploited, _findings(image, links), ignored),
            tag("div", mending, class_="soft") if mending else None,
            data_label="Findings",
            class_="counts",
        ),
        tag("td", when(status.scanned_at), data_label="Scanned", class_="soft when"),
        tag("td", when(image.pushed_at), data_label="Pushed", class_="soft when"),
    )


def _findings(image: ImageSummary, links: Links) -> Child:
    """What is found in it, which leads to the findings of its repository under its first tag."""
    said = words(image.counts)
    if image.counts is None or not any(image.counts.values()):
        return said
    tagged = {"tag": image.tags[0]} if image.tags else {}
    return tag("a", said, href=links.findings(repository=image.repository, **tagged))


def _filter(query: PageQuery, links: Links) -> Html:
    states = [("", "any"), *((name, STATE_NAMES[state][1]) for name, state in COVERAGE.items())]
    least = [("", "any"), *((severity.value, f"{severity.value.lower()} or worse") for severity in RATED)]
    fixes = [("", "any"), ("true", "has one")]
    return tag(
        "form",
        tag("label", "Repository or tag", tag("input", type="search", name="q", value=query.q or None)),
        tag("label", "State", tag("select", options(query.state, states), name="state")),
        tag("label", "Findings", tag("select", options(query.severity or "", least), name="severity")),
        tag("label", "Fix", tag("select", options("true" if query.fixable else "", fixes), name="fixable")),
        tag("label", "Order", tag("select", options(query.sort, SORTS.items()), name="sort")),
        tag("button", "Show", type="submit"),
        tag("a", "Show all", href=links.same({}, "images")) if query.narrows else None,
        action=f"{links.base}{links.here}#images",
        method="get",
        class_="filter",
    )
