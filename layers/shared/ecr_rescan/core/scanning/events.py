"""What a message of the events queue says: an EventBridge event of ECR or Inspector, or our own ask for a result.

Facts: Amazon ECR User Guide, "Amazon ECR events and EventBridge". Delivery is best effort and at least once; whatever
a message says is only a hint to look at ECR.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from ecr_rescan.core.shapes import DIGEST, REGION, REGISTRY, REPOSITORY, REPOSITORY_ARN, TAG
from ecr_rescan.core.times import from_text, whole_seconds


@dataclass(frozen=True, slots=True)
class ScanCompleted:
    """A scan of one image ended, with a result or without. ``is_tagged``: it has tags; parts of an index have none."""

    registry: str
    region: str
    repository: str
    digest: str
    at: datetime
    is_tagged: bool = False


@dataclass(frozen=True, slots=True)
class ImagePushed:
    """An image arrived: by push, by replication, or through a cache. ``tag`` is None for an untagged one; types are ""
    where ECR doesn't say."""

    registry: str
    region: str
    repository: str
    digest: str
    tag: str | None
    media_type: str
    artifact_type: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ImageDeleted:
    """An image or one of its tags was deleted; at least one of ``digest`` and ``tag`` is there."""

    registry: str
    region: str
    repository: str
    digest: str | None
    tag: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class StorageClassChanged:
    """An image went to the archive storage class, or came back."""

    registry: str
    region: str
    repository: str
    digest: str
    archived: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ResultAsked:
    """The service asks itself to read what ECR has on one image."""

    registry: str
    region: str
    repository: str
    digest: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is none of our business, or malformed; ``reason`` is for the log."""

    reason: str


Message = ScanCompleted | ImagePushed | ImageDeleted | StorageClassChanged | ResultAsked | Ignored

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+/-]{1,255}")

_SCAN_EVENTS = frozenset(
    {
        ("aws.ecr", "ECR Image Scan"),
        ("aws.ecr", "ECR Image Scan Status Notification"),
        ("aws.inspector2", "Inspector2 Scan"),
    }
)
_IMAGE_ACTION = ("aws.ecr", "ECR Image Action")
# A destination of replication, and a pull-through cache, tell of images by events of their own, and of no push. Each
# has the members that say that an image is there now.
_ARRIVALS = {
    ("aws.ecr", "ECR Replication Action"): {"result": "SUCCESS", "action-type": "REPLICATE"},
    ("aws.ecr", "ECR Pull Through Cache Action"): {"sync-status": "SUCCESS"},
}


class _MalformedError(Exception):
    """A member that isn't what it must be."""


def parse(body: str) -> Message:
    """Read one message's body. Never raises: what can't be used is Ignored, with the reason."""
    try:
        message = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return Ignored("no JSON")
    if not isinstance(message, dict):
        return Ignored("no JSON object")
    try:
        if "ask" in message:
            return _ask(_object(message, "ask"))
        kind = (message.get("source"), message.get("detail-type"))
        if kind in _SCAN_EVENTS:
            return _scan(message, _object(message, "detail"))
        if kind == _IMAGE_ACTION:
            return _image_action(message, _object(message, "detail"))
        if kind in _ARRIVALS:
            return _arrival(message, _object(message, "detail"), _ARRIVALS[kind])
    except _MalformedError as error:
        return Ignored(str(error))
    except TypeError:
        return Ignored("malformed source or detail-type")
    return Ignored("an event of another kind")


def ask_message(ask: ResultAsked) -> str:
    """The body of a message that asks for a result; ``parse`` reads it."""
    return json.dumps({"ask": asdict(ask)}, separators=(",", ":"))


def tells_of_arrivals(messages: Iterable[Message]) -> bool:
    """Whether these show that the registry's images are heard of when they arrive.

    Events of scans don't: they come from one rule, those of images from another, and where only the former come,
    listings alone find new images.
    """
    return any(isinstance(message, ImagePushed) for message in messages)


def tells_of_scans(messages: Iterable[Message]) -> bool:
    """Whether these show that it is heard of when the registry's scans end."""
    return any(isinstance(message, ScanCompleted) for message in messages)


_FIRST_RETRY_SECONDS = 60
_LAST_RETRY_SECONDS = 1500


