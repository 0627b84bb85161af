"""The message that tokens will end: looked for once a day, in all sets of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.token_sets import LARGEST_BYTES
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.keys import DASHBOARD_TOKENS, TOKENS, tokens_key
from ecr_rescan.core.telling.token_message import tokens_message
from ecr_rescan.core.tokens import NamedToken, TokenSet
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.troubles import Troubles

NOTED = "tokens"
"""In the place of a configuration's id: the notices document of what is told of tokens."""

_AT_ONCE = 64


class Expiries:
    """Tells of each token once that it will end."""

    def __init__(self, documents: DocumentStore, notices: NoticeBoard, topic: Topic, base_url: str | None) -> None:
        self._documents = documents
        self._notices = notices
        self._topic = topic
        self._base_url = base_url

    def send(self, configurations: Sequence[ScanConfiguration], now: datetime, troubles: Troubles) -> int:
        """Look, where that was not done today, and send; how many messages.

        A set that can't be read, or that belongs to nothing, stops no other's. What could not be sent is tried again.
        """
        before, sent = troubles.count, 0
        with troubles.of(None):
            today = now.date().isoformat()
            if self._notices.read(NOTED).checked == today:
                return 0
            owners: dict[str, ScanConfiguration | None] = {tokens_key(one.id): one for one in configurations}
            owners[DASHBOARD_TOKENS] = None
            for key, ending in self._ending(owners, now, troubles):
                with troubles.of(owners[key]):
                    sent += self._tell(key, owners[key], ending, now)
            if troubles.count == before:
                self._notices.change(NOTED, lambda fresh: setattr(fresh, "checked", today))
        return sent

    def _ending(
        self, owners: dict[str, ScanConfiguration | None], now: datetime, troubles: Troubles
    ) -> Iterator[tuple[str, tuple[NamedToken, ...]]]:
        """The sets in which some token is to be reminded of, by key."""
        keys = (item.key for item in self._documents.list(TOKENS) if item.key in owners)
        while part := list(islice(keys, _AT_ONCE)):
            for key, stored in zip(part, self._documents.get_many(part, largest=LARGEST_BYTES), strict=True):
                if isinstance(stored, StoreError):
                    troubles.tell(owners[key], stored)
                elif ending := self._read(key, stored, now):
                    yield key, ending

    def _read(self, key: str, stored: Stored | DocumentError | None, now: datetime) -> tuple[NamedToken, ...]:
        try:
            if isinstance(stored, DocumentError):
                raise stored
            return TokenSet.from_document(stored.body, key=key).ending(now.date()) if stored else ()
        except DocumentError as error:
            # It opens nothing either, so that there is nothing to be told of it.
            logger.warning("A set of tokens can't be read", key=key, problem=error.problem)
            return ()

    def _tell(self, key: str, owner: ScanConfiguration | None, ending: Sequence[NamedToken], now: datetime) -> int:
        ids = {f"{key} {token.fingerprint}": token for token in ending}
        mine = self._notices.change(NOTED, lambda fresh: fresh.claim(ids, now)).mine
        if not mine:
            return 0
        self._topic.publish(tokens_message(owner, [ids[one] for one in mine], self._base_url, now))
        self._notices.change(NOTED, lambda fresh: fresh.sent(mine, now))
        return 1
