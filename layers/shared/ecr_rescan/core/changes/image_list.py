"""The image list of a findings document: kept as the repository is, with displaced images as long as they stand in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ecr_rescan.core.changes.findings import FindingsDocument, Image, Manifest
from ecr_rescan.core.changes.masks import bits
from ecr_rescan.core.changes.view import Selector, View, predecessors, shares
from ecr_rescan.core.patterns import matches


@dataclass(frozen=True, slots=True)
class ImageFact:
    """A tagged image as the repository has it now; ``manifests`` is digest → platform of what is scanned for it."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    manifests: Mapping[str, str | None]


def list_images(document: FindingsDocument, facts: Sequence[ImageFact], now: datetime) -> None:
    """Bring the list up to date. Images that are gone or lost their tags stay, untagged, until ``drop_unseen``."""
    holders = {tag: digest for digest, image in document.images.items() for tag in image.tags}
    places = {manifest.digest: place for place, manifest in enumerate(document.manifests) if manifest is not None}
    appeared = {digest: image.appeared_at for digest, image in document.images.items()}
    free = _free_places(document)
    with_result = document.with_result
    # Neighbours in age have most findings in common, and neighbours in the list make short ranges.
    for fact in sorted(facts, key=lambda fact: (fact.pushed_at, fact.digest)):
        mask = 0
        for digest, platform in sorted(fact.manifests.items()):
            place = places.get(digest)
            if place is None:
                place = places[digest] = next(free)
                document.manifests[place] = Manifest(digest)
            manifest = document.manifests[place]
            if manifest is not None and platform is not None:
                manifest.platform = platform
            mask |= 1 << place
        tags = tuple(sorted(fact.tags))
        image = document.images.get(fact.digest)
        if image is None:
            image = Image(fact.digest, tags, fact.pushed_at, mask, fact.pushed_at, now)
            document.images[fact.digest] = image
        elif (image.tags, image.manifests, image.pushed_at) != (tags, mask, fact.pushed_at):
            image.tags, image.manifests, image.pushed_at, image.changed_at = tags, mask, fact.pushed_at, now
        if not mask or mask & ~with_result:
            for tag in tags:
                holder = holders.get(tag, fact.digest)
                if holder != fact.digest:
                    _take(image, tag, document.images[holder], appeared[holder], with_result)
    listed = {fact.digest for fact in facts}
    for digest, image in document.images.items():
        if digest not in listed and image.tags:
            image.tags, image.changed_at = (), now


def _free_places(document: FindingsDocument) -> Iterator[int]:
    yield from [place for place, manifest in enumerate(document.manifests) if manifest is None]
    while True:
        document.manifests.append(None)
        yield len(document.manifests) - 1


def _take(image: Image, tag: str, before: Image, appeared_at: datetime, with_result: int) -> None:
    """Remember whom the tag was taken from, or who stood in for that image where it had no result itself."""
    if before.manifests & with_result:
        image.took[tag] = before.digest
        return
    image.appeared_at = min(image.appeared_at, appeared_at)
    if tag in before.took:
        image.took[tag] = before.took[tag]


def forget_predecessors(document: FindingsDocument) -> None:
    """Remember of the images that held a tag before only the last one, and those that give it something.

    None for an image that has all its results. So no platform that ECR never scans makes them pile up.
    """
    with_result = document.with_result
    for image in document.images.values():
        if image.took and image.manifests and not image.manifests & ~with_result:
            image.took = {}
    for image in document.images.values():
        for tag in [tag for tag in image.tags if tag in image.took]:
            given = list(shares(document, image, predecessors(document, image, tag), with_result))
            while len(given) > 1 and not given[-1].mask:
                given.pop()
            kept = [share.image for number, share in enumerate(given) if not number or share.mask or share.ends]
            for later, before in itertools.pairwise([image, *kept]):
                later.took[tag] = before.digest
            [image, *kept][-1].took.pop(tag, None)


