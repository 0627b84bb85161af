"""The scan configurations in the bucket, ours and those that a person put there."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_rescan.adapters.documents import DocumentStore, Listed, Stored
from ecr_rescan.core import keys
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, StoreError

# A request's body is at most 256 KiB; whatever is much larger is no configuration, and not worth the memory.
_LARGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """An object under ``configs/`` that can't be used, and why."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class Configurations:
    """Everything under ``configs/``, in the order of the keys."""

    valid: tuple[ScanConfiguration, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """How much is under ``configs/``: objects, and their bytes."""

    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class _Known:
    etag: str
    entry: ScanConfiguration | Problem


class ConfigurationStore:
    """The scan configurations. What the last listing had is kept parsed, by ETag, for the next one."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._known: dict[str, _Known] = {}

    def list_all(self) -> Configurations:
        """Every configuration, at the price of one listing and a read of what changed since the last.

        A bad one is a problem beside the others, never an error.

        Raises:
            StoreError: the listing itself failed.
        """
        # The console's "create folder" leaves an empty object that ends in a slash.
        listed = [item for item in self._documents.list(keys.CONFIGS) if not item.key.endswith("/")]
        known: dict[str, _Known] = {}
        changed: list[str] = []
        for item in listed:
            before = self._known.get(item.key)
            if before is not None and before.etag == item.etag:
                known[item.key] = before
            elif (problem := _unfit(item)) is not None:
                known[item.key] = _Known(item.etag, Problem(item.key, problem))
            else:
                changed.append(item.key)
        etags = {item.key: item.etag for item in listed}
        read = self._documents.get_many(changed, largest=_LARGEST_BYTES)
        for key, stored in zip(changed, read, strict=True):
            if stored is not None:
                known[key] = _parsed(key, stored, etags[key])
        self._known = known
        entries = [known[item.key].entry for item in listed if item.key in known]
        return Configurations(
            valid=tuple(entry for entry in entries if isinstance(entry, ScanConfiguration)),
            problems=tuple(entry for entry in entries if isinstance(entry, Problem)),
        )

    def usage(self) -> Usage:
        """What there is, at the price of one listing."""
        sizes = [item.size for item in self._documents.list(keys.CONFIGS)]
        return Usage(len(sizes), sum(sizes))

    def get(self, configuration_id: str) -> tuple[ScanConfiguration, str] | None:
        """A configuration and its ETag, or None where there is none.

        Raises:
            DocumentError: what is there can't be used.
            StoreError: S3 failed.
        """
        stored = self._documents.get(keys.config_key(configuration_id), largest=_LARGEST_BYTES)
        if stored is None:
            return None
        return _read(configuration_id, stored), stored.etag

    def etag(self, configuration_id: str) -> str | None:
        """The ETag of what is stored under the id, even if it can't be used; None where there is nothing."""
        key = keys.config_key(configuration_id)
        return next((item.etag for item in self._documents.list(key) if item.key == key), None)

    def put(self, configuration: ScanConfiguration, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write a configuration and answer its ETag; ConflictError where the condition does not hold."""
        key, body = keys.config_key(configuration.id), configuration.to_document()
        return self._documents.put(key, body, if_match=if_match, if_none_match=if_none_match, compress=False)

    def delete(self, configuration_id: str, *, if_match: str) -> None:
        """Remove a configuration; ConflictError when it is not, or no longer, the one with that ETag."""
        self._documents.delete(keys.config_key(configuration_id), if_match=if_match)


def _unfit(item: Listed) -> str | None:
    if keys.parse_config_key(item.key) is None:
        return "is not named {id}.json, the id being a UUID in lower case"
    if item.size > _LARGEST_BYTES:
        return f"is larger than {_LARGEST_BYTES} bytes"
    return None


def _parsed(key: str, stored: Stored | StoreError | DocumentError, listed_as: str) -> _Known:
    if isinstance(stored, StoreError):
        # No ETag: what could not be read this time is tried again the next.
        return _Known("", Problem(key, str(stored)))
    if isinstance(stored, DocumentError):
        return _Known(listed_as, Problem(key, stored.problem))
    try:
        return _Known(stored.etag, _read(keys.parse_config_key(key) or "", stored))
    except DocumentError as error:
        return _Known(stored.etag, Problem(key, error.problem))


def _read(configuration_id: str, stored: Stored) -> ScanConfiguration:
    return ScanConfiguration.from_document(stored.body, id=configuration_id, modified=stored.last_modified)
