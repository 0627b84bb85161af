"""What of fixes is wanted: by all findings documents, of which only those that changed are read again."""

from __future__ import annotations

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.errors import StoreError
from ecr_rescan.core.fixes.known import Pair
from ecr_rescan.core.fixes.wanted import Wanted, wanted_in
from ecr_rescan.core.keys import FINDINGS

_READ_AT_ONCE = 64


class RecordedFindings:
    """Of one execution environment."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._known: dict[str, tuple[str, frozenset[Wanted]]] = {}

    def wanted(self) -> dict[Pair, set[str]]:
        """Pair → packages.

        Raises:
            StoreError: a document can't be read: what it names would be missing.
        """
        listed = {item.key: item.etag for item in self._documents.list(FINDINGS)}
        self._known = {key: known for key, known in self._known.items() if listed.get(key) == known[0]}
        changed = sorted(listed.keys() - self._known.keys())
        for start in range(0, len(changed), _READ_AT_ONCE):
            part = changed[start : start + _READ_AT_ONCE]
            for key, stored in zip(part, self._documents.get_many(part), strict=True):
                if isinstance(stored, StoreError):
                    raise stored
                if isinstance(stored, Stored):
                    self._known[key] = stored.etag, wanted_in(stored.body)
        found: dict[Pair, set[str]] = {}
        for _, items in self._known.values():
            for pair, package in items:
                found.setdefault(pair, set()).add(package)
        return found
