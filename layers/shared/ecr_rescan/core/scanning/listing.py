"""Keeping an image ledger as the repository is: from complete listings, and from push, delete and archive events.

Only a complete listing, a delete event, ImageNotFound or RepositoryNotFound is evidence that something is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.view import Selector, select
from ecr_rescan.core.scanning.artifacts import kind_of_attached, only_images, type_of
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.shapes import REFERRER_TAG

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


def apply_listing(ledger: Ledger, details: Iterable[Detail], began: datetime) -> None:
    """Replace the ledger's images by a complete listing that began at ``began``; what is known of each is kept."""
    known = ledger.images
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
        before = known.get(detail.digest)
        image = before or LedgerImage(pushed_at=detail.pushed_at)
        image.pushed_at = detail.pushed_at
        image.tags = {tag: image.tags.get(tag, began) for tag in tags}
        image.media_type, image.artifact_type = detail.media_type, detail.artifact_type
        image.archived = detail.archived
        ledger.images[detail.digest] = image
    for image in ledger.images.values():
        if image.children is not None:
            all_children = image.children | image.gone
            image.children = {child: platform for child, platform in all_children.items() if child in present}
            image.gone = {child: platform for child, platform in all_children.items() if child not in present}
    ledger.attached = dict(attached)
    ledger.listed_at = began
    ledger.is_behind = False
    ledger.missing_since = None
    ledger.problem = ""
    tidy(ledger)


def apply_push(ledger: Ledger, digest: str, tag: str | None, media_type: str, artifact_type: str, at: datetime) -> bool:
    """Apply a push event: the tag names this image now. False where it says nothing new.

    An event from well before the last complete listing is old news, whatever it says.
    """
    if _is_old(ledger, at) or tag is None or REFERRER_TAG.fullmatch(tag):
        return False
    for other in ledger.images.values():
        since = other.tags.get(tag)
        if since is not None and since > at:
            return False
    image = ledger.images.get(digest)
    if image is not None and tag in image.tags:
        # So that a deletion from before, which comes late, does not take it away.
        image.tags[tag] = at
        return False
    for other in ledger.images.values():
        other.tags.pop(tag, None)
    if image is None:
        image = LedgerImage(pushed_at=at, media_type=media_type, artifact_type=artifact_type)
        ledger.images[digest] = image
    image.tags[tag] = at
    ledger.missing_since = None
    tidy(ledger)
    return True


def apply_delete(ledger: Ledger, digest: str | None, tag: str | None, at: datetime) -> bool:
    """Apply a delete event: of a tag, or of a whole image where no tag is named. False where it says nothing new."""
    if _is_old(ledger, at):
        return False
    changed = False
    for image_digest, image in list(ledger.images.items()):
        if digest is not None and image_digest != digest:
            continue
        for name in [name for name, since in image.tags.items() if since <= at and tag in (None, name)]:
            del image.tags[name]
            changed = True
    tidy(ledger)
    return changed


def apply_storage_class(ledger: Ledger, digest: str, archived: bool, at: datetime) -> bool:
    """Apply an archive or restore event. False where it says nothing new."""
    image = ledger.images.get(digest)
    if image is None or _is_old(ledger, at) or image.archived == archived:
        return False
    image.archived = archived
    tidy(ledger)
    return True


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


def apply_gone(ledger: Ledger, digest: str) -> None:
    """ECR said ImageNotFound: the image, or this child of an index, is gone."""
    ledger.images.pop(digest, None)
    for image in ledger.images.values():
        if image.children and digest in image.children:
            image.gone[digest] = image.children.pop(digest)
    tidy(ledger)


def _is_old(ledger: Ledger, at: datetime) -> bool:
    return ledger.listed_at is not None and at < ledger.listed_at - SKEW


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


def set_children(ledger: Ledger, digest: str, children: Mapping[str, str | None]) -> None:
    """Keep an index's scannable manifests: an index never changes, so it is resolved once."""
    image = ledger.images[digest]
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
