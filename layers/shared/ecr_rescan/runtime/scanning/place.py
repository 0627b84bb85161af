"""A repository in a registry and Region, and the configurations that name it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import findings_key, images_key
from ecr_rescan.core.patterns import matches


class Place(NamedTuple):
    """Where images are."""

    registry: str
    region: str
    repository: str

    @property
    def images_key(self) -> str:
        """The key of the image ledger."""
        return _images_key(*self)

    @property
    def findings_key(self) -> str:
        """The key of the findings document."""
        return findings_key(*self)


def naming(place: Place, configurations: Iterable[ScanConfiguration]) -> list[ScanConfiguration]:
    """The configurations that name a repository, in the order of their ids."""
    return sorted(
        (
            configuration
            for configuration in configurations
            if (configuration.registry, configuration.region) == (place.registry, place.region)
            and _is_named(place.repository, configuration.repository)
        ),
        key=lambda configuration: configuration.id,
    )


# A tick asks this of every repository, and the answers hardly ever change.
_is_named = functools.lru_cache(maxsize=65536)(matches)
_images_key = functools.lru_cache(maxsize=65536)(images_key)
