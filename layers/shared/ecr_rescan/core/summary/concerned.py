"""Which repositories, and which of what can't be read, concern which configurations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ecr_rescan.core import keys
from ecr_rescan.core.naming import Naming, RepositoryId

if TYPE_CHECKING:
    from ecr_rescan.core.summary.summary import Problem


def by_configuration(naming: Naming, places: Iterable[RepositoryId]) -> dict[str, list[RepositoryId]]:
    """Configuration id → the repositories among these that it names."""
    named: dict[str, list[RepositoryId]] = {}
    for place in places:
        for configuration in naming.of(place):
            named.setdefault(configuration.id, []).append(place)
    return named


def unreadable_of(naming: Naming, problems: Iterable[Problem]) -> dict[str, dict[str, str]]:
    """Configuration id → the repositories that it names of which something can't be read, with what."""
    unreadable: dict[str, dict[str, str]] = {}
    for problem in problems:
        for parse, what in ((keys.parse_images_key, "image ledger"), (keys.parse_findings_key, "findings")):
            place = parse(problem.key)
            if place is not None:
                for configuration in naming.of(place):
                    told = unreadable.setdefault(configuration.id, {})
                    told[place[2]] = f"{place[2]}: its {what} can't be read"
    return unreadable
