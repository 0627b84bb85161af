"""Who was refused a token too often of late: they are refused without a look at the bucket.

Per warm function, and so a best effort: each execution environment counts for itself, and forgets when it ends.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
MOST_REFUSALS = 30
"""From one address within a minute. Readers behind one address may each have a token that was revoked."""

_MOST_ADDRESSES = 10_000
# Not known; and this machine, from which everybody on it calls a service that runs here.
_NOBODYS = ("", "127.0.0.1")


class Refusals:
    """Refusals by address, of the latest 10,000 addresses."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[datetime, int]] = {}

    def note(self, address: str, at: datetime) -> None:
        """A token from there was refused; an address that is not known is nobody's."""
        if address in _NOBODYS:
            return
        began, count = self._current(address, at)
        self._of.pop(address, None)
        self._of[address] = (began, count + 1)
        if len(self._of) > _MOST_ADDRESSES:
            del self._of[next(iter(self._of))]

    def too_many(self, address: str, at: datetime) -> bool:
        """Whether what comes from there is to be refused unseen."""
        return self._current(address, at)[1] >= MOST_REFUSALS

    def _current(self, address: str, at: datetime) -> tuple[datetime, int]:
        began, count = self._of.get(address, (at, 0))
        return (began, count) if at - began < WINDOW else (at, 0)
