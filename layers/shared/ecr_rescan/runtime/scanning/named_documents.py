"""The findings documents of the repositories that configurations name, for what StartScan tells people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.keys import FINDINGS, parse_findings_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.place import Place

_AT_ONCE = 32


def named_places(documents: DocumentStore, configurations: Iterable[ScanConfiguration]) -> dict[Place, list[str]]:
    """The repositories with a findings document that these name → the ids of those that do, by a listing for each
    registry and Region.

    Raises:
        StoreError: a listing failed.
    """
    asked = list(configurations)
    naming = Naming(asked)
    named = {}
    for registry, region in sorted({(one.registry, one.region) for one in asked}):
        for item in documents.list(f"{FINDINGS}{registry}/{region}/"):
            parsed = parse_findings_key(item.key)
            if parsed and (by := naming.of(parsed)):
                named[Place(*parsed)] = [one.id for one in by]
    return named


def each_document(
    documents: DocumentStore, places: Collection[Place], known: Mapping[str, Stored] | None = None
) -> Iterator[tuple[Place, FindingsDocument | StoreError]]:
    """Each document once, in the order of the repositories, so that not all of them need be in memory.

    One that is damaged is reported and left out: it can't get better by waiting. Where S3 failed, nothing should be
    told on half of what is known. ``known``: by key, what was read before.
    """
    held = known or {}
    ordered = sorted(places)
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        missing = [place.findings_key for place in part if place.findings_key not in held]
        read = dict(zip(missing, documents.get_many(missing), strict=True))
        for place in part:
            key = place.findings_key
            stored = held[key] if key in held else read[key]
            try:
                if isinstance(stored, DocumentError):
                    raise stored
                if isinstance(stored, StoreError):
                    yield place, stored
                elif stored is not None:
                    yield place, FindingsDocument.from_json(key, stored.body)
            except DocumentError as error:
                logger.warning("A findings document can't be used", key=key, problem=error.problem)


def each_ledger(documents: DocumentStore, places: Collection[Place]) -> Iterator[tuple[Place, Ledger | StoreError]]:
    """Each image ledger once; as ``each_document``."""
    ordered = sorted(places)
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        for place, stored in zip(part, documents.get_many([one.images_key for one in part]), strict=True):
            try:
                if isinstance(stored, DocumentError):
                    raise stored
                if isinstance(stored, StoreError):
                    yield place, stored
                elif stored is not None:
                    yield place, Ledger.from_json(place.images_key, stored.body)
            except DocumentError as error:
                logger.warning("An image ledger can't be used", key=place.images_key, problem=error.problem)
