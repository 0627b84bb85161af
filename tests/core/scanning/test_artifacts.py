"""What is an image, and what people call the rest."""

from __future__ import annotations

import pytest

from ecr_rescan.core.scanning.artifacts import by_kind, is_image, kind_of, kind_of_attached
from ecr_rescan.core.scanning.ledger import LedgerImage
from tests.builders import AT

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HEX = "0" * 64


def item(media_type: str = MANIFEST, artifact_type: str = "", **more: dict[str, str | None] | None) -> LedgerImage:
    """What a tag names."""
    made = LedgerImage(pushed_at=AT, media_type=media_type, artifact_type=artifact_type)
    made.children = more.get("children")
    made.gone = more.get("gone") or {}
    return made


@pytest.mark.parametrize(
    "image",
    [
        item("", ""),
        item(MANIFEST, "application/vnd.oci.image.config.v1+json"),
        item("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json"),
        item("application/vnd.example.manifest.v3+json", ""),
        item(INDEX),
        item(INDEX, children={"a": None}),
        item(INDEX, children={}, gone={"a": None}),
    ],
)
def test_what_is_taken_for_an_image(image: LedgerImage) -> None:
    """Whatever may be one: an index that is not resolved yet, a kind that ECR doesn't name."""
    assert is_image(image)


@pytest.mark.parametrize(
    ("artifact_type", "kind"),
    [
        ("application/vnd.buildkit.cacheconfig.v0", "build cache"),
        ("application/vnd.cncf.helm.config.v1+json", "Helm chart"),
        ("application/vnd.wasm.config.v0+json", "WebAssembly module"),
        ("application/wasm", "WebAssembly module"),
        ("application/vnd.amazon.soci.index.v1+json", "SOCI index"),
        ("application/vnd.amazon.soci.index.v2+json", "SOCI index"),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature"),
        ("application/vnd.cncf.notary.signature", "signature"),
        ("application/vnd.in-toto+json", "attestation"),
        ("application/spdx+json", "SBOM"),
        ("application/vnd.cyclonedx+json", "SBOM"),
        ("application/vnd.oci.empty.v1+json", "other artifact"),
    ],
)
def test_what_is_no_image(artifact_type: str, kind: str) -> None:
    """Told by the type of its configuration, with a name that people know it by."""
    assert not is_image(item(artifact_type=artifact_type))
    assert kind_of(item(artifact_type=artifact_type)) == kind


def test_an_index_of_what_is_no_image_is_none() -> None:
    """Resolved, it holds nothing that can be scanned."""
    assert not is_image(item(INDEX, children={}))
    assert kind_of(item(INDEX, children={})) == "index without images"


@pytest.mark.parametrize(
    ("tags", "artifact_type", "kind"),
    [
        ([f"sha256-{HEX}.sig"], "application/vnd.oci.image.config.v1+json", "signature"),
        ([f"sha256-{HEX}.att"], "application/vnd.oci.image.config.v1+json", "attestation"),
        ([f"sha256-{HEX}.sbom"], "application/vnd.oci.image.config.v1+json", "SBOM"),
        ([], "application/vnd.amazon.soci.index.v1+json", "SOCI index"),
        ([f"sha256-{HEX}"], "", "other artifact"),
    ],
)
def test_what_is_attached_to_an_image(tags: list[str], artifact_type: str, kind: str) -> None:
    """By cosign's tag, which carries an image's configuration type; or by its own type, where it names its subject."""
    assert kind_of_attached(tags, artifact_type) == kind


def test_kinds_are_counted_together() -> None:
    """What has tags of its own, and what is attached."""
    chart = item(artifact_type="application/vnd.cncf.helm.config.v1+json")
    assert by_kind({"a": chart, "b": chart}, {"signature": 3}) == {"Helm chart": 2, "signature": 3}
