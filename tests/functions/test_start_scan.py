"""StartScan, from what wakes it to what is recorded, counted at ECR and not from our own record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.scan_result import SkippedScan, SkipReason, StartedScan
from ecr_rescan.core.scanning.ledger import ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.runtime.scanning import turns
from local.faults import Fault
from local.samples.images import chart, multi_platform
from tests.service import Service, basic, service

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with an empty registry."""
    with service() as running:
        yield running


def open_findings(aws: Service, repository: str) -> set[tuple[str, str]]:
    """(vulnerability, package) of all open findings of a repository."""
    return {key for key, finding in aws.findings(repository).findings.items() if finding.current}


def test_a_new_image_is_scanned_and_its_findings_recorded(aws: Service) -> None:
    digest = aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1"), basic("CVE-2", severity="LOW")])
    aws.add("team/app")
    aws.cycle()
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl"), ("CVE-2", "openssl")}
    record = aws.ledger("team/app").manifests[digest]
    assert record.state is ScanState.COMPLETE
    assert record.counts == {Severity.HIGH: 1, Severity.LOW: 1}


def test_every_image_is_scanned_once_a_day_and_no_start_is_refused(aws: Service) -> None:
    for number in range(3):
        aws.push("team/app", str(number))
    aws.add("team/app")
    aws.days(3)
    assert aws.started() == 3 * 3
    assert aws.refused() == 0


