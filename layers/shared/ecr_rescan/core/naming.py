"""Which configurations name a repository: the one answer for ticks, batches, messages, summaries, feeds and pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.patterns import is_exact, matches

RepositoryId = tuple[str, str, str]
"""(registry, Region, repository)."""


def names(configuration: ScanConfiguration, place: RepositoryId) -> bool:
    """Whether a configuration names the repository."""
    registry, region, repository = place
    wanted = configuration.registry, configuration.region
    return (registry, region) == wanted and matches(repository, configuration.repository)


class Naming:
    """``names`` for many configurations and repositories: what can't match is not tried. Not for concurrent use.

    Exact names are looked up, and globs by what they begin with, so that a thousand configurations take each of five
    thousand repositories not much longer than one does.
    """

    def __init__(self, configurations: Iterable[ScanConfiguration]) -> None:
        self._registries: dict[tuple[str, str], _Index] = {}
        for configuration in sorted(configurations, key=lambda configuration: configuration.id):
            place = (configuration.registry, configuration.region)
            self._registries.setdefault(place, _Index()).add(configuration)
        self._known: dict[RepositoryId, Sequence[ScanConfiguration]] = {}

    def of(self, place: RepositoryId) -> Sequence[ScanConfiguration]:
        """The configurations that name a repository, in the order of their ids."""
        known = self._known.get(place)
        if known is None:
            index = self._registries.get((place[0], place[1]))
            known = self._known[place] = index.of(place[2]) if index else ()
        return known


class _Index:
    """The configurations of one registry in one Region, by their lists of patterns: many have the same."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._users: list[list[ScanConfiguration]] = []
        self._including, self._excluding = _Patterns(), _Patterns()
        self._joined: dict[frozenset[int], Sequence[ScanConfiguration]] = {}

    def add(self, configuration: ScanConfiguration) -> None:
        patterns = configuration.repository
        number = self._numbers.setdefault(patterns, len(self._users))
        if number < len(self._users):
            self._users[number].append(configuration)
            return
        self._users.append([configuration])
        excluding = [pattern for pattern in patterns if pattern.startswith("!")]
        for pattern in excluding:
            self._excluding.add(pattern[1:], number)
        # Without an including pattern, all that is not excluded is included.
        for pattern in [pattern for pattern in patterns if pattern not in excluding] or ["*"]:
            self._including.add(pattern, number)

    def of(self, name: str) -> Sequence[ScanConfiguration]:
        numbers = frozenset(self._including.of(name) - self._excluding.of(name))
        if numbers not in self._joined:
            together = [configuration for number in numbers for configuration in self._users[number]]
            self._joined[numbers] = tuple(sorted(together, key=lambda configuration: configuration.id))
        return self._joined[numbers]


class _Patterns:
    """Whose patterns match a name, without trying those that can't."""

    def __init__(self) -> None:
        self._exact: dict[str, set[int]] = {}
        self._globs: dict[str, dict[str, set[int]]] = {}
        self._literals: dict[str, str] = {}
        self._lengths: set[int] = set()

    def add(self, pattern: str, number: int) -> None:
        if is_exact(pattern):
            self._exact.setdefault(pattern, set()).add(number)
            return
        literals = re.split("[*?]", pattern)
        self._literals[pattern] = max(literals, key=len)
        self._globs.setdefault(literals[0], {}).setdefault(pattern, set()).add(number)
        self._lengths.add(len(literals[0]))

    def of(self, name: str) -> set[int]:
        found = set(self._exact.get(name, ()))
        for length in self._lengths:
            for pattern, numbers in self._globs.get(name[:length], {}).items():
                if self._literals[pattern] in name and matches(name, (pattern,)):
                    found |= numbers
        return found
