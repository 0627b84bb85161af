"""Long answers come in parts that join to the whole."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.errors import InvalidRequestError
from ecr_rescan.core.scanning.ledger import LedgerImage
from ecr_rescan.core.summary import pages
from tests.summary_records import NOW, complete, configuration, digest, everything, ledger

SUMMARY = everything(
    [configuration(1), configuration(2, repository=("none",))], ledger(dict.fromkeys("abcdefg", complete()))
)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 10_000])
def test_the_pages_of_a_summary_join_to_the_whole(limit: int) -> None:
    """Every image once, in order; a configuration without images is told once, too."""
    images: list[object] = []
    told: list[str] = []
    after: pages.Cursor | None = None
    for _ in range(20):
        part, last = pages.page_of_summary(SUMMARY, after=after, limit=limit)
        assert part.totals == SUMMARY.totals
        for item in part.configurations:
            images += item.images
            told.append(item.configuration.id)
        if last is None:
            break
        after = pages.from_text(pages.to_text(last), pages.SUMMARY_CURSOR)
    assert images == [image for item in SUMMARY.configurations for image in item.images]
    assert list(dict.fromkeys(told)) == [item.configuration.id for item in SUMMARY.configurations]


def test_a_new_image_between_two_pages_shows_nothing_twice() -> None:
    """The cursor is an image's own place, not a number."""
    first, last = pages.page_of_summary(SUMMARY, after=None, limit=4)
    held = ledger(dict.fromkeys("abcdefg", complete()))
    held.images[digest("new")] = LedgerImage(NOW, tags={"new": NOW})
    grown = everything([configuration(1)], held)
    second, _ = pages.page_of_summary(grown, after=last, limit=100)
    seen = [image.tags for part in (first, second) for item in part.configurations for image in item.images]
    assert len(seen) == len(set(seen))


def test_a_page_ends_before_it_is_too_large() -> None:
    """By the size of its rows, but never without any."""
    rows = [((str(number),), number) for number in range(10)]
    assert pages.page(rows, lambda _: 1_000_000, after=None, limit=100) == ([0, 1, 2], ("2",))
    assert pages.page(rows, lambda _: 9_000_000, after=None, limit=100) == ([0], ("0",))
    assert pages.page(rows[:3], lambda _: 1_000_000, after=None, limit=100) == ([0, 1, 2], None)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_no_cursor(text: str) -> None:
    """A cursor that was not ours is the caller's fault, never ours."""
    with pytest.raises(InvalidRequestError):
        pages.from_text(text, pages.SUMMARY_CURSOR)


@pytest.mark.parametrize("cursor", [("a",), ("a", "b", "c", "d", "e", "f"), ("a", "b", True, "d", "e", "f")])
def test_a_cursor_of_another_shape_is_refused(cursor: pages.Cursor) -> None:
    """Those of other routes are no good here."""
    with pytest.raises(InvalidRequestError):
        pages.from_text(pages.to_text(cursor), pages.SUMMARY_CURSOR)
