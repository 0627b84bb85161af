"""What a feed's URL may ask for, and what is refused."""

from __future__ import annotations

import pytest

from ecr_rescan.core.errors import InvalidRequestError
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.feed_filters import FeedFilters


def test_no_filters_are_none() -> None:
    """What is not a filter, the token above all, is left alone and out of the query."""
    filters = FeedFilters.from_query({"token": "secret", "utm_source": "x"})
    assert filters == FeedFilters()
    assert filters.query == ""


def test_filters_are_read_and_spelt_one_way() -> None:
    """However they were written and ordered, the same filters are the same query."""
    filters = FeedFilters.from_query({"limit": "10000", "resolved": "true", "tag": "v1.*", "severity": "high"})
    assert filters == FeedFilters(Severity.HIGH, "v1.*", True, 10_000)
    assert filters.query == "severity=HIGH&tag=v1.%2A&resolved=true&limit=10000"
    assert FeedFilters.from_query({"resolved": "false"}).query == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("severity", "SEVERE"),
        ("severity", ""),
        ("severity", "UNDEFINED"),
        ("limit", ""),
        ("limit", "0"),
        ("limit", "10001"),
        ("limit", "-1"),
        ("limit", "1e3"),
        ("limit", "\u0663"),
        ("limit", "9" * 5000),
        ("limit", "5\n"),
        ("resolved", "yes"),
        ("resolved", "True"),
        ("tag", ""),
        ("tag", "a b"),
        ("tag", "x" * 301),
        ("tag", "a\n"),
        ("tag", "*a" * 11),
    ],
)
def test_nonsense_is_refused_and_named(name: str, value: str) -> None:
    """A filter that can't be meant is an error that says what is accepted, never an empty or unfiltered feed."""
    with pytest.raises(InvalidRequestError) as caught:
        FeedFilters.from_query({name: value})
    (fault,) = caught.value.faults
    assert fault.field == name
    assert fault.problem.startswith(("must be ", "may have "))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """One answer is enough to mend a URL."""
    with pytest.raises(InvalidRequestError) as caught:
        FeedFilters.from_query({"limit": "x", "severity": "x", "resolved": "x", "tag": ""})
    assert [fault.field for fault in caught.value.faults] == ["severity", "tag", "resolved", "limit"]
