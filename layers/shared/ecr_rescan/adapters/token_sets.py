"""The named tokens in the bucket: one document for each configuration, one for the dashboard, one for the gate."""

from __future__ import annotations

from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.tokens import TokenSet


class TokenSetStore:
    """Reads and changes sets of tokens by their keys, which ``core.keys`` names."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    def get(self, key: str) -> TokenSet:
        """The tokens under a key; an empty set where there is no document.

        Raises:
            DocumentError: what is there can't be read.
            StoreError: S3 failed.
        """
        stored = self._documents.get(key)
        return _read(key, stored.body if stored else None)

    def add(self, key: str, name: str, *, random_bytes: bytes, now: datetime) -> str:
        """Add a token and answer it; this is the only time that it can be seen.

        Raises:
            InvalidRequestError: not a name, or too many tokens.
            AlreadyExistsError: the name is taken.
            ConflictError, DocumentError, StoreError: from the document.
        """
        added = ""

        def change(body: bytes | None) -> bytes:
            nonlocal added
            changed, added = _read(key, body).add(name, random_bytes=random_bytes, now=now)
            return changed.to_document()

        self._documents.update(key, change)
        return added

    def revoke(self, key: str, name: str) -> None:
        """Take a token away; NotFoundError where there is none of that name."""

        def change(body: bytes | None) -> bytes:
            return _read(key, body).revoke(name).to_document()

        self._documents.update(key, change)

    def replace(self, key: str, name: str, *, random_bytes: bytes, now: datetime) -> str:
        """Start anew with one token, whatever was there, and answer it."""
        fresh, token = TokenSet().add(name, random_bytes=random_bytes, now=now)
        self._documents.put(key, fresh.to_document())
        return token

    def delete(self, key: str) -> None:
        """Take all tokens away."""
        self._documents.delete(key)


def _read(key: str, body: bytes | None) -> TokenSet:
    return TokenSet() if body is None else TokenSet.from_document(body, key=key)
