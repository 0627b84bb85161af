"""Conditional requests: what counts as known to a reader, and what doesn't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ecr_rescan.core.conditional import entity_tag, http_date, is_listed, is_unmodified

ETAG = entity_tag("a", "b")
OPAQUE = ETAG.removeprefix("W/")
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_an_entity_tag_is_of_its_parts_in_order() -> None:
    """The same parts give the same tag; no other split or order of the same text does."""
    assert entity_tag("a", "b") == ETAG
    assert len({ETAG, entity_tag("b", "a"), entity_tag("ab"), entity_tag("a", "", "b"), entity_tag()}) == 5
    assert ETAG.startswith('W/"')


@pytest.mark.parametrize(
    ("header", "listed"),
    [
        (ETAG, True),
        (OPAQUE, True),
        (f'"x", W/"y",{ETAG}', True),
        (f'"with, comma", {OPAQUE}', True),
        (None, False),
        ("", False),
        ("*", False),
        ('W/"x"', False),
        (OPAQUE.strip('"'), False),
        (OPAQUE[:-2] + '"', False),
    ],
)
def test_if_none_match_is_compared_weakly(header: str | None, listed: bool) -> None:
    """RFC 9110, 13.1.2: weak or strong is the same, lists are read, and half a tag is none."""
    assert is_listed(ETAG, header) is listed


@pytest.mark.parametrize(
    ("header", "unmodified"),
    [
        ("Mon, 02 Mar 2026 08:00:00 GMT", True),
        ("Monday, 02-Mar-26 08:00:00 GMT", True),
        ("Mon, 02 Mar 2026 08:00:01 GMT", True),
        ("Mon, 02 Mar 2026 07:59:59 GMT", False),
        ("Mon, 02 Mar 2026 09:00:00", True),
        ("2026-03-02T08:00:00Z", False),
        ("Mon, 99 Mar 2026 08:00:00 GMT", False),
        ("nonsense", False),
        ("", False),
        (None, False),
    ],
)
def test_if_modified_since_takes_dates_and_nothing_else(header: str | None, unmodified: bool) -> None:
    """A header that is no date counts as not given."""
    assert is_unmodified(AT + timedelta(microseconds=5), header) is unmodified


def test_dates_are_written_as_http_wants_them() -> None:
    """RFC 9110, 5.6.7: always GMT."""
    assert http_date(AT) == "Mon, 02 Mar 2026 08:00:00 GMT"