def retry_after(received: int) -> int:
    """In how many seconds a message that failed comes again, by how often it was received.

    A minute at first, twice as long each time, at most what the queue itself would wait: the eight tries that it has
    before it is given up outlast an hour of trouble.
    """
    return int(min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(received - 1, 10)))


def is_schedule(event: object) -> bool:
    """Whether a function was woken by the schedule, and not by a batch of messages."""
    return isinstance(event, Mapping) and event.get("detail-type") == "Scheduled Event"


def _ask(ask: Mapping[str, object]) -> ResultAsked:
    return ResultAsked(
        registry=_matched(ask, "registry", REGISTRY),
        region=_matched(ask, "region", REGION),
        repository=_matched(ask, "repository", REPOSITORY),
        digest=_matched(ask, "digest", DIGEST),
    )


def _scan(event: Mapping[str, object], detail: Mapping[str, object]) -> ScanCompleted:
    registry, region, repository = _place(event, detail)
    digest = _matched(detail, "image-digest", DIGEST)
    return ScanCompleted(registry, region, repository, digest, _time(event), bool(detail.get("image-tags")))


def _image_action(event: Mapping[str, object], detail: Mapping[str, object]) -> Message:
    if detail.get("result") != "SUCCESS":
        return Ignored("an image action that failed")
    registry, region, repository = _place(event, detail)
    at = _time(event)
    action = detail.get("action-type")
    if action == "PUSH":
        return _pushed(event, detail)
    if action == "DELETE":
        digest, tag = _optional(detail, "image-digest", DIGEST), _optional(detail, "image-tag", TAG)
        if digest is None and tag is None:
            return Ignored("a deletion of nothing")
        return ImageDeleted(registry, region, repository, digest, tag, at)
    if action == "UPDATE_STORAGE_CLASS":
        target = detail.get("target-storage-class")
        if target not in ("ARCHIVE", "STANDARD"):
            return Ignored("an unknown storage class")
        digest = _matched(detail, "image-digest", DIGEST)
        return StorageClassChanged(registry, region, repository, digest, archived=target == "ARCHIVE", at=at)
    return Ignored("an image action of another kind")


def _arrival(event: Mapping[str, object], detail: Mapping[str, object], when: Mapping[str, str]) -> Message:
    if any(detail.get(name) != value for name, value in when.items()):
        return Ignored("an image that did not arrive")
    return _pushed(event, detail)


def _pushed(event: Mapping[str, object], detail: Mapping[str, object]) -> ImagePushed:
    registry, region, repository = _place(event, detail)
    return ImagePushed(
        registry,
        region,
        repository,
        digest=_matched(detail, "image-digest", DIGEST),
        tag=_optional(detail, "image-tag", TAG),
        media_type=_media_type(detail, "manifest-media-type"),
        artifact_type=_media_type(detail, "artifact-media-type"),
        at=_time(event),
    )


def _place(event: Mapping[str, object], detail: Mapping[str, object]) -> tuple[str, str, str]:
    """Registry, Region and repository."""
    name = detail.get("repository-name")
    # Inspector's repository-name is the repository's ARN.
    arn = REPOSITORY_ARN.fullmatch(name) if isinstance(name, str) else None
    where: Mapping[str, object] = (
        arn.groupdict()
        if arn
        else {"registry": event.get("account"), "region": event.get("region"), "repository": name}
    )
    return (
        _matched(where, "registry", REGISTRY),
        _matched(where, "region", REGION),
        _matched(where, "repository", REPOSITORY),
    )


def _media_type(detail: Mapping[str, object], name: str) -> str:
    value = detail.get(name)
    return value if isinstance(value, str) and _MEDIA_TYPE.fullmatch(value) else ""


def _time(event: Mapping[str, object]) -> datetime:
    time = event.get("time")
    try:
        return whole_seconds(from_text(time if isinstance(time, str) else ""))
    except (ValueError, OverflowError):
        raise _MalformedError("malformed time") from None


def _object(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise _MalformedError(f"malformed {name}")
    return value


def _matched(parent: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = _optional(parent, name, pattern)
    if value is None:
        raise _MalformedError(f"no {name}")
    return value


def _optional(parent: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str | None:
    value = parent.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _MalformedError(f"malformed {name}")
    return value
