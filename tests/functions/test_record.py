"""The record is right at every moment: whatever enters a selection, and whoever else writes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.errors import StoreError
from ecr_rescan.core.keys import findings_key, images_key
from local.faults import Fault
from local.template import ACCOUNT, REGION
from tests.service import Service, basic, service

FINDINGS = findings_key(ACCOUNT, REGION, "team/app")
IMAGES = images_key(ACCOUNT, REGION, "team/app")


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with an empty registry."""
    with service() as running:
        yield running


def feed_has(aws: Service, configuration: dict[str, Any], vulnerability: str) -> bool:
    """Whether an open alert of the feed names a vulnerability."""
    return vulnerability in str(aws.feed(configuration).body)


def tag_as(aws: Service, old: str, new: str) -> None:
    """Name an image by one more tag, taking it from whoever has it."""
    found = aws.ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": old}])["images"][0]
    aws.ecr.put_image(repositoryName="team/app", imageManifest=found["imageManifest"], imageTag=new)


def scanned_elsewhere(aws: Service, tag: str, vulnerability: str) -> None:
    """An image with a result that came when no configuration selected it."""
    aws.push("team/app", tag)
    aws.post("team/app", tag, [basic(vulnerability)])
    aws.ecr.start_image_scan(repositoryName="team/app", imageId={"imageTag": tag})
    aws.cycle()


def test_a_promoted_image_shows_its_result_within_a_tick(aws: Service) -> None:
    aws.push("team/app", "prod-1")
    prod = aws.add("team/app", tags=["prod-*"])
    aws.cycle(2)
    scanned_elsewhere(aws, "sha-2", "CVE-2")
    assert not feed_has(aws, prod, "CVE-2")
    tag_as(aws, "sha-2", "prod-2")
    aws.drain()
    aws.tick()
    assert feed_has(aws, prod, "CVE-2")
    assert any("CVE-2" in body for _, body in aws.messages)


def test_a_tag_rolled_back_shows_the_result_of_the_image_before(aws: Service) -> None:
    aws.push("team/app", "prod")
    aws.post("team/app", "prod", [basic("CVE-1")])
    prod = aws.add("team/app", tags=["prod"])
    aws.cycle(2)
    tag_as(aws, "prod", "old")
    aws.push("team/app", "prod", "another")
    aws.post("team/app", "prod", [basic("CVE-2")])
    aws.cycle(3)
    assert not feed_has(aws, prod, "CVE-1")
    tag_as(aws, "old", "prod")
    aws.drain()
    aws.tick()
    assert feed_has(aws, prod, "CVE-1")


@pytest.mark.parametrize("narrowed", [{"tags": ["v1"]}, {"newest": 1}, {"repository": ["team/none"]}])
def test_a_configuration_narrowed_and_put_right_shows_what_it_showed(aws: Service, narrowed: dict[str, Any]) -> None:
    for tag in ("v2", "v1"):
        aws.push("team/app", tag)
        aws.post("team/app", tag, [basic(f"CVE-{tag}")])
        aws.advance(seconds=10)
    made = aws.add("team/app")
    aws.cycle(2)
    for fields in (narrowed, {}):
        body = {"region": REGION, "registry": ACCOUNT, "repository": ["team/app"], "description": ""} | fields
        aws.config("PUT", "/configs/{id}", parameters={"id": made["id"]}, body=body)
        aws.cycle(2)
    assert feed_has(aws, made, "CVE-v2")
    assert feed_has(aws, made, "CVE-v1")


def test_a_second_wider_configuration_shows_all_within_a_tick(aws: Service) -> None:
    aws.push("team/app", "prod-1")
    aws.add("team/app", tags=["prod-*"])
    aws.cycle(2)
    scanned_elsewhere(aws, "sha-2", "CVE-2")
    wide = aws.add("team/app")
    aws.tick()
    assert feed_has(aws, wide, "CVE-2")


def in_the_middle(monkeypatch: pytest.MonkeyPatch, method: str, do: Callable[[], object], *, after: bool) -> None:
    """Do something once, before or after ECR is asked: what another worker could do then."""
    real, waiting = getattr(Registry, method), [do]

    def meanwhile(self: Registry, *args: Any, **more: Any) -> Any:
        if waiting and not after:
            waiting.pop()()
        answer = real(self, *args, **more)
        if waiting:
            waiting.pop()()
        return answer

    monkeypatch.setattr(Registry, method, meanwhile)


def push_and_record(aws: Service, tag: str, vulnerability: str) -> None:
    """Another worker records a push and its scan."""
    aws.push("team/app", tag)
    aws.post("team/app", tag, [basic(vulnerability)])
    aws.ecr.start_image_scan(repositoryName="team/app", imageId={"imageTag": tag})
    aws.advance(minutes=2)
    aws.drain()


