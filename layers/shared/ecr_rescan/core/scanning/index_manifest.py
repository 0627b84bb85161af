"""The manifest of an image index: which of its children are images that a scan can be started for.

Facts: OCI image specification, "OCI Image Index Specification"; Docker's manifest list has the same shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ecr_rescan.core.scanning.artifacts import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES, is_image_config
from ecr_rescan.core.scanning.normalise import MAX_NAME, bounded
from ecr_rescan.core.shapes import DIGEST


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index lists, digest → platform (``linux/arm64/v8``; None where it names none)."""

    images: Mapping[str, str | None]
    indexes: Mapping[str, str | None]


def read_index(manifest: object) -> IndexManifest | None:
    """Read an index's manifest; None for what is no index.

    Left out are attestations, which are no images, and whatever has another media type or a malformed digest.
    """
    try:
        parsed = json.loads(manifest) if isinstance(manifest, str) else None
    except (ValueError, RecursionError):
        return None
    descriptors = parsed.get("manifests") if isinstance(parsed, dict) else None
    if not isinstance(descriptors, list):
        return None
    images: dict[str, str | None] = {}
    indexes: dict[str, str | None] = {}
    for descriptor in descriptors:
        if not isinstance(descriptor, dict) or _is_attestation(descriptor):
            continue
        digest = descriptor.get("digest")
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            continue
        media_type = bounded(descriptor.get("mediaType"), MAX_NAME)
        if media_type in INDEX_MEDIA_TYPES:
            indexes[digest] = _platform(descriptor)
        elif (not media_type or media_type in MANIFEST_MEDIA_TYPES) and _is_image(descriptor):
            images[digest] = _platform(descriptor)
    return IndexManifest(images, indexes)


def _is_attestation(descriptor: Mapping[str, object]) -> bool:
    # BuildKit sets both marks; either is enough, because tools that copy images may drop annotations.
    annotations = descriptor.get("annotations")
    kind = annotations.get("vnd.docker.reference.type") if isinstance(annotations, dict) else None
    return kind == "attestation-manifest" or _platform(descriptor) == "unknown/unknown"


def _is_image(descriptor: Mapping[str, object]) -> bool:
    return is_image_config(bounded(descriptor.get("artifactType"), MAX_NAME))


def _platform(descriptor: Mapping[str, object]) -> str | None:
    platform = descriptor.get("platform")
    if not isinstance(platform, dict):
        return None
    parts = [bounded(platform.get(name), MAX_NAME) for name in ("os", "architecture", "variant")]
    return bounded("/".join(part for part in parts if part), MAX_NAME) or None
