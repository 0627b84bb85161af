"""What a baseline may say, and what is told later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.changes.baseline_rule import (
    NO_RESULT_AT_ALL,
    Lacking,
    came_late,
    headline,
    marks_of,
    may_be_late,
    may_tell,
    open_findings,
    remembered,
    without_result,
)
from ecr_rescan.core.changes.notices import Notices
from tests.builders import AT, digest

ONE, TWO = marks_of([digest("1")]), marks_of([digest("2")])


def test_what_lacked_a_result_and_has_one_now_came_late() -> None:
    """What was deleted, or is new and has one, makes no difference."""
    held = Lacking(AT, ONE | TWO)
    assert not came_late(held, frozenset())
    assert not came_late(held, marks_of([digest("3")]))
    assert came_late(held, TWO | marks_of([digest("3")]))


def test_where_nothing_had_a_result_anything_s_first_one_came_late() -> None:
    """Of an image that was pushed later, too: its first result is baseline as well."""
    held = remembered(ONE, any_result=False, now=AT)
    assert held == Lacking(AT, ONE | {NO_RESULT_AT_ALL})
    assert came_late(held, TWO)
    assert not came_late(held, frozenset())


@pytest.mark.parametrize(
    ("marks", "lacking", "any_result", "may"),
    [
        (ONE | TWO, ONE | TWO, True, False),
        (ONE | TWO, ONE, True, True),
        (ONE | {NO_RESULT_AT_ALL}, ONE, True, True),
        (ONE | {NO_RESULT_AT_ALL}, ONE, False, False),
    ],
)
def test_only_where_something_lacks_it_no_more_the_documents_are_read(
    marks: frozenset[str], lacking: frozenset[str], any_result: bool, may: bool
) -> None:
    assert may_be_late(Lacking(AT, marks), lacking, any_result=any_result) is may


def test_nothing_is_remembered_where_everything_has_a_result() -> None:
    """Nor where there is nothing."""
    assert remembered(frozenset(), any_result=True, now=AT) is None
    assert remembered(frozenset(), any_result=False, now=AT) is None


def test_it_is_told_once_a_day() -> None:
    """However many come."""
    assert may_tell(None, AT)
    assert not may_tell(AT, AT + timedelta(hours=23))
    assert may_tell(AT, AT + timedelta(hours=24))


@pytest.mark.parametrize(
    ("totals", "with_result", "subject", "sentence"),
    [
        ("2 HIGH", 3, "2 HIGH", "Open findings: 2 HIGH."),
        ("", 3, "no findings in 3 images", "Open findings in 3 images with a result: none."),
        ("", 0, "no result yet", "No image has a result yet, so nothing can be said of findings."),
    ],
)
def test_none_is_said_of_what_was_scanned_alone(totals: str, with_result: int, subject: str, sentence: str) -> None:
    """Never of images without a result."""
    assert headline(totals, with_result) == subject
    assert open_findings(totals, with_result) == sentence


def test_what_has_no_result_is_said_with_the_reason() -> None:
    """How many, and why."""
    told = without_result({"failed": 2, "archived": 1000})
    assert told is not None
    assert told.startswith("1,002 images have no result: 1,000 archived, 2 failed.")
    assert without_result({}) is None


def test_the_notices_keep_it() -> None:
    """And read what was written before they did."""
    notices = Notices(lacking={"findings/a.json": Lacking(AT, ONE)}, late_at=AT)
    assert Notices.from_json("", notices.to_json()) == notices
