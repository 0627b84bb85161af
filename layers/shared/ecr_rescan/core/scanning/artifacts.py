"""What of a repository is a container image, and what else lives there: ECR scans images, and nothing else.

Facts: ECR API reference, ImageDetail: ``imageManifestMediaType``, and ``artifactMediaType``, which is the type of the
manifest's configuration; Amazon Inspector User Guide, scanning ECR: the media types of images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

INDEX_MEDIA_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
"""Image indexes: never scanned themselves, their children are."""

MANIFEST_MEDIA_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
"""Manifests of images for one platform."""

IMAGE_CONFIG_MEDIA_TYPES = frozenset(
    {
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
    }
)
"""artifactMediaType of what can be scanned; a Helm chart or a signature has another."""

# What the types of artifacts have in them → what people call these. The first that fits is taken.
_KINDS = (
    ("buildkit.cacheconfig", "build cache"),
    ("cncf.helm", "Helm chart"),
    ("wasm", "WebAssembly module"),
    (".soci.", "SOCI index"),
    ("in-toto", "attestation"),
    ("attestation", "attestation"),
    ("slsa", "attestation"),
    ("spdx", "SBOM"),
    ("cyclonedx", "SBOM"),
    ("sbom", "SBOM"),
    ("cosign", "signature"),
    ("sigstore", "signature"),
    ("notary", "signature"),
    ("signature", "signature"),
)
_OTHER = "other artifact"
_EMPTY_INDEX = "index without images"
# The ends of the tags that cosign gives to what it attaches to an image.
_BY_TAG = {"sig": "signature", "att": "attestation", "sbom": "SBOM"}


class Listed(Protocol):
    """What a ledger knows of the kind of what a tag names."""

    @property
    def media_type(self) -> str: ...
    @property
    def artifact_type(self) -> str: ...
    @property
    def children(self) -> Mapping[str, str | None] | None: ...
    @property
    def gone(self) -> Mapping[str, str | None]: ...


Some = TypeVar("Some", bound=Listed)


def is_image(item: Listed) -> bool:
    """Whether ECR scans what this is, or the parts of it; where its kind is not known, it is taken for an image."""
    if item.media_type in INDEX_MEDIA_TYPES:
        # Some indexes list artifacts or attestations alone. Images that were deleted from an index were images.
        return item.children is None or bool(item.children or item.gone)
    return is_image_config(item.artifact_type)


def only_images(items: Mapping[str, Some]) -> dict[str, Some]:
    """Those that are images: what is selected, ranked by age and counted are these alone."""
    return {digest: item for digest, item in items.items() if is_image(item)}


def other_artifacts(items: Mapping[str, Some]) -> dict[str, Some]:
    """Those that are not."""
    return {digest: item for digest, item in items.items() if not is_image(item)}


def type_of(item: Listed) -> str:
    """The media type that tells what this is."""
    return item.media_type if item.media_type in INDEX_MEDIA_TYPES else item.artifact_type or item.media_type


def kind_of(item: Listed) -> str:
    """What people call what is no image."""
    return _EMPTY_INDEX if item.media_type in INDEX_MEDIA_TYPES else _kind(type_of(item))


def kind_of_attached(tags: Iterable[str], artifact_type: str) -> str:
    """What people call what is attached to an image, by a tag that names the image's digest or as its subject."""
    for tag in tags:
        if kind := _BY_TAG.get(tag.rpartition(".")[2]):
            return kind
    return _kind(artifact_type)


def by_kind(items: Mapping[str, Some], attached: Mapping[str, int]) -> Counter[str]:
    """How many there are of each kind, with what is attached to images, which is known by number alone."""
    return Counter(map(kind_of, items.values())) + Counter(attached)


def _kind(media_type: str) -> str:
    lower = media_type.lower()
    return next((kind for part, kind in _KINDS if part in lower), _OTHER)


def is_image_config(artifact_type: str) -> bool:
    """Whether a manifest's configuration is an image's, or of no known type."""
    return not artifact_type or artifact_type in IMAGE_CONFIG_MEDIA_TYPES
