"""A vulnerability's page: what it is, why it was told, where it is and was, days left, and how to ignore it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ecr_rescan.core.changes.advisories import cvss_of, description_of
from ecr_rescan.core.changes.closing import FIXED
from ecr_rescan.core.dashboard import findings, parts
from ecr_rescan.core.dashboard.frame import Frame, framed
from ecr_rescan.core.fixes.words import fix_words
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.naming import RepositoryId
from ecr_rescan.core.severity import ORDER
from ecr_rescan.core.signals.wire import epss_words, exploited_words
from ecr_rescan.core.summary.where import Past, Place, Whereabouts
from ecr_rescan.core.text import console_url, enumerated, number_of
from ecr_rescan.core.vulnerabilities.forms import NOTE, Listing
from ecr_rescan.core.vulnerabilities.looked_at import LookedAt
from ecr_rescan.core.vulnerabilities.rows import OPEN, STATES, Row

_MOST_ROWS = 20
_MOST_LINES = 100
_MOST_PAST = 40
_MOST_LINKS = 3
_DESCRIPTION = 2_000
_IGNORED_FOR = timedelta(days=90)

_WHY = {
    "baseline": "Known from the beginning",
    "new": "New",
    "spread": "Spread to more repositories",
    "reopened": "Back again",
    "escalated": "Severity raised",
    "exploited": "Known to be exploited",
    "fixable": "A fix appeared",
    "resolved": "Open",
}


@dataclass(frozen=True, slots=True)
class FindingPage:
    """What a vulnerability's page is made from: its ``rows``, one per configuration and package, and where it is."""

    frame: Frame
    found: Whereabouts
    rows: Sequence[Row]
    listing: Listing
    package: str = ""


def to_html(page: FindingPage, style: str) -> str:
    """The document."""
    found = page.found
    heading = f"{found.vulnerability} in {page.package}" if page.package else found.vulnerability
    footer = tag("p", findings.resting_on(page.listing.looked_at))
    return framed(page.frame, heading, _main(page), [footer], style)


def _main(page: FindingPage) -> Iterator[Html | None]:
    found, rows = page.found, sorted(page.rows, key=lambda row: (STATES[row.state], ORDER[row.severity], row.package))
    yield tag("p", _sentence(found, page.listing.looked_at), class_="verdict")
    yield _what(found, rows)
    if rows:
        yield _why(rows, page)
    yield _where(found.places, several=_several(found))
    yield _past(found.past)
    ignorable = [row for row in rows if row.state == OPEN]
    if ignorable:
        yield _ignoring(ignorable, (page.listing.at + _IGNORED_FOR).date().isoformat())


def _several(found: Whereabouts) -> bool:
    return len({(one.registry, one.region) for one in found.places}) > 1


def _sentence(found: Whereabouts, looked_at: LookedAt) -> str:
    looked = f"{looked_at.with_results:,} of {number_of(looked_at.images, 'selected image', 'selected images')}"
    if found.places:
        digests = {(*_repository(place), place.digest) for place in found.places}
        repositories = number_of(len({*map(_repository, found.places)}), "repository", "repositories")
        return f"In {number_of(len(digests), 'image', 'images')} of {repositories}; {looked} have a result."
    if not looked_at.with_results:
        return "No image has a result yet, so nobody knows."
    return f"Nowhere: {looked} have a result, and none of them has it. {NOTE}"


def _what(found: Whereabouts, rows: Sequence[Row]) -> Html | None:
    signal = found.signal
    severity = [parts.severity_chip(min((row.severity for row in rows), key=ORDER.__getitem__)), " "] if rows else []
    told = [exploited_words(signal), f"EPSS {epss_words(signal)}" if signal.epss else ""]
    said = ", ".join(filter(None, told)) if signal.known else "Whether it is exploited is not known."
    score = next((f" {cvss} " for row in rows if (cvss := cvss_of(row.advisory))), None)
    description = next((text for row in rows if (text := description_of(row.advisory, _DESCRIPTION))), "")
    advisory = tag("a", "Advisory", href=found.uri, rel="noreferrer noopener") if found.uri else None
    fixes = {(row.package, fix) for row in rows if (fix := fix_words(row.package, row.fixes))}
    several = len({package for package, _ in fixes}) > 1
    mended = [tag("p", f"Fix of {package}: {fix}" if several else f"Fix: {fix}") for package, fix in sorted(fixes)]
    if rows and not mended:
        mended = [tag("p", "No fixed version is known.", class_="soft")]
    body: list[Child] = [
        tag("p", severity, score, tag("span", said, class_="c-bad" if signal.exploited else "soft"), " ", advisory),
        tag("p", description) if description else None,
        mended,
    ]
    return tag("section", tag("h2", "What it is"), body, class_="card") if rows or said or advisory else None


