"""On which days tokens were used: noted once for each token and day by each warm function, not by each request."""

from __future__ import annotations

from datetime import UTC, date, datetime

from ecr_rescan.adapters.token_sets import TokenSetStore
from ecr_rescan.core.errors import StoreError
from ecr_rescan.core.tokens import NamedToken
from ecr_rescan.runtime.observability import logger


class Uses:
    """What this execution environment has noted of a day."""

    def __init__(self, token_sets: TokenSetStore) -> None:
        self._token_sets = token_sets
        self._day: date | None = None
        self._noted: set[str] = set()

    def note(self, key: str, token: NamedToken, at: datetime) -> None:
        """A token of the set with that key was used. That it can't be noted keeps nobody out; it is not tried again."""
        day = at.astimezone(UTC).date()
        if day != self._day:
            self._day, self._noted = day, set()
        if token.sha256 in self._noted:
            return
        self._noted.add(token.sha256)
        try:
            self._token_sets.note_use(key, token, day)
        except StoreError as error:
            logger.warning("The use of a token could not be noted", key=key, token_name=token.name, problem=error.code)
