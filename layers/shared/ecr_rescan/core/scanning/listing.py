"""Keeping an image ledger as the repository is: from complete listings, and from push, delete and archive events.

Only a complete listing, a delete event, ImageNotFound or RepositoryNotFound is evidence that something is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.view import Selector, select
from ecr_rescan.core.scanning.artifacts import kind_of_attached, only_images, type_of
from ecr_rescan.core.scanning.events import ImageDeleted, ImagePushed, StorageClassChanged
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.shapes import REFERRER_TAG

ImageEvent = ImagePushed | ImageDeleted | StorageClassChanged

SKEW = timedelta(minutes=1)
"""How far an event may be behind a listing that did not show it: clocks differ, and events know whole seconds."""


class Detail(Protocol):
    """A row of DescribeImages, one per digest (ECR API reference, ImageDetail)."""

    @property
    def digest(self) -> str: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def pushed_at(self) -> datetime: ...
    @property
    def media_type(self) -> str: ...
    @property
    def artifact_type(self) -> str: ...
    @property
    def archived(self) -> bool: ...
    @property
    def subject(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Holders:
    """Who held each tag, and which images were archived, at one moment."""

    tags: Mapping[str, str]
    archived: frozenset[str]

    @classmethod
    def of(cls, ledger: Ledger) -> Holders:
        """As a ledger has them now."""
        tags = {tag: digest for digest, image in ledger.images.items() for tag in image.tags}
        return cls(tags, frozenset(digest for digest, image in ledger.images.items() if image.archived))


def apply_listing(ledger: Ledger, details: Iterable[Detail], began: datetime, *, over: Holders | None = None) -> None:
    """Replace the ledger's images by a complete listing that began at ``began``; what is known of each is kept.

    ``over``: as the ledger was when the listing began (None: as it is). What events have changed since then, the
    listing may not show yet, and does not undo. Where they took a tag away, the repository is to be listed again:
    a late event may have told of a deletion from before.
    """
    known = ledger.images
    now = Holders.of(ledger)
    over = over or now
    moved = {
        tag: (digest, known[digest].tags[tag])
        for tag, digest in now.tags.items()
        if over.tags.get(tag) != digest and known[digest].tags[tag] >= began - SKEW
    }
    removed = over.tags.keys() - now.tags.keys()
    ledger.images = {}
    present = set()
    attached: Counter[str] = Counter()
    for detail in details:
        present.add(detail.digest)
        tags = [tag for tag in detail.tags if not REFERRER_TAG.fullmatch(tag)]
        if not tags or detail.subject:
            if detail.tags or detail.subject:
                attached[kind_of_attached(detail.tags, detail.artifact_type)] += 1
            continue
        tags = [tag for tag in tags if tag not in moved and tag not in removed]
        if not tags:
            continue
        before = known.get(detail.digest)
        image = before or LedgerImage(pushed_at=detail.pushed_at)
        image.pushed_at = detail.pushed_at
        image.tags = {tag: image.tags.get(tag, began) for tag in tags}
        image.media_type, image.artifact_type = detail.media_type, detail.artifact_type
        if (detail.digest in now.archived) == (detail.digest in over.archived):
            image.archived = detail.archived
        ledger.images[detail.digest] = image
    for digest in sorted({digest for digest, _ in moved.values()} - ledger.images.keys()):
        ledger.images[digest] = known[digest]
        known[digest].tags = {}
    for tag, (digest, since) in moved.items():
        ledger.images[digest].tags[tag] = since
    for image in ledger.images.values():
        if image.children is not None:
            all_children = image.children | image.gone
            image.children = {child: platform for child, platform in all_children.items() if child in present}
            image.gone = {child: platform for child, platform in all_children.items() if child not in present}
    ledger.attached = dict(attached)
    ledger.listed_at = began
    ledger.is_behind = bool(removed)
    ledger.missing_since = None
    ledger.problem = ""
    tidy(ledger)


def apply_events(ledger: Ledger, events: Iterable[ImageEvent]) -> None:
    """Apply push, delete and archive events, in the order of their times: the same as one after the other.

    An event from well before the last complete listing is old news, whatever it says.
    """
    happening = _Happening(ledger)
    for event in sorted(events, key=lambda event: event.at):
        if ledger.listed_at is None or event.at >= ledger.listed_at - SKEW:
            happening.take(event)
    tidy(ledger)


class _Happening:
    """A ledger while events are applied to it: its images are found by tag, and what is left behind is tidied after."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._images = ledger.images
        self._holders: dict[str, list[str]] = {}
        self._forgotten: set[str] = set()
        for digest, image in ledger.images.items():
            for tag in image.tags:
                self._holders.setdefault(tag, []).append(digest)

    def take(self, event: ImageEvent) -> None:
        if isinstance(event, ImageDeleted):
            self._delete(event.digest, event.tag, event.at)
        elif isinstance(event, StorageClassChanged):
            self._move(event.digest, event.archived)
        elif event.tag is not None and not REFERRER_TAG.fullmatch(event.tag):
            self._push(event, event.tag)

    def _push(self, event: ImagePushed, tag: str) -> None:
        holders = self._holders.setdefault(tag, [])
        if any(self._images[digest].tags[tag] > event.at for digest in holders):
            return
        if event.digest not in holders:
            for digest in list(holders):
                self._untag(digest, tag)
            if event.digest not in self._images:
                self._add(event)
            holders.append(event.digest)
            self._ledger.missing_since = None
        # Where it is known, too: so that a deletion from before, which comes late, does not take it away.
        self._images[event.digest].tags[tag] = event.at

    def _add(self, event: ImagePushed) -> None:
        if event.digest in self._forgotten:
            # It left and came back: what was known of its scans is of an image that is gone.
            self._ledger.manifests.pop(event.digest, None)
        self._images[event.digest] = LedgerImage(
            event.at, media_type=event.media_type, artifact_type=event.artifact_type
        )

    def _delete(self, digest: str | None, tag: str | None, at: datetime) -> None:
        digests = list(self._holders.get(tag, ())) if digest is None and tag is not None else [digest]
        for one in digests:
            image = self._images.get(one) if one is not None else None
            for name, since in list(image.tags.items()) if image else ():
                if since <= at and tag in (None, name):
                    self._untag(str(one), name)

    def _untag(self, digest: str, tag: str) -> None:
        image = self._images[digest]
        del image.tags[tag]
        self._holders[tag].remove(digest)
        if not image.tags:
            self._forgotten.update(self._ledger.manifests_of(digest))
            del self._images[digest]

    def _move(self, digest: str, archived: bool) -> None:
        image = self._images.get(digest)
        if image is not None and image.archived != archived:
            image.archived = archived
            for manifest in self._ledger.manifests_of(digest):
                _note_kind(image, self._ledger.manifests.setdefault(manifest, ManifestRecord()))


