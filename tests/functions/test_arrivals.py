"""Images that arrive without a push: each is found within a tick, wherever it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ecr_rescan.core.keys import account_key, findings_key
from ecr_rescan.core.scanning.account import ASK_FOR, REPOSITORIES
from ecr_rescan.core.scanning.plan import LISTING_FOR
from ecr_rescan.runtime.scanning import scan_wiring
from local.ecr.notices import Arrival
from local.faults import Fault
from local.samples.images import image, multi_platform
from local.template import ACCOUNT
from tests.atom import faults
from tests.service import Service, basic, service

EVENTS = Path(__file__).parents[2] / "events"
UPSTREAM = "public.ecr.aws"


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with an empty registry; nothing is scanned on push."""
    with service() as running:
        yield running


def arrive(aws: Service, repository: str, tag: str, name: str = "", *, upstream: str | None = None) -> str:
    """An image arrives by replication, or through a cache."""
    pushed = image(name or f"{repository}:{tag}", tag)
    return aws.fake.registry().receive(Arrival(repository, pushed.manifest, tag, upstream))


def scanned(aws: Service) -> set[str]:
    """The repositories of all images that ECR was asked to scan."""
    return {call.repository or "" for call in aws.fake.calls.of("StartImageScan") if call.outcome == "ok"}


def test_a_registry_that_gets_its_images_by_replication_alone(aws: Service) -> None:
    """Scans of other repositories end all day, and say nothing of what arrives."""
    aws.push("busy/app", "1")
    aws.add(["busy/*", "team/*"])
    aws.cycle(3)
    for number in range(4):
        digest = arrive(aws, f"team/app{number}", "1")
        aws.post(f"team/app{number}", "1", [basic("CVE-1")])
        aws.drain()
        aws.tick()
        assert f"team/app{number}" in scanned(aws)
        assert digest in aws.ledger(f"team/app{number}").manifests
        aws.days(0.5)
    assert aws.refused() == 0


def test_events_of_scans_do_not_stretch_the_listing(aws: Service) -> None:
    """Where no event of an image arrives, a replica whose event is lost is found by the listing of six hours."""
    aws.push("team/app", "1")
    aws.events()  # Lost, as all events of images here: they are not forwarded, say.
    aws.add("team/*")
    aws.cycle()
    arrived = aws.now
    arrive(aws, "team/app", "2")
    aws.events()
    while aws.started("team/app") < 2:
        aws.cycle(minutes=30)
        # Scans of others end, and are heard of.
        digest = next(iter(aws.ledger("team/app").images))
        aws.send(json.dumps(scan_event(digest, aws.now)))
        aws.drain()
        assert aws.now - arrived < timedelta(hours=24)
    assert aws.now - arrived <= LISTING_FOR + timedelta(hours=1)


def scan_event(digest: str, at: object) -> dict[str, object]:
    """ECR tells that a scan ended."""
    return {
        "source": "aws.ecr",
        "detail-type": "ECR Image Scan",
        "account": ACCOUNT,
        "region": "us-east-1",
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "detail": {"scan-status": "COMPLETE", "repository-name": "team/app", "image-digest": digest, "image-tags": []},
    }


def test_a_cache_fills_and_refreshes(aws: Service) -> None:
    """The refreshed image takes the tag; both are found within a tick, and the first is not scanned any more."""
    aws.add("docker-hub/*")
    aws.cycle()
    arrive(aws, "docker-hub/library/alpine", "3.22", upstream=UPSTREAM)
    aws.drain()
    aws.tick()
    assert aws.started() == 1
    aws.days(0.5)
    fresh = arrive(aws, "docker-hub/library/alpine", "3.22", name="a day later", upstream=UPSTREAM)
    aws.drain()
    aws.tick()
    assert aws.started() == 2
    assert set(aws.ledger("docker-hub/library/alpine").images) == {fresh}


def test_a_replicated_index_is_scanned_by_its_platforms(aws: Service) -> None:
    """Its event says neither media type nor platforms."""
    aws.add("team/*")
    aws.cycle()
    for pushed in multi_platform("worker", "1"):
        aws.fake.registry().receive(Arrival("team/worker", pushed.manifest, pushed.tag))
    aws.drain()
    aws.cycle()
    assert aws.states() == {("team/worker", "linux/amd64"): "COMPLETE", ("team/worker", "linux/arm64"): "COMPLETE"}
    assert aws.refused() == 0


def test_a_backfill_of_replication_is_found_within_a_tick(aws: Service) -> None:
    """Hundreds at once, in repositories that were not there a moment ago."""
    aws.push("team/old", "1")
    aws.add("team/*")
    aws.cycle()
    for number in range(120):
        arrive(aws, f"team/app{number % 4}", str(number))
    aws.drain()
    aws.tick()
    assert aws.started() == 121
    assert aws.refused() == 0


