"""What a registry holds: repositories, images by digest, and what their manifests say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.ecr.errors import EcrError, invalid_parameter

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
IN_TOTO_LAYER = "application/vnd.in-toto+json"

INDEX_TYPES = frozenset({DOCKER_LIST, OCI_INDEX})
# Amazon Inspector User Guide, "Scanning Amazon ECR container images": the manifests and configurations that are images.
MANIFEST_TYPES = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
CONFIG_TYPES = frozenset({DOCKER_CONFIG, OCI_CONFIG})


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pushed manifest, read once: ECR knows an image by the SHA-256 of exactly these characters."""

    text: str
    digest: str
    media_type: str
    artifact_media_type: str | None
    subject: str | None
    children: tuple[str, ...]
    size: int
    is_attestation: bool

    @property
    def unscannable_media_type(self) -> str | None:
        """The media type for which a scan is refused, or None for an image."""
        if self.media_type not in MANIFEST_TYPES:
            return self.media_type
        if self.artifact_media_type is not None and self.artifact_media_type not in CONFIG_TYPES:
            return self.artifact_media_type
        return None

    @classmethod
    def read(cls, text: str, media_type: str | None) -> Manifest:
        """Read a manifest as PutImage gets it; EcrError when it is no JSON object or has no media type."""
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise invalid_parameter("ImageManifest", "Invalid JSON syntax")
        media_type = media_type or content.get("mediaType")
        if not media_type:
            raise EcrError(
                "InvalidParameterException", "image manifest mediatype not provided in manifest or parameter"
            )
        layers: list[dict[str, Any]] = content.get("layers", [])
        config: dict[str, Any] = content.get("config", {})
        return cls(
            text=text,
            digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
            media_type=media_type,
            artifact_media_type=content.get("artifactType") or config.get("mediaType"),
            subject=content.get("subject", {}).get("digest"),
            children=tuple(child["digest"] for child in content.get("manifests", [])),
            size=config.get("size", 0) + sum(layer.get("size", 0) for layer in layers),
            is_attestation=bool(layers) and all(layer.get("mediaType") == IN_TOTO_LAYER for layer in layers),
        )


@dataclass(frozen=True, slots=True)
class Post:
    """A result that somebody posted for an image; of several that fit, the one with the highest number counts."""

    number: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What a completed scan said."""

    completed_at: datetime
    status: str
    description: str
    findings: list[dict[str, Any]] | None
    enhanced_findings: list[dict[str, Any]] | None
    counts: dict[str, int]

    @property
    def has_findings(self) -> bool:
        """Whether ``imageScanFindings`` is part of the answer: a failed scan has none."""
        return self.findings is not None or self.enhanced_findings is not None


@dataclass(slots=True)
class Scan:
    """The scans of one image under one scan type."""

    started_at: datetime
    due_at: datetime | None = None
    result: Result | None = None
    applied: Post | None = None


@dataclass(slots=True)
class Image:
    """An image: one digest in one repository, with whatever tags point at it now."""

    manifest: Manifest
    pushed_at: datetime
    tags: list[str] = field(default_factory=list)
    status: str = "ACTIVE"
    archived_at: datetime | None = None
    activated_at: datetime | None = None
    pulled_at: datetime | None = None
    scans: dict[str, Scan] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """``sha256:…``"""
        return self.manifest.digest


@dataclass(slots=True)
class Repository:
    """A repository and its images by digest."""

    name: str
    created_at: datetime
    scan_on_push: bool = False
    tag_mutability: str = "MUTABLE"
    images: dict[str, Image] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, digest: str | None, tag: str | None) -> Image | None:
        """The image with that digest, that tag, or both when both are given."""
        if digest is None:
            digest = self.tags.get(tag or "")
        image = self.images.get(digest or "")
        return image if image is not None and (tag is None or tag in image.tags) else None
