"""How scans run in ECR: when a start is refused, how long it takes, and what it finds."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from local.ecr.errors import feature_disabled, image_archived, limit_exceeded, unsupported_image_type
from local.ecr.images import Image, Post, Repository, Result, Scan
from local.ecr.notices import EventWriter

WINDOW = timedelta(hours=24)
BASIC = "BASIC"
ENHANCED = "ENHANCED"
COMPLETE_TEXT = "The scan was completed."
UNSUPPORTED_TEXT = "UnsupportedImageError: The operating system and/or package manager are not supported."


def matches_filter(repository: str, text: str) -> bool:
    """ECR User Guide, "Filters": with a star it is a wildcard, without one any part of the name."""
    return fnmatchcase(repository, text) if "*" in text else text in repository


@dataclass(frozen=True, slots=True)
class ScanRules:
    """How the fake's scans behave.

    Attributes:
        scan_seconds: how long a basic scan takes, in virtual seconds.
        quota: basic scans that an account may start in one Region in any 24 hours (ECR User Guide, "Service quotas").
        from_completion: whether an image's 24 hours run from the completion of its scan, and not from the start.
            AWS documents neither.
    """

    scan_seconds: float = 60.0
    quota: int = 100_000
    from_completion: bool = False


class Scanner:
    """The scans of one registry in one Region. Not thread-safe: the registry holds its lock around every call."""

    def __init__(
        self, registry: str, rules: ScanRules, events: EventWriter, emit: Callable[[dict[str, Any]], None]
    ) -> None:
        self.scan_type = BASIC
        self._registry = registry
        self._rules = rules
        self._events = events
        self._emit = emit
        self._starts: deque[datetime] = deque()
        self._running: list[tuple[datetime, int, Repository, Image]] = []
        self._started = 0
        self._posted = 0
        self._posts: dict[tuple[str, str, str], Post] = {}

    def scan_of(self, image: Image) -> Scan | None:
        """The image's scan under the current scan type; results of the other type are hidden, as in ECR."""
        return image.scans.get(self.scan_type)

    def start(self, repository: Repository, image: Image, now: datetime) -> None:
        """Start a basic scan, or raise the EcrError that ECR refuses it with."""
        if self.scan_type == ENHANCED:
            raise feature_disabled()
        if (media_type := image.manifest.unscannable_media_type) is not None:
            raise unsupported_image_type(media_type)
        if image.status != "ACTIVE":
            raise image_archived(image.digest, repository.name, self._registry)
        scan = image.scans.get(BASIC)
        if scan is not None and self._is_throttled(scan, now):
            raise limit_exceeded()
        while self._starts and now - self._starts[0] >= WINDOW:
            self._starts.popleft()
        if len(self._starts) >= self._rules.quota:
            raise limit_exceeded()
        self._starts.append(now)
        due = now + timedelta(seconds=self._rules.scan_seconds)
        if scan is None:
            image.scans[BASIC] = Scan(now, due)
        else:
            scan.started_at, scan.due_at = now, due
        self._started += 1
        heapq.heappush(self._running, (due, self._started, repository, image))

    def _is_throttled(self, scan: Scan, now: datetime) -> bool:
        if scan.due_at is not None:
            return True
        begin = scan.started_at
        if self._rules.from_completion and scan.result is not None:
            begin = scan.result.completed_at
        return now - begin < WINDOW

    def status(self, scan: Scan, now: datetime) -> tuple[str, str]:
        """Status and description now: pending for the first half of a scan, in progress for the second."""
        if scan.due_at is not None:
            half = scan.started_at + (scan.due_at - scan.started_at) / 2
            return ("PENDING" if now < half else "IN_PROGRESS"), ""
        assert scan.result is not None
        return scan.result.status, scan.result.description

    def settle(self, now: datetime) -> None:
        """Complete every scan that has had its time, in the order of their ends, and send their events."""
        while self._running and self._running[0][0] <= now:
            due, _, repository, image = heapq.heappop(self._running)
            scan = image.scans[BASIC]
            scan.due_at = None
            posted = self._latest_post(repository.name, image, scan.applied)
            content = posted.body.get("imageScanFindings") if posted else None
            if self.scan_type != ENHANCED or "enhancedFindings" not in (content or {}):
                # What was posted for Inspector while a basic scan still ran is not that one's result.
                scan.applied = posted
            scan.result = _result(image, scan.applied, due)
            if repository.images.get(image.digest) is image:
                self._emit(self._events.scan(repository.name, image, scan.result))

    def post(self, body: dict[str, Any], repositories: Mapping[str, Repository], now: datetime) -> None:
        """Take a posted result for the next scan of its image; under enhanced scanning it is the result at once."""
        name, image_id = body["repositoryName"], body.get("imageId") or {}
        self._posted += 1
        post = Post(self._posted, body)
        keys = [
            (kind, image_id[member])
            for kind, member in (("digest", "imageDigest"), ("tag", "imageTag"))
            if image_id.get(member)
        ]
        for kind, value in keys or [("any", "")]:
            self._posts[name, kind, value] = post
        if self.scan_type == ENHANCED and name in repositories:
            for image in repositories[name].images.values():
                if self._latest_post(name, image, None) is post:
                    self.observe(repositories[name], image, now)

    def observe(self, repository: Repository, image: Image, now: datetime) -> None:
        """Under enhanced scanning: give an image what was posted for it, if that is news."""
        scan = image.scans.get(ENHANCED)
        known = scan.applied if scan else None
        post = self._latest_post(repository.name, image, known)
        if post is None or post is known:
            return
        result = _result(image, post, now)
        image.scans[ENHANCED] = Scan(now, None, result, post)
        if scan is None:
            self._emit(self._events.inspector_scan(repository.name, image, result))

    def _latest_post(self, repository: str, image: Image, known: Post | None) -> Post | None:
        keys = [("any", ""), ("digest", image.digest), *(("tag", tag) for tag in image.tags)]
        posts = [self._posts.get((repository, kind, value)) for kind, value in keys]
        return max((post for post in [known, *posts] if post is not None), key=lambda post: post.number, default=None)


def _result(image: Image, post: Post | None, completed_at: datetime) -> Result:
    if post is None:
        if image.manifest.is_attestation:
            return Result(completed_at, "FAILED", UNSUPPORTED_TEXT, None, None, {})
        return Result(completed_at, "COMPLETE", COMPLETE_TEXT, [], None, {})
    status = post.body.get("imageScanStatus") or {}
    content = post.body.get("imageScanFindings")
    name = status.get("status", "COMPLETE")
    if content is None or name == "FAILED":
        return Result(completed_at, name, status.get("description", ""), None, None, {})
    findings, enhanced = content.get("findings"), content.get("enhancedFindings")
    counts = content.get("findingSeverityCounts")
    if counts is None:
        counts = Counter(finding.get("severity", "UNDEFINED") for finding in [*(findings or []), *(enhanced or [])])
    if findings is None and enhanced is None:
        findings = []
    return Result(completed_at, name, status.get("description", COMPLETE_TEXT), findings, enhanced, dict(counts))
