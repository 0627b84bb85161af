"""What to look up: the (distribution, vulnerability, package) of all open findings on record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ecr_rescan.core.changes.masks import from_ranges
from ecr_rescan.core.fixes.distributions import DISTRIBUTIONS, distribution_of
from ecr_rescan.core.fixes.known import Pair
from ecr_rescan.core.fixes.places import may_be_asked

Wanted = tuple[Pair, str]
"""A pair, and a package that findings name."""


def wanted_in(body: bytes) -> frozenset[Wanted]:
    """Of a findings document as stored; one that can't be parsed names nothing.

    Read as plain JSON: of documents of megabytes, little is needed.
    """
    try:
        return frozenset(_wanted(orjson.loads(body)))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return frozenset()


def _wanted(document: dict[str, Any]) -> Iterator[Wanted]:
    masks: dict[str, int] = {}
    for position, manifest in enumerate(document["manifests"]):
        found = distribution_of(manifest.get("release")) if manifest else None
        if found is not None:
            masks[found[0].key] = masks.get(found[0].key, 0) | 1 << position
    for vulnerability, packages in document["findings"].items():
        asked = [key for key in masks if may_be_asked(DISTRIBUTIONS[key], vulnerability)]
        for package, finding in packages.items() if asked else ():
            opening = finding["openings"][-1]
            if opening.get("closed") is not None:
                continue
            # What ECR says of a fix wins: nothing is looked up for it.
            told = finding.get("fixes", {})
            mask = 0
            for version, parts in opening.get("affected", {}).items():
                if version not in told:
                    for ranges in parts.values():
                        mask |= from_ranges(ranges)
            yield from (((key, vulnerability), package) for key in asked if masks[key] & mask)
