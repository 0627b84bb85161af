"""Once a day: what nobody asks for any more, and repositories that are long gone, are removed from the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import ConflictError, EcrRescanError
from ecr_rescan.core.keys import (
    ACCOUNTS,
    IMAGES,
    NOTICES,
    SWEEP,
    notices_key,
    parse_account_key,
    parse_images_key,
)
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scanning.plan import Plan
from ecr_rescan.core.scanning.sweep import KEEP_MISSING, Sweep
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.expiries import NOTED
from ecr_rescan.runtime.scanning.place import Place

AT_ONCE = 500
"""Documents removed in one tick, at most; the next one goes on."""


class Retention:
    """Removes documents. History is left to the bucket's lifecycle, as are the versions of what is removed here."""

    def __init__(self, documents: DocumentStore, swept: dict[str, str]) -> None:
        """``swept``: the key of the record of sweeps → the day of the last one; outlives the tick."""
        self._documents = documents
        self._swept = swept

    def sweep(self, configurations: Sequence[ScanConfiguration], plans: Mapping[Place, Plan], now: datetime) -> int:
        """Note what no configuration asks for, and remove what has been so, or gone, for long.

        Args:
            configurations: all of them.
            plans: what the tick knows of repositories: which are missing.
            now: the time.

        Returns:
            How many documents were removed.

        Raises:
            StoreError: the documents could not be listed.
            DocumentError: the record of sweeps can't be read.
        """
        day = f"{now:%Y-%m-%d}"
        if self._swept.get(SWEEP) == day:
            return 0
        stored = self._documents.get(SWEEP)
        sweep = Sweep.from_json(SWEEP, stored.body) if stored else Sweep()
        self._swept[SWEEP] = day
        if not sweep.is_due(now):
            return 0
        etags = {item.key: item.etag for prefix in (IMAGES, ACCOUNTS, NOTICES) for item in self._documents.list(prefix)}
        names = _Names(configurations)
        sweep.note((key for key in etags if not names.is_named(key)), now)
        missing = [
            place.images_key
            for place, plan in plans.items()
            if plan.missing_since is not None and now - plan.missing_since >= KEEP_MISSING
        ]
        over = [key for key in dict.fromkeys([*sweep.over(now), *missing]) if key in etags]
        removed = [key for key in over[:AT_ONCE] if self._remove(key, etags[key])]
        for key in removed:
            sweep.unnamed.pop(key, None)
        if len(over) > AT_ONCE:
            del self._swept[SWEEP]
        else:
            sweep.swept_at = now
        # Another tick is at it: tomorrow is soon enough.
        with suppress(ConflictError):
            self._documents.update(SWEEP, lambda _: sweep.to_json(), known=stored)
        return len(removed)

    def _remove(self, key: str, etag: str) -> bool:
        """Remove a document as it was listed: whoever has written in between has news of it."""
        try:
            place = parse_images_key(key)
            if place is not None and not self._remove_findings(Place(*place)):
                return False
            # The ledger last: as long as it is there, a sweep that died here is repeated.
            self._documents.delete(key, if_match=etag)
        except ConflictError:
            return False
        except EcrRescanError as error:
            logger.warning("A document could not be removed", key=key, error=str(error))
            return False
        logger.info("Removed what nobody asks for, or what is long gone", key=key)
        return True

    def _remove_findings(self, place: Place) -> bool:
        """Remove a repository's findings, unless something of them is still to be announced."""
        findings = self._documents.get(place.findings_key)
        if findings is None:
            return True
        if FindingsDocument.from_json(place.findings_key, findings.body).outbox:
            return False
        self._documents.delete(place.findings_key, if_match=findings.etag)
        return True


class _Names:
    """What configurations ask for."""

    def __init__(self, configurations: Sequence[ScanConfiguration]) -> None:
        self._naming = Naming(configurations)
        self._notices = {notices_key(NOTED), *(notices_key(item.id) for item in configurations)}
        self._accounts = {(item.registry, item.region) for item in configurations}

    def is_named(self, key: str) -> bool:
        """Whether a document is about something that a configuration names; a foreign object is left alone."""
        if key.startswith(NOTICES):
            return key in self._notices
        if key.startswith(ACCOUNTS):
            place = parse_account_key(key)
            return place is None or place in self._accounts
        repository = parse_images_key(key)
        return repository is None or bool(self._naming.of(repository))
