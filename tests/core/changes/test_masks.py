"""Sets of manifests: as bits, and as ranges that a person can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.changes.masks import bits, from_ranges, mask_of, to_ranges

masks = st.sets(st.integers(0, 300)).map(mask_of) | st.integers(0, 2**200)


@pytest.mark.parametrize(
    ("positions", "text"),
    [((), ""), ((0,), "0"), ((0, 1, 2), "0-2"), ((3, 5, 6, 9), "3,5-6,9"), (range(1000), "0-999")],
)
def test_ranges_are_what_a_person_would_write(positions: list[int], text: str) -> None:
    """Neighbours are joined, and single positions stand alone."""
    assert to_ranges(mask_of(positions)) == text


@given(masks)
def test_ranges_read_back_exactly(mask: int) -> None:
    """Writing and reading is the identity, for every set."""
    assert from_ranges(to_ranges(mask)) == mask


@given(masks)
def test_bits_are_the_positions_in_order(mask: int) -> None:
    """The positions are ascending, each once, and make up the mask again."""
    positions = list(bits(mask))
    assert positions == sorted(set(positions))
    assert mask_of(positions) == mask


@pytest.mark.parametrize("text", ["x", "1-", "-1", "1,,2", "2-1", "1 ", "+1", "1_0", "٣", "1000000", "0-1-2"])
def test_anything_else_is_refused(text: str) -> None:
    """A damaged document is noticed, not guessed at."""
    with pytest.raises(ValueError, match="no (set|range) of positions"):
        from_ranges(text)
