"""The notices documents: what each configuration was told, changed by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeVar

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.changes.findings import FindingKey
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.keys import notices_key

T = TypeVar("T")


class NoticeBoard:
    """The one place where two workers agree on which alert began when, and on who announces it."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._read: dict[str, Notices] = {}

    def join_waves(
        self, config_id: str, opened: Collection[FindingKey], findings_key: str, now: datetime
    ) -> dict[FindingKey, datetime]:
        """The waves of the findings that opened; notes that the document's outbox will hold changes."""

        def change(notices: Notices) -> dict[FindingKey, datetime]:
            notices.expect_changes(findings_key, now)
            return notices.join_waves(opened, now)

        return self.change(config_id, change)

    def read(self, config_id: str) -> Notices:
        """What is noted of a configuration, as of its first reading or last change here; nothing, for a new one."""
        if config_id not in self._read:
            key = notices_key(config_id)
            stored = self._documents.get(key)
            self._read[config_id] = Notices.from_json(key, stored.body) if stored else Notices()
        return self._read[config_id]

    def change(self, config_id: str, change: Callable[[Notices], T]) -> T:
        """Change a notices document in place; ``change`` may be called again where somebody else wrote in between."""
        key = notices_key(config_id)
        answers: list[T] = []

        def rewrite(body: bytes | None) -> bytes:
            notices = Notices.from_json(key, body) if body else Notices()
            answers.append(change(notices))
            self._read[config_id] = notices
            return notices.to_json()

        self._documents.update(key, rewrite)
        return answers[-1]
