"""Scans of the faithful ECR: when a start is refused, how results come about, what the events say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.ecr.scanning import UNSUPPORTED_TEXT
from local.samples.images import chart, multi_platform

LIMIT = ("LimitExceededException", "The scan quota per image has been exceeded. Wait and try again.")


def test_an_image_can_be_scanned_once_in_24_hours_rolling(world, error_of):
    """From the start of the scan, to the second, across midnight."""
    digest = world.push("a", "1")
    assert world.start(digest)["imageScanStatus"] == {"status": "PENDING"}
    world.advance(hours=23, minutes=59, seconds=59)
    assert error_of(lambda: world.start(digest)) == LIMIT
    world.advance(seconds=1)
    world.start(digest)


def test_the_window_can_run_from_the_completion(make_world, error_of):
    """AWS documents neither; the stricter reading delays the next start by the length of a scan."""
    world = make_world(from_completion=True, scan_seconds=600)
    digest = world.push("a", "1")
    world.start(digest)
    world.advance(hours=24)
    assert error_of(lambda: world.start(digest)) == LIMIT
    world.advance(minutes=10)
    world.start(digest)


def test_tags_of_one_digest_share_a_slot_and_repositories_do_not(world, error_of):
    """The throttle is kept by digest within a repository."""
    digest = world.push("a", "1")
    world.push("a", "2")
    world.client.create_repository(repositoryName="team/other")
    world.push("a", "1", repository="team/other")
    world.client.start_image_scan(repositoryName="team/app", imageId={"imageTag": "1"})
    by_tag = lambda: world.client.start_image_scan(repositoryName="team/app", imageId={"imageTag": "2"})  # noqa: E731
    assert error_of(by_tag) == LIMIT
    world.start(digest, repository="team/other")


def test_the_account_quota_is_rolling_and_says_the_same(make_world, error_of):
    """Nothing in the answer tells it from the throttle of the image."""
    world = make_world(quota=2)
    first, second, third = (world.push(name) for name in "abc")
    world.start(first)
    world.advance(hours=1)
    world.start(second)
    assert error_of(lambda: world.start(third)) == LIMIT
    world.advance(hours=23)
    world.start(third)
    world.advance(minutes=59)
    assert error_of(lambda: world.start(first)) == LIMIT
    world.advance(minutes=1)
    world.start(first)


def test_a_refused_start_uses_nothing_up(make_world):
    """Neither the image's slot nor the account's quota."""
    world = make_world(quota=1)
    world.client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
    digest = world.push("a")
    with pytest.raises(world.client.exceptions.ValidationException, match="This feature is disabled"):
        world.start(digest)
    world.client.put_registry_scanning_configuration(scanType="BASIC", rules=[])
    world.start(digest)


def test_what_is_no_image_is_refused_with_its_media_type(world, error_of):
    """An index by its own type, a chart by its configuration's; the parts of an index are images."""
    parts = multi_platform("app", "1")
    amd64, *_, index = [world.put(part) for part in parts]
    code, message = error_of(lambda: world.start(index))
    assert code == "UnsupportedImageTypeException"
    assert message == (
        "An artifact with media type 'application/vnd.oci.image.index.v1+json' cannot be scanned. "
        "For more information, see the Amazon ECR documentation."
    )
    helm = world.put(chart("web", "web-1"))
    assert "'application/vnd.cncf.helm.config.v1+json'" in error_of(lambda: world.start(helm))[1]
    world.start(amd64)


def test_an_archived_image_is_refused_until_it_is_restored(world, error_of):
    """And its results say that it is archived."""
    digest = world.push("a", "1")
    world.scan(digest)
    update = world.client.update_image_storage_class
    archived = update(repositoryName="team/app", imageId={"imageDigest": digest}, targetStorageClass="ARCHIVE")
    assert archived["imageStatus"] == "ARCHIVED"
    world.advance(hours=25)
    assert error_of(lambda: world.start(digest))[0] == "ImageArchivedException"
    assert world.read(digest)["imageScanStatus"]["status"] == "IMAGE_ARCHIVED"
    update(repositoryName="team/app", imageId={"imageDigest": digest}, targetStorageClass="STANDARD")
    world.start(digest)
    classes = [e["detail"]["target-storage-class"] for e in world.events if "target-storage-class" in e["detail"]]
    assert classes == ["ARCHIVE", "STANDARD"]


def test_a_scan_is_pending_then_in_progress_then_complete(world, error_of):
    """Nobody looked is an error; the completion is dated by the scan, not by who reads it or when."""
    digest = world.push("a", "1")
    code, message = error_of(lambda: world.read(digest))
    assert code == "ScanNotFoundException"
    assert f"{{imageDigest:'{digest}', imageTag:'null'}}" in message
    begun = world.clock.now()
    world.start(digest)
    assert world.read(digest)["imageScanStatus"]["status"] == "PENDING"
    world.advance(seconds=40)
    running = world.read(digest)
    assert (running["imageScanStatus"]["status"], "imageScanFindings" in running) == ("IN_PROGRESS", False)
    world.advance(hours=3)
    done = world.read(digest)
    assert done["imageScanStatus"] == {"status": "COMPLETE", "description": "The scan was completed."}
    content = done["imageScanFindings"]
    assert content["imageScanCompletedAt"] == begun + timedelta(seconds=60)
    assert (content["findings"], content["findingSeverityCounts"]) == ([], {})
    assert done["imageId"] == {"imageDigest": digest, "imageTag": "1"}


