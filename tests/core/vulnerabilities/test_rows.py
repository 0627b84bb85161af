"""The rows of the list: what each is about, what a question leaves of them, and their order."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import NO_SIGNALS, Exploited, Signals, Source
from ecr_rescan.core.signals.sources import EUVD, KEV
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.pages import page
from ecr_rescan.core.vulnerabilities import forms
from ecr_rescan.core.vulnerabilities.looked_at import LookedAt
from ecr_rescan.core.vulnerabilities.query import SORTS, ListQuery
from ecr_rescan.core.vulnerabilities.rows import SHAPES, Asked, Extents, Row, cursor, ordered, rows
from tests.builders import AT, configuration, document, found, image, result, update

DAY = timedelta(days=1)
ALLOWED = DaysAllowed({Severity.HIGH: 30}, exploited=3)


def asked(
    made: list[FindingsDocument],
    of: ScanConfiguration | None = None,
    days: int = 3,
    signals: Signals = NO_SIGNALS,
    **query: str,
) -> list[Row]:
    """What is listed some days later, in the order asked for."""
    of, at = of or configuration("team/*"), AT + days * DAY
    narrow = Asked(ListQuery.from_query(query), of, ALLOWED, at).narrowed
    left = [row for row in map(narrow, rows(of, made, on=at.date(), signals=signals)) if row is not None]
    return [row for _, row in ordered(left, query.get("sort", "matters"))]


def names(listed: list[Row]) -> list[str]:
    return [row.vulnerability for row in listed]


@pytest.fixture
def two() -> list[FindingsDocument]:
    """Two repositories with one finding in common, and one of their own each."""
    of_a = result("a", found("CVE-1"), found("CVE-2", severity=Severity.LOW))
    app = document("team/app", [image("a", "1"), image("b", "2")], [of_a, result("b", found("CVE-1"))])
    of_w = result("w", found("CVE-1"), found("CVE-3", "zlib", severity=Severity.CRITICAL))
    web = document("team/web", [image("w", "1")], [of_w])
    return [app, web]


def test_a_row_is_a_vulnerability_in_a_package_across_repositories(two: list[FindingsDocument]) -> None:
    """With how many images have it, and since when."""
    listed = asked(two)
    assert names(listed) == ["CVE-3", "CVE-1", "CVE-2"]
    row = listed[1]
    assert (row.repositories, Extents().of(row)) == (("team/app", "team/web"), (3, 3))
    assert (row.state, row.since, row.days_open(AT + 3 * DAY)) == ("open", AT, 3)
    assert row.days_left(ALLOWED, AT + 3 * DAY) == 27
    assert row.fixable is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"severity": "HIGH"}, ["CVE-3", "CVE-1"]),
        ({"package": "ZLIB*"}, ["CVE-3"]),
        ({"vulnerability": "cve-2"}, ["CVE-2"]),
        ({"repository": "team/app"}, ["CVE-1", "CVE-2"]),
        ({"tag": "2"}, ["CVE-1"]),
        ({"tag": "1", "repository": "*web"}, ["CVE-3", "CVE-1"]),
        ({"state": "resolved"}, []),
        ({"since": "2026-03-03"}, []),
        ({"since": "2026-03-02"}, ["CVE-3", "CVE-1", "CVE-2"]),
        ({"overdue": "true"}, []),
    ],
)
def test_all_filters_hold(two: list[FindingsDocument], query: dict[str, str], expected: list[str]) -> None:
    """Names and globs in any letter case."""
    assert names(asked(two, **query)) == expected


def test_a_row_says_only_what_was_asked_for(two: list[FindingsDocument]) -> None:
    """Its repositories, images and severity are those of the filter."""
    (row,) = asked(two, tag="2")
    assert (row.repositories, Extents().of(row)) == (("team/app",), (1, 1))


def test_what_is_open_for_longer_than_allowed_is_overdue(two: list[FindingsDocument]) -> None:
    """Only where there is a limit."""
    assert names(asked(two, days=31, overdue="true")) == ["CVE-1"]
    assert asked(two, days=31, overdue="true")[0].days_left(ALLOWED, AT + 31 * DAY) == -1


def test_what_is_ignored_is_listed_apart(two: list[FindingsDocument]) -> None:
    """With its reason and its end; when that has come, it is open again."""
    ignore = [{"vulnerability": "CVE-1", "reason": "no", "until": "2026-03-10"}]
    of = configuration("team/*", ignore=ignore)
    assert names(asked(two, of)) == ["CVE-3", "CVE-2"]
    (row,) = asked(two, of, state="suppressed")
    assert row.suppressed is not None
    assert (row.vulnerability, row.suppressed.until) == ("CVE-1", date(2026, 3, 10))
    assert names(asked(two, of, state="all")) == ["CVE-3", "CVE-2", "CVE-1"]
    assert "CVE-1" in names(asked(two, of, days=9))


def test_what_is_over_says_how_and_when(two: list[FindingsDocument]) -> None:
    """It is listed as resolved only where nothing of it is left."""
    app, web = two
    update(
        web,
        [image("x", "1", pushed_at=AT + DAY)],
        [result("x", at=AT + DAY)],
        seen_by=configuration("team/*"),
        at=AT + DAY,
    )
    listed = asked(two, state="resolved")
    assert [(row.vulnerability, row.close_reason, row.closed_at) for row in listed] == [("CVE-3", "fixed", AT + DAY)]
    assert names(asked(two)) == ["CVE-1", "CVE-2"]
    assert listed[0].days_open(AT + 9 * DAY) == 1


def test_what_the_configuration_does_not_show_is_not_listed(two: list[FindingsDocument]) -> None:
    """As in its feed."""
    assert names(asked(two, configuration("team/*", severity="HIGH"))) == ["CVE-3", "CVE-1"]


@settings(deadline=None)
@given(st.data())
def test_pages_are_the_whole_list_whatever_comes_or_goes_between_them(data: Any) -> None:
    """No row that stays is told twice or left out, in any order."""
    sort = data.draw(st.sampled_from(SORTS))
    numbers = data.draw(st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=20))
    severities = data.draw(st.lists(st.sampled_from(Severity), min_size=41, max_size=41))
    before, after = numbers, data.draw(st.permutations(numbers + [number + 50 for number in numbers]))
    gone = set(data.draw(st.lists(st.sampled_from(numbers))))

    def listed(present: list[int]) -> list[Row]:
        results = [found(f"CVE-{number}", severity=severities[number % 41]) for number in present]
        return asked([document("team/app", [image("a")], [result("a", *results)])], sort=sort, state="all")

    first, last = page(
        ((cursor(row, sort), row) for row in listed(before)), forms.size, after=None, limit=len(before) // 2 + 1
    )
    told = names(first)
    later = [number for number in after if number not in gone]
    while last is not None:
        assert len(last) == len(SHAPES[sort])
        first, last = page(((cursor(row, sort), row) for row in listed(later)), forms.size, after=last, limit=3)
        told += names(first)
    assert len(told) == len(set(told))
    assert {f"CVE-{number}" for number in before if number not in gone} <= set(told)


def listed_as_exploited(*vulnerabilities: str) -> Signals:
    """Both lists were read, and one names these since the day of the findings."""
    exploited = {name: Exploited({KEV: AT.date()}, None, ransomware=True) for name in vulnerabilities}
    return Signals(sources={KEV: Source(read_at=AT), EUVD: Source(read_at=AT)}, exploited=exploited)


def test_what_is_exploited_comes_first_and_can_be_asked_for_alone(two: list[FindingsDocument]) -> None:
    """Whatever its severity; its days are its own."""
    signals = listed_as_exploited("CVE-2")
    listed = asked(two, signals=signals)
    assert names(listed) == ["CVE-2", "CVE-3", "CVE-1"]
    assert listed[0].days_left(ALLOWED, AT + 5 * DAY) == -2
    assert names(asked(two, signals=signals, exploited="true")) == ["CVE-2"]
    assert asked(two, exploited="true") == []


def test_likely_ones_come_before_others_of_their_severity(two: list[FindingsDocument]) -> None:
    """And after all that is more severe."""
    two.append(document("team/last", [image("z", "1")], [result("z", found("CVE-9"))]))
    signals = Signals(scores={"CVE-9": (0.2, 0.9)}, likely={"CVE-9": None})
    assert names(asked(two, signals=signals)) == ["CVE-3", "CVE-9", "CVE-1", "CVE-2"]


def test_whether_it_is_exploited_is_told_in_each_form_and_unknown_is_never_no(two: list[FindingsDocument]) -> None:
    """Null and an empty cell, where no list was read."""

    def forms_of(signals: Signals) -> tuple[dict[str, Any], str, str]:
        page = asked(two, signals=signals, vulnerability="CVE-2")
        made = forms.Listing(AT, 1, page, LookedAt(2, 3, 3), [], ALLOWED, signals)
        wire: Any = forms.to_wire(made)
        return wire["vulnerabilities"][0], forms.to_csv(made).splitlines()[1], forms.to_lines(made, following=None)

    row, cells, lines = forms_of(listed_as_exploited("CVE-2"))
    assert row["exploited"] == {"since": AT.date().isoformat(), "lists": {"CISA KEV": "2026-03-02"}, "ransomware": True}
    assert ",true,2026-03-02,true,," in cells
    assert "exploited since 2026-03-02 by CISA KEV, ransomware" in lines
    row, cells, lines = forms_of(listed_as_exploited())
    assert row["exploited"] is False
    assert ",false,,,," in cells
    row, cells, lines = forms_of(NO_SIGNALS)
    assert row["exploited"] is None
    assert "true" not in cells
    assert "false" not in cells
    assert "Whether anything is exploited is not known" in lines
