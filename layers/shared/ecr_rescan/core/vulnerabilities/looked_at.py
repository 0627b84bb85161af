"""What a list rests on: without it, an empty one would be taken for an all-clear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.view import view
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.naming import RepositoryId


@dataclass(frozen=True, slots=True)
class LookedAt:
    """How many repositories and images were looked at, and how many of the images have results of all platforms."""

    repositories: int
    images: int
    with_results: int


@dataclass(frozen=True, slots=True)
class Images:
    """The digests that a configuration selects, by repository, and those of them that have results."""

    selected: dict[RepositoryId, frozenset[str]]
    with_results: dict[RepositoryId, frozenset[str]]


def selected_images(configuration: ScanConfiguration, documents: Iterable[FindingsDocument]) -> Images:
    """What a configuration looks at in these documents."""
    images = Images({}, {})
    for document in documents:
        place = document.registry, document.region, document.repository
        with_result = document.with_result
        selected = frozenset(view(configuration, document).images)
        masks = ((digest, document.images[digest].manifests) for digest in selected)
        images.selected[place] = selected
        images.with_results[place] = frozenset(digest for digest, mask in masks if mask and not mask & ~with_result)
    return images


def looked_at(images: Sequence[Images]) -> LookedAt:
    """All of it, each image once, however many configurations select it."""
    return LookedAt(
        len({place for one in images for place in one.selected}),
        _distinct([one.selected for one in images]),
        _distinct([one.with_results for one in images]),
    )


def _distinct(images: Sequence[dict[RepositoryId, frozenset[str]]]) -> int:
    if len(images) == 1:
        return sum(map(len, images[0].values()))
    joined: dict[RepositoryId, set[str]] = {}
    for one in images:
        for place, digests in one.items():
            joined.setdefault(place, set()).update(digests)
    return sum(map(len, joined.values()))
