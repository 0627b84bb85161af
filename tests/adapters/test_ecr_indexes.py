"""Image indexes, resolved to what can be scanned in their place."""

from __future__ import annotations

import json
from typing import Any

from ecr_rescan.adapters.ecr import IndexChildren
from tests.adapters.wire import (
    INDEX,
    MANIFEST,
    A,
    B,
    C,
    D,
    Wire,
    registry,
)


def manifest(*children: dict[str, Any]) -> str:
    """The text of an index."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)})


def child(digest: str, architecture: str = "amd64", media_type: str = MANIFEST) -> dict[str, Any]:
    """A child of an index."""
    return {"mediaType": media_type, "digest": digest, "platform": {"os": "linux", "architecture": architecture}}


def images(**manifests: str) -> dict[str, Any]:
    """A reply of BatchGetImage."""
    listed = {f"sha256:{letter * 64}": text for letter, text in manifests.items()}
    return {"images": [{"imageId": {"imageDigest": digest}, "imageManifest": text} for digest, text in listed.items()]}


def test_children_of_indexes() -> None:
    """By digest, whatever form the manifest has, several at a time."""
    reply = images(a=manifest(child(C), child(D, "arm64")), b=manifest())
    wire = Wire(reply)
    assert registry(wire).children("team-a/worker", [A, B, A]) == {
        A: IndexChildren({C: "linux/amd64", D: "linux/arm64"}),
        B: IndexChildren({}),
    }
    ((operation, request),) = wire.requests
    assert operation == "BatchGetImage"
    assert request["imageIds"] == [{"imageDigest": A}, {"imageDigest": B}]
    assert set(request["acceptedMediaTypes"]) == {
        INDEX,
        MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }


def test_an_index_inside_an_index() -> None:
    """Its images belong to the outer one; a third level is left out."""
    outer = images(a=manifest(child(B, media_type=INDEX), child(D, "arm64")))
    inner = images(b=manifest(child(C), child(D), child(A, media_type=INDEX)))
    wire = Wire(outer, inner)
    resolved = registry(wire).children("team-a/worker", [A])
    assert resolved == {A: IndexChildren({C: "linux/amd64", D: "linux/arm64"})}


def test_an_index_inside_an_index_that_is_not_there() -> None:
    """The outer one isn't taken for resolved without it."""
    missing = {"failures": [{"imageId": {"imageDigest": B}, "failureCode": "ImageNotFound", "failureReason": "Gone"}]}
    wire = Wire(images(a=manifest(child(B, media_type=INDEX), child(C))), missing)
    resolved = registry(wire).children("team-a/worker", [A])
    assert resolved == {A: IndexChildren(None, f"the index {B} inside it: ImageNotFound: Gone")}


def test_indexes_that_cannot_be_resolved() -> None:
    """One that failed, one that is nonsense, one that ECR says nothing of: the others aren't affected."""
    failure = {"imageId": {"imageDigest": A}, "failureCode": "ImageNotFound", "failureReason": "Gone"}
    reply = images(b="{", d=manifest(child(C))) | {"failures": [failure, {"failureCode": "KmsError"}]}
    assert registry(Wire(reply)).children("team-a/worker", [A, B, C, D]) == {
        A: IndexChildren(None, "ImageNotFound: Gone"),
        B: IndexChildren(None, "its manifest is no image index"),
        C: IndexChildren(None, "ECR returned no manifest"),
        D: IndexChildren({C: "linux/amd64"}),
    }


def test_indexes_are_asked_for_by_the_hundred() -> None:
    """A batch that fails affects its own hundred only."""
    digests = [f"sha256:{number:064x}" for number in range(150)]
    listed = [{"imageId": {"imageDigest": digest}, "imageManifest": manifest()} for digest in digests[100:]]
    wire = Wire((400, "UnableToGetUpstreamImageException"), {"images": listed})
    resolved = registry(wire).children("team-a/worker", digests)
    assert [len(request["imageIds"]) for _, request in wire.requests] == [100, 50]
    reason = "UnableToGetUpstreamImageException: about UnableToGetUpstreamImageException"
    assert [resolved[digest] for digest in digests] == [IndexChildren(None, reason)] * 100 + [IndexChildren({})] * 50


def test_nothing_to_resolve_calls_nobody() -> None:
    """BatchGetImage refuses an empty list."""
    assert registry(Wire()).children("team-a/worker", []) == {}
