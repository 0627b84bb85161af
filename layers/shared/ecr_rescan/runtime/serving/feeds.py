"""What the Findings function does: from an id and a token to what a feed is made from, and to the feed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore, Stored
from ecr_rescan.adapters.token_sets import TokenSetStore
from ecr_rescan.core import keys
from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.coverage import coverage
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.conditional import entity_tag
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, NotFoundError, NotReadyError, StoreError, UnauthorizedError
from ecr_rescan.core.naming import names
from ecr_rescan.core.patterns import is_exact
from ecr_rescan.core.releases import last_end
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.telling.feed_filters import FORM, FeedFilters
from ecr_rescan.core.tokens import Presented
from ecr_rescan.runtime.access import opens
from ecr_rescan.runtime.garbage import uncollected
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.signals.reading import signals_reader

_TICK_SECONDS = 300
_KEPT_BYTES = 48 * 1024 * 1024
_READ_AT_ONCE = 64
_UNREAD = "unread: "


@dataclass(frozen=True, slots=True)
class FeedState:
    """Everything that decides what a feed says on a day (UTC), known without reading a findings document.

    ``etags``: of the findings documents, by key. ``nothing_matches``: there are none, since a complete listing has no
    repository for them. ``changed_at``: when any of it last changed.
    """

    configuration: ScanConfiguration
    version: str
    etags: dict[str, str]
    nothing_matches: bool
    changed_at: datetime
    on: date
    signals: Signals

    @property
    def is_whole(self) -> bool:
        """False where S3 failed for some of it, so that the next reading may say more though nothing changed."""
        return not any(etag.startswith(_UNREAD) for etag in self.etags.values())

    def entity_tag(self, filters: FeedFilters, self_url: str) -> str:
        """Differs whenever the feed does; whatever changes how feeds look must raise ``FORM``."""
        active = [place for place, one in enumerate(self.configuration.ignore) if one.applies_on(self.on)]
        documents = [part for pair in sorted(self.etags.items()) for part in pair]
        # Whatever is said of a source's age stays the same all day.
        signals = (self.signals.version, self.signals.line(self.on), last_end(self.on).isoformat())
        known = (repr(active), repr(self.nothing_matches), *signals, *documents)
        return entity_tag(FORM, self.version, filters.query, self_url, *known)


@dataclass(frozen=True, slots=True)
class _Kept:
    etag: str
    document: FindingsDocument
    size: int


class FeedService:
    """The feeds of all configurations.

    Findings documents are kept parsed, by ETag, as long as those used last come from at most 48 MiB of JSON.
    """

    def __init__(self, documents: DocumentStore, configurations: ConfigurationStore, token_sets: TokenSetStore) -> None:
        self._documents = documents
        self._configurations = configurations
        self._token_sets = token_sets
        self._kept: dict[str, _Kept] = {}

    def authorise(self, configuration_id: str, token: Presented) -> tuple[ScanConfiguration, str]:
        """The configuration and its ETag.

        Raises:
            NotFoundError: there is none, whatever the token.
            UnauthorizedError: the token is not one of its own.
            DocumentError: what is stored can't be used.
            StoreError: S3 failed.
        """
        with ThreadPoolExecutor(1) as pool:
            key = keys.tokens_key(configuration_id)
            tokens = pool.submit(self._token_sets.get, key)
            found = self._configurations.get(configuration_id)
        if found is None:
            raise NotFoundError(f"configuration {configuration_id}")
        if not opens(key, tokens.result(), token):
            raise UnauthorizedError("This feed opens with a token of its own.")
        return found

    def state(self, configuration: ScanConfiguration, version: str, now: datetime) -> FeedState:
        """What the feed is made from, by one listing and one reading; ``version`` is the configuration's ETag.

        Raises:
            StoreError: S3 failed.
        """
        etags = {}
        changed = [configuration.updated, *_ended(configuration, now)]
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(signals_reader(self._documents).read)
            listed = list(self._documents.list(_common_prefix(configuration)))
        signals = reading.result()
        changed += [signals.changed_at] if signals.changed_at is not None else []
        changed += signals.went_stale(now.date())
        # From the day after, the feed says that a release has ended.
        changed.append(datetime.combine(last_end(now.date()) + timedelta(days=1), time(), UTC))
        for item in listed:
            place = keys.parse_findings_key(item.key)
            if place is not None and names(configuration, place):
                etags[item.key] = item.etag
                changed.append(item.last_modified)
        nothing_matches = not etags and self._nothing_matches(configuration)
        return FeedState(configuration, version, etags, nothing_matches, max(changed), now.date(), signals)

    def _nothing_matches(self, configuration: ScanConfiguration) -> bool:
        """Whether a listing of the whole registry, made for this selection, shows that there is nothing to select."""
        if all(map(is_exact, configuration.repository)):
            # Nothing is listed for these; one that is missing is a problem, and looked for.
            return False
        place = configuration.registry, configuration.region
        key = keys.account_key(*place)
        stored = self._documents.get(key)
        if stored is None:
            return False
        account = Account.from_json(key, stored.body)
        if account.repositories_at is None or account.repositories_at < configuration.selected_since:
            return False
        return not any(names(configuration, (*place, repository)) for repository in account.repositories)

    def render(self, state: FeedState, filters: FeedFilters, self_url: str) -> tuple[str, FeedState]:
        """The feed, and the state that it was made from: a document may have changed since the listing.

        Raises:
            NotReadyError: not everything was looked at yet, and nothing has a result: an empty feed would look clean.
        """
        # Here, because what a reader has already is answered without feedgen, which takes its time to import.
        from ecr_rescan.core.telling.feed import FeedSource, render_feed

        configuration = state.configuration
        with uncollected(keeping=True):
            documents, etags, unreadable = self._read(state.etags)
            covered = coverage(configuration, documents, on=state.on, nothing_matches=state.nothing_matches)
            if not covered.is_ready or (unreadable and not covered.answerable):
                lost = f" {unreadable} findings documents could not be read." if unreadable else ""
                raise NotReadyError(covered.why_not_ready(configuration) + lost, _TICK_SECONDS)
            signals = state.signals
            source = FeedSource(
                configuration, documents, covered, filters, self_url, unreadable, signals.line(state.on)
            )
            found = alerts(configuration, documents, on=state.on, resolved=filters.resolved, signals=signals)
            return render_feed(source, found), replace(state, etags=etags)

    def _read(self, etags: dict[str, str]) -> tuple[list[FindingsDocument], dict[str, str], int]:
        """The documents in the order of their keys, their ETags as read, and how many could not be read."""
        documents = {key: kept for key, etag in etags.items() if (kept := self._kept.get(key)) and kept.etag == etag}
        missing = [key for key in sorted(etags) if key not in documents]
        read = dict(etags)
        unreadable = 0
        for key, stored in zip(missing, self._fetch(missing), strict=True):
            try:
                if stored is None:
                    del read[key]
                    continue
                if not isinstance(stored, Stored):
                    raise stored
                read[key] = stored.etag
                documents[key] = _Kept(stored.etag, _parse(stored), len(stored.body))
            except DocumentError as error:
                unreadable += 1
                logger.warning("a findings document can't be used", key=key, problem=error.problem)
            except StoreError as error:
                # It may be readable next time, and that must be another feed to the reader.
                read[key] = f"{_UNREAD}{error.code}"
                unreadable += 1
                logger.warning("a findings document could not be read", key=key, problem=error.code)
        self._keep(documents)
        return [documents[key].document for key in sorted(documents)], read, unreadable

    def _fetch(self, wanted: Sequence[str]) -> Iterator[Stored | StoreError | DocumentError | None]:
        # In parts, so that not all bodies are in memory at once beside the parsed documents.
        for start in range(0, len(wanted), _READ_AT_ONCE):
            yield from self._documents.get_many(wanted[start : start + _READ_AT_ONCE])

    def _keep(self, used: dict[str, _Kept]) -> None:
        kept = {key: value for key, value in self._kept.items() if key not in used} | used
        size = sum(value.size for value in kept.values())
        for key in list(kept):
            if size <= _KEPT_BYTES:
                break
            size -= kept.pop(key).size
        self._kept = kept


def _parse(stored: Stored) -> FindingsDocument:
    document = FindingsDocument.from_json(stored.key, stored.body)
    if (document.registry, document.region, document.repository) != keys.parse_findings_key(stored.key):
        raise DocumentError(stored.key, "is about another repository than its key says")
    return document


def _common_prefix(configuration: ScanConfiguration) -> str:
    """How the keys of all documents begin that the configuration may name."""
    including = [pattern for pattern in configuration.repository if not pattern.startswith("!")]
    literal = os.path.commonprefix([re.split("[*?]", pattern, maxsplit=1)[0] for pattern in including])
    return keys.findings_key(configuration.registry, configuration.region, literal).removesuffix(".json")


def _ended(configuration: ScanConfiguration, now: datetime) -> list[datetime]:
    """When suppressions ended that are over: from that moment the feed shows more."""
    ends = [
        datetime.combine(one.until + timedelta(days=1), time(), UTC)
        for one in configuration.ignore
        if one.until is not None and one.until < date.max
    ]
    return [end for end in ends if end <= now]
