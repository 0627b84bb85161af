"""The one clock of the service: everything that needs the time asks here, and passes it inwards as an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """The current instant, aware, UTC."""
    return _source()


def use(source: Callable[[], datetime] | None) -> None:
    """Replace what tells the time by a function that answers aware UTC instants; None puts the system's clock back.

    For the tests, which stop the clock, and the embedded AWS, whose days are minutes.
    """
    global _source
    _source = source or _system
