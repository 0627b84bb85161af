"""The topic: what is published fits SNS."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from ecr_rescan.adapters.topic import MAX_BYTES, Topic, ascii_subject
from ecr_rescan.core.errors import MessageError

ARN = "arn:aws:sns:us-east-1:123456789012:alerts"


class Recorder:
    """Stands in for the client where only what would be sent matters."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def publish(self, **parameters: Any) -> None:
        self.sent = parameters


def published(text: str, **more: Any) -> dict[str, Any]:
    """What would be sent."""
    recorder = Recorder()
    Topic(recorder, ARN).publish("A subject", text, **more)
    return recorder.sent


def size(sent: dict[str, Any]) -> int:
    """Bytes, as SNS counts them."""
    attributes = [
        part
        for name, value in sent["MessageAttributes"].items()
        for part in (name, value["DataType"], value["StringValue"])
    ]
    return sum(len(part.encode()) for part in (sent["Message"], *attributes))


def client() -> Any:
    """An SNS client."""
    return boto3.client("sns", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@mock_aws
def test_subscribers_get_their_variant() -> None:
    """A queue the structured one, with attributes to filter by."""
    sns = client()
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    url = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    topic = Topic(sns, arn)
    topic.publish("New: CVE-2026-1", "plain", variants={"sqs": '{"structured": true}'}, attributes={"owner": "team-a"})
    topic.publish("New: CVE-2026-1", "plain", attributes={"repositories": ["a", "", "b"], "owner": "", "none": []})
    first, second = (json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) for _ in range(2))
    assert (first["Subject"], first["Message"]) == ("New: CVE-2026-1", '{"structured": true}')
    assert first["MessageAttributes"] == {"owner": {"Type": "String", "Value": "team-a"}}
    assert second["Message"] == "plain"
    assert second["MessageAttributes"] == {"repositories": {"Type": "String.Array", "Value": '["a", "b"]'}}


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("plain", "plain"),
        (" two\r\nlines\x00\x1b ", "two lines?"),
        ("Zürich – 1…", "Z?rich ? 1?"),
        ("", "ecr-rescan"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 96 + "..."),
    ],
)
def test_subjects(text: str, subject: str) -> None:
    """ASCII, one line, below 100 characters."""
    assert ascii_subject(text) == subject


@given(st.text(st.characters(codec=None)))
def test_any_subject_is_taken(text: str) -> None:
    """Whatever a description or an owner holds."""
    subject = ascii_subject(text)
    assert 0 < len(subject) < 100
    assert all(" " <= letter <= "~" for letter in subject)
    assert not subject.startswith(" ")


def test_a_long_text_is_cut_by_lines() -> None:
    """The rest is counted."""
    lines = [f"line {number} «äöü»" for number in range(20_000)]
    sent = published("\n".join(lines))
    kept = sent["Message"].split("\n")
    assert kept[:-1] == lines[: len(kept) - 1]
    assert kept[-1] == f"… and {len(lines) - len(kept) + 1} more lines"
    assert MAX_BYTES - 100 < size(sent) <= MAX_BYTES


@given(
    st.text(st.sampled_from('ab"\\\n\té😀\ud800\x00'), min_size=1, max_size=30),
    st.integers(0, 30_000),
    st.integers(0, 200_000),
    st.integers(0, 50),
)
def test_everything_fits(piece: str, times: int, variant: int, attributes: int) -> None:
    """Whatever has to be escaped, and whatever share the variants and attributes take."""
    sent = published(
        piece * times,
        variants={"https": "v" * variant} if variant else None,
        attributes={"repositories": ["r" * 200] * attributes, "owner": piece},
    )
    assert size(sent) <= MAX_BYTES
    if variant:
        assert json.loads(sent["Message"])["https"] == "v" * variant


def test_a_variant_that_does_not_fit_is_not_cut() -> None:
    """Half a structure is none."""
    with pytest.raises(MessageError, match="MessageTooLarge"):
        published("text", variants={"https": "v" * MAX_BYTES})


def test_more_attributes_than_sns_delivers() -> None:
    """Is a mistake of the caller's."""
    with pytest.raises(ValueError, match="11 attributes"):
        published("text", attributes={f"a{number}": "x" for number in range(11)})


def test_a_topic_that_fails() -> None:
    """The error names the topic and the code."""
    sns = client()
    with Stubber(sns) as stubber:
        stubber.add_client_error("publish", "AuthorizationError")
        with pytest.raises(MessageError, match=r"alerts.*AuthorizationError"):
            Topic(sns, ARN).publish("A subject", "text")


def test_a_connection_that_fails() -> None:
    """Is an error of ours as well."""

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sns.example")

    sns = client()
    sns.meta.events.register("before-call.sns", refuse)
    with pytest.raises(MessageError, match="EndpointConnectionError"):
        Topic(sns, ARN).publish("A subject", "text")
