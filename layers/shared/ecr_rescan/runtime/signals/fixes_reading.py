"""The document of fixes as all read it: only where the document of signals says that it is another one."""

from __future__ import annotations

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.fixes.known import NO_FIXES, Fixes
from ecr_rescan.core.keys import KNOWN_FIXES
from ecr_rescan.core.signals.known import Signals


class FixesReader:
    """Of one execution environment; the document is kept parsed."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._version = ""
        self._fixes = NO_FIXES

    def attach(self, signals: Signals) -> Signals:
        """Give signals the fixes that belong to them.

        Raises:
            StoreError, DocumentError: they can't be read.
        """
        if signals.fixes_version != self._version:
            stored = self._documents.get(KNOWN_FIXES) if signals.fixes_version else None
            self._fixes = Fixes.from_json(KNOWN_FIXES, stored.body) if stored else NO_FIXES
            self._version = signals.fixes_version
        signals.fixes = self._fixes
        return signals
