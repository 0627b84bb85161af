"""Where nothing can be scanned, a feed says so after a listing, and is not refused for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.faults import Fault
from local.samples.images import chart
from tests.atom import faults
from tests.service import Service, service


def empty(aws: Service) -> None:
    """A repository without an image."""
    aws.ecr.create_repository(repositoryName="team/app")


def charts(aws: Service) -> None:
    """A repository of charts."""
    aws.put("team/app", chart("web", "1"))


def unsupported(aws: Service) -> None:
    """A repository of an image that ECR can't scan."""
    aws.push("team/app", "1")
    aws.post("team/app", "1", None, imageScanStatus={"status": "UNSUPPORTED_IMAGE", "description": ""})


def failed(aws: Service) -> None:
    """A repository of an image whose scans fail."""
    aws.push("team/app", "1")
    aws.post("team/app", "1", None, imageScanStatus={"status": "FAILED", "description": "ECR is out of sorts"})


def archived(aws: Service) -> None:
    """A repository of an image in the archive."""
    aws.push("team/app", "1")
    image = {"repositoryName": "team/app", "imageId": {"imageTag": "1"}}
    aws.ecr.update_image_storage_class(**image, targetStorageClass="ARCHIVE")


def left_out(aws: Service) -> None:
    """A repository that Inspector leaves out, by the registry's filters."""
    rule = {"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "other", "filterType": "WILDCARD"}]}
    aws.ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=[rule])
    aws.push("team/app", "1")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (empty, "No image is selected"),
        (charts, "No image is selected"),
        (unsupported, "1 UNSUPPORTED"),
        (failed, "newest scan without a result: 1 FAILED: ECR is out of sorts"),
        (archived, "1 ARCHIVED"),
        (left_out, "1 left out by the registry's filters"),
    ],
)
def test_a_feed_of_nothing_that_can_be_scanned_says_so(fill: Callable[[Service], None], said: str) -> None:
    """Valid, empty, and it does not read as clean: nothing is known."""
    with service() as aws:
        fill(aws)
        added = aws.add("team/app")
        assert aws.feed(added).status == 503
        aws.cycle(2)
        feed = aws.feed(added)
        assert feed.status == 200
        assert faults(feed.body) == []
        assert said in feed.body
        assert "nothing is known of vulnerabilities" in feed.body


def test_a_feed_of_what_is_still_to_be_scanned_waits() -> None:
    """And so does one of a repository that is not there."""
    with service() as aws:
        aws.push("team/app", "1")
        added, missing = aws.add("team/app"), aws.add("team/none")
        aws.tick()
        assert aws.feed(added).status == 503
        assert aws.feed(missing).status == 503
        aws.advance(minutes=2)
        aws.drain()
        assert aws.feed(added).status == 200
        assert aws.feed(missing).status == 503


def test_a_feed_of_an_image_that_failed_and_one_that_waits_is_not_served() -> None:
    """What was not looked at may be full of findings."""
    with service() as aws:
        failed(aws)
        added = aws.add("team/app")
        aws.cycle(2)
        aws.advance(hours=1)
        assert aws.feed(added).status == 200
        # Its scan is under way.
        aws.push("team/app", "2")
        aws.drain()
        aws.tick()
        unready = aws.feed(added)
        assert (unready.status, unready.headers["retry-after"]) == (503, "300")
        assert "1 FAILED: ECR is out of sorts" in unready.json()["error"]["message"]


def test_a_glob_that_matches_nothing_says_so_after_a_complete_listing() -> None:
    """Not by an older listing, not by one that was refused, and no longer once a repository is listed that matches."""
    with service() as aws:
        aws.push("other/app", "1")
        aws.add("*")
        aws.cycle(2)
        added, missing = aws.add("team/*"), aws.add("team/app")
        assert aws.feed(added).status == 503, "made after the listing"
        aws.faults.add(Fault("ecr", "DescribeRepositories", "refuse"))
        aws.cycle(2)
        assert aws.feed(added).status == 503
        aws.faults.clear()
        aws.cycle(14)
        feed = aws.feed(added)
        assert feed.status == 200
        assert faults(feed.body) == []
        assert "No repository matches, by a complete listing" in feed.body
        assert "nothing is known of vulnerabilities" in feed.body
        assert aws.feed(added, changes="true").status == 200
        assert aws.feed(missing).status == 503, "one that is named is looked for"
        aws.push("team/app", "1")
        aws.drain()
        aws.tick()
        assert aws.feed(added).status == 503
        aws.cycle(2)
        assert "1 of 1 selected images have results" in aws.feed(added).body
