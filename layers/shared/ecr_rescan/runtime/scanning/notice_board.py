"""The notices documents: what each configuration was told, changed by compare-and-swap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.changes.findings import FindingKey
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.errors import ConflictError, DocumentError
from ecr_rescan.core.keys import NOTICES, notices_key
from ecr_rescan.runtime.observability import logger

T = TypeVar("T")

_KEPT_BYTES = 48 * 1024 * 1024
# When a document was written is nothing that is asked here.
_AT_SOME_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """A notices document as stored, and what it says, or why it can't be used."""

    stored: Stored
    says: Notices | DocumentError


class NoticeBoard:
    """The one place where two workers agree on which alert began when, and on who announces it. Of one invocation."""

    def __init__(self, documents: DocumentStore, kept: dict[str, Kept] | None = None) -> None:
        """``kept``: by key, what earlier invocations read; it is good as long as a listing shows the same ETags."""
        self._documents = documents
        self._kept = {} if kept is None else kept
        self._current: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        size = sum(len(one.stored.body) for one in self._kept.values())
        while size > _KEPT_BYTES:
            size -= len(self._kept.pop(next(iter(self._kept))).stored.body)

    def load(self, config_ids: Iterable[str]) -> None:
        """Learn by one listing what is noted of these, and read, at once, only what changed since it was kept.

        Raises:
            StoreError: the listing failed.
        """
        etags = {item.key: item.etag for item in self._documents.list(NOTICES)}
        for key in self._kept.keys() - etags.keys():
            del self._kept[key]
        wanted = {notices_key(config_id) for config_id in config_ids}
        self._current |= {
            key
            for key in wanted
            if key not in etags or (key in self._kept and self._kept[key].stored.etag == etags[key])
        }
        self._fetch(wanted, etags)

    def fetch(self, config_ids: Iterable[str]) -> None:
        """Read at once what is noted of these, as far as it is not known yet."""
        self._fetch({notices_key(config_id) for config_id in config_ids}, {})

    def _fetch(self, keys: Set[str], etags: Mapping[str, str]) -> None:
        missing = sorted(keys - self._current)
        for key, stored in zip(missing, self._documents.get_many(missing), strict=True):
            if stored is None or isinstance(stored, Stored):
                self._take(key, stored)
            elif isinstance(stored, DocumentError) and key in etags:
                self._current.add(key)
                self._kept[key] = Kept(Stored(key, etags[key], b"", _AT_SOME_TIME), stored)

    def join_waves(
        self, config_id: str, opened: Collection[FindingKey], findings_key: str, now: datetime
    ) -> dict[FindingKey, datetime]:
        """The waves of the findings that opened; notes that the document's outbox will hold changes.

        Where that can't be noted, because what is there is damaged, only this configuration's messages have to wait.
        """

        def change(notices: Notices) -> dict[FindingKey, datetime]:
            notices.expect_changes(findings_key, now)
            return notices.join_waves(opened, now)

        try:
            return self.change(config_id, change)
        except DocumentError as error:
            logger.warning("Notices can't be used", key=notices_key(config_id), problem=error.problem)
            return Notices().join_waves(opened, now)

    def read(self, config_id: str) -> Notices:
        """What is noted of a configuration, as of its first reading or last change here; nothing, for a new one.

        Raises:
            DocumentError: what is there can't be used.
            StoreError: S3 failed.
        """
        key = notices_key(config_id)
        if key not in self._current:
            self._take(key, self._documents.get(key))
        says = self._kept[key].says if key in self._kept else Notices()
        if isinstance(says, DocumentError):
            raise says
        return says

    def change(self, config_id: str, change: Callable[[Notices], T]) -> T:
        """Change a notices document in place; ``change`` may be called again where somebody else wrote in between."""
        key = notices_key(config_id)
        answers: list[T] = []
        written: list[bytes] = []

        def rewrite(body: bytes | None) -> bytes:
            notices = Notices.from_json(key, body) if body else Notices()
            answers.append(change(notices))
            written.append(notices.to_json())
            return written[-1]

        # Repositories are worked on at once, and may have news for the same configuration.
        with self._locks.setdefault(key, threading.Lock()):
            known = self._kept.get(key) if key in self._current else None
            if known is not None and isinstance(known.says, DocumentError):
                raise known.says
            is_new = key in self._current and known is None
            self._current.discard(key)
            etag = self._create(key, rewrite) if is_new else None
            if etag is None:
                etag = self._documents.update(key, rewrite, known=known.stored if known else None)
            self._take(key, Stored(key, str(etag), written[-1], _AT_SOME_TIME))
        return answers[-1]

    def _create(self, key: str, rewrite: Callable[[bytes | None], bytes]) -> str | None:
        """The ETag of what was written where nothing was; None where somebody else was first."""
        try:
            return self._documents.put(key, rewrite(None), if_none_match=True)
        except ConflictError:
            return None

    def _take(self, key: str, stored: Stored | None) -> None:
        """Keep what is stored as of now."""
        self._current.add(key)
        self._kept.pop(key, None)
        if stored is not None:
            self._kept[key] = Kept(stored, _parsed(key, stored.body))


def _parsed(key: str, body: bytes) -> Notices | DocumentError:
    try:
        return Notices.from_json(key, body)
    except DocumentError as error:
        return error
