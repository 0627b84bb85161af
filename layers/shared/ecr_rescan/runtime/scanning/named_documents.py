"""The findings documents of the repositories that a configuration names, for what StartScan tells people."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError
from ecr_rescan.core.keys import FINDINGS, parse_findings_key
from ecr_rescan.core.naming import names
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.place import Place

_AT_ONCE = 32


def named_documents(
    documents: DocumentStore, configuration: ScanConfiguration, among: Collection[Place] | None = None
) -> Iterator[FindingsDocument]:
    """One after the other, so that not all of them need be in memory; ``among``: only of these repositories.

    A document that is damaged is reported and left out: it can't get better by waiting.

    Raises:
        StoreError: S3 failed: nothing should be told on half of what is known.
    """
    if among is None:
        prefix = f"{FINDINGS}{configuration.registry}/{configuration.region}/"
        listed = [parsed for item in documents.list(prefix) if (parsed := parse_findings_key(item.key))]
        among = [place for parsed in listed if names(configuration, place := Place(*parsed))]
    keys = sorted(place.findings_key for place in among)
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        for key, stored in zip(part, documents.get_many(part), strict=True):
            if isinstance(stored, StoreError):
                raise stored
            try:
                if isinstance(stored, DocumentError):
                    raise stored
                if stored is not None:
                    yield FindingsDocument.from_json(key, stored.body)
            except DocumentError as error:
                logger.warning("A findings document can't be used", key=key, problem=error.problem)
