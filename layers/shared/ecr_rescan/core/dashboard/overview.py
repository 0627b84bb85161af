"""The upper half of the dashboard: is anything on fire, is anything not covered, what changed, what needs care."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.dashboard.charts import DRAWN, SHOWN, bar, in_words, parts, plot
from ecr_rescan.core.dashboard.places import Places, distinct_images
from ecr_rescan.core.dashboard.query import Links
from ecr_rescan.core.html import Html, tag
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.ages import Age
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.recent import KINDS, Change
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


def cards(summary: Summary) -> Html:
    """The three questions."""
    return tag("div", _fire(summary), _coverage(summary), _changed(summary), class_="grid3")


def _card(kind: str, label: str, *children: Html | None) -> Html:
    return tag("section", tag("h2", label, class_="label"), children, class_=f"card {kind}")


def _fire(summary: Summary) -> Html:
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
    late = f"{beyond:,} longer open than the days allowed" if beyond else "none longer open than the days allowed"
    number = tag(
        "p",
        "?" if exploited is None else f"{exploited.findings:,}",
        tag("small", "known exploited"),
        f" {severe:,}",
        tag("small", "critical and high"),
        class_="big",
    )
    said = tag("p", late, class_="c-bad" if beyond else "soft")
    sources = tag("p", summary.signals.line(summary.at.date()), class_="soft")
    return _card(kind, "Is anything on fire?", number, _exploited_late(exploited), said, sources)


def _exploited_late(exploited: ExploitedCount | None) -> Html | None:
    if exploited is None or not exploited.beyond:
        return None
    return tag("p", f"{exploited.beyond:,} exploited for longer than {exploited.days_allowed} d", class_="c-bad")


def _coverage(summary: Summary) -> Html:
    coverage = summary.totals.coverage
    selected = coverage.selected
    if not selected:
        return _card("warn", "Is anything not covered?", tag("p", "Nothing is selected", class_="big"))
    fresh = coverage.states.get(ImageState.COMPLETE, 0)
    troubled = sum(coverage.states.get(state, 0) for state in (ImageState.STALE, ImageState.FAILED))
    rest = [(name, coverage.states[state]) for state, (_, name) in STATE_NAMES.items() if coverage.states.get(state)]
    words = ", ".join(f"{number:,} {name}" for name, number in rest)
    segments = [
        (kind, coverage.states[state]) for state, (kind, _) in STATE_NAMES.items() if coverage.states.get(state)
    ]
    kind = "bad" if troubled else "warn" if fresh < selected or _is_partial(summary) else "good"
    # Rounded down: 100 % is said of all alone.
    percent = tag(
        "p", f"{fresh * 100 // selected} %", tag("small", f"of {selected:,} scanned within 24 h"), class_="big"
    )
    return _card(
        kind,
        "Is anything not covered?",
        percent,
        bar(segments, most=selected, label=words),
        tag("p", words, class_="soft"),
        _not_images(summary),
    )


def _not_images(summary: Summary) -> Html | None:
    """What lives beside the images and is not scanned, so that nobody looks for it among them."""
    kinds = summary.totals.not_images
    if not kinds:
        return None
    listed = ", ".join(f"{kind} ({number:,})" for kind, number in sorted(kinds.items()))
    return tag("p", f"Beside the images, and not scanned: {listed}", class_="soft")


def _changed(summary: Summary) -> Html:
    title = "What changed?"
    if summary.totals.counts is None:
        return _card("warn", title, tag("p", "Unknown", class_="big"), tag("p", "no result yet", class_="soft"))
    day, week = (summary.totals.changes[window] for window in ("last_24h", "last_7d"))
    came, went = (sum(day.values()) - day["resolved"] - day["fixable"], day["resolved"])
    number = tag(
        "p",
        f"+{came:,}" if came else "0",
        tag("small", "came"),
        f" −{went:,}" if went else " 0",
        tag("small", "went, in 24 h"),
        class_="big",
    )
    kinds = ", ".join(f"{week[kind]:,} {kind}" for kind in KINDS if week[kind])
    return _card("warn" if came else "good", title, number, tag("p", f"In 7 days: {kinds or 'nothing'}", class_="soft"))


def severities(summary: Summary) -> Html | None:
    """A column for each severity: how many, since when, how many beyond the days allowed."""
    counts, ages, at = summary.totals.counts, summary.totals.ages, summary.at
    if counts is None:
        return None
    unrated = counts[Severity.UNDEFINED] + counts[Severity.UNTRIAGED]
    fixes = summary.totals.fixable
    columns = [
        _severity(severity.value, counts[severity], ages.get(severity), at, None if fixes is None else fixes[severity])
        for severity in SHOWN
    ]
    mended = None if fixes is None else fixes[Severity.UNDEFINED] + fixes[Severity.UNTRIAGED]
    columns.append(_severity("UNRATED", unrated, None, at, mended))
    # Of several configurations each may ignore what another shows.
    ignored = summary.configurations[0].suppressed if len(summary.configurations) == 1 else 0
    note = tag("small", "each (vulnerability, package) once" + (f", {ignored:,} more ignored" if ignored else ""))
    return tag("section", tag("h2", "Open findings", note), tag("div", columns, class_="sev"), class_="card")


def _severity(name: str, number: int, age: Age | None, at: datetime, fixable: int | None) -> Html:
    notes = [tag("div", f"{fixable:,} with a fix", class_="d")] if number and fixable is not None else []
    if age is not None:
        notes.append(tag("div", f"oldest {_days(at - age.oldest_since)}", class_="d"))
        if age.beyond:
            notes.append(tag("div", f"{age.beyond:,} over {age.days_allowed} d", class_="d over"))
    return tag(
        "div",
        tag("div", name.capitalize(), class_="label"),
        tag("div", f"{number:,}", class_="n"),
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
    # Several configurations may be told of one change.
    distinct = {
        (change.kind, change.vulnerability, change.package, change.at): change
        for item in summary.configurations
        for change in item.recent
    }
    found = sorted(distinct.values(), key=lambda change: -change.at.timestamp())
    title = tag("h2", "Newest changes", tag("small", "the last 7 days"))
    if not found:
        nothing = "Nothing changed." if summary.totals.counts is not None else "No image has a result yet."
        return tag("section", title, tag("p", nothing, class_="soft"), class_="card")
    rows = [_change(change, links) for change in found[:_MOST_CHANGES]]
    more = tag("p", f"and {len(found) - len(rows):,} more", class_="soft") if len(found) > len(rows) else None
    return tag("section", title, tag("ul", rows, class_="plain"), more, class_="card")


def _change(change: Change, links: Links) -> Html:
    return tag(
        "li",
        chip(change.reason or change.kind, "good" if change.kind in ("resolved", "fixable") else "bad"),
        " ",
        chip(change.severity.value.lower(), severity_class(change.severity)),
        " ",
        tag("a", change.vulnerability, href=links.to(links.here, {"cve": change.vulnerability})),
        f" in {change.package}, {enumerated(change.repositories)} ",
        tag("span", f"{change.at:%Y-%m-%d %H:%M}Z", class_="soft when"),
    )


def chip(text: str, kind: str) -> Html:
    """A short word with a colour, which it doesn't need to be understood."""
    return tag("span", text, class_=f"chip c-{kind}")


def severity_class(severity: Severity) -> str:
    """The class of a severity's colour."""
    return severity.value.lower() if severity in SHOWN else "unrated"


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


def title_of(configuration: ScanConfiguration) -> str:
    """What people call a configuration."""
    return configuration.description or enumerated(configuration.repository)


def words(counts: Counts | None) -> str:
    """Counts in words, or that there are none."""
    return "no result" if counts is None else in_words(counts)
