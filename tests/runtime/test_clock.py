"""The clock of the service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ecr_rescan.runtime import clock


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    clock.use(None)


def test_the_clock_can_be_replaced_and_put_back() -> None:
    """Tests stop it, the embedded AWS makes it fast."""
    moment = datetime(2026, 3, 2, 8, tzinfo=UTC)
    clock.use(lambda: moment)
    assert clock.now() == moment
    clock.use(None)
    assert clock.now() != moment


def test_the_systems_clock_is_aware() -> None:
    """A naive time anywhere would be read as local somewhere."""
    assert clock.now().tzinfo is UTC
