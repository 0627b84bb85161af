"""Where nothing can be scanned, a feed says so after a listing, and is not refused for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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


def archived(aws: Service) -> None:
    """A repository of an image in the archive."""
    aws.push("team/app", "1")
    image = {"repositoryName": "team/app", "imageId": {"imageTag": "1"}}
    aws.ecr.update_image_storage_class(**image, targetStorageClass="ARCHIVE")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (empty, "No image is selected"),
        (charts, "No image is selected"),
        (unsupported, "1 UNSUPPORTED"),
        (archived, "1 ARCHIVED"),
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
