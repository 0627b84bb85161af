"""The lower half of the dashboard: configurations, repositories, images, and where a vulnerability is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from ecr_rescan.core.dashboard.charts import bar, drawn, in_words
from ecr_rescan.core.dashboard.overview import STATE_NAMES, chip, severity_class, words
from ecr_rescan.core.dashboard.query import SORTS, Links, PageQuery
from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.summary import COVERAGE, ImageSummary, Summary
from ecr_rescan.core.summary.where import Past, Place, Whereabouts
from ecr_rescan.core.text import enumerated

IMAGES_ON_A_PAGE = 50
_MOST_REPOSITORIES = 40
_MOST_PLACES = 200
_FIRST = datetime.min.replace(tzinfo=UTC)


def _table(heading: Iterable[tuple[str, str]], rows: Iterable[Html], caption: str) -> Html:
    cells = [tag("th", text, scope="col", class_=kind or None) for text, kind in heading]
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", cells)), tag("tbody", rows), class_="stack")
    return tag("div", made, class_="wide")


def configurations(summary: Summary, links: Links) -> Html:
    """A line for each configuration, with a link to its own page."""
    rows = []
    for item in summary.configurations:
        one = item.configuration
        selected = item.coverage.selected
        fresh = item.coverage.states.get(COVERAGE["scanned_24h"], 0)
        title = one.description or enumerated(one.repository)
        rows.append(
            tag(
                "tr",
                tag("td", tag("a", title, href=links.to(f"/dashboard/{one.id}"), class_="name")),
                tag("td", f"{enumerated(one.repository)} in {one.registry}, {one.region}", class_="soft"),
                tag("td", f"{fresh:,} of {selected:,} fresh", data_label="Images"),
                tag("td", words(item.counts), data_label="Open"),
            )
        )
    heading = (("Configuration", ""), ("Selects", ""), ("Images", ""), ("Open findings", ""))
    body = _table(heading, rows, f"{len(rows):,} scan configurations") if rows else tag("p", "None yet.", class_="soft")
    return tag("section", tag("h2", "Configurations"), body, class_="card")


def repositories(summary: Summary, query: PageQuery, links: Links) -> Html:
    """Bars of open findings, the worst first."""
    joined: dict[str, Counts] = {}
    for item in summary.configurations:
        for name, counts in item.repositories.items():
            # Two configurations may look at one repository; the one that sees more tells.
            if name not in joined or _weight(counts) > _weight(joined[name]):
                joined[name] = counts
    ordered = sorted(joined.items(), key=lambda pair: (tuple(-number for number in _weight(pair[1])), pair[0]))
    most = max((sum(number for _, number in drawn(counts)) for counts in joined.values()), default=0)
    rows = []
    for name, counts in ordered[:_MOST_REPOSITORIES]:
        link = links.same(query.changed(q=name), "images")
        rows.append(
            tag(
                "tr",
                tag("td", tag("a", name, href=link, class_="name")),
                tag("td", bar(drawn(counts), most=most, label=in_words(counts)), class_="barcell"),
                [
                    tag("td", f"{counts[severity]:,}", class_="num", data_label=_short(severity))
                    for severity in RATED[:4]
                ],
            )
        )
    heading = [("Repository", ""), ("By severity", ""), *((_short(severity), "num") for severity in RATED[:4])]
    caption = f"{len(rows):,} of {len(joined):,} repositories with results, the most severe first"
    body = _table(heading, rows, caption) if rows else tag("p", "No repository has a result yet.", class_="soft")
    return tag("section", tag("h2", "Repositories"), body, class_="card")


def _short(severity: Severity) -> str:
    return severity.value.capitalize()


def _weight(counts: Counts | None) -> tuple[int, ...]:
    return tuple((counts or {}).get(severity, 0) for severity in Severity)


def images(summary: Summary, query: PageQuery, links: Links) -> Html:
    """The selected images, filtered and sorted as asked, a page of them."""
    found = [image for image in _distinct(summary) if _fits(image, query)]
    found.sort(key=lambda image: _order(image, query.sort))
    last = max(1, -(-len(found) // IMAGES_ON_A_PAGE))
    number = min(query.page, last)
    shown = found[(number - 1) * IMAGES_ON_A_PAGE : number * IMAGES_ON_A_PAGE]
    heading = [
        _sortable("Image", "repository", query, links),
        tag("th", "State", scope="col"),
        _sortable("Findings", "findings", query, links),
        _sortable("Scanned", "scanned", query, links),
        _sortable("Pushed", "pushed", query, links),
    ]
    caption = tag("caption", f"{len(found):,} images, page {number:,} of {last:,}")
    rows = [_image(image) for image in shown]
    made = tag("table", caption, tag("thead", tag("tr", heading)), tag("tbody", rows), class_="stack")
    pages = tag("nav", _pages(query, links, number, last), class_="pages", aria_label="Pages of images")
    body = tag("div", made, class_="wide") if rows else tag("p", "No image fits.", class_="soft")
    return tag(
        "section",
        tag("h2", "Images"),
        _filter(query, links),
        body,
        pages if last > 1 else None,
        class_="card",
        id="images",
    )


def _distinct(summary: Summary) -> Iterable[ImageSummary]:
    seen: dict[tuple[str, ...], ImageSummary] = {}
    for item in summary.configurations:
        one = item.configuration
        for image in item.images:
            place = (one.registry, one.region, image.repository, image.digest, image.status.manifest or "")
            before = seen.get(place)
            if before is None or _weight(image.counts) > _weight(before.counts):
                seen[place] = image
    return seen.values()


def _fits(image: ImageSummary, query: PageQuery) -> bool:
    if query.state and image.status.state is not COVERAGE[query.state]:
        return False
    if query.q and query.q not in image.repository and not any(query.q in tag for tag in image.tags):
        return False
    if query.severity is None:
        return True
    return any(number and severity.reaches(query.severity) for severity, number in (image.counts or {}).items())


def _order(image: ImageSummary, sort: str) -> tuple[object, ...]:
    name = (image.repository, image.tags, image.status.platform or "", image.digest)
    if sort == "repository":
        return name
    if sort == "scanned":
        return ((image.status.scanned_at or _FIRST).timestamp() if image.status.scanned_at else 0.0, *name)
    if sort == "pushed":
        return (-image.pushed_at.timestamp(), *name)
    return (tuple(-number for number in _weight(image.counts)), *name)


def _sortable(text: str, sort: str, query: PageQuery, links: Links) -> Html:
    chosen = query.sort == sort
    direction = "descending" if sort in ("findings", "pushed") else "ascending"
    link = tag("a", text, href=links.same(query.changed(sort=sort), "images"))
    return tag("th", link, scope="col", aria_sort=direction if chosen else None)


def _image(image: ImageSummary) -> Html:
    status = image.status
    kind, name = STATE_NAMES[status.state]
    where = tag("div", image.repository, ":", enumerated(image.tags), class_="name")
    about = " ".join(part for part in (status.platform, image.digest[:19]) if part)
    ignored = f", {image.suppressed:,} ignored" if image.suppressed else ""
    return tag(
        "tr",
        tag("td", where, tag("div", about, class_="soft mono")),
        tag("td", chip(name, kind), tag("div", status.reason, class_="soft")),
        tag("td", words(image.counts) + ignored, data_label="Findings"),
        tag("td", _when(status.scanned_at), data_label="Scanned", class_="soft when"),
        tag("td", _when(image.pushed_at), data_label="Pushed", class_="soft when"),
    )


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment is not None else "never"


def _filter(query: PageQuery, links: Links) -> Html:
    def options(chosen: str, offered: Iterable[tuple[str, str]]) -> Iterator[Html]:
        for value, text in offered:
            yield tag("option", text, value=value, selected=value == chosen)

    states = [("", "any"), *((name, STATE_NAMES[state][1]) for name, state in COVERAGE.items())]
    least = [("", "any"), *((severity.value, f"{severity.value.lower()} or worse") for severity in RATED)]
    return tag(
        "form",
        token_field(links),
        tag("label", "Repository or tag", tag("input", type="search", name="q", value=query.q or None)),
        tag("label", "State", tag("select", options(query.state, states), name="state")),
        tag("label", "Findings", tag("select", options(query.severity or "", least), name="severity")),
        tag("label", "Order", tag("select", options(query.sort, SORTS.items()), name="sort")),
        tag("button", "Show", type="submit"),
        action=f"{links.base}{links.here}#images",
        method="get",
        class_="filter",
    )


def token_field(links: Links) -> Html | None:
    """The token goes along with every form."""
    return tag("input", type="hidden", name="token", value=links.token) if links.token else None


def _pages(query: PageQuery, links: Links, number: int, last: int) -> Iterator[Html]:
    if number > 1:
        yield tag("a", "Previous", href=links.same(query.changed(page=number - 1), "images"), rel="prev")
    if number < last:
        yield tag("a", "Next", href=links.same(query.changed(page=number + 1), "images"), rel="next")


def whereabouts(found: Whereabouts, links: Links) -> Html:
    """Where the vulnerability is that was asked for, and where it was."""
    title = tag("h2", f"Where is {found.vulnerability}?", id="where")
    repositories_ = {(place.registry, place.region, place.repository) for place in found.places}
    digests = {(place.registry, place.region, place.repository, place.digest) for place in found.places}
    searched = f"among {found.searched:,} repositories with results"
    if found.places:
        sentence = f"In {len(digests):,} images of {len(repositories_):,} repositories, {searched}."
    else:
        sentence = (
            f"Found nowhere {searched}." if found.searched else "No repository has a result yet, so nobody knows."
        )
    advisory = tag("a", "Advisory", href=found.uri, rel="noreferrer noopener") if found.uri else None
    close = tag("a", "Close", href=links.to(links.here))
    heading = [(name, "") for name in ("Image", "Package", "Severity", "Since", "Fixed in")]
    return tag(
        "section",
        title,
        tag("p", sentence, " ", advisory, " " if advisory else None, close),
        _table(heading, map(_found, found.places[:_MOST_PLACES]), _of(found.places)) if found.places else None,
        _past(found.past),
        class_="card",
    )


def _of(places: Sequence[Place]) -> str:
    return f"{min(len(places), _MOST_PLACES):,} of {len(places):,} places"


def _found(place: Place) -> Html:
    about = " ".join(part for part in (place.platform, place.digest[:19]) if part)
    notes = []
    if place.suppressed_by:
        notes.append(chip("ignored", "neutral"))
    if place.stands_in:
        notes.append(chip("result of an earlier image", "warn"))
    return tag(
        "tr",
        tag(
            "td",
            tag("div", f"{place.repository}:{enumerated(place.tags)}", class_="name"),
            tag("div", about, class_="soft mono"),
        ),
        tag("td", f"{place.package} {place.version}", data_label="Package"),
        tag("td", chip(place.severity.value.lower(), severity_class(place.severity)), notes),
        tag("td", _when(place.since), data_label="Since", class_="soft when"),
        tag("td", place.fixed_in or "not known", data_label="Fixed in"),
    )


def _past(past: Sequence[Past]) -> Html | None:
    if not past:
        return None
    items = [
        tag(
            "li",
            chip(one.reason, "good"),
            f" {one.repository}: {enumerated(one.tags)}, {one.package}, {_when(one.opened)} to {_when(one.closed)}",
        )
        for one in past[:_MOST_REPOSITORIES]
    ]
    return tag("div", tag("h2", "Where it was"), tag("ul", items, class_="plain"))
