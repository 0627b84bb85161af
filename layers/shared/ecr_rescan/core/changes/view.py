"""What a configuration sees of a repository: the images it selects, and whose findings count for them.

Displacement: an image without results counts with the findings of the image that it took its tag from (or, under
``newest``, with those of the next older one), so that a tag that moves to a rebuilt image closes and opens nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from ecr_rescan.core.changes.findings import FindingsDocument, Image
from ecr_rescan.core.changes.masks import bits, mask_of
from ecr_rescan.core.patterns import matches


class Selector(Protocol):
    """The part of a scan configuration that selects images."""

    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def newest(self) -> int | None: ...


class Selectable(Protocol):
    """An image as far as selecting goes; ``tags`` may be a mapping of tags."""

    @property
    def tags(self) -> Collection[str]: ...
    @property
    def pushed_at(self) -> datetime: ...


def ranked(selector: Selector, images: Mapping[str, Selectable]) -> list[str]:
    """The digests of all images with a selected tag, most recently pushed first."""
    found = [digest for digest, image in images.items() if any(matches(tag, selector.tags) for tag in image.tags)]
    return sorted(found, key=lambda digest: (-images[digest].pushed_at.timestamp(), digest))


def select(selector: Selector, images: Mapping[str, Selectable]) -> list[str]:
    """The digests that a configuration selects, most recently pushed first: at most ``newest`` where that is given."""
    return ranked(selector, images)[: selector.newest]


@dataclass(frozen=True, slots=True)
class View:
    """A configuration's view of a findings document, as masks of manifests.

    ``images``: digest → tags of the images selected, newest first. ``selected``: their manifests. ``effective``: the
    manifests whose findings count, stand-ins included. ``stand_ins``: digest of an image → the manifests that stand in
    for it.
    """

    images: Mapping[str, tuple[str, ...]]
    selected: int
    effective: int
    stand_ins: Mapping[str, int]

    @property
    def standing_in(self) -> int:
        """All manifests that count only until another image has results."""
        mask = 0
        for part in self.stand_ins.values():
            mask |= part
        return mask


def view(selector: Selector, document: FindingsDocument) -> View:
    """Work out what a configuration sees of a repository."""
    order = ranked(selector, document.images)
    images = order[: selector.newest]
    with_result = document.with_result
    older = (document.images[digest] for digest in order[len(images) :])
    older_with_result = (image for image in older if image.manifests & with_result)
    selected = effective = 0
    stand_ins: dict[str, int] = {}
    for digest in images:
        image = document.images[digest]
        selected |= image.manifests
        effective |= image.manifests & with_result
        if image.manifests and not image.manifests & ~with_result:
            continue
        taken = [tag for tag in image.tags if tag in image.took and matches(tag, selector.tags)]
        earlier = [predecessors(document, image, tag) for tag in taken]
        if not any(earlier):
            earlier = [[before] for before in itertools.islice(older_with_result, 1)]
        standing = 0
        for found in earlier:
            for share in shares(document, image, found, with_result):
                standing |= share.mask
        if standing:
            stand_ins[digest] = standing
            effective |= standing
    return View({digest: document.images[digest].tags for digest in images}, selected, effective, stand_ins)


def as_seen(seen: View, document: FindingsDocument) -> FindingsDocument:
    """The document with just the images that are selected, and what stands in for them as theirs."""
    images = {}
    for digest in seen.images:
        image = document.images[digest]
        images[digest] = replace(image, manifests=image.manifests | seen.stand_ins.get(digest, 0))
    return replace(document, images=images)


def predecessors(document: FindingsDocument, image: Image, tag: str) -> list[Image]:
    """The images that held a tag before, as long as each one's successor lacks results; the latest first."""
    found = {image.digest: image}
    digest = image.took.get(tag)
    while digest is not None and digest not in found and digest in document.images:
        found[digest] = document.images[digest]
        digest = found[digest].took.get(tag)
    return list(found.values())[1:]


class Share(NamedTuple):
    """What an earlier image gives to a later one.

    ``mask``: its manifests that stand in. ``ends``: from it on, fewer platforms are looked for in images still older.
    """

    image: Image
    mask: int
    ends: bool


def shares(document: FindingsDocument, image: Image, earlier: Iterable[Image], with_result: int) -> Iterator[Share]:
    """What earlier images, the latest first, give to one that lacks results.

    All that the latest has, while the new one has no result at all; then by platform. An older one gives the platforms
    that all later ones lack a result for. Each platform is given by one image.
    """
    wanted = _lacking(document, image, with_result)
    given: set[str | None] = set()
    for before in earlier:
        if wanted is not None and not wanted:
            return
        platforms = {}
        for position in bits(before.manifests & with_result & ~image.manifests):
            manifest = document.manifests[position]
            if manifest is not None and _fits(manifest.platform, wanted):
                platforms[position] = manifest.platform
        mask = mask_of(position for position, platform in platforms.items() if platform not in given)
        given.update(platforms.values())
        narrower = _both(wanted, _lacking(document, before, with_result))
        yield Share(before, mask, narrower != wanted)
        wanted = narrower


def _lacking(document: FindingsDocument, image: Image, with_result: int) -> frozenset[str | None] | None:
    """The platforms of an image without a result; None while it has none at all."""
    if not image.manifests & with_result:
        return None
    return frozenset(manifest.platform for manifest in document.manifests_of(image.manifests & ~with_result))


def _fits(platform: str | None, wanted: frozenset[str | None] | None) -> bool:
    # An image that was built for a single platform often doesn't say for which.
    return wanted is None or platform is None or None in wanted or platform in wanted


def _both(one: frozenset[str | None] | None, other: frozenset[str | None] | None) -> frozenset[str | None] | None:
    """The platforms that fit both; one that is not known fits any."""
    if one is None or (other is not None and None in one):
        return other
    return one if other is None or None in other else one & other