def _why(rows: Sequence[Row], page: FindingPage) -> Html:
    listing = page.listing
    made = []
    for row in rows[:_MOST_ROWS]:
        began = f"{_WHY.get(row.kind, row.kind)} {parts.when(row.published)}"
        state: list[Child] = [parts.chip(row.state, "bad" if row.state == OPEN else "neutral")]
        if row.suppressed is not None:
            until = f" until {row.suppressed.until}" if row.suppressed.until else ""
            state = [parts.chip(f"ignored{until}", "neutral"), tag("div", row.suppressed.reason, class_="soft")]
        elif row.close_reason:
            state = [parts.chip(row.close_reason, "good" if row.close_reason == FIXED else "neutral")]
            state.append(tag("div", parts.when(row.closed_at), class_="soft"))
        left = findings.due(row, listing.days_allowed, listing.at)
        made.append(
            tag(
                "tr",
                parts.named(tag("div", row.package, class_="name"), tag("div", parts.title_of(row.configuration))),
                tag("td", parts.severity_chip(row.severity), " ", state),
                tag("td", tag("div", began), tag("div", f"first seen {row.first_seen:%Y-%m-%d}", class_="soft")),
                tag("td", findings.days(row.days_open(listing.at)), left, data_label="Open for"),
            )
        )
    columns = [parts.column("Package and configuration", "w3"), *map(parts.column, ("State", "Told as", "Open for"))]
    caption = number_of(len(rows), "package and configuration", "packages and configurations")
    return tag(
        "section", tag("h2", "Since when, and why it was told"), parts.table(columns, made, caption), class_="card"
    )


def _repository(place: Place) -> RepositoryId:
    return place.registry, place.region, place.repository


def _where(places: Iterable[Place], *, several: bool) -> Html | None:
    """A line for all images of a repository of which the same is to be told."""
    alike: dict[tuple[object, ...], list[Place]] = {}
    for place in places:
        told = (place.package, place.version, place.severity, place.since, place.fixes, place.stands_in)
        alike.setdefault((*_repository(place), *told, _ignored(place)), []).append(place)
    if not alike:
        return None
    groups = sorted(alike.values(), key=lambda group: ORDER[group[0].severity])
    rows = [_line(group, several=several) for group in groups[:_MOST_LINES]]
    columns = [
        parts.column("Repository and images", "w4"),
        parts.column("Package", "w2"),
        *map(parts.column, ("Severity", "Since", "Fix")),
    ]
    caption = f"{len(rows):,} of {len(groups):,} lines, the most severe first"
    return tag("section", tag("h2", "Where it is"), parts.table(columns, rows, caption), class_="card", id="where")


def _ignored(place: Place) -> str:
    if not place.suppressed_by:
        return ""
    return "ignored" if place.suppressed_by == place.configurations else "ignored by some"


def _line(group: Sequence[Place], *, several: bool) -> Html:
    first = group[0]
    images = list({place.digest: place for place in group}.values())
    platforms = sorted({place.platform for place in group if place.platform})
    links: list[Child] = []
    for place in images[:_MOST_LINKS]:
        url = console_url(place.region, place.registry, place.repository, place.digest)
        name = enumerated(place.tags) if place.tags else place.digest[:19]
        links += [", " if links else None, tag("a", name, href=url, rel="noreferrer noopener")]
    if len(images) > _MOST_LINKS:
        links.append(f" and {number_of(len(images) - _MOST_LINKS, 'more image', 'more images')}")
    notes: list[Child] = []
    if ignored := _ignored(first):
        notes += [" ", parts.chip(ignored, "neutral")]
    if first.stands_in:
        notes += [" ", parts.chip("result of an earlier image", "warn")]
    suffix = f" in {first.registry}, {first.region}" if several else ""
    return tag(
        "tr",
        parts.named(
            tag("div", first.repository, suffix, class_="name"),
            tag("div", links, class_="soft"),
            tag("div", enumerated(platforms), class_="soft mono") if platforms else None,
        ),
        tag("td", f"{first.package} {first.version}", data_label="Package", class_="name"),
        tag("td", parts.severity_chip(first.severity), notes),
        tag("td", parts.when(first.since), data_label="Since", class_="soft when"),
        tag("td", fix_words(first.package, first.fixes) or "not known", data_label="Fix", class_="name"),
    )


def _past(past: Sequence[Past]) -> Html | None:
    if not past:
        return None
    items = [
        tag(
            "li",
            parts.chip(one.reason, "good" if one.reason == FIXED else "neutral"),
            f" {one.repository}: {enumerated(one.tags)}, {one.package}, "
            f"{parts.when(one.opened)} to {parts.when(one.closed)}",
        )
        for one in past[:_MOST_PAST]
    ]
    more = tag("p", f"and {len(past) - len(items):,} more", class_="soft") if len(past) > len(items) else None
    return tag("section", tag("h2", "Where it was"), tag("ul", items, class_="plain"), more, class_="card")


def _ignoring(rows: Sequence[Row], until: str) -> Html:
    """The command and the JSON, ready to copy, for each configuration that shows it."""
    made: list[Child] = []
    for row in rows[:_MOST_ROWS]:
        entry = {"vulnerability": row.vulnerability, "package": row.package, "reason": "why", "until": until}
        command = shlex.join(
            ["ecr-rescan", "ignore", row.vulnerability]
            + (["--package", row.package] if row.package else [])
            + ["--reason", "why", "--until", until, "--in", row.configuration.id]
        )
        wire = json.dumps({name: value for name, value in entry.items() if value}, ensure_ascii=False)
        made += [
            tag("h3", f"{row.package or row.vulnerability}, {parts.title_of(row.configuration)}"),
            tag("pre", command, tabindex=0),
            tag("pre", wire, tabindex=0),
        ]
    said = (
        "The command, or the same as a member of the configuration's ignore list. Say why, and until when if it is for "
        "a while. It stays counted, and shows again when that day is over."
    )
    return tag(
        "section", tag("h2", "How to ignore it"), tag("p", said, class_="soft"), made, class_="card", id="ignore"
    )
