"""Which changes of the last days are told, in the words of the feed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ecr_rescan.core.changes.findings import Closing, Finding, FindingsDocument, News, Opening
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.recent import changes, count
from tests.summary_records import CRITICAL, HIGH, LOW, NOW, configuration, findings

ID = configuration().id


def days(number: float) -> timedelta:
    return timedelta(days=number)


def recorded(key: tuple[str, str], *openings: Opening, severity: Severity = HIGH) -> FindingsDocument:
    """A document of one image with one finding that has these openings; open ones affect the image."""
    document = findings(("1",), {})
    for opening in openings:
        if opening.closed is None:
            opening.affected = {"1": {severity: 1}}
    document.findings[key] = Finding(openings[0].at, openings[0].at, openings=list(openings))
    return document


def told(document: FindingsDocument, **members: Any) -> list[tuple[str, str]]:
    of = configuration(**members)
    return [
        (change.kind, change.vulnerability) for change in changes(of, [document], since=NOW - days(7), on=NOW.date())
    ]


def news(ago: float) -> dict[str, News]:
    return {ID: News(NOW - days(ago), HIGH)}


def test_news_counts_and_baseline_does_not() -> None:
    """What was there when the configuration began is no change; nor is what another configuration was told."""
    assert told(recorded(("C1", "p"), Opening(NOW - days(1), news=news(1)))) == [("new", "C1")]
    assert told(recorded(("C1", "p"), Opening(NOW - days(1)))) == []
    rose = {ID: News(None, LOW, ((NOW - days(1), HIGH),))}
    assert told(recorded(("C1", "p"), Opening(NOW - days(9), news=rose))) == [("escalated", "C1")]
    other = {"00000000-0000-4000-8000-000000000009": News(NOW - days(1), HIGH)}
    assert told(recorded(("C1", "p"), Opening(NOW - days(1), news=other))) == []


def test_what_is_older_than_the_window_is_left_out() -> None:
    """Of an alert from before it, later rises are told all the same."""
    assert told(recorded(("C1", "p"), Opening(NOW - days(8), news=news(8)))) == []
    raised = {ID: News(NOW - days(8), HIGH, ((NOW - days(1), CRITICAL),))}
    opening = Opening(NOW - days(8), news=raised)
    assert told(recorded(("C1", "p"), opening, severity=CRITICAL)) == [("escalated", "C1")]


def test_a_resolved_finding_and_one_that_came_and_went() -> None:
    """Both ways are told of what lies within the window, the later first."""
    closed = Closing(NOW - days(1), "fixed", HIGH, ("1",))
    assert told(recorded(("C1", "p"), Opening(NOW - days(20), news=news(20), closed=closed))) == [("resolved", "C1")]
    assert told(recorded(("C1", "p"), Opening(NOW - days(2), news=news(2), closed=closed))) == [
        ("resolved", "C1"),
        ("new", "C1"),
    ]
    assert told(recorded(("C1", "p"), Opening(NOW - days(2), closed=closed))) == [("resolved", "C1")]


def test_what_came_back_is_reopened() -> None:
    """As the feed calls it."""
    closed = Closing(NOW - days(9), "fixed", HIGH, ("1",))
    first = Opening(NOW - days(20), news=news(20), closed=closed)
    assert told(recorded(("C1", "p"), first, Opening(NOW - days(1), news=news(1)))) == [("reopened", "C1")]


def test_suppressed_ones_and_those_below_severity_are_not_told() -> None:
    """The configuration's own filters apply."""
    document = recorded(("C1", "p"), Opening(NOW - days(1), news=news(1)), severity=LOW)
    assert told(document, severity=HIGH) == []
    assert told(document, ignore=(Suppression("C1", "not ours"),)) == []
    assert told(document) == [("new", "C1")]


def test_counting_by_kind_and_window() -> None:
    """Every kind is named; the window's first instant is in it."""
    found = changes(
        configuration(),
        [recorded(("C1", "p"), Opening(NOW - days(1), news=news(1)))],
        since=NOW - days(7),
        on=NOW.date(),
    )
    none = {"new": 0, "spread": 0, "reopened": 0, "escalated": 0, "exploited": 0, "fixable": 0, "resolved": 0}
    assert count(found, since=NOW - days(1)) == none | {"new": 1}
    assert count(found, since=NOW - days(0.9)) == none
