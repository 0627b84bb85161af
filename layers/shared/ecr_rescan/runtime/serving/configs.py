"""What the Config function does: scan configurations and their tokens, from a checked request to the bucket."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ecr_rescan.adapters.configurations import ConfigurationStore, Problem
from ecr_rescan.adapters.token_sets import TokenSetStore
from ecr_rescan.core import keys
from ecr_rescan.core.checks import repository_of
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import (
    AlreadyExistsError,
    ConflictError,
    DocumentError,
    Fault,
    InvalidConfigurationError,
    NotFoundError,
    QuotaExceededError,
    UnknownSchemaError,
)
from ecr_rescan.core.tokens import DEFAULT_NAME
from ecr_rescan.runtime.settings import Settings

ANY = "*"

MOST_CONFIGURATIONS = 1000
"""In one deployment. Every tick reads, sorts and holds them all."""

MOST_BYTES = 16 * 1024 * 1024
"""What all of them may take in the bucket, and so in a function's memory."""


LARGEST_ANSWER_BYTES = 4_500_000
"""Of JSON in pages: a function may answer 6 MB, in which the text is JSON once more, with its quotes escaped."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the configurations, by id; ``more`` is whether others follow, ``problems`` are of all of them."""

    configurations: tuple[ScanConfiguration, ...]
    more: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration as it is stored now; ``token`` opens its feed where it was created just now.

    ``before`` and ``previous``: the ETag of what it took the place of, and that, None where it could not be used.
    """

    configuration: ScanConfiguration
    etag: str
    token: str | None = None
    before: str | None = None
    previous: ScanConfiguration | None = None


class ConfigurationService:
    """Scan configurations and their tokens: one without tokens is closed, and tokens without one open nothing."""

    def __init__(self, configurations: ConfigurationStore, token_sets: TokenSetStore, settings: Settings) -> None:
        self._configurations = configurations
        self._token_sets = token_sets
        self._settings = settings

    def page(self, *, after: str, limit: int) -> Page:
        """At most ``limit`` configurations, those whose id comes after the given one."""
        everything = self._configurations.list_all()
        following = [configuration for configuration in everything.valid if configuration.id > after]
        return Page(tuple(following[:limit]), len(following) > limit, everything.problems)

    def get(self, configuration_id: str) -> Written:
        """A configuration; NotFoundError where there is none, DocumentError where it can't be used."""
        found = self._configurations.get(configuration_id)
        if found is None:
            raise _not_found(configuration_id)
        return Written(*found)

    def add(self, body: object, *, id: str, now: datetime, random_bytes: bytes) -> Written:
        """Store a new configuration, with a token; an ``id`` in the body is another's, and means nothing.

        Raises:
            InvalidConfigurationError: with every fault of the body.
        """
        configuration = self.check_new(body, id=id, now=now)
        self._check_quota(configuration)
        return self._create(configuration, now, random_bytes)

    def check_new(self, body: object, *, id: str, now: datetime) -> ScanConfiguration:
        """What ``add`` would store; it raises the same."""
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "id"}
        return self._checked(ScanConfiguration.from_wire(body, id=id, now=now))

    def replace(
        self,
        configuration_id: str,
        body: object,
        *,
        if_match: Sequence[str] | None,
        create: bool,
        now: datetime,
        random_bytes: bytes,
    ) -> Written:
        """Store a configuration in the place of the one with that id, or, to ``create``, where there is none.

        Args:
            if_match: the ETags, or ANY, one of which must be the present one's.

        Raises:
            InvalidConfigurationError: with every fault of the body.
            NotFoundError: there is none, and nothing was said about it.
            AlreadyExistsError: there is one, and there should be none.
            ConflictError: it is not, or no longer, the expected one.
        """
        asked, previous, etag = self._check(configuration_id, body, if_match, create, now)
        if etag is None:
            self._check_quota(asked)
            self._forget_tokens(configuration_id)
            return self._create(asked, now, random_bytes)
        if asked == previous:
            return Written(asked, etag, before=etag, previous=previous)
        if previous is None or len(asked.to_document()) > len(previous.to_document()):
            self._check_quota(asked, more=0)
        return Written(asked, self._configurations.put(asked, if_match=etag), before=etag, previous=previous)

    def check_replacement(
        self, configuration_id: str, body: object, *, if_match: Sequence[str] | None, create: bool, now: datetime
    ) -> ScanConfiguration:
        """What ``replace`` would store; it raises the same."""
        return self._check(configuration_id, body, if_match, create, now)[0]

    def _check(
        self, configuration_id: str, body: object, if_match: Sequence[str] | None, create: bool, now: datetime
    ) -> tuple[ScanConfiguration, ScanConfiguration | None, str | None]:
        """What is asked for, what is there now, and its ETag."""
        previous, etag = self._present(configuration_id)
        if etag is None and if_match is None and not create:
            raise _not_found(configuration_id)
        _expect(configuration_id, etag, if_match)
        if etag is not None and create:
            raise AlreadyExistsError(configuration_id, f"configuration {configuration_id} is there already")
        asked = self._checked(ScanConfiguration.from_wire(body, id=configuration_id, now=now, previous=previous))
        return asked, previous, etag

    def remove(self, configuration_id: str, *, if_match: Sequence[str] | None) -> str:
        """Remove a configuration and its tokens, even one that can't be read; the ETag that it had.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is not, or no longer, the expected one.
        """
        etag = self._configurations.etag(configuration_id)
        if etag is None:
            raise _not_found(configuration_id)
        _expect(configuration_id, etag, if_match)
        key = keys.tokens_key(configuration_id)
        tokens = self._token_sets.etag(key)
        # In this order: the feed is closed at once, and what remains if we die in between opens nothing. Tokens that
        # are others by now belong to whoever created the same id again in between.
        self._configurations.delete(configuration_id, if_match=etag)
        if tokens is not None:
            self._token_sets.delete(key, if_match=tokens)
        return etag

    def tokens_key(self, configuration_id: str) -> str:
        """Where the tokens of a configuration are; NotFoundError where there is no such configuration."""
        if self._configurations.etag(configuration_id) is None:
            raise _not_found(configuration_id)
        return keys.tokens_key(configuration_id)

    def _present(self, configuration_id: str) -> tuple[ScanConfiguration | None, str | None]:
        """What is stored, None where it can't be used, and its ETag, None where there is nothing."""
        try:
            return self._configurations.get(configuration_id) or (None, None)
        except UnknownSchemaError:
            raise
        except DocumentError:
            return None, self._configurations.etag(configuration_id)

    def _forget_tokens(self, configuration_id: str) -> None:
        """Take away what is left of an earlier configuration with that id, so that it never opens the new one.

        Of two that create the same id at once, the loser must leave the winner's token alone. Tokens that are there
        before it is seen that there is no configuration are nobody's: the winner's come after its configuration.
        """
        key = keys.tokens_key(configuration_id)
        tokens = self._token_sets.etag(key)
        if tokens is not None and self._configurations.etag(configuration_id) is None:
            self._token_sets.delete(key, if_match=tokens)

    def _create(self, configuration: ScanConfiguration, now: datetime, random_bytes: bytes) -> Written:
        # The token comes last, when it is certain that nobody else created the same.
        etag = self._configurations.put(configuration, if_none_match=True)
        key = keys.tokens_key(configuration.id)
        token = self._token_sets.replace(key, DEFAULT_NAME, random_bytes=random_bytes, now=now)
        return Written(configuration, etag, token)

    def _check_quota(self, configuration: ScanConfiguration, *, more: int = 1) -> None:
        """QuotaExceededError where there would be too much; two at once may both still fit, which does no harm."""
        there = self._configurations.usage()
        if there.objects + more > MOST_CONFIGURATIONS:
            problem = (
                f"there are {there.objects:,} configurations, of at most {MOST_CONFIGURATIONS:,}; remove one first"
            )
            raise QuotaExceededError("configurations", problem)
        if there.size + len(configuration.to_document()) > MOST_BYTES:
            problem = f"all configurations take {there.size:,} bytes, of at most {MOST_BYTES:,}; shorten or remove some"
            raise QuotaExceededError("bytes", problem)

    def _checked(self, configuration: ScanConfiguration) -> ScanConfiguration:
        if configuration.role_arn is not None and not self._settings.allows_role(configuration.role_arn):
            problem = "is not one of the roles that this deployment may assume (its parameter AllowedRoles)"
            raise InvalidConfigurationError([Fault("role_arn", problem)])
        return configuration


