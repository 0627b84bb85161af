"""The service says when it is deaf or mute, and what else is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3
import pytest
from moto.sns.models import sns_backends

from ecr_rescan.core import keys
from functions.summary.app import lambda_handler as summary
from local.faults import Fault
from local.template import ACCOUNT, REGION
from tests.service import Service, basic, service


@pytest.fixture
def running() -> Iterator[Service]:
    with service() as made:
        made.push("team/app", "1")
        made.post("team/app", "1", [basic("CVE-2026-1")])
        made.add("team/*")
        made.cycle(2)
        yield made


def health(running: Service) -> dict[str, Any]:
    """GET /health."""
    reply = running.api(summary, "GET", "/health")
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


def codes(running: Service) -> list[str]:
    return [one["code"] for one in health(running)["findings"]]


def subscribe(number: int, pending: int = 0) -> None:
    """As many subscriptions as moto is to count."""
    (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
    topic.subscriptions_confimed, topic.subscriptions_pending = number, pending


def test_a_healthy_deployment(running: Service) -> None:
    """Nothing to say, and the facts that it was found by."""
    told = health(running)
    assert told["findings"] == []
    assert told["subscriptions"] == {"confirmed": 1, "pending": 0}
    (account,) = told["accounts"]
    assert account["events"]["push"] is not None
    assert account["events"]["scan"] is not None
    assert running.summary()["problems"] == []


def test_nobody_told_is_a_problem_within_an_hour_and_gone_when_mended(running: Service) -> None:
    """Publishing succeeds all the while: only the topic's own numbers show it."""
    subscribe(0, pending=1)
    running.cycle(13)
    assert codes(running) == ["nobody-told"]
    (problem,) = running.summary()["problems"]
    assert problem["key"] == keys.HEALTH
    subscribe(1)
    running.cycle(13)
    assert codes(running) == []
    assert running.summary()["problems"] == []


def test_pushes_that_are_not_heard_of_are_a_problem_after_a_day(running: Service) -> None:
    """The rule was disabled: listings show what arrives, and that no event told of it."""
    running.faults.add(Fault("events", operation="ECR Image Action", effect="lose", times=10_000))
    running.days(1.2)
    running.push("team/app", "2")
    running.days(1.5)
    assert codes(running) == ["events-missing"]
    (problem,) = running.summary()["problems"]
    assert "do not arrive" in problem["problem"]
    running.faults.clear()
    running.push("team/app", "3")
    running.drain()
    assert codes(running) == []


def test_a_topic_that_is_gone(running: Service) -> None:
    """It can't be asked."""
    boto3.client("sns").delete_topic(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{running.wiring.topics[0]}")
    running.cycle(13)
    assert codes(running) == ["topic-unreachable"]


def test_dead_letters(running: Service) -> None:
    """Seen by themselves, without an alarm."""
    (dead,) = [name for name, each in running.wiring.queues.items() if "RedrivePolicy" not in each]
    running.sqs.send_message(QueueUrl=running.sqs.get_queue_url(QueueName=dead)["QueueUrl"], MessageBody="{}")
    running.cycle(13)
    assert codes(running) == ["dead-letters"]


def test_ticks_that_ceased(running: Service) -> None:
    """Known to half an hour."""
    running.advance(minutes=61)
    assert codes(running) == ["tick-missing"]


def test_an_unreadable_document_and_a_newer_one(running: Service) -> None:
    """Each by its own name; the note of the service's health itself, too."""
    running.s3.put_object(Bucket=running.bucket, Key=keys.images_key(ACCOUNT, REGION, "team/app"), Body=b"{}")
    assert codes(running) == ["document-unreadable"]
    running.s3.put_object(Bucket=running.bucket, Key=keys.HEALTH, Body=b'{"schema": 9}')
    assert "schema-newer" in codes(running)


def test_failed_messages_come_again_soon_and_ever_later(running: Service) -> None:
    """A minute after the first failure, not after the queue's own 25."""
    running.seconds_left = 10
    place = {"registry": ACCOUNT, "region": REGION, "repository": "team/app", "digest": f"sha256:{'0' * 64}"}
    records = [
        {
            "messageId": f"m{received}",
            "receiptHandle": f"r{received}",
            "body": json.dumps({"ask": place}),
            "attributes": {"ApproximateReceiveCount": str(received)},
        }
        for received in (1, 2, 3, 8)
    ]
    changed: list[tuple[str, int]] = []
    with mock.patch("ecr_rescan.adapters.queue.EventsQueue.retry", lambda _, receipts: changed.extend(receipts)):
        assert running.deliver(records) == {"m1", "m2", "m3", "m8"}
    assert changed == [("r1", 60), ("r2", 120), ("r3", 240), ("r8", 1500)]
