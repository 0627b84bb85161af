"""What is no image takes no image's place: in what is scanned, counted, told and tried beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.ecr.images import IN_TOTO_LAYER, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from local.samples.images import Pushed, chart, image
from tests.service import Service, basic, service


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with an empty registry; nothing is scanned on push."""
    with service() as running:
        yield running


def artifact(name: str, tag: str, kind: str, subject: str | None = None) -> Pushed:
    """An artifact of some kind, attached to an image where that is named."""
    made: dict[str, Any] = json.loads(image(name, media_type=OCI_MANIFEST, config=kind).manifest)
    if subject is not None:
        made["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    return Pushed(json.dumps(made), tag)


def index_of(part: Pushed, kind: str, tag: str) -> Pushed:
    """An index of artifacts, none of which is an image."""
    descriptor = {"mediaType": OCI_MANIFEST, "artifactType": kind, "digest": part.digest, "size": 1}
    return Pushed(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]}), tag)


def fill(aws: Service) -> list[str]:
    """Three images, and after them a build cache, five charts, signatures, SOCI indexes and attestations."""
    digests = [aws.push("team/app", str(number)) for number in range(3)]
    for number in range(3):
        aws.post("team/app", str(number), [basic(f"CVE-{number}")])
    aws.advance(minutes=1)
    aws.put("team/app", artifact("cache", "buildcache", "application/vnd.buildkit.cacheconfig.v0"))
    for number in range(5):
        aws.put("team/app", chart(f"chart {number}", f"chart-{number}"))
    aws.put("team/app", artifact("module", "module", "application/vnd.wasm.config.v0+json"))
    aws.put("team/app", artifact("soci", "soci", "application/vnd.amazon.soci.index.v1+json"))
    for digest in digests:
        tag = digest.replace(":", "-")
        aws.put("team/app", image(f"signature {digest}", f"{tag}.sig", media_type=OCI_MANIFEST, config=OCI_CONFIG))
        aws.put(
            "team/app",
            image(f"attested {digest}", f"{tag}.att", media_type=OCI_MANIFEST, config=OCI_CONFIG, layer=IN_TOTO_LAYER),
        )
        subject = artifact(f"soci of {digest}", "", "application/vnd.amazon.soci.index.v1+json", digest)
        aws.put("team/app", Pushed(subject.manifest, None))
    return digests


def test_newest_counts_images_alone(aws: Service) -> None:
    """Three of three are scanned and told, though fourteen artifacts are younger."""
    digests = fill(aws)
    aws.add("team/app", newest=5, notify="LOW")
    aws.cycle(2)
    assert {call.digest for call in aws.fake.calls.of("StartImageScan")} == set(digests)
    assert aws.refused() == 0
    (configuration,) = aws.summary()["configurations"]
    assert {image["digest"] for image in configuration["images"]} == set(digests)
    assert configuration["coverage"]["selected"] == configuration["coverage"]["scanned_24h"] == 3
    assert configuration["counts"]["HIGH"] == 3
    ((subject, _),) = aws.messages
    assert "3" in subject
    assert configuration["not_images"]["kinds"] == {
        "Helm chart": 5,
        "SOCI index": 4,
        "WebAssembly module": 1,
        "attestation": 3,
        "build cache": 1,
        "signature": 3,
    }
    listed = {one["kind"] for one in configuration["not_images"]["first"]}
    assert listed == {"Helm chart", "SOCI index", "WebAssembly module", "build cache"}


def test_a_dry_run_ranks_images_alone(aws: Service) -> None:
    """What newest would leave out are images, and what is none is listed apart."""
    digests = fill(aws)
    aws.add("team/*")
    aws.cycle()
    body = {"region": "us-east-1", "registry": "123456789012", "repository": "team/app", "newest": 2}
    told = aws.config("POST", "/configs", body=body, query={"dry_run": "true"}).json()["dry_run"]["images"]
    assert (told["selected"], told["left_out_by_newest"], told["not_images"]) == (2, 1, 8)
    assert {one["digest"] for one in told["first_selected"] + told["first_left_out"]} == set(digests)


def test_an_index_of_modules_gives_its_place_back_when_it_is_known(aws: Service) -> None:
    """An index is taken for an image until it is resolved; by the next tick the image has its place."""
    digest = aws.push("team/app", "1")
    aws.advance(minutes=1)
    kind = "application/vnd.wasm.config.v0+json"
    module = Pushed(artifact("module", "", kind).manifest, None)
    aws.put("team/app", module)
    aws.put("team/app", index_of(module, kind, "modules"))
    aws.add("team/app", newest=1)
    aws.cycle()
    assert [call.digest for call in aws.fake.calls.of("StartImageScan")] == [digest]
    assert aws.states() == {("team/app", None): "COMPLETE"}


def test_a_pushed_chart_takes_no_place_once_it_is_listed(aws: Service) -> None:
    """ECR's event does not say that it is a chart; the listing does, before anything is told."""
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    added = aws.add("team/app", newest=1)
    aws.cycle(2)
    aws.put("team/app", chart("web", "chart-1"))
    aws.drain()
    aws.cycle(2)
    assert aws.states() == {("team/app", None): "COMPLETE"}
    assert "CVE-1" in aws.feed(added).body
    assert len(aws.messages) == 1