def wanted_images(document: FindingsDocument, views: Sequence[View], *, keep_all: bool = False) -> set[str]:
    """The images that somebody selects or that stand in for one of these; with ``keep_all``, all that have tags."""
    wanted = {digest for digest, image in document.images.items() if image.tags} if keep_all else set()
    standing_in = 0
    for seen in views:
        wanted.update(seen.images)
        standing_in |= seen.standing_in
    for digest in list(wanted):
        image = document.images[digest]
        for tag in image.tags:
            wanted.update(before.digest for before in predecessors(document, image, tag))
    wanted.update(digest for digest, image in document.images.items() if image.manifests & standing_in)
    return wanted


def _superseded(document: FindingsDocument, views: Sequence[View]) -> int:
    """The manifests with a result whose images lost their tags, and which stand in for nobody any more."""
    with_result = document.with_result
    needed = 0
    for seen in views:
        needed |= seen.standing_in
    untagged = 0
    for image in document.images.values():
        if not image.tags:
            untagged |= image.manifests
            continue
        needed |= image.manifests
        for tag in [tag for tag in image.tags if tag in image.took]:
            for share in shares(document, image, predecessors(document, image, tag), with_result):
                needed |= share.mask
    return untagged & with_result & ~needed


def drop_unseen(
    document: FindingsDocument,
    wanted: set[str],
    views: Sequence[View],
    views_before: Sequence[tuple[Selector, View]],
    facts: Sequence[ImageFact] | None,
) -> dict[int, str]:
    """Drop the images that nobody wants, and of displaced ones the platforms that have a successor with a result.

    Returns:
        The positions of the manifests that went with them → why: ``gone`` (deleted), ``fixed`` (displaced by an image
        with results of its own), ``unselected`` (no configuration names it any more).
    """
    dropped = {digest: image for digest, image in document.images.items() if digest not in wanted}
    document.images = {digest: image for digest, image in document.images.items() if digest in wanted}
    kept = 0
    over = _superseded(document, views)
    for image in document.images.values():
        if not image.tags and image.manifests & over:
            dropped[image.digest] = replace(image)
            image.manifests &= ~over
        kept |= image.manifests
    # A manifest that no image holds is a platform that was deleted from an index.
    held_places = set(bits(kept))
    removed = {
        place: "gone"
        for place, manifest in enumerate(document.manifests)
        if manifest is not None and place not in held_places
    }
    listed = None if facts is None else {fact.digest: fact.tags for fact in facts}
    held = {tag for image in document.images.values() for tag in image.tags}
    counted = _tags_counted(views_before) if dropped else {}
    for _, image in sorted(dropped.items()):
        tags = counted.get(image.digest, set()).union(*(counted.get(place, ()) for place in bits(image.manifests)))
        reason = _why(image, tags, listed, held)
        removed.update((place, reason) for place in bits(image.manifests & ~kept))
    for place in removed:
        document.manifests[place] = None
    while document.manifests and document.manifests[-1] is None:
        document.manifests.pop()
    return removed


def _tags_counted(views: Sequence[tuple[Selector, View]]) -> dict[str | int, set[str]]:
    """The tags under which images counted: by digest their own, by place those of whom a manifest stood in for."""
    counted: dict[str | int, set[str]] = {}
    for selector, seen in views:
        for digest, names in seen.images.items():
            tags = {tag for tag in names if matches(tag, selector.tags)}
            counted.setdefault(digest, set()).update(tags)
            for place in bits(seen.stand_ins.get(digest, 0)):
                counted.setdefault(place, set()).update(tags)
    return counted


def _why(image: Image, tags: set[str], listed: Mapping[str, tuple[str, ...]] | None, held: set[str]) -> str:
    """Why an image was dropped, told from the tags under which it counted."""
    if not tags:
        return "unselected"
    left = () if listed is None else listed.get(image.digest, ())
    # Under "newest" an image is displaced by those pushed after it, and keeps its tags.
    if tags & held or tags.intersection(left):
        return "fixed"
    return "unselected" if left else "gone"


def tags_by_position(document: FindingsDocument) -> dict[int, set[str]]:
    """The tags that name each manifest, or named it before they were taken from it."""
    names: dict[int, set[str]] = {}
    for image in document.images.values():
        for position in bits(image.manifests):
            names.setdefault(position, set()).update(image.tags)
        for tag, digest in image.took.items():
            before = document.images.get(digest)
            for position in bits(before.manifests) if before else ():
                names.setdefault(position, set()).add(tag)
    return names
