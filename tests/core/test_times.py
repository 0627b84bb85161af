"""Instants on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.times import from_text, to_text, whole_seconds

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones)


@given(moments)
def test_an_instant_is_written_in_utc_and_read_back(moment: datetime) -> None:
    """Whatever the zone, the text is UTC in whole seconds, and reads as the same second."""
    read = from_text(to_text(moment))
    assert read.tzinfo is UTC
    assert read == whole_seconds(moment)
    assert timedelta(0) <= moment - read < timedelta(seconds=1)


def test_the_form_is_iso_8601_with_a_z() -> None:
    """As documents and feeds have it."""
    assert to_text(datetime(2026, 11, 23, 19, 0, 0, 999, timezone(timedelta(hours=1)))) == "2026-11-23T18:00:00Z"


@pytest.mark.parametrize("text", ["2026-11-23T18:00:00", "2026-11-23", "yesterday", "", "1700000000"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    """A time without an offset is nobody's time."""
    with pytest.raises(ValueError, match=r"."):
        from_text(text)
