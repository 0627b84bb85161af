"""The manifests of image indexes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from ecr_rescan.core.scanning.index_manifest import IndexManifest, read_index
from tests.core.scanning.test_normalise import JUNK

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
A, B, C, D, E, F = (f"sha256:{letter * 64}" for letter in "abcdef")


def index(*descriptors: object) -> str:
    """The text of an index."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)})


def descriptor(digest: object, platform: object = None, **members: Any) -> dict[str, Any]:
    """A child of an index."""
    found: dict[str, Any] = {"mediaType": MANIFEST, "digest": digest, "size": 1, **members}
    return found if platform is None else found | {"platform": platform}


def test_what_an_index_lists() -> None:
    """Images with their platforms, indexes apart; neither attestations nor other artifacts nor malformed digests."""
    text = index(
        descriptor(A, {"os": "linux", "architecture": "amd64"}),
        descriptor(B, {"os": "linux", "architecture": "arm", "variant": "v7"}),
        descriptor(C, {"os": "unknown", "architecture": "unknown"}),
        descriptor(D, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        descriptor(E, mediaType=INDEX),
        descriptor(F, artifactType="application/vnd.dev.sigstore.bundle"),
        descriptor("sha256:" + "0" * 64, mediaType="application/vnd.cncf.helm.config.v1+json"),
        descriptor("sha256:short"),
        descriptor("sha256:" + "1" * 64, mediaType=None),
        None,
    )
    assert read_index(text) == IndexManifest(
        images={A: "linux/amd64", B: "linux/arm/v7", "sha256:" + "1" * 64: None}, indexes={E: None}
    )


def test_an_empty_index() -> None:
    """It lists nothing, which is known."""
    assert read_index(index()) == IndexManifest({}, {})


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", "{}", '{"manifests": {}}', "[" * 100_000, b"{}"])
def test_what_is_no_index(text: object) -> None:
    """None, and no crash."""
    assert read_index(text) is None


@given(JUNK)
def test_junk_in_an_index_never_raises(junk: object) -> None:
    """No member of a descriptor is relied on."""
    read_index(json.dumps({"manifests": junk}))
    read_index(index(junk, descriptor(junk, junk, annotations=junk, artifactType=junk, mediaType=junk)))