def apply_archived(ledger: Ledger, digest: str) -> None:
    """ECR said that the image is in archive storage; the event of its return, or a listing, will say otherwise."""
    if digest in ledger.images:
        ledger.images[digest].archived = True


def apply_missing(ledger: Ledger, at: datetime) -> None:
    """ECR said RepositoryNotFound: nothing is left of it."""
    ledger.images.clear()
    ledger.attached.clear()
    ledger.is_behind = False
    ledger.missing_since = ledger.missing_since or at
    ledger.listed_at = at
    tidy(ledger)


def apply_gone(ledger: Ledger, gone: Set[str]) -> None:
    """ECR said ImageNotFound: these images, or these children of indexes, are gone."""
    for digest in gone:
        ledger.images.pop(digest, None)
    for image in ledger.images.values():
        children = image.children or {}
        for digest in children.keys() & gone:
            image.gone[digest] = children.pop(digest)
    tidy(ledger)


def tidy(ledger: Ledger) -> None:
    """Drop untagged images and manifests that no image holds any more; add records of new ones."""
    ledger.images = {digest: image for digest, image in ledger.images.items() if image.tags}
    held: dict[str, str | None] = {}
    for digest in ledger.images:
        held.update(ledger.manifests_of(digest))
    ledger.manifests = {digest: record for digest, record in ledger.manifests.items() if digest in held}
    for digest, platform in held.items():
        record = ledger.manifests.setdefault(digest, ManifestRecord())
        record.platform = platform or record.platform
    for digest, image in ledger.images.items():
        for child in ledger.manifests_of(digest):
            _note_kind(image, ledger.manifests[child])


def _note_kind(image: LedgerImage, record: ManifestRecord) -> None:
    """What needs no question to ECR: other artifacts are never scanned, archived images not while they are."""
    if not image.is_scannable:
        record.state, record.reason = ScanState.UNSUPPORTED, f"{type_of(image)} is no container image"
    elif image.archived:
        record.state, record.reason = ScanState.ARCHIVED, "the image is in archive storage"
    elif record.state is ScanState.ARCHIVED:
        record.state, record.reason, record.retry_at = ScanState.NEVER_SCANNED, "", None
        record.looked_up = False


def set_children(ledger: Ledger, resolved: Mapping[str, Mapping[str, str | None]]) -> None:
    """Keep the scannable manifests of indexes, by digest: an index never changes, so it is resolved once."""
    for digest, children in resolved.items():
        image = ledger.images.get(digest)
        if image is not None:
            image.children = dict(children)
            image.resolve_at = None
            image.problem = "" if children else "the image index holds nothing that can be scanned"
    tidy(ledger)


def unheard_of(ledger: Ledger, selected: Iterable[str]) -> list[str]:
    """The selected images that only an event has told of: whether they are images at all, a scan or a listing shows.

    ECR's push events name a digest and a tag, and not always a media type (Amazon ECR User Guide, sample events).
    """
    return [
        digest
        for digest in selected
        if not ledger.images[digest].media_type
        and (ledger.listed_at is None or min(ledger.images[digest].tags.values()) > ledger.listed_at)
        and not ledger.manifests[digest].looked_up
    ]


def unresolved(ledger: Ledger, selected: Iterable[str]) -> list[str]:
    """The selected indexes whose children are not known yet."""
    images = {digest: ledger.images[digest] for digest in selected}
    return [
        digest for digest, image in images.items() if image.is_index and image.children is None and not image.archived
    ]


def selected_images(ledger: Ledger, selectors: Iterable[Selector]) -> list[str]:
    """The images that at least one configuration selects, in a stable order."""
    images = only_images(ledger.images)
    chosen = {digest for selector in selectors for digest in select(selector, images)}
    return sorted(chosen)


def image_facts(ledger: Ledger) -> list[ImageFact]:
    """The ledger's images as the findings document takes them; an unresolved index has no manifests yet."""
    return [
        ImageFact(digest, tuple(sorted(image.tags)), image.pushed_at, ledger.manifests_of(digest))
        for digest, image in sorted(only_images(ledger.images).items())
    ]
