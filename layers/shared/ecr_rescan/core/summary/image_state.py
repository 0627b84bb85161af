"""What people are told of one selected image: a state, the reason in words, and when it was and will be scanned.

No state but COMPLETE may read as "no vulnerabilities": see ``ImageState``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ecr_rescan.core.releases import release as known_release
from ecr_rescan.core.scanning.enhanced import LEFT_OUT, confirmed_at
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.scanning.schedule import LATEST, due_at
from ecr_rescan.core.text import clean

_LONGEST_REASON = 300
_NO_LONGER_SCANNED = "Amazon Inspector no longer scans it"


class ImageState(enum.StrEnum):
    """Where an image stands; every image is in exactly one of these states.

    ``COMPLETE``: it has a result, no older than 24 h 10 min (a new scan may be under way), or an enhanced one that was
    read no longer ago, while Inspector goes on scanning the image. ``STALE``: its newest
    result is older, or is no longer kept current. ``END_OF_LIFE``: its result is current, and of a release whose
    security support has ended, so that nobody reports what is found in it. ``IN_PROGRESS``: its first scan is under
    way. ``NEVER_SCANNED``: neither a result nor a scan is known. ``FAILED``, ``UNSUPPORTED``, ``ARCHIVED``: ECR's own
    words.
    """

    COMPLETE = "COMPLETE"
    END_OF_LIFE = "END_OF_LIFE"
    STALE = "STALE"
    IN_PROGRESS = "IN_PROGRESS"
    NEVER_SCANNED = "NEVER_SCANNED"
    FAILED = "FAILED"
    UNSUPPORTED = "UNSUPPORTED"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class ImageStatus:
    """The state of one scannable manifest of an image, or of an image that has none.

    ``manifest`` is the digest that is scanned; None where an index has no (known) platforms. ``scanned_at`` is the
    completion of its newest complete result, ``next_due`` when the next scan may start; both None where there is none.
    """

    manifest: str | None
    platform: str | None
    state: ImageState
    reason: str
    scanned_at: datetime | None = None
    next_due: datetime | None = None


def statuses(ledger: Ledger, digest: str, *, at: datetime) -> Iterator[ImageStatus]:
    """How an image stands, one status for each of its platforms in their order; always at least one."""
    image = ledger.images[digest]
    manifests = ledger.manifests_of(digest)
    if not manifests and not image.gone:
        yield _without_platforms(image)
    for manifest, platform in sorted(manifests.items(), key=lambda item: (item[1] or "", item[0])):
        record = ledger.manifests.get(manifest) or ManifestRecord()
        yield _status(image, record, manifest, platform, at)
    for manifest, platform in sorted(image.gone.items(), key=lambda item: (item[1] or "", item[0])):
        yield ImageStatus(manifest, platform, ImageState.UNSUPPORTED, "this part of the image index was deleted")


def ended(status: ImageStatus, release: str | None, at: datetime) -> ImageStatus:
    """The status of an image of which the release is known: a fresh result of one that has ended is no all-clear."""
    found = known_release(release) if release is not None else None
    if status.state is not ImageState.COMPLETE or found is None or not found.ended_on(at.date()):
        return status
    reason = f"{found.name} has had no security support since {found.ends}, so an empty result says little"
    return replace(status, state=ImageState.END_OF_LIFE, reason=f"{reason}; {status.reason}")


def _without_platforms(image: LedgerImage) -> ImageStatus:
    if image.archived:
        return ImageStatus(None, None, ImageState.ARCHIVED, "archived, so ECR does not scan it")
    reason = image.problem or "waiting for the platforms of this image index to be read"
    return ImageStatus(None, None, ImageState.NEVER_SCANNED, clean(reason, _LONGEST_REASON))


def _status(
    image: LedgerImage, record: ManifestRecord, manifest: str, platform: str | None, at: datetime
) -> ImageStatus:
    state = _state(image, record, at)
    due = None if state is ImageState.ARCHIVED else due_at(record)
    reason = _REASONS[state](image, record, at)
    if due is not None and state not in (ImageState.IN_PROGRESS, ImageState.UNSUPPORTED):
        reason = f"{reason}, {_next(due, at)}"
    return ImageStatus(manifest, platform, state, reason, record.completed_at, due)


def _state(image: LedgerImage, record: ManifestRecord, at: datetime) -> ImageState:
    if image.archived or record.state is ScanState.ARCHIVED:
        return ImageState.ARCHIVED
    if record.state is ScanState.UNSUPPORTED:
        return ImageState.UNSUPPORTED
    if record.state is ScanState.FAILED:
        return ImageState.FAILED
    if (confirmed := confirmed_at(record)) is not None:
        current = record.state is not ScanState.EXPIRED and at - confirmed <= LATEST
        return ImageState.COMPLETE if current else ImageState.STALE
    if record.state is ScanState.IN_PROGRESS:
        return ImageState.IN_PROGRESS
    return ImageState.NEVER_SCANNED


def _complete(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    assert record.completed_at is not None
    return f"scanned {_ago(record.completed_at, at)}{_read(record, at)}{_meanwhile(record)}"


def _stale(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    assert record.completed_at is not None
    if record.read_at is not None and record.state is not ScanState.EXPIRED:
        return f"scanned {_ago(record.completed_at, at)}, not read since {_ago(record.read_at, at)}{_meanwhile(record)}"
    return f"not scanned since {_ago(record.completed_at, at)}{_meanwhile(record)}"


def _read(record: ManifestRecord, at: datetime) -> str:
    return f" by Amazon Inspector, read {_ago(record.read_at, at)}" if record.read_at is not None else ""


def _meanwhile(record: ManifestRecord) -> str:
    """What is known of the time since the newest result."""
    if record.state is ScanState.IN_PROGRESS:
        return ", scan in progress"
    if record.state is ScanState.EXPIRED:
        return f", {_NO_LONGER_SCANNED}"
    # With a result at hand, a reason without a state of its own tells why ECR could not be asked again.
    return f", {_unavailable(record)}" if record.reason else ""


def _unavailable(record: ManifestRecord) -> str:
    return f"ECR could not be asked{_detail(record)}"


def _in_progress(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    return "first scan in progress" + (f", started {_ago(record.claimed_at, at)}" if record.claimed_at else "")


def _never(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    if record.state is ScanState.UNAVAILABLE:
        return _unavailable(record)
    if record.state is ScanState.EXPIRED:
        return _NO_LONGER_SCANNED
    if record.reason == LEFT_OUT:
        return LEFT_OUT
    return "waiting for its first scan" if record.looked_up else "waiting for the first look-up"


def _failed(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    return f"scan failed{_detail(record)}{_earlier(record, at)}"


def _unsupported(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    return f"ECR can't scan it{_detail(record)}{_earlier(record, at)}"


def _archived(_: LedgerImage, record: ManifestRecord, at: datetime) -> str:
    return f"archived, so ECR does not scan it{_earlier(record, at)}"


_REASONS = {
    ImageState.COMPLETE: _complete,
    ImageState.STALE: _stale,
    ImageState.IN_PROGRESS: _in_progress,
    ImageState.NEVER_SCANNED: _never,
    ImageState.FAILED: _failed,
    ImageState.UNSUPPORTED: _unsupported,
    ImageState.ARCHIVED: _archived,
}


def _detail(record: ManifestRecord) -> str:
    """What ECR said, unless that is the state's name once more."""
    return f": {clean(record.reason, _LONGEST_REASON)}" if record.reason not in ("", record.state.value) else ""


def _earlier(record: ManifestRecord, at: datetime) -> str:
    return f" (last result {_ago(record.completed_at, at)})" if record.completed_at else ""


def _ago(moment: datetime, at: datetime) -> str:
    minutes = int((at - moment).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} d ago"


def _next(due: datetime, at: datetime) -> str:
    if due <= at:
        return "due now"
    day = "" if due.date() == at.date() else f"{due.date()} "
    return f"next {day}{due.hour:02}:{due.minute:02}Z"
