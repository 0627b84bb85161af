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

from ecr_rescan.adapters.topic import Topic, ascii_subject
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.telling.message_forms import Message

ARN = "arn:aws:sns:us-east-1:123456789012:alerts"


FORMS = ("default", "email", "sqs")


def message(**parts: Any) -> Message:
    """A message with these forms and attributes."""
    forms = {name: part for name, part in parts.items() if name in FORMS}
    return Message("New: CVE-2026-1", forms, {name: part for name, part in parts.items() if name not in FORMS})


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
    topic.publish(message(default="{}", email="plain", sqs='{"structured": true}', owner="team-a"))
    topic.publish(message(default="plain", repositories=["a", "", "b"], owner="", none=[]))
    first, second = (json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) for _ in range(2))
    assert (first["Subject"], first["Message"]) == ("New: CVE-2026-1", '{"structured": true}')
    assert first["MessageAttributes"] == {"owner": {"Type": "String", "Value": "team-a"}}
    assert second["Message"] == "plain"
    assert second["MessageAttributes"] == {"repositories": {"Type": "String.Array", "Value": '["a", "b"]'}}


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("plain", "plain"),
        (" two\r\nlines\x00\x1b ", "two lines"),
        ("Zürich – 1…", "Zurich - 1..."),
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


def test_more_attributes_than_sns_delivers() -> None:
    """Is a mistake of the caller's."""
    with pytest.raises(ValueError, match="11 attributes"):
        Topic(client(), ARN).publish(message(default="text", **{f"a{number}": "x" for number in range(11)}))


def test_what_utf_8_cannot_hold_costs_no_message() -> None:
    """A lone surrogate is replaced."""
    sns = client()
    with Stubber(sns) as stubber:
        sent = {
            "TopicArn": ARN,
            "Subject": "New: CVE-2026-1",
            "MessageStructure": "json",
            "Message": '{"default": "a\ufffdb"}',
            "MessageAttributes": {"owner": {"DataType": "String", "StringValue": "\ufffd"}},
        }
        stubber.add_response("publish", {"MessageId": "1"}, sent)
        Topic(sns, ARN).publish(message(default="a\ud800b", owner="\udfff"))
        stubber.assert_no_pending_responses()


def test_a_topic_that_fails() -> None:
    """The error names the topic and the code."""
    sns = client()
    with Stubber(sns) as stubber:
        stubber.add_client_error("publish", "AuthorizationError")
        with pytest.raises(MessageError, match=r"alerts.*AuthorizationError"):
            Topic(sns, ARN).publish(message(default="text"))


def test_a_connection_that_fails() -> None:
    """Is an error of ours as well."""

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sns.example")

    sns = client()
    sns.meta.events.register("before-call.sns", refuse)
    with pytest.raises(MessageError, match="EndpointConnectionError"):
        Topic(sns, ARN).publish(message(default="text"))