def test_a_scan_that_nobody_waited_for_is_complete_when_it_is_read(world):
    """Reading completes it, dated by its own end; its event is not lost either."""
    digest = world.push("a")
    world.start(digest)
    world.events.clear()
    world.clock.advance(timedelta(hours=1))
    assert world.read(digest)["imageScanStatus"]["status"] == "COMPLETE"
    assert [event["detail-type"] for event in world.events] == ["ECR Image Scan"]


def test_a_running_scan_still_shows_the_findings_before_it(world, names):
    """Under the new status and with the old completion: only imageScanCompletedAt tells."""
    digest = world.push("a")
    world.post({"imageDigest": digest}, ["CVE-1"])
    before = world.scan(digest)["imageScanFindings"]["imageScanCompletedAt"]
    world.advance(hours=24)
    world.start(digest)
    running = world.read(digest)
    assert running["imageScanStatus"]["status"] == "PENDING"
    assert names(running) == ["CVE-1"]
    assert running["imageScanFindings"]["imageScanCompletedAt"] == before


def test_completion_events_leave_at_the_time_of_completion(world):
    """With counts of what was found, without any where there is none, FAILED without findings."""
    clean, found, failed = (world.push(name, name) for name in ("clean", "found", "failed"))
    world.post({"imageTag": "found"}, ["CVE-1", "CVE-2"])
    world.post({"imageTag": "failed"}, None, imageScanStatus={"status": "FAILED", "description": UNSUPPORTED_TEXT})
    for digest in (clean, found, failed):
        world.start(digest)
    due = world.clock.now() + timedelta(seconds=60)
    world.events.clear()
    world.advance(hours=2)
    assert {event["time"] for event in world.events} == {due.strftime("%Y-%m-%dT%H:%M:%SZ")}
    details = {event["detail"]["image-digest"]: event["detail"] for event in world.events}
    assert details[found]["finding-severity-counts"] == {"HIGH": 2}
    assert "finding-severity-counts" not in details[clean]
    assert [details[digest]["scan-status"] for digest in (clean, found, failed)] == ["COMPLETE", "COMPLETE", "FAILED"]
    assert world.events[0]["resources"] == ["arn:aws:ecr:us-east-1:123456789012:repository/team/app"]
    answer = world.read(failed)
    assert "imageScanFindings" not in answer
    assert answer["imageScanStatus"] == {"status": "FAILED", "description": UNSUPPORTED_TEXT}


def test_scan_on_push_uses_the_slot_and_says_nothing_about_an_index(world, error_of):
    """By the repository's own setting; a second push of the same digest within the day starts nothing."""
    world.client.put_image_scanning_configuration(
        repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True}
    )
    digests = [world.put(part) for part in multi_platform("app", "1")]
    plain = world.push("a", "2")
    assert error_of(lambda: world.start(plain)) == LIMIT
    world.push("a", "3")
    world.events.clear()
    world.advance(minutes=2)
    scanned = {event["detail"]["image-digest"] for event in world.events}
    assert scanned == {plain, *digests[:3]}
    assert error_of(lambda: world.read(digests[-1]))[0] == "ScanNotFoundException"
    # An attestation holds no operating system.
    assert world.read(digests[2])["imageScanStatus"]["status"] == "FAILED"


@pytest.mark.parametrize(("text", "scans"), [("team/*", True), ("app", True), ("other/*", False)])
def test_registry_rules_scan_on_push_too(world, error_of, text, scans):
    """A filter with a star is a wildcard, one without is any part of the name."""
    rule = {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": text, "filterType": "WILDCARD"}]}
    world.client.put_registry_scanning_configuration(scanType="BASIC", rules=[rule])
    digest = world.push("a")
    if scans:
        assert world.read(digest)["imageScanStatus"]["status"] == "PENDING"
    else:
        assert error_of(lambda: world.read(digest))[0] == "ScanNotFoundException"


def test_an_image_deleted_during_its_scan_sends_no_completion(world):
    """There is nothing left that the event could be about."""
    digest = world.push("a", "1")
    world.start(digest)
    world.client.batch_delete_image(repositoryName="team/app", imageIds=[{"imageDigest": digest}])
    world.events.clear()
    world.advance(hours=1)
    assert world.events == []


def test_enhanced_scanning_shows_what_was_posted_and_hides_basic_results(world, error_of, names):
    """The first result is announced by Inspector, with an ARN for a name; switching back shows the old result again."""
    digest = world.push("a", "1")
    world.post({"imageDigest": digest}, ["CVE-1"])
    world.scan(digest)
    world.client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
    assert world.client.get_registry_scanning_configuration()["scanningConfiguration"]["scanType"] == "ENHANCED"
    world.events.clear()
    enhanced = {"enhancedFindings": [{"severity": "UNTRIAGED", "title": "CVE-2 - pip"}, {"severity": "HIGH"}]}
    status = {"status": "ACTIVE", "description": "Continuous scan is selected for image."}
    world.post({"imageDigest": digest}, [], imageScanStatus=status, imageScanFindings=enhanced)
    answer = world.read(digest)
    assert answer["imageScanStatus"]["status"] == "ACTIVE"
    assert len(answer["imageScanFindings"]["enhancedFindings"]) == 2
    (event,) = world.events
    assert (event["source"], event["detail-type"]) == ("aws.inspector2", "Inspector2 Scan")
    assert event["detail"]["repository-name"] == "arn:aws:ecr:us-east-1:123456789012:repository/team/app"
    assert event["detail"]["finding-severity-counts"] == {"HIGH": 1, "TOTAL": 2}
    world.client.put_registry_scanning_configuration(scanType="BASIC", rules=[])
    assert names(world.read(digest)) == ["CVE-1"]
