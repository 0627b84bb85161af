"""The document of signals as all who show findings read it: one request, by ETag, parsed once."""

from __future__ import annotations

from functools import lru_cache

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.keys import KNOWN_SIGNALS
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.signals.fixes_reading import FixesReader


class SignalsReader:
    """What is known; where it can't be read for now, what was known before. Not for concurrent use."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._etag = ""
        self._signals = Signals()
        self._fixes = FixesReader(documents)

    def read(self) -> Signals:
        """What is known now; nothing, where nothing was ever read. A trouble is no reason to show no findings."""
        try:
            return self.require()
        except (DocumentError, StoreError) as error:
            logger.warning("Signals can't be read", error=str(error))
        return self._signals

    def require(self) -> Signals:
        """What is known now, for those who tell people, which can wait.

        Raises:
            StoreError, DocumentError: it can't be read.
        """
        if self._etag:
            stored = self._documents.get_unless(KNOWN_SIGNALS, self._etag)
        else:
            stored = self._documents.get(KNOWN_SIGNALS)
        if stored is not None:
            signals = self._fixes.attach(Signals.from_json(KNOWN_SIGNALS, stored.body))
            self._signals, self._etag = signals, stored.etag
        return self._signals


@lru_cache(maxsize=1)
def signals_reader(documents: DocumentStore) -> SignalsReader:
    """The reader of an execution environment."""
    return SignalsReader(documents)
