"""Once a day: what no configuration has named for thirty days is removed from the record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, EcrRescanError
from ecr_rescan.core.keys import ACCOUNTS, IMAGES, account_key, parse_account_key, parse_images_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.place import Place

KEEP_UNNAMED = timedelta(days=30)
"""A configuration that was deleted by mistake, or for a while, finds its first-seen dates again."""

SWEEP_EVERY = timedelta(days=1)


class Retention:
    """Removes image ledgers and findings that nobody asks for any more. History is left to the bucket's lifecycle."""

    def __init__(self, documents: DocumentStore, swept: dict[str, str]) -> None:
        """``swept``: account document → the day it was looked at (all: under their prefix); outlives the tick."""
        self._documents = documents
        self._swept = swept

    def sweep(self, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        """Note what is unnamed, and remove what has been for long; ``configurations`` must be all of them.

        Returns:
            How many repositories were removed.

        Raises:
            StoreError: the accounts could not be listed.
        """
        removed = 0
        day = f"{now:%Y-%m-%d}"
        if self._swept.get(ACCOUNTS) == day:
            return 0
        done = True
        for listed in list(self._documents.list(ACCOUNTS)):
            place = parse_account_key(listed.key)
            if place is None or self._swept.get(listed.key) == day:
                continue
            try:
                removed += self._account(*place, configurations, now)
                self._swept[listed.key] = day
            except EcrRescanError as error:
                done = False
                logger.warning("An account could not be swept", key=listed.key, error=str(error))
        if done:
            # What is new today has thirty days.
            self._swept[ACCOUNTS] = day
        return removed

    def _account(self, registry: str, region: str, configurations: Sequence[ScanConfiguration], now: datetime) -> int:
        key = account_key(registry, region)
        stored = self._documents.get(key)
        account = Account.from_json(key, stored.body) if stored else Account(registry, region)
        if account.swept_at is not None and now - account.swept_at < SWEEP_EVERY:
            return 0
        recorded = [
            Place(*parsed)
            for listed in self._documents.list(f"{IMAGES}{registry}/{region}/")
            if (parsed := parse_images_key(listed.key))
        ]
        naming = Naming(configurations)
        unnamed = [place for place in recorded if not naming.of(place)]
        gone = {
            place.repository for place in unnamed if now - account.unnamed.get(place.repository, now) >= KEEP_UNNAMED
        }
        for place in unnamed:
            if place.repository in gone:
                # The ledger last: as long as it is there, a sweep that died here is repeated.
                self._documents.delete(place.findings_key)
                self._documents.delete(place.images_key)
                logger.info("Removed what no configuration names", repository=place.repository, registry=registry)
        self._note(key, account, {place.repository for place in unnamed} - gone, now)
        return len(gone)

    def _note(self, key: str, account: Account, unnamed: Collection[str], now: datetime) -> None:
        def rewrite(body: bytes | None) -> bytes:
            fresh = Account.from_json(key, body) if body else account
            fresh.unnamed = {name: fresh.unnamed.get(name, now) for name in unnamed}
            fresh.swept_at = now
            return fresh.to_json()

        # Another tick is at it: tomorrow is soon enough.
        with suppress(ConflictError):
            self._documents.update(key, rewrite)
