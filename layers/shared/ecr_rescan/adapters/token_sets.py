"""The named tokens in the bucket: one document for each configuration, one for the dashboard, one for the gate."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.errors import ConflictError
from ecr_rescan.core.keys import parse_used_key, used_key, uses_prefix
from ecr_rescan.core.tokens import NamedToken, TokenRequest, TokenSet

LARGEST_BYTES = 64 * 1024
"""Ten tokens take some three thousand."""


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
        stored = self._documents.get(key, largest=LARGEST_BYTES)
        return _read(key, stored.body if stored else None)

    def note_use(self, key: str, token: NamedToken, day: date) -> None:
        """Note that a token was used on a day; it may be noted already.

        Raises:
            StoreError: S3 failed or refused.
        """
        with suppress(ConflictError):
            self._documents.put(used_key(key, token.fingerprint, day), b"{}", if_none_match=True)

    def last_used(self, key: str) -> dict[str, date]:
        """Fingerprint of a token → the last day on which it was used, as far back as that is kept.

        Raises:
            StoreError: S3 failed.
        """
        uses = sorted(use for item in self._documents.list(uses_prefix(key)) if (use := parse_used_key(item.key)))
        return dict(uses)

    def etag(self, key: str) -> str | None:
        """The ETag of the set, even if it can't be read; None where there is none."""
        return next((item.etag for item in self._documents.list(key) if item.key == key), None)

    def add(self, key: str, asked: TokenRequest, *, random_bytes: bytes, now: datetime) -> str:
        """Add a token and answer it; this is the only time that it can be seen.

        Raises:
            InvalidRequestError: not a name, or too many tokens.
            AlreadyExistsError: the name is taken.
            ConflictError, DocumentError, StoreError: from the document.
        """
        added = ""

        def change(body: bytes | None) -> bytes:
            nonlocal added
            changed, added = _read(key, body).add(
                asked.name,
                random_bytes=random_bytes,
                now=now,
                expires=asked.expires,
                addresses=asked.addresses,
            )
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

    def delete(self, key: str, *, if_match: str) -> None:
        """Take all tokens away, unless they are others by now than those with that ETag."""
        with suppress(ConflictError):
            self._documents.delete(key, if_match=if_match)


def _read(key: str, body: bytes | None) -> TokenSet:
    return TokenSet() if body is None else TokenSet.from_document(body, key=key)
