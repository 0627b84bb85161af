"""The time that pauses between messages are measured by, and spent in: real, unless somebody drives the clock."""

from __future__ import annotations

import time


def seconds() -> float:
    """Seconds since some moment."""
    return time.monotonic()


def sleep(duration: float) -> None:
    """Wait for so many seconds."""
    time.sleep(duration)
