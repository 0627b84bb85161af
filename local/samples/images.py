"""The sample images: what is pushed, under which names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from local.ecr.images import DOCKER_CONFIG, DOCKER_MANIFEST, IN_TOTO_LAYER, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A manifest to push, with its tag (None for the parts of an index)."""

    manifest: str
    tag: str | None = None

    @property
    def digest(self) -> str:
        """The digest that ECR will give it."""
        return f"sha256:{hashlib.sha256(self.manifest.encode()).hexdigest()}"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def image(
    name: str,
    tag: str | None = None,
    *,
    media_type: str = DOCKER_MANIFEST,
    config: str = DOCKER_CONFIG,
    layer: str | None = None,
) -> Pushed:
    """An image; another ``name`` is another build and has another digest."""
    layer = layer or "application/vnd.docker.image.rootfs.diff.tar.gzip"
    size = 20_000_000 + int(_digest(name)[7:13], 16)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config, "size": 7023, "digest": _digest(f"config of {name}")},
        "layers": [{"mediaType": layer, "size": size, "digest": _digest(f"layer of {name}")}],
    }
    return Pushed(json.dumps(manifest), tag)


def multi_platform(name: str, tag: str) -> list[Pushed]:
    """What ``docker buildx`` pushes for two platforms: two images, an attestation, the index that has the tag."""
    parts = {
        architecture: image(f"{name} {architecture}", media_type=OCI_MANIFEST, config=OCI_CONFIG)
        for architecture in ("amd64", "arm64")
    }
    attestation = image(f"{name} attestation", media_type=OCI_MANIFEST, config=OCI_CONFIG, layer=IN_TOTO_LAYER)
    descriptors = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": part.digest,
            "size": 1024,
            "platform": {"os": "linux", "architecture": architecture},
        }
        for architecture, part in parts.items()
    ]
    descriptors.append(
        {
            "mediaType": OCI_MANIFEST,
            "digest": attestation.digest,
            "size": 840,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": parts["amd64"].digest,
            },
        }
    )
    index = Pushed(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}), tag)
    return [*parts.values(), attestation, index]


def chart(name: str, tag: str) -> Pushed:
    """A Helm chart: it lives in a registry, and is no image."""
    layer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    return image(name, tag, media_type=OCI_MANIFEST, config=HELM_CONFIG, layer=layer)
