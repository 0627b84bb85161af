"""What a configuration sees of a repository: the images it selects, and whose findings count for them.

Displacement: an image without results counts with the findings of the image that it took its tag from (or, under
``newest``, with those of the next older one), so that a tag that moves to a rebuilt image closes and opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ecr_rescan.core.changes.findings import FindingsDocument, Image
from ecr_rescan.core.changes.masks import bits
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
    older = [digest for digest in order[len(images) :] if document.images[digest].manifests & with_result]
    selected = effective = 0
    stand_ins: dict[str, int] = {}
    for digest in images:
        image = document.images[digest]
        selected |= image.manifests
        effective |= image.manifests & with_result
        if image.manifests and not image.manifests & ~with_result:
            continue
        earlier = 0
        for tag in image.tags:
            if tag in image.took and matches(tag, selector.tags):
                earlier |= _taken_from(document, image, tag, with_result)
        if not earlier and older:
            earlier = document.images[older.pop(0)].manifests & with_result
        standing = _fill(document, image, earlier, with_result)
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
    found = [image]
    while (digest := found[-1].took.get(tag)) is not None:
        before = document.images.get(digest)
        if before is None or before in found:
            break
        found.append(before)
    return found[1:]


def _taken_from(document: FindingsDocument, image: Image, tag: str, with_result: int) -> int:
    """What an image takes over with a tag: the earlier image's manifests, and those that stood in for that one."""
    mask = 0
    for before in reversed(predecessors(document, image, tag)):
        mask = before.manifests & with_result | _fill(document, before, mask, with_result)
    return mask


def _fill(document: FindingsDocument, image: Image, earlier: int, with_result: int) -> int:
    """Of an earlier image's manifests those that stand in: all while the new one has no result, then by platform."""
    lacking = image.manifests & ~with_result
    if not image.manifests & with_result:
        return earlier
    platforms = {manifest.platform for manifest in document.manifests_of(lacking)}
    mask = 0
    for position in bits(earlier & ~image.manifests if lacking else 0):
        manifest = document.manifests[position]
        # An image that was built for a single platform often doesn't say for which.
        if manifest is not None and (manifest.platform is None or platforms & {None, manifest.platform}):
            mask |= 1 << position
    return mask
