"""The upper half of the dashboard: is anything on fire, is anything not covered, what changed, what needs care."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice

from ecr_rescan.core.dashboard.changes import GOOD_KINDS, KIND_WORDS, distinct_changes, is_of, kind_chip
from ecr_rescan.core.dashboard.charts import DRAWN, SHOWN, bar, parts, plot
from ecr_rescan.core.dashboard.parts import chip, severity_chip, title_of, when
from ecr_rescan.core.dashboard.places import Places, distinct_images, platforms_of
from ecr_rescan.core.dashboard.query import UNRATED, Links
from ecr_rescan.core.html import Child, Html, tag
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.ages import Age
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.recent import KINDS, WINDOWS, Change
from ecr_rescan.core.summary.summary import COVERAGE, ExploitedCount, Summary
from ecr_rescan.core.text import enumerated, number_of

ENDING_WITHIN = timedelta(days=7)
_MOST_CHANGES = 12
_MOST_LISTED = 6
_MOST_EXAMPLES = 3

STATE_NAMES = {
    ImageState.COMPLETE: ("good", "scanned within 24 h"),
    ImageState.END_OF_LIFE: ("warn", "end of life"),
    ImageState.STALE: ("warn", "stale"),
    ImageState.FAILED: ("bad", "failed"),
    ImageState.UNSUPPORTED: ("neutral", "unsupported"),
    ImageState.ARCHIVED: ("neutral", "archived"),
    ImageState.NEVER_SCANNED: ("warn", "never scanned"),
    ImageState.IN_PROGRESS: ("neutral", "first scan in progress"),
}


def verdict(summary: Summary) -> str:
    """The page in one sentence, which never says more than is known."""
    totals = summary.totals
    if not totals.configurations:
        return "There are no scan configurations yet: add one with POST /configs."
    if totals.counts is None:
        return "No image has a result yet, so nothing can be said about vulnerabilities."
    if exploited := totals.exploited.findings if totals.exploited is not None else 0:
        return f"{number_of(exploited, 'open finding is', 'open findings are')} known to be exploited: start there."
    severe = {severity: totals.counts[severity] for severity in (Severity.CRITICAL, Severity.HIGH)}
    found = " and ".join(f"{number:,} {severity.lower()}" for severity, number in severe.items() if number)
    if found:
        beyond = sum(totals.ages[severity].beyond for severity, number in severe.items() if number)
        late = f", {beyond:,} of them for longer than allowed" if beyond else ""
        return f"{found} {'finding is' if sum(severe.values()) == 1 else 'findings are'} open{late}."
    fresh, selected = totals.coverage.states.get(ImageState.COMPLETE, 0), totals.coverage.selected
    where = "" if fresh == selected else f" in the {fresh:,} of {selected:,} images with a fresh result"
    unrated = totals.counts[Severity.UNDEFINED] + totals.counts[Severity.UNTRIAGED]
    rest = f", and {unrated:,} {'is' if unrated == 1 else 'are'} unrated" if unrated else ""
    missing = " Part of the record is missing, though: see what needs care." if _is_partial(summary) else ""
    return f"No critical or high finding is open{where}{rest}.{missing}"


def _is_partial(summary: Summary) -> bool:
    """Whether something could not be read or reached, so that what is counted is not all there is."""
    return bool(summary.problems) or any(item.problems for item in summary.configurations)


def cards(summary: Summary, links: Links) -> Html:
    """The three questions."""
    return tag("div", _fire(summary, links), _coverage(summary, links), _changed(summary, links), class_="grid3")


def _card(kind: str, label: str, *children: Child) -> Html:
    return tag("section", tag("h2", label, class_="label"), children, class_=f"card {kind}")


def _fire(summary: Summary, links: Links) -> Html:
    counts, ages = summary.totals.counts, summary.totals.ages
    if counts is None:
        return _card(
            "warn", "Is anything on fire?", tag("p", "Unknown", class_="big"), tag("p", "no result yet", class_="soft")
        )
    severe = counts[Severity.CRITICAL] + counts[Severity.HIGH]
    exploited = summary.totals.exploited
    burning = exploited is not None and exploited.findings > 0
    beyond = sum(age.beyond for age in ages.values())
    kind = (
        "bad"
        if counts[Severity.CRITICAL] or burning
        else "warn"
        if severe or beyond or _is_partial(summary)
        else "good"
    )
    known = "?" if exploited is None else _linked(exploited.findings, links.findings(exploited="true"))
    number = tag(
        "p",
        known,
        tag("small", "known exploited"),
        " ",
        _linked(severe, links.findings(only="CRITICAL,HIGH")),
        tag("small", "critical and high"),
        class_="big",
    )
    late = [_linked(beyond, links.findings(overdue="true")), " longer open than the days allowed"]
    said = tag("p", late if beyond else "none longer open than the days allowed", class_="c-bad" if beyond else "soft")
    sources = tag("p", summary.signals.line(summary.at.date()), class_="soft")
    return _card(kind, "Is anything on fire?", number, _exploited_late(exploited, links), said, sources)


def _linked(number: int, link: str) -> Child:
    """A number that leads to the list of what it counts; nothing to list is no link."""
    return tag("a", f"{number:,}", href=link) if number else "0"


def _exploited_late(exploited: ExploitedCount | None, links: Links) -> Html | None:
    if exploited is None or not exploited.beyond:
        return None
    number = _linked(exploited.beyond, links.findings(exploited="true", overdue="true"))
    return tag("p", number, f" exploited for longer than {exploited.days_allowed} d", class_="c-bad")


def _coverage(summary: Summary, links: Links) -> Html:
    coverage = summary.totals.coverage
    selected = coverage.selected
    if not selected:
        return _card("warn", "Is anything not covered?", tag("p", "Nothing is selected", class_="big"))
    fresh = coverage.states.get(ImageState.COMPLETE, 0)
    troubled = sum(coverage.states.get(state, 0) for state in (ImageState.STALE, ImageState.FAILED))
    rest = [
        (state, name, coverage.states[state]) for state, (_, name) in STATE_NAMES.items() if coverage.states.get(state)
    ]
    words = ", ".join(f"{number:,} {name}" for _, name, number in rest)
    filters = {state: name for name, state in COVERAGE.items()}
    listed: list[Child] = []
    for state, name, number in rest:
        link = links.same({"state": filters[state]}, "images")
        listed += [", " if listed else None, tag("a", f"{number:,} {name}", href=link)]
    segments = [
        (kind, coverage.states[state]) for state, (kind, _) in STATE_NAMES.items() if coverage.states.get(state)
    ]
    kind = "bad" if troubled else "warn" if fresh < selected or _is_partial(summary) else "good"
    # Rounded down: 100 % is said of all alone.
    percent = tag(
        "p",
        tag("a", f"{fresh * 100 // selected} %", href=links.same({}, "images")),
        tag("small", f"of {platforms_of(summary)} scanned within 24 h"),
        class_="big",
    )
    return _card(
        kind,
        "Is anything not covered?",
        percent,
        bar(segments, most=selected, label=words),
        tag("p", listed, class_="soft"),
        _not_images(summary),
    )


def _not_images(summary: Summary) -> Html | None:
    """What lives beside the images and is not scanned, so that nobody looks for it among them."""
    kinds = summary.totals.not_images
    if not kinds:
        return None
    listed = ", ".join(f"{kind} ({number:,})" for kind, number in sorted(kinds.items()))
    return tag("p", f"Beside the images, and not scanned: {listed}", class_="soft")


def _changed(summary: Summary, links: Links) -> Html:
    title = "What changed?"
    if summary.totals.counts is None:
        return _card("warn", title, tag("p", "Unknown", class_="big"), tag("p", "no result yet", class_="soft"))
    since = summary.at - WINDOWS["last_24h"]
    day = [change for change in distinct_changes(summary) if change.at >= since]
    new, fixed = (sum(is_of(change, kind) for change in day) for kind in ("new", "fixed"))
    number = tag(
        "p",
        _linked(new, _changes(links, 24, "new")),
        tag("small", "new,"),
        " ",
        _linked(fixed, _changes(links, 24, "fixed")),
        tag("small", "fixed in 24 h"),
        class_="big",
    )
    others = Counter(change.kind for change in day if not is_of(change, "new") and not is_of(change, "fixed"))
    also = _kinds(others, 24, links)
    week = _kinds(summary.totals.changes["last_7d"], 168, links)
    came = sum(change.kind not in GOOD_KINDS for change in day)
    return _card(
        "warn" if came else "good",
        title,
        number,
        tag("p", "Also in 24 h: ", also, class_="soft") if also else None,
        tag("p", "In 7 days: ", week or "nothing", class_="soft"),
    )


def _changes(links: Links, hours: int, kind: str = "") -> str:
    return links.same({"view": "changes", "hours": str(hours)} | ({"kind": kind} if kind else {}))


def _kinds(counts: Mapping[str, int], hours: int, links: Links) -> list[Child]:
    listed: list[Child] = []
    for kind in KINDS:
        if counts.get(kind):
            text = f"{counts[kind]:,} {KIND_WORDS[kind]}"
            listed += [", " if listed else None, tag("a", text, href=_changes(links, hours, kind))]
    return listed


def severities(summary: Summary, links: Links) -> Html | None:
    """A column for each severity: how many, since when, how many beyond the days allowed."""
    counts, ages, at = summary.totals.counts, summary.totals.ages, summary.at
    if counts is None:
        return None
    unrated = counts[Severity.UNDEFINED] + counts[Severity.UNTRIAGED]
    fixes = summary.totals.fixable
    columns = [
        _severity(
            severity.value,
            counts[severity],
            ages.get(severity),
            at,
            None if fixes is None else fixes[severity],
            links,
        )
        for severity in SHOWN
    ]
    mended = None if fixes is None else fixes[Severity.UNDEFINED] + fixes[Severity.UNTRIAGED]
    columns.append(_severity(UNRATED, unrated, None, at, mended, links))
    # Of several configurations each may ignore what another shows.
    ignored = summary.configurations[0].suppressed if len(summary.configurations) == 1 else 0
    hidden = tag("a", f"{ignored:,} more ignored", href=links.findings(state="suppressed"))
    note = tag("small", "each vulnerability in a package once", [", ", hidden] if ignored else None)
    return tag("section", tag("h2", "Open findings", note), tag("div", columns, class_="sev"), class_="card")


def _severity(name: str, number: int, age: Age | None, at: datetime, fixable: int | None, links: Links) -> Html:
    notes = []
    if number and fixable is not None:
        said = f"{fixable:,} with a fix"
        linked = tag("a", said, href=links.findings(only=name, fixable="true")) if fixable else said
        notes.append(tag("div", linked, class_="d"))
    if age is not None:
        notes.append(tag("div", f"oldest {_days(at - age.oldest_since)}", class_="d"))
        if age.beyond:
            late = tag("a", f"{age.beyond:,} overdue", href=links.findings(only=name, overdue="true"))
            notes.append(tag("div", late, f", {age.days_allowed} d allowed", class_="d over"))
    return tag(
        "div",
        tag("div", name.capitalize(), class_="label"),
        tag("div", _linked(number, links.findings(only=name)), class_="n"),
        notes,
        class_=f"e-{name.lower()}",
    )


def _days(age: timedelta) -> str:
    return f"{age.days:,} d" if age.days else f"{int(age.total_seconds() // 3600)} h"


def trend(snapshots: Iterable[Snapshot], summary: Summary, days: int) -> Html:
    """The plot of the last days, and the same numbers as a table."""
    by_day: dict[date, Counter[Severity]] = {}
    for snapshot in snapshots:
        counts = by_day.setdefault(snapshot.day, Counter())
        for recorded in snapshot.repositories.values():
            counts.update(recorded)
    today = summary.at.date()
    shown = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
    columns: list[tuple[date, Counts | None]] = [(day, by_day.get(day)) for day in shown]
    table = tag(
        "details",
        tag("summary", "The same as a table"),
        _table_of_days([(day, counts) for day, counts in columns if counts is not None]),
    )
    title = tag(
        "h2",
        "Open findings, the last 30 days",
        tag("small", "at the start of each day (UTC), by repository, ignored ones included"),
        id="plot-heading",
    )
    note = tag("p", "Informational findings are in the table alone.", class_="soft note")
    body: Sequence[Html] = (plot(columns), legend(), note, table)
    if not by_day:
        body = (tag("p", "The first day's counts are written after the first results.", class_="soft"),)
    return tag("section", title, body, class_="card")


def _table_of_days(columns: Sequence[tuple[date, Counts]]) -> Html:
    names = [*(severity.value.lower() for severity in SHOWN), "unrated"]
    heading = tag("tr", tag("th", "Day", scope="col"), [tag("th", name, scope="col", class_="num") for name in names])
    rows = []
    for day, counts in reversed(columns):
        numbers = {kind: number for kind, _, number in parts(counts)}
        cells = [tag("td", f"{numbers.get(name, 0):,}", class_="num") for name in names]
        rows.append(tag("tr", tag("th", day.isoformat(), scope="row"), cells))
    return tag("div", tag("table", tag("thead", heading), tag("tbody", rows)), class_="wide")


def legend() -> Html:
    """The colours, in words."""
    swatch = [
        tag(
            "li",
            tag("svg", tag("rect", width=12, height=12, class_=f"s-{name}"), aria_hidden="true", viewBox="0 0 12 12"),
            name,
        )
        for name in DRAWN
    ]
    return tag("ul", swatch, class_="legend")


def newest_changes(summary: Summary, links: Links) -> Html:
    """What became news or was resolved, the newest first."""
    found = distinct_changes(summary)
    title = tag("h2", "Newest changes", tag("small", "the last 7 days"))
    if not found:
        nothing = "Nothing changed." if summary.totals.counts is not None else "No image has a result yet."
        return tag("section", title, tag("p", nothing, class_="soft"), class_="card")
    rows = [_change(change, links) for change in found[:_MOST_CHANGES]]
    more = None
    if len(found) > len(rows):
        more = tag("p", tag("a", f"and {len(found) - len(rows):,} more", href=_changes(links, 168)))
    return tag("section", title, tag("ul", rows, class_="plain"), more, class_="card")


def _change(change: Change, links: Links) -> Html:
    return tag(
        "li",
        kind_chip(change),
        " ",
        severity_chip(change.severity),
        " ",
        tag("a", change.vulnerability, href=links.finding(change.vulnerability, change.package)),
        f" in {change.package}, {enumerated(change.repositories)} ",
        tag("span", when(change.at), class_="soft when"),
    )


def care(summary: Summary, links: Links) -> Html:
    """What is stale, failing or out of reach, and why; and the suppressions that end or hide nothing."""
    notes = [*_first(_problems(summary)), *_troubled(summary, links), *_first(_suppressions(summary))]
    title = tag("h2", "Needs care")
    if not notes:
        return tag("section", title, tag("p", "Nothing.", class_="soft"), class_="card")
    return tag("section", title, tag("ul", notes, class_="plain"), class_="card")


def _first(notes: Iterable[Html]) -> Iterator[Html]:
    """So many that no kind of trouble hides the others, and how many more there are."""
    left = iter(notes)
    yield from islice(left, _MOST_LISTED)
    if more := sum(1 for _ in left):
        yield tag("li", f"and {more:,} more like these", class_="soft")


def _problems(summary: Summary) -> Iterator[Html]:
    for problem in summary.problems:
        yield tag("li", chip("unreadable", "bad"), f" {problem.key}: {problem.problem}")
    for text in dict.fromkeys(text for item in summary.configurations for text in item.problems):
        yield tag("li", chip("problem", "warn"), f" {text}")


def _troubled(summary: Summary, links: Links) -> Iterator[Html]:
    """For each state that is no result how many images are in it, and a few of them with their reasons."""
    places = Places(summary)
    found = list(distinct_images(summary))
    filters = {state: name for name, state in COVERAGE.items()}
    for wanted in (
        ImageState.FAILED,
        ImageState.END_OF_LIFE,
        ImageState.STALE,
        ImageState.UNSUPPORTED,
        ImageState.NEVER_SCANNED,
    ):
        images = [(place, image) for place, image in found if image.status.state is wanted]
        if not images:
            continue
        kind, name = STATE_NAMES[wanted]
        examples = []
        for place, image in images[:_MOST_EXAMPLES]:
            platform = f" [{image.status.platform}]" if image.status.platform else ""
            named = f"{image.repository}:{image.tags[0]}" if image.tags else image.repository
            examples.append(tag("li", f"{named}{platform}{places.suffix(place)}: {image.status.reason}"))
        link = links.same({"state": filters[wanted]}, "images")
        number = number_of(len(images), "image", "images")
        such = " such as" if len(images) > len(examples) else ""
        yield tag("li", chip(name, kind), " ", tag("a", number, href=link), such, tag("ul", examples, class_="why"))


def _suppressions(summary: Summary) -> Iterator[Html]:
    today = summary.at.date()
    several = len(summary.configurations) > 1
    for item in summary.configurations:
        of = f" ({title_of(item.configuration)})" if several else ""
        for suppression, hidden in item.ignoring:
            what = suppression.vulnerability + (f" in {suppression.package}" if suppression.package else "")
            if suppression.until is not None and suppression.until - today <= ENDING_WITHIN:
                then = number_of(hidden, "finding shows", "findings show")
                ends = f"is ignored until {suppression.until}, then {then} again"
                yield tag("li", chip("ends soon", "warn"), f" {what} {ends}: {suppression.reason}{of}")
            elif not hidden and item.counts is not None:
                yield tag(
                    "li",
                    chip("hides nothing", "neutral"),
                    f" {what} is ignored, and not found: {suppression.reason}{of}",
                )
