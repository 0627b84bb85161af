"""The events queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.scanning.events import ResultAsked, parse

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/events"
ASKS = [ResultAsked("123456789012", "us-east-1", "team-a/api", f"sha256:{number:064x}") for number in range(23)]


@pytest.fixture
def client() -> Any:
    """An SQS client."""
    return boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def sqs(client: Any) -> Iterator[Stubber]:
    """A stubbed SQS client."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@mock_aws
def test_asks_arrive() -> None:
    """All of them, in as many batches as it takes; the backlog shows them."""
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    url = client.create_queue(QueueName="events")["QueueUrl"]
    queue = EventsQueue(client, url)
    assert queue.backlog() == 0
    assert queue.ask(ASKS) == []
    assert queue.backlog() == len(ASKS)
    received = set()
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received |= {parse(message["Body"]) for message in messages}
    assert received == set(ASKS)


def test_nothing_to_ask_sends_nothing(sqs: Stubber) -> None:
    """SQS refuses an empty batch."""
    assert EventsQueue(sqs.client, URL).ask([]) == []


def test_asks_that_sqs_does_not_take_come_back(sqs: Stubber) -> None:
    """Of any batch."""
    for failed in (["9"], ["0"], []):
        failures = [{"Id": number, "SenderFault": False, "Code": "InternalError"} for number in failed]
        reply = {"Successful": [], "Failed": failures}
        sqs.add_response("send_message_batch", reply, {"QueueUrl": URL, "Entries": ANY})
    assert EventsQueue(sqs.client, URL).ask(iter(ASKS)) == [ASKS[9], ASKS[10]]


def test_a_queue_that_fails(sqs: Stubber) -> None:
    """The error names the queue and the code."""
    sqs.add_client_error("send_message_batch", "AccessDenied")
    with pytest.raises(MessageError, match=r"events.*AccessDenied"):
        EventsQueue(sqs.client, URL).ask(ASKS)
    sqs.add_client_error("get_queue_attributes", "AWS.SimpleQueueService.NonExistentQueue")
    with pytest.raises(MessageError, match="NonExistentQueue"):
        EventsQueue(sqs.client, URL).backlog()


def test_a_connection_that_fails(client: Any) -> None:
    """Is an error of ours as well."""

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs.example")

    client.meta.events.register("before-call.sqs", refuse)
    with pytest.raises(MessageError, match="EndpointConnectionError"):
        EventsQueue(client, URL).backlog()
