"""Whoever is refused too often is refused unseen, for a while."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta

from ecr_rescan.runtime.refusals import MOST_REFUSALS, WINDOW, Refusals

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_so_many_within_a_minute_and_no_more() -> None:
    """One address's refusals are nobody else's trouble, and end with the minute."""
    refusals = Refusals()
    for number in range(MOST_REFUSALS):
        assert not refusals.too_many("192.0.2.1", NOW)
        refusals.note("192.0.2.1", NOW + timedelta(seconds=number))
    assert refusals.too_many("192.0.2.1", NOW + WINDOW - timedelta(seconds=1))
    assert not refusals.too_many("192.0.2.2", NOW)
    assert not refusals.too_many("192.0.2.1", NOW + WINDOW)


def test_an_unknown_address_is_nobodys() -> None:
    """Or all whose address is not known would be refused together."""
    refusals = Refusals()
    for address in ("", "127.0.0.1"):
        for _ in range(MOST_REFUSALS):
            refusals.note(address, NOW)
        assert not refusals.too_many(address, NOW)


def test_the_memory_of_many_addresses_is_bounded() -> None:
    """Whoever has a network of them fills nothing."""
    refusals = Refusals()
    tracemalloc.start()
    for number in range(30_000):
        refusals.note(f"2001:db8::{number:x}", NOW)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 4_000_000