def warnings(configuration: ScanConfiguration, *, account_id: str, today: date, regions: Collection[str]) -> list[str]:
    """What is allowed but probably not meant; ``regions`` are those that are known to have ECR."""
    found = []
    if configuration.region not in regions:
        near = difflib.get_close_matches(configuration.region, regions, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        found.append(f"region {configuration.region} is not known to have ECR{hint}")
    addresses = [(one, repository_of(one.removeprefix("!"))) for one in configuration.repository]
    found += [
        f"repository {one} is an image's address, and taken for a repository's name; write {name}"
        for one, name in addresses
        if name is not None
    ]
    if configuration.registry != account_id and configuration.role_arn is None:
        found.append(f"registry {configuration.registry} is another account's: without role_arn it can't be reached")
    if ended := sum(not suppression.applies_on(today) for suppression in configuration.ignore):
        found.append(f"{ended} of the entries of ignore ended before today")
    return found


def fitting(entries: Sequence[object]) -> int:
    """How many of a page's entries, one at least, fit into an answer."""
    size = 0
    for count, entry in enumerate(entries):
        # Twice, as the answer does it. The indentation of our answers is within what is left of the 6 MB.
        size += len(json.dumps(json.dumps(entry, indent=1)))
        if count and size > LARGEST_ANSWER_BYTES:
            return count
    return len(entries)


def _expect(configuration_id: str, etag: str | None, if_match: Sequence[str] | None) -> None:
    if if_match is not None and (etag is None or not {etag, ANY}.intersection(if_match)):
        raise ConflictError(f"configuration {configuration_id}", "the configuration is not the one that If-Match names")


def _not_found(configuration_id: str) -> NotFoundError:
    return NotFoundError(f"configuration {configuration_id}")
