"""The lower half of the dashboard: configurations, repositories, images, and where a vulnerability is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from ecr_rescan.core.changes.closing import FIXED
from ecr_rescan.core.dashboard.charts import bar, drawn, in_words
from ecr_rescan.core.dashboard.overview import STATE_NAMES, chip, severity_class, title_of, words
from ecr_rescan.core.dashboard.places import Places, distinct_images, weight
from ecr_rescan.core.dashboard.query import SORTS, Links, PageQuery
from ecr_rescan.core.fixes.words import fix_words
from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.naming import RepositoryId
from ecr_rescan.core.severity import ORDER, RATED, Severity
from ecr_rescan.core.signals.wire import epss_words, exploited_words
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.summary import COVERAGE, ImageSummary, Summary
from ecr_rescan.core.summary.where import Past, Place, Whereabouts
from ecr_rescan.core.text import enumerated, number_of

IMAGES_ON_A_PAGE = 50
_MOST_REPOSITORIES = 40
_MOST_PLACES = 100
_NOTHING = dict.fromkeys(Severity, 0)
_FIRST = datetime.min.replace(tzinfo=UTC)


def _table(heading: Iterable[Html], rows: Iterable[Html], caption: str) -> Html:
    made = tag("table", tag("caption", caption), tag("thead", tag("tr", heading)), tag("tbody", rows), class_="stack")
    return tag("div", made, class_="wide")


def _column(text: str, kind: str = "") -> Html:
    return tag("th", text, scope="col", class_=kind or None)


def _named(*children: Html | str | None) -> Html:
    """The first cell of a row, which says what the row is about."""
    return tag("th", children, scope="row")


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
        rows.append(
            tag(
                "tr",
                _named(tag("a", title_of(one), href=links.to(f"/dashboard/{one.id}"), class_="name")),
                tag("td", f"{enumerated(one.repository)} in {one.registry}, {one.region}", class_="soft name"),
                tag("td", f"{fresh:,} of {selected:,} fresh", data_label="Images"),
                tag("td", words(item.counts) + ignored, data_label="Open"),
            )
        )
    heading = (_column("Configuration", "w3"), _column("Selects", "w3"), _column("Images"), _column("Open findings"))
    caption = number_of(len(rows), "scan configuration", "scan configurations")
    body = _table(heading, rows, caption) if rows else tag("p", "None yet.", class_="soft")
    return tag("section", tag("h2", "Configurations"), body, class_="card")


def repositories(summary: Summary, query: PageQuery, links: Links) -> Html:
    """Bars of open findings, the worst first."""
    joined: dict[RepositoryId, Counts] = {}
    for item in summary.configurations:
        for name, counts in item.repositories.items():
            place = (item.configuration.registry, item.configuration.region, name)
            # Two configurations may look at one repository; the one that sees more tells.
            if place not in joined or weight(counts) > weight(joined[place]):
                joined[place] = counts
    ordered = sorted(joined.items(), key=lambda pair: (tuple(-number for number in weight(pair[1])), pair[0]))
    most = max((sum(number for _, number in drawn(counts)) for counts in joined.values()), default=0)
    places = Places(summary)
    rows = []
    for place, counts in ordered[:_MOST_REPOSITORIES]:
        link = links.same(query.changed(q=place[2]), "images")
        numbers = [
            tag("td", f"{counts[severity]:,}", class_="num", data_label=_short(severity)) for severity in RATED[:4]
        ]
        rows.append(
            tag(
                "tr",
                _named(tag("a", place[2], href=link, class_="name"), places.suffix(place)),
                tag("td", bar(drawn(counts), most=most, label=in_words(counts)), class_="barcell"),
                numbers,
            )
        )
    heading = [_column("Repository"), _column("By severity"), *(_column(_short(one), "num") for one in RATED[:4])]
    without = summary.totals.repositories - len(joined)
    rest = f"; {without:,} without a result" if without else ""
    with_results = number_of(len(joined), "repository with a result", "repositories with results")
    caption = f"{len(rows):,} of {with_results}, the most severe first{rest}"
    body = _table(heading, rows, caption) if rows else tag("p", "No repository has a result yet.", class_="soft")
    return tag("section", tag("h2", "Repositories"), body, class_="card")


def _short(severity: Severity) -> str:
    return severity.value.capitalize()


def images(summary: Summary, query: PageQuery, links: Links) -> Html:
    """The selected images, filtered and sorted as asked, a page of them."""
    places = Places(summary)
    everything = list(distinct_images(summary))
    found = [row for row in everything if _fits(row[1], query)]
    found.sort(key=lambda row: _order(row[0], row[1], query.sort))
    last = max(1, -(-len(found) // IMAGES_ON_A_PAGE))
    number = min(query.page, last)
    heading = [
        _sortable("Image", "repository", query, links, "w3"),
        _column("State", "w3"),
        _sortable("Findings", "findings", query, links),
        _sortable("Scanned", "scanned", query, links),
        _sortable("Pushed", "pushed", query, links),
    ]
    of = f"{len(found):,} of " if len(found) < len(everything) else ""
    caption = f"{of}{number_of(len(everything), 'image', 'images')}, page {number:,} of {last:,}"
    shown = found[(number - 1) * IMAGES_ON_A_PAGE : number * IMAGES_ON_A_PAGE]
    rows = [_image(image, places.suffix(place)) for place, image in shown]
    pages = tag("nav", _pages(query, links, number, last), class_="pages", aria_label="Pages of images")
    nothing = "No image fits." if everything else "No image is selected."
    return tag(
        "section",
        tag("h2", "Images"),
        _filter(query, links),
        _table(heading, rows, caption) if rows else tag("p", nothing, class_="soft"),
        pages if last > 1 else None,
        class_="card",
        id="images",
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


def _image(image: ImageSummary, suffix: str) -> Html:
    status = image.status
    kind, name = STATE_NAMES[status.state]
    where = tag("div", image.repository, ":", enumerated(image.tags), suffix, class_="name")
    about = " ".join(part for part in (status.platform, image.release, image.digest[:19]) if part)
    ignored = f", {image.suppressed:,} ignored" if image.suppressed else ""
    exploited = [chip(f"{image.exploited:,} exploited", "bad"), " "] if image.exploited else []
    mending = image.upgrades.sentence() if image.upgrades and image.upgrades.findings else ""
    return tag(
        "tr",
        _named(where, tag("div", about, class_="soft mono")),
        tag("td", chip(name, kind), tag("div", status.reason, class_="soft")),
        tag(
            "td",
            *(exploited, words(image.counts) + ignored, tag("div", mending, class_="soft") if mending else None),
            data_label="Findings",
            class_="counts",
        ),
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
        tag("label", "Fix", tag("select", options(query.fixable, [("", "any"), ("true", "has one")]), name="fixable")),
        tag("label", "Order", tag("select", options(query.sort, SORTS.items()), name="sort")),
        tag("button", "Show", type="submit"),
        tag("a", "Show all", href=links.same({}, "images")) if query.is_narrowed else None,
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


def whereabouts(found: Whereabouts, summary: Summary, links: Links) -> Html:
    """Where the vulnerability is that was asked for, and where it was."""
    title = tag("h2", f"Where is {found.vulnerability}?", id="where")
    digests = {(*_repository(place), place.digest) for place in found.places}
    searched = f"among {number_of(found.searched, 'repository with a result', 'repositories with results')}"
    if found.places:
        repositories = number_of(len({*map(_repository, found.places)}), "repository", "repositories")
        sentence = f"In {number_of(len(digests), 'image', 'images')} of {repositories}, {searched}."
    else:
        sentence = (
            f"Found nowhere {searched}." if found.searched else "No repository has a result yet, so nobody knows."
        )
    coverage = summary.totals.coverage
    unknown = coverage.selected - coverage.states.get(ImageState.COMPLETE, 0)
    caution = f" {unknown:,} of {coverage.selected:,} images have no fresh result." if unknown else ""
    advisory = tag("a", "Advisory", href=found.uri, rel="noreferrer noopener") if found.uri else None
    signal = found.signal
    told = [exploited_words(signal), f"EPSS {epss_words(signal)}" if signal.epss else ""]
    said = ", ".join(filter(None, told)) if signal.known else "Whether it is exploited is not known."
    close = tag("a", "Close", href=links.to(links.here))
    return tag(
        "section",
        title,
        tag("p", said, class_="c-bad" if signal.exploited else "soft") if said else None,
        tag("p", sentence + caution, " ", advisory, " " if advisory else None, close),
        _places(found.places, Places(summary)),
        _past(found.past),
        class_="card",
    )


def _repository(place: Place) -> RepositoryId:
    return place.registry, place.region, place.repository


def _places(found: Sequence[Place], places: Places) -> Html | None:
    """A line for all images of a repository of which the same is to be told."""
    if not found:
        return None
    alike: dict[tuple[object, ...], list[Place]] = {}
    for place in found:
        told = (place.package, place.version, place.severity, place.since, place.fixes, place.stands_in)
        alike.setdefault((*_repository(place), *told, _ignored(place)), []).append(place)
    groups = sorted(alike.values(), key=lambda group: ORDER[group[0].severity])
    rows = [_found(group, places) for group in groups[:_MOST_PLACES]]
    heading = [
        _column("Repository and images", "w4"),
        _column("Package", "w2"),
        *map(_column, ("Severity", "Since", "Fix")),
    ]
    return _table(heading, rows, f"{len(rows):,} of {len(groups):,} lines, the most severe first")


def _ignored(place: Place) -> str:
    if not place.suppressed_by:
        return ""
    return "ignored" if place.suppressed_by == place.configurations else "ignored by some"


def _found(group: Sequence[Place], places: Places) -> Html:
    first = group[0]
    tags = list(dict.fromkeys(tag_ for place in group for tag_ in place.tags))
    platforms = sorted({place.platform for place in group if place.platform})
    notes: list[Html | str] = []
    if ignored := _ignored(first):
        notes += [" ", chip(ignored, "neutral")]
    if first.stands_in:
        notes += [" ", chip("result of an earlier image", "warn")]
    return tag(
        "tr",
        _named(
            tag("div", first.repository, places.suffix(_repository(first)), class_="name"),
            tag("div", enumerated(tags), class_="soft"),
            tag("div", enumerated(platforms), class_="soft mono") if platforms else None,
        ),
        tag("td", f"{first.package} {first.version}", data_label="Package", class_="name"),
        tag("td", chip(first.severity.value.lower(), severity_class(first.severity)), notes),
        tag("td", _when(first.since), data_label="Since", class_="soft when"),
        tag("td", fix_words(first.package, first.fixes) or "not known", data_label="Fix", class_="name"),
    )


def _past(past: Sequence[Past]) -> Html | None:
    if not past:
        return None
    items = [
        tag(
            "li",
            chip(one.reason, "good" if one.reason == FIXED else "neutral"),
            f" {one.repository}: {enumerated(one.tags)}, {one.package}, {_when(one.opened)} to {_when(one.closed)}",
        )
        for one in past[:_MOST_REPOSITORIES]
    ]
    more = tag("p", f"and {len(past) - len(items):,} more", class_="soft") if len(past) > len(items) else None
    return tag("div", tag("h3", "Where it was"), tag("ul", items, class_="plain"), more)
