"""The image that the gate is asked about, as the record has it: its platforms, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.masks import bits
from ecr_rescan.core.changes.view import select
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.gate import reasons
from ecr_rescan.core.gate.question import Question
from ecr_rescan.core.gate.reasons import Reason
from ecr_rescan.core.scanning.artifacts import only_images
from ecr_rescan.core.scanning.enhanced import confirmed_at
from ecr_rescan.core.scanning.ledger import Ledger, ScanState
from ecr_rescan.core.summary.image_state import ImageState, ImageStatus, ended, statuses

_TELLING = (ImageState.COMPLETE, ImageState.END_OF_LIFE, ImageState.STALE)


@dataclass(frozen=True, slots=True)
class Part:
    """One platform.

    ``scanned_at`` is as of when its result holds. ``usable``: it may be gone by: complete, recorded, not too old.
    """

    manifest: str | None
    platform: str | None
    state: ImageState
    scanned_at: datetime | None
    usable: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """The image that holds the other tag; ``mask`` is its manifests. ``lacking`` says what has no result of it."""

    digest: str
    mask: int
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The image. ``held_by``: the digest that tags name: its own, or that of the index whose part it is.

    ``usable`` is the mask of the manifests whose results count, ``unknown`` why others don't.
    """

    registry: str
    region: str
    repository: str
    digest: str
    held_by: str
    tags: tuple[str, ...]
    parts: tuple[Part, ...]
    usable: int
    unknown: tuple[Reason, ...]
    positions: Mapping[int, str]
    compared: Compared | None

    def platforms(self, mask: int) -> tuple[str, ...]:
        """The names of the platforms in a mask; none for an image that has one only."""
        if len(self.parts) == 1:
            return ()
        return tuple(sorted(self.positions[position] for position in bits(mask) if position in self.positions))


def find(question: Question, ledger: Ledger, document: FindingsDocument | None, *, at: datetime) -> Subject | Reason:
    """The image in the record, or why there is none."""
    image = question.image
    if image.digest is None and ledger.is_behind:
        # An event told of an image that could not be applied: the tag may name that one by now.
        return reasons.behind(image)
    digest, held_by = _digest(question, ledger)
    if held_by is None:
        return reasons.unknown_image(image)
    if held_by not in only_images(ledger.images):
        return reasons.no_image(image)
    places, releases = _places(document), _releases(document)
    parts: list[Part] = []
    unknown: list[Reason] = []
    usable = 0
    positions = {}
    for found in statuses(ledger, held_by, at=at):
        status = ended(found, releases.get(found.manifest or ""), at)
        if digest != held_by and status.manifest != digest:
            continue
        position = places.get(status.manifest) if status.manifest else None
        why = _why_unknown(question, ledger, status, position, at)
        holds_at = _holds_at(ledger, status)
        parts.append(Part(status.manifest, status.platform, status.state, holds_at, why is None))
        if why is not None:
            unknown.append(why)
        elif position is not None:
            if status.state is ImageState.END_OF_LIFE:
                # What was found counts all the same.
                unknown.append(reasons.end_of_life(status))
            usable |= 1 << position
            positions[position] = status.platform or status.manifest or ""
    return Subject(
        registry=ledger.registry,
        region=ledger.region,
        repository=ledger.repository,
        digest=digest,
        held_by=held_by,
        tags=tuple(sorted(ledger.images[held_by].tags)),
        parts=tuple(parts),
        usable=usable,
        unknown=tuple(unknown),
        positions=positions,
        compared=_compared(question.compared_to, ledger, places),
    )


def selecting(
    subject: Subject, configurations: Sequence[ScanConfiguration], ledger: Ledger
) -> tuple[ScanConfiguration, ...]:
    """The configurations that select the image."""
    images = only_images(ledger.images)
    return tuple(one for one in configurations if subject.held_by in select(one, images))


def _digest(question: Question, ledger: Ledger) -> tuple[str, str | None]:
    """The image's digest, and that of the tagged image that it is or belongs to; None where there is none."""
    image = question.image
    if image.digest is None:
        held = next((digest for digest, one in ledger.images.items() if image.tag in one.tags), None)
        return held or "", held
    if image.digest in ledger.images:
        return image.digest, image.digest
    children = (held for held, one in ledger.images.items() if one.children and image.digest in one.children)
    return image.digest, min(children, default=None)


def _places(document: FindingsDocument | None) -> dict[str, int]:
    """The positions of the manifests that have a recorded result."""
    if document is None:
        return {}
    return {
        manifest.digest: position
        for position, manifest in enumerate(document.manifests)
        if manifest is not None and manifest.result_at is not None
    }


def _releases(document: FindingsDocument | None) -> dict[str, str]:
    """The releases of manifests, as far as their findings told."""
    manifests = document.manifests if document is not None else ()
    return {one.digest: one.release for one in manifests if one is not None and one.release}


def _why_unknown(
    question: Question, ledger: Ledger, status: ImageStatus, position: int | None, at: datetime
) -> Reason | None:
    """Why the result of a platform can't be gone by; None where it can."""
    record = ledger.manifests.get(status.manifest) if status.manifest else None
    holds_at = _holds_at(ledger, status)
    if record is None or holds_at is None or status.state not in _TELLING:
        return reasons.of_state(status, at)
    if record.state is ScanState.EXPIRED or at - holds_at > question.max_age:
        return reasons.too_old(status, question.max_age, at)
    return reasons.not_recorded(status) if position is None else None


def _holds_at(ledger: Ledger, status: ImageStatus) -> datetime | None:
    record = ledger.manifests.get(status.manifest) if status.manifest else None
    return confirmed_at(record) if record is not None else None


def _compared(tag: str | None, ledger: Ledger, places: Mapping[str, int]) -> Compared | None:
    """The image that holds the tag; None where none does, and all that is found is new."""
    if tag is None:
        return None
    digest = next((digest for digest, one in ledger.images.items() if tag in one.tags), None)
    if digest is None:
        return None
    mask = 0
    lacking = []
    manifests = ledger.manifests_of(digest)
    for manifest, platform in manifests.items():
        if manifest in places:
            mask |= 1 << places[manifest]
        else:
            lacking.append(platform or manifest)
    return Compared(digest, mask, tuple(lacking) if manifests else (digest,))