def test_a_repository_made_by_a_creation_template_is_found_within_a_tick(aws: Service) -> None:
    """No listing of repositories has shown it yet; with scan on push, its result is read and no start is spent."""
    aws.add("team/*")
    aws.cycle()
    pushed = image("worker", "1")
    aws.post("team/worker", "1", [basic("CVE-1")])
    aws.fake.registry().receive(Arrival("team/worker", pushed.manifest, "1", scan_on_push=True))
    aws.advance(minutes=2)
    aws.drain()
    aws.tick()
    assert aws.states() == {("team/worker", None): "COMPLETE"}
    assert aws.started() == 0


def test_an_archived_image_that_is_restored_is_scanned_within_a_tick(aws: Service) -> None:
    """Even one that was archived before the service came."""
    digest = aws.push("team/app", "1")
    archive = {"repositoryName": "team/app", "imageId": {"imageDigest": digest}}
    aws.ecr.update_image_storage_class(**archive, targetStorageClass="ARCHIVE")
    aws.add("team/*")
    aws.cycle(2)
    assert aws.started() == 0
    aws.ecr.update_image_storage_class(**archive, targetStorageClass="STANDARD")
    aws.drain()
    aws.tick()
    assert aws.started() == 1


@pytest.mark.parametrize(
    "name",
    ["replication", "replication-backfill", "pull-through-cache", "pull-through-cache-refresh", "creation-template"],
)
def test_the_sample_events_make_images_known(aws: Service, name: str) -> None:
    """Each sample of an arrival puts its images into a ledger, at once."""
    aws.add("*")
    sample = json.loads((EVENTS / f"sqs-{name}.json").read_text())
    assert aws.deliver(sample["Records"]) == set()
    for record in sample["Records"]:
        detail = json.loads(record["body"])["detail"]
        assert detail["image-digest"] in aws.ledger(detail["repository-name"]).images


def problems(aws: Service) -> list[str]:
    """What is wrong with the one configuration."""
    (configuration,) = aws.summary()["configurations"]
    told: list[str] = configuration["problems"]
    return told


@pytest.mark.parametrize("effect", ["refuse", "error"])
def test_a_refused_listing_is_a_problem_until_one_works(
    aws: Service, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the record, the summary, the log, the metric that the alarm watches; and nothing "matches nothing"."""
    unhurried = replace(scan_wiring.environment(), sleep=lambda seconds: None)
    monkeypatch.setattr(scan_wiring, "environment", lambda: unhurried)
    aws.push("team/app", "1")
    aws.faults.add(Fault("ecr", "DescribeRepositories", effect))
    aws.add("team/*")
    for _ in range(3):
        aws.tick()
        (problem,) = problems(aws)
        assert "its repositories can't be listed" in problem
        account = aws.account()
        assert set(account.rests) == {REPOSITORIES}
        aws.advance(minutes=30)
    aws.faults.clear()
    aws.advance(hours=1)
    aws.cycle(2)
    assert problems(aws) == []
    assert aws.account().rests == {}
    assert aws.states() == {("team/app", None): "COMPLETE"}


def test_what_was_listed_goes_on_while_listing_is_refused(aws: Service) -> None:
    """And it is said that new repositories are not seen."""
    aws.push("team/app", "1")
    aws.add("team/*")
    aws.cycle()
    aws.faults.add(Fault("ecr", "DescribeRepositories", "refuse"))
    aws.faults.add(Fault("ecr", "GetRegistryScanningConfiguration", "refuse"))
    aws.days(1.1)
    assert aws.started() == 2
    assert len(problems(aws)) == 2


def test_a_standing_refusal_is_counted_by_every_tick(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it was tried in that tick or not: the alarm wants all of them."""
    aws.add("team/*")
    aws.advance(minutes=1)
    aws.tick()
    told = aws.account()
    told.rest(REPOSITORIES, ASK_FOR, "AccessDeniedException: tried a while ago", aws.now)
    aws.s3.put_object(Bucket=aws.bucket, Key=account_key(ACCOUNT, "us-east-1"), Body=told.to_json())
    aws.tick()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Problems"' in line]
    assert [line["Problems"] for line in lines] == [[0.0], [1.0]]


def test_the_sovereign_cloud_from_event_to_feed(aws: Service) -> None:
    """In eusc-de-east-1: the push is heard of, scanned within a tick, its result recorded by its event, and fed."""
    region = "eusc-de-east-1"
    aws.forwarded.add((ACCOUNT, region))
    added = aws.add("team/*", region=region)
    aws.cycle()
    registry = aws.fake.registry(region=region)
    registry.create_repository("team/app")
    pushed = image("app", "1")
    registry.call("PutImage", {"repositoryName": "team/app", "imageManifest": pushed.manifest, "imageTag": "1"})
    result = {"repositoryName": "team/app", "imageId": {"imageTag": "1"}}
    registry.post(result | {"imageScanFindings": {"findings": [basic("CVE-1")]}})
    aws.drain()
    aws.tick()
    aws.advance(minutes=2)
    aws.drain()
    assert b"CVE-1" in aws.read(findings_key(ACCOUNT, region, "team/app"))
    assert "CVE-1" in (feed := aws.feed(added).body)
    assert faults(feed) == []
