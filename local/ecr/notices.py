"""The events that ECR and Inspector send to EventBridge (ECR User Guide, "Amazon ECR events and EventBridge")."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.ecr.images import Image, Result

# EventBridge ids are UUIDs; ours are named by what happened, so that two runs of a script give the same ids.
_NAMES = uuid.UUID("6b0cbf8f-2b1f-5b45-9c5f-3f1d6a0f5f0e")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An image that comes without a push, by replication or through a cache.

    ``upstream``: the registry that a cache fetched it from; None for a replica. ``scan_on_push``: what a repository
    that has to be created for it is given; without a creation template it is off (ECR User Guide, "Private image
    replication").
    """

    repository: str
    manifest: str
    tag: str | None
    upstream: str | None = None
    scan_on_push: bool = False


@dataclass(slots=True)
class EventWriter:
    """Writes the events of one registry in one Region."""

    account: str
    region: str
    written: int = 0

    def scan(self, repository: str, image: Image, result: Result) -> dict[str, Any]:
        """``ECR Image Scan``: a basic scan ended; without counts where there are none to tell, as ECR does."""
        detail: dict[str, Any] = {
            "scan-status": "FAILED" if not result.has_findings else "COMPLETE",
            "repository-name": repository,
            "image-digest": image.digest,
            "image-tags": list(image.tags),
        }
        if result.counts:
            detail["finding-severity-counts"] = dict(result.counts)
        return self._event("aws.ecr", "ECR Image Scan", result.completed_at, [self._arn(repository)], detail)

    def inspector_scan(self, repository: str, image: Image, result: Result) -> dict[str, Any]:
        """``Inspector2 Scan``: the first enhanced scan; the name is an ARN, TOTAL is among the severities."""
        counts = {name: count for name, count in result.counts.items() if name in ("CRITICAL", "HIGH", "MEDIUM")}
        detail = {
            "scan-status": "INITIAL_SCAN_COMPLETE",
            "repository-name": self._arn(repository),
            "finding-severity-counts": counts | {"TOTAL": sum(result.counts.values())},
            "image-digest": image.digest,
            "image-tags": list(image.tags),
        }
        return self._event("aws.inspector2", "Inspector2 Scan", result.completed_at, [self._arn(repository)], detail)

    def action(self, action: str, repository: str, image: Image, tag: str | None, at: datetime) -> dict[str, Any]:
        """``ECR Image Action`` PUSH or DELETE; ``image-tag`` is one name, or missing."""
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": image.digest,
            "action-type": action,
        } | ({"image-tag": tag} if tag else {})
        return self._event("aws.ecr", "ECR Image Action", at, [], detail)

    def arrival(self, arrival: Arrival, image: Image, at: datetime) -> dict[str, Any]:
        """``ECR Replication Action`` at the destination, or ``ECR Pull Through Cache Action``; no push is told of."""
        detail = {"repository-name": arrival.repository, "image-digest": image.digest}
        if arrival.tag is not None:
            detail["image-tag"] = arrival.tag
        resources = [self._arn(arrival.repository)]
        if arrival.upstream is None:
            detail |= {
                "result": "SUCCESS",
                "action-type": "REPLICATE",
                "source-account": self.account,
                "source-region": "us-west-2",
            }
            return self._event("aws.ecr", "ECR Replication Action", at, resources, detail)
        detail |= {
            "rule-version": "1",
            "sync-status": "SUCCESS",
            "ecr-repository-prefix": arrival.repository.partition("/")[0],
            "upstream-registry-url": arrival.upstream,
        }
        return self._event("aws.ecr", "ECR Pull Through Cache Action", at, resources, detail)

    def storage_class(self, repository: str, image: Image, target: str, at: datetime) -> dict[str, Any]:
        """``ECR Image Action`` UPDATE_STORAGE_CLASS: the image was archived or restored."""
        detail: dict[str, Any] = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": image.digest,
            "action-type": "UPDATE_STORAGE_CLASS",
            "target-storage-class": target,
            "manifest-media-type": image.manifest.media_type,
        }
        if image.manifest.artifact_media_type:
            detail["artifact-media-type"] = image.manifest.artifact_media_type
        if image.activated_at:
            detail["last-activated-at"] = _text(image.activated_at)
        if image.tags:
            detail["image-tag"] = image.tags[0]
        return self._event("aws.ecr", "ECR Image Action", at, [], detail)

    def _arn(self, repository: str) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{repository}"

    def _event(
        self, source: str, kind: str, at: datetime, resources: list[str], detail: dict[str, Any]
    ) -> dict[str, Any]:
        self.written += 1
        return {
            "version": "0",
            "id": str(uuid.uuid5(_NAMES, f"{self.account}/{self.region}/{self.written}/{at.isoformat()}")),
            "detail-type": kind,
            "source": source,
            "account": self.account,
            "time": _text(at),
            "region": self.region,
            "resources": resources,
            "detail": detail,
        }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