@pytest.mark.parametrize("method", ["findings", "start"])
def test_a_push_recorded_while_ecr_is_asked_is_not_undone(
    aws: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    made = aws.add("team/app")
    aws.push("team/app", "0", "another")
    if method == "findings":
        aws.tick()
        aws.push("team/app", "3", "third")
        aws.drain()
    in_the_middle(monkeypatch, method, lambda: push_and_record(aws, "2", "CVE-2"), after=False)
    aws.tick()
    monkeypatch.undo()
    assert feed_has(aws, made, "CVE-2")
    assert {tag for image in aws.findings("team/app").images.values() for tag in image.tags} >= {"1", "0", "2"}


def test_a_listing_that_began_before_a_push_does_not_undo_it(aws: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.push("team/app", "1")
    made = aws.add("team/app")
    aws.cycle(2)
    aws.days(1)
    in_the_middle(monkeypatch, "images", lambda: push_and_record(aws, "2", "CVE-2"), after=True)
    aws.tick()
    assert feed_has(aws, made, "CVE-2")
    assert any("2" in image.tags for image in aws.ledger("team/app").images.values())


def test_a_listing_that_began_before_a_deletion_does_not_undo_it_and_is_repeated(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.push("team/app", "1")
    aws.push("team/app", "2", "another")
    aws.add("team/app")
    aws.cycle(2)
    aws.days(1)

    def delete() -> None:
        aws.ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "2"}])
        aws.drain()

    in_the_middle(monkeypatch, "images", delete, after=True)
    aws.tick()
    ledger = aws.ledger("team/app")
    assert not any("2" in image.tags for image in ledger.images.values())
    assert ledger.is_behind


@pytest.mark.parametrize("lost", [FINDINGS, IMAGES])
def test_a_write_that_fails_in_between_is_made_up_for_by_the_next_tick(
    aws: Service, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    aws.push("team/app", "1")
    made = aws.add("team/app")
    aws.cycle(2)
    aws.push("team/app", "2", "another")
    aws.post("team/app", "2", [basic("CVE-2")])
    real = DocumentStore.put

    def fail(self: DocumentStore, key: str, *args: Any, **more: Any) -> str:
        if key == lost:
            raise StoreError(key, "InternalError")
        return real(self, key, *args, **more)

    monkeypatch.setattr(DocumentStore, "put", fail)
    aws.cycle()
    monkeypatch.undo()
    aws.restart()
    aws.cycle(3)
    assert feed_has(aws, made, "CVE-2")


def test_a_death_between_the_two_documents_of_a_deletion_is_made_up_for(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    made = aws.add("team/app")
    aws.cycle(2)
    aws.ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "1"}])
    real = DocumentStore.put

    def fail(self: DocumentStore, key: str, *args: Any, **more: Any) -> str:
        if key == FINDINGS:
            raise StoreError(key, "InternalError")
        return real(self, key, *args, **more)

    monkeypatch.setattr(DocumentStore, "put", fail)
    aws.drain()
    monkeypatch.undo()
    aws.sqs.purge_queue(QueueUrl=aws.queue_url)
    assert feed_has(aws, made, "CVE-1")
    aws.tick()
    assert not feed_has(aws, made, "CVE-1")


def test_a_ledger_put_back_to_an_earlier_version_catches_up_with_its_findings(aws: Service) -> None:
    aws.push("team/app", "1")
    made = aws.add("team/app")
    aws.cycle(2)
    before = aws.read(IMAGES)
    push_and_record(aws, "2", "CVE-2")
    tag_as(aws, "2", "3")
    aws.drain()
    aws.s3.put_object(Bucket=aws.bucket, Key=IMAGES, Body=before)
    push_and_record(aws, "4", "CVE-4")
    aws.days(1.1)
    assert feed_has(aws, made, "CVE-2")
    assert feed_has(aws, made, "CVE-4")


def test_a_worker_that_read_the_configurations_before_an_edit_drops_nothing(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.push("team/app", "1")
    aws.add("team/app", tags=["1"])
    aws.cycle(2)
    push_and_record(aws, "2", "CVE-2")
    aws.push("team/app", "1", "another")
    aws.drain()

    def widen() -> None:
        aws.advance(seconds=5)
        nonlocal wide
        wide = aws.add("team/app")
        aws.tick()

    wide: dict[str, Any] = {}
    aws.advance(minutes=2)
    in_the_middle(monkeypatch, "findings", widen, after=False)
    aws.tick()
    assert feed_has(aws, wide, "CVE-2")


def test_what_could_not_be_read_when_it_entered_a_selection_is_read_later(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.push("team/app", "prod-1")
    aws.add("team/app", tags=["prod-*"])
    aws.cycle(2)
    scanned_elsewhere(aws, "sha-2", "CVE-2")
    aws.push("team/app", "third")
    wide = aws.add("team/app")
    aws.cycle(3)
    aws.config("DELETE", "/configs/{id}", parameters={"id": wide["id"]})
    aws.cycle()
    wide = aws.add("team/app")
    aws.faults.add(Fault("ecr", "DescribeImageScanFindings", "error"))
    aws.tick()
    aws.faults.clear()
    assert not feed_has(aws, wide, "CVE-2")
    aws.cycle(6)
    assert feed_has(aws, wide, "CVE-2")
