"""A repository in a registry and Region."""

from __future__ import annotations

import functools
from typing import NamedTuple

from ecr_rescan.core.keys import findings_key, images_key


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


# A tick asks this of every repository.
_images_key = functools.lru_cache(maxsize=65536)(images_key)