def test_two_ticks_in_one_day_start_no_scan_twice(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.tick()
    aws.tick()
    aws.restart()
    aws.tick()
    assert aws.started() == 1


def test_several_configurations_on_one_repository_scan_each_image_once(aws: Service) -> None:
    aws.push("team/app", "1")
    for pattern in ("team/app", "team/*", "*"):
        aws.add(pattern)
    aws.days(1.1)
    assert aws.started() == 2


def test_tags_of_one_image_share_one_scan(aws: Service) -> None:
    for tag in ("1", "1.2", "latest"):
        aws.push("team/app", tag, name="the same image")
    aws.add("team/app")
    aws.cycle()
    assert aws.started() == 1


def test_a_result_of_a_scan_on_push_is_looked_up_not_started(aws: Service) -> None:
    aws.ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
    aws.post("team/app", "1", [basic("CVE-1")])
    aws.push("team/app", "1")
    aws.advance(minutes=30)
    aws.events()
    aws.add("team/app")
    aws.tick()
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl")}
    assert aws.started() == 0


def test_a_scan_on_push_counts_for_the_24_hours(aws: Service) -> None:
    aws.ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
    aws.add("team/app")
    aws.cycle()
    aws.push("team/app", "1")
    aws.days(1.1)
    assert aws.started() == 1
    assert aws.refused() == 0


def test_all_pages_of_images_and_findings_are_read(aws: Service) -> None:
    for number in range(120):
        aws.push("team/app", f"v{number}")
    aws.post("team/app", "v0", [basic(f"CVE-{number}") for number in range(1500)])
    aws.add("team/app")
    aws.cycle()
    assert aws.started() == 120
    assert len(open_findings(aws, "team/app")) == 1500


def test_an_index_is_scanned_by_its_platforms_and_its_attestation_is_not(aws: Service) -> None:
    for pushed in multi_platform("worker", "1"):
        aws.put("team/worker", pushed)
    aws.add("team/worker")
    aws.cycle()
    assert aws.states() == {("team/worker", "linux/amd64"): "COMPLETE", ("team/worker", "linux/arm64"): "COMPLETE"}
    assert aws.refused() == 0


def test_an_index_is_resolved_once_because_that_counts_as_a_pull(aws: Service) -> None:
    for pushed in multi_platform("worker", "1"):
        aws.put("team/worker", pushed)
    aws.add("team/worker")
    aws.days(1)
    assert len(aws.fake.calls.of("BatchGetImage")) == 1


def test_a_chart_is_never_started_and_is_listed_apart(aws: Service) -> None:
    aws.put("charts/web", chart("web", "1"))
    aws.add("charts/web")
    aws.days(1.1)
    (configuration,) = aws.summary()["configurations"]
    assert aws.states() == {}
    assert configuration["not_images"]["kinds"] == {"Helm chart": 1}
    assert aws.started() == 0


def test_a_failed_scan_is_shown_and_not_repeated_every_tick(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", None)
    aws.add("team/app")
    aws.days(1)
    assert aws.states() == {("team/app", None): "FAILED"}
    assert aws.started() == 1


def test_a_failed_scan_resolves_nothing(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    aws.add("team/app")
    aws.cycle()
    aws.post("team/app", "1", None)
    aws.days(1.1)
    assert aws.states() == {("team/app", None): "FAILED"}
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl")}


def test_a_repository_deleted_behind_the_configuration_stops_nothing_else(aws: Service) -> None:
    for name in ("a/one", "b/two", "c/three"):
        aws.push(name, "1")
        aws.add(name)
    aws.cycle()
    aws.ecr.delete_repository(repositoryName="b/two", force=True)
    aws.days(1.1)
    assert aws.started("a/one") == 2
    assert aws.started("c/three") == 2
    assert aws.ledger("b/two").missing_since is not None


def test_a_configuration_of_a_repository_that_never_was_stops_nothing_else(aws: Service) -> None:
    aws.add("a/missing")
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    assert aws.started() == 1
    (missing,) = [item for item in aws.summary()["configurations"] if item["repository"] == "a/missing"]
    assert missing["problems"]


def test_an_image_that_ecr_refuses_does_not_stop_the_others(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.push("team/app", "2")
    aws.add("team/app")
    aws.faults.add(Fault("ecr", "StartImageScan", "error", times=1))
    aws.cycle(5)
    assert {record.state for record in aws.ledger("team/app").manifests.values()} == {ScanState.COMPLETE}


def test_a_document_that_cannot_be_read_stops_only_its_repository(aws: Service) -> None:
    aws.push("a/one", "1")
    aws.push("b/two", "1")
    aws.add("*")
    aws.cycle()
    keys = [item["Key"] for item in aws.s3.list_objects_v2(Bucket=aws.bucket)["Contents"]]
    (key,) = [key for key in keys if key.startswith("images/") and "a%2Fone" in key]
    aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=b'{"schema": 99}')
    aws.restart()
    aws.days(1.1)
    assert aws.started("b/two") == 2
    assert aws.read(key) == b'{"schema": 99}'


def test_foreign_and_corrupt_configurations_are_skipped(aws: Service) -> None:
    for key in ("configs/notes.txt", "configs/0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f.json"):
        aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=b"{")
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    assert aws.started() == 1


def test_a_configuration_that_became_unreadable_loses_none_of_its_images(aws: Service) -> None:
    aws.push("team/app", "dev")
    aws.push("team/app", "prod")
    aws.post("team/app", "prod", [basic("CVE-1")])
    aws.add("team/app", tags=["dev"])
    prod = aws.add("team/app", tags=["prod"])
    aws.cycle()
    aws.s3.put_object(Bucket=aws.bucket, Key=f"configs/{prod['id']}.json", Body=b"{")
    aws.restart()
    aws.days(1.1)
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl")}


def test_a_limit_exceeded_that_a_recent_result_explains_gives_the_due_time(aws: Service) -> None:
    digest = aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    aws.advance(hours=20)
    # Somebody lost our record of the scan.
    aws.s3.delete_object(Bucket=aws.bucket, Key="images/123456789012/us-east-1/team%2Fapp.json")
    aws.restart()
    aws.cycle()
    assert aws.started() == 1
    completed = aws.ledger("team/app").manifests[digest].completed_at
    assert completed is not None
    assert aws.now - completed > timedelta(hours=20)


def test_a_spent_account_quota_stops_starting_and_leaves_due_times_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # One call after the other: of calls at once, ECR may take the younger ones for the last places of a quota.
    monkeypatch.setattr(turns, "_CALLS_AT_ONCE", 1)
    with service(quota=2) as aws:
        for number in range(6):
            aws.push("team/app", str(number))
        aws.add("team/app")
        aws.cycle(12)
        assert aws.refused() <= 4
        assert sum(record.claimed_at is None for record in aws.ledger("team/app").manifests.values()) == 4
        aws.days(2.1)
        done = [record.completed_at for record in aws.ledger("team/app").manifests.values()]
        assert sum(at is not None for at in done) == 6


def test_a_lost_completion_event_is_made_up_for_within_twenty_minutes(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    aws.add("team/app")
    aws.faults.add(Fault("events", "ECR Image Scan", "lose"))
    aws.cycle(5)
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl")}
    assert aws.started() == 1


def test_a_death_between_claim_and_start_costs_a_look_not_a_second_start(aws: Service) -> None:
    digest = aws.push("team/app", "1")
    aws.add("team/app")
    original = aws.fake.registry().operations
    assert "StartImageScan" in original
    aws.seconds_left = 240
    aws.faults.add(Fault("ecr", "StartImageScan", "timeout", seconds=0, times=1))
    aws.tick()
    assert aws.ledger("team/app").manifests[digest].completed_at is None
    aws.cycle(8)
    assert aws.ledger("team/app").manifests[digest].completed_at is not None
    assert aws.refused() == 0


@pytest.mark.parametrize("times", [2, 3])
def test_doubled_events_change_nothing(aws: Service, times: int) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    configuration = aws.add("team/app")
    aws.tick()
    aws.advance(minutes=2)
    bodies = aws.events()
    for body in bodies:
        aws.send(body)
    aws.drain()
    before = aws.feed(configuration).body
    for body in bodies * times:
        aws.send(body)
    aws.advance(minutes=1)
    aws.drain()
    assert aws.feed(configuration).body == before


def test_a_poison_message_is_ignored_and_not_delivered_again(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    aws.add("team/app")
    aws.tick()
    aws.advance(minutes=2)
    for body in ("", "{", "[]", "null", '{"source": 7}', '{"ask": {"registry": "x"}}'):
        if body:
            aws.send(body)
    aws.drain()
    assert open_findings(aws, "team/app") == {("CVE-1", "openssl")}
    assert aws.drain() == 0


def test_only_the_messages_of_a_repository_that_failed_come_again(aws: Service) -> None:
    digests = {name: aws.push(name, "1") for name in ("a/one", "b/two")}
    aws.add("*")
    aws.tick()
    aws.advance(minutes=2)
    records = [
        {"messageId": name, "body": json.dumps({"ask": ask}), "attributes": {}}
        for name, digest in digests.items()
        for ask in [{"registry": "123456789012", "region": "us-east-1", "repository": name, "digest": digest}]
    ]
    aws.s3.put_object(Bucket=aws.bucket, Key="findings/123456789012/us-east-1/a%2Fone.json", Body=b"{")
    assert aws.deliver(records) == {"a/one"}
    assert open_findings(aws, "b/two") == set()


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EVENTS.glob("*.json") if b"httpMethod" not in path.read_bytes())
)
def test_the_sample_events_are_taken(aws: Service, name: str) -> None:
    from functions.start_scan.app import lambda_handler

    event = json.loads((EVENTS / name).read_text())
    aws.add("*")
    reply = lambda_handler(event, aws._context())
    assert reply.get("batchItemFailures", []) == []


def test_a_push_event_brings_a_new_image_within_a_tick(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    aws.push("team/app", "2")
    aws.drain()
    aws.tick()
    assert aws.started() == 2


def test_a_push_that_ecr_scans_itself_costs_no_listing(aws: Service) -> None:
    aws.ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    listed = len(aws.fake.calls.of("DescribeImages"))
    aws.push("team/app", "2")
    aws.advance(minutes=2)
    aws.drain()
    aws.tick()
    assert aws.states() == {("team/app", None): "COMPLETE"}
    assert len(aws.fake.calls.of("DescribeImages")) == listed
    assert aws.started() == 0


@pytest.mark.parametrize("hours", [1, 30], ids=["listed lately", "listing due"])
def test_what_only_an_event_told_of_is_not_started_while_it_cannot_be_listed(aws: Service, hours: int) -> None:
    aws.push("team/worker", "1")
    aws.add("team/worker")
    aws.cycle()
    aws.advance(hours=hours)
    parts = multi_platform("worker", "2")
    for pushed in parts:
        aws.put("team/worker", pushed)
    for body in aws.events():
        event = json.loads(body)
        # ECR's events need not say what was pushed.
        event["detail"].pop("manifest-media-type", None)
        event["detail"].pop("artifact-media-type", None)
        aws.send(json.dumps(event))
    aws.drain()
    assert parts[-1].digest in aws.ledger("team/worker").manifests
    aws.faults.add(Fault("ecr", "DescribeImages", "error"))
    aws.tick()
    aws.faults.clear()
    aws.cycle(4)
    assert aws.refused() == 0
    states = {platform: state for (_, platform), state in aws.states().items()}
    assert {states[platform] for platform in ("linux/amd64", "linux/arm64")} == {"COMPLETE"}


def test_a_push_whose_event_was_lost_is_found_by_the_event_of_its_scan(aws: Service) -> None:
    aws.ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    listed = len(aws.fake.calls.of("DescribeImages"))
    aws.faults.add(Fault("events", "ECR Image Action", "lose", times=1))
    new = aws.push("team/app", "2")
    aws.advance(minutes=2)
    aws.drain()
    aws.cycle(3)
    assert aws.ledger("team/app").manifests[new].state is ScanState.COMPLETE
    assert len(aws.fake.calls.of("DescribeImages")) == listed + 1


def test_an_index_that_lost_a_platform_says_so_and_keeps_the_other(aws: Service) -> None:
    parts = multi_platform("worker", "1")
    for pushed in parts:
        aws.put("team/worker", pushed)
    aws.add("team/worker")
    aws.cycle(3)
    amd64, arm64 = ("team/worker", "linux/amd64"), ("team/worker", "linux/arm64")
    assert aws.states() == {amd64: "COMPLETE", arm64: "COMPLETE"}
    aws.fake.registry().repositories["team/worker"].images.pop(parts[1].digest)
    aws.days(1.2)
    assert aws.states() == {amd64: "COMPLETE", arm64: "UNSUPPORTED"}


def test_a_pushed_index_is_found_by_its_event_and_never_started_itself(aws: Service) -> None:
    aws.push("team/worker", "1")
    aws.add("team/worker")
    aws.cycle()
    for pushed in multi_platform("worker", "2"):
        aws.put("team/worker", pushed)
    aws.drain()
    aws.tick()
    assert aws.started() == 3
    assert aws.refused() == 0


def test_a_deleted_image_is_no_longer_scanned_and_its_findings_are_gone(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.post("team/app", "1", [basic("CVE-1")])
    aws.add("team/app")
    aws.cycle()
    aws.ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "1"}])
    aws.drain()
    finding = aws.findings("team/app").findings["CVE-1", "openssl"]
    assert finding.openings[-1].closed is not None
    assert finding.openings[-1].closed.reason == "gone"
    aws.days(1.1)
    assert aws.started() == 1


def test_an_archived_image_rests_and_comes_back_by_itself(aws: Service) -> None:
    digest = aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()

    def move(storage_class: str) -> None:
        registry = aws.fake.registry()
        registry.call(
            "UpdateImageStorageClass",
            {
                "repositoryName": "team/app",
                "imageId": {"imageDigest": digest},
                "targetStorageClass": storage_class,
            },
        )
        aws.drain()

    move("ARCHIVE")
    aws.days(1.2)
    assert aws.states() == {("team/app", None): "ARCHIVED"}
    assert aws.started() == 1
    move("STANDARD")
    aws.days(1.2)
    assert aws.started() >= 2
    assert aws.states() == {("team/app", None): "COMPLETE"}


def test_under_enhanced_scanning_nothing_is_started_and_findings_are_read(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.ecr.put_registry_scanning_configuration(
        scanType="ENHANCED",
        rules=[{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}],
    )
    aws.add("team/app")
    aws.cycle(3)
    assert aws.started() == 0


def test_a_bad_request_about_one_image_is_not_taken_for_enhanced_scanning(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = aws.push("team/app", "1"), aws.push("team/app", "2")
    start = Registry.start

    def refuse(self: Registry, repository: str, digest: str) -> StartedScan | SkippedScan:
        if digest == bad:
            return SkippedScan(digest, SkipReason.ENHANCED, "malformed")
        return start(self, repository, digest)

    monkeypatch.setattr(Registry, "start", refuse)
    aws.add("team/app")
    aws.cycle(4)
    states = {digest: record.state for digest, record in aws.ledger("team/app").manifests.items()}
    assert states == {bad: ScanState.UNAVAILABLE, good: ScanState.COMPLETE}


def test_nothing_can_be_listed_fails_the_tick_so_that_an_alarm_rings(aws: Service) -> None:
    aws.s3.delete_bucket(Bucket=aws.bucket)
    with pytest.raises(Exception, match="NoSuchBucket"):
        aws.tick()


def test_a_tick_without_time_begins_nothing_and_the_next_goes_on(aws: Service) -> None:
    for name in ("a/one", "b/two"):
        aws.push(name, "1")
    aws.add("*")
    aws.seconds_left = 10
    aws.tick()
    assert aws.started() == 0
    aws.seconds_left = 240
    aws.tick()
    assert aws.started() == 2
