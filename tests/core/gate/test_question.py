"""What the gate may be asked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.errors import InvalidRequestError
from ecr_rescan.core.gate.question import ImageName, Question, parse_age, parse_image

DIGEST = "sha256:" + "a" * 64
ACCOUNT = "123456789012"
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HOST}/team/app:1.4", ImageName("team/app", "1.4", None, ACCOUNT, "eu-west-1")),
        (f"{HOST}/team/app@{DIGEST}", ImageName("team/app", None, DIGEST, ACCOUNT, "eu-west-1")),
        (f"{HOST}/team/app:1.4@{DIGEST}", ImageName("team/app", "1.4", DIGEST, ACCOUNT, "eu-west-1")),
        (f"https://{HOST}/app:1", ImageName("app", "1", None, ACCOUNT, "eu-west-1")),
        (
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/ab:1",
            ImageName("ab", "1", None, ACCOUNT, "us-gov-west-1"),
        ),
        ("123456789012.dkr-ecr.us-west-2.on.aws/ab:1", ImageName("ab", "1", None, ACCOUNT, "us-west-2")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/ab:1", ImageName("ab", "1", None, ACCOUNT, "cn-north-1")),
        ("123456789012/team/app:1", ImageName("team/app", "1", None, ACCOUNT, None)),
        ("team/app:1", ImageName("team/app", "1", None)),
    ],
)
def test_an_image_is_named_as_docker_does(text: str, expected: ImageName) -> None:
    """By a host name of ECR, an account, or the repository alone."""
    assert parse_image(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "team/app", "team/app:", "Team/app:1", "team/app@sha256:12", "a:1:2", f"{HOST}/:1", "a:.x", "a b:1"],
)
def test_what_names_no_image_of_ecr_is_none(text: str) -> None:
    """Least of all without a tag: which image would it be?"""
    assert parse_image(text) is None


@pytest.mark.parametrize(
    ("text", "minutes"), [("24h10m", 1450), ("90m", 90), ("2d", 2880), ("", None), ("x", None), ("-1h", None)]
)
def test_an_age_is_days_hours_and_minutes(text: str, minutes: int | None) -> None:
    """In this order; nothing else is read."""
    assert parse_age(text) == (None if minutes is None else timedelta(minutes=minutes))


def test_everything_wrong_is_told_at_once() -> None:
    """By the names of the parameters."""
    with pytest.raises(InvalidRequestError) as caught:
        Question.from_query(
            {
                "image": "x",
                "configuration": "1",
                "severity": "BAD",
                "fixable": "1",
                "compared_to": "!",
                "max_age": "31d",
            }
        )
    named = [fault.field for fault in caught.value.faults]
    assert named == ["image", "configuration", "severity", "fixable", "compared_to", "max_age"]
