"""SQS, SNS and STS in memory, as far as the service uses them."""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from simulation.gate import Gate, Trouble
from simulation.plan import ROLE_REFUSED

VISIBILITY = timedelta(minutes=6)
RECEIVES = 8
"""A message that was received so often goes to the dead-letter queue."""
BATCH = 500


@dataclass(slots=True)
class Waiting:
    """A message of the queue."""

    id: str
    body: str
    receives: int = 0


class Queue:
    """The events queue: a boto3 SQS client to the service, and what SQS does besides to the simulation."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._visible: list[tuple[datetime, int, Waiting]] = []
        self._sent = 0
        self.dead: list[Waiting] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        """SendMessageBatch."""
        trouble = self._gate.enter("sqs", "SendMessageBatch")
        if trouble is None or trouble.done:
            for entry in Entries:
                self.put(entry["MessageBody"], self._gate.clock.now())
        _raise(trouble, "SendMessageBatch")
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        """GetQueueAttributes: how many messages wait, or were given up."""
        if not QueueUrl.endswith("/events"):
            return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.dead))}}
        _raise(self._gate.enter("sqs", "GetQueueAttributes"), "GetQueueAttributes")
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.backlog)}}

    def put(self, body: str, at: datetime) -> None:
        """A message arrives."""
        self._sent += 1
        self._again(Waiting(f"m{self._sent}", body), at)

    def receive(self, most: int = BATCH) -> list[Waiting]:
        """Up to a batch of what is visible, invisible from now on."""
        now, batch = self._gate.clock.now(), list[Waiting]()
        while self._visible and self._visible[0][0] <= now and len(batch) < most:
            message = heapq.heappop(self._visible)[2]
            message.receives += 1
            batch.append(message)
        return batch

    def give_back(self, messages: list[Waiting]) -> None:
        """What was not recorded: seen again after the visibility time-out, or dead."""
        for message in messages:
            if message.receives >= RECEIVES:
                self.dead.append(message)
            else:
                self._again(message, self._gate.clock.now() + VISIBILITY)

    @property
    def next_at(self) -> datetime | None:
        """When a message is, or will be, visible."""
        return self._visible[0][0] if self._visible else None

    @property
    def is_full(self) -> bool:
        """Whether a whole batch is visible: then nothing waits for the window."""
        return len(self._visible) >= BATCH and self.backlog >= BATCH

    @property
    def backlog(self) -> int:
        """How many messages are visible."""
        now = self._gate.clock.now()
        return sum(at <= now for at, _, _ in self._visible)

    def _again(self, message: Waiting, at: datetime) -> None:
        self._sent += 1
        heapq.heappush(self._visible, (at, self._sent, message))


@dataclass(frozen=True, slots=True)
class Published:
    """A message that SNS took, as a machine reads it; ``lost``: its sender does not know."""

    at: datetime
    body: dict[str, Any]
    worker: int
    lost: bool


@dataclass(slots=True)
class Topic:
    """A boto3 SNS client."""

    gate: Gate
    published: list[Published] = field(default_factory=list)
    confirmed: int = 1

    def get_topic_attributes(self, **_: object) -> dict[str, Any]:
        """GetTopicAttributes: who is told."""
        return {"Attributes": {"SubscriptionsConfirmed": str(self.confirmed), "SubscriptionsPending": "0"}}

    def publish(self, *, Message: str, **_: object) -> dict[str, Any]:
        """Publish."""
        trouble = self.gate.enter("sns", "Publish")
        if trouble is None or trouble.done:
            worker = self.gate.worker.number if self.gate.worker else 0
            body = json.loads(json.loads(Message)["default"])
            self.published.append(Published(self.gate.clock.now(), body, worker, trouble is not None))
        _raise(trouble, "Publish")
        return {"MessageId": str(len(self.published))}


@dataclass(slots=True)
class TokenService:
    """A boto3 STS client."""

    gate: Gate
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="us-east-1"))

    def assume_role(self, *, RoleArn: str, RoleSessionName: str, ExternalId: str = "") -> dict[str, Any]:
        """AssumeRole: an hour's session, whose key names the account."""
        account = RoleArn.split(":")[4]
        trouble = self.gate.enter("sts", "AssumeRole", account)
        if trouble is not None or ExternalId != "simulated" or RoleArn == ROLE_REFUSED:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "AssumeRole")
        return {
            "Credentials": {
                "AccessKeyId": account,
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": self.gate.clock.now() + timedelta(hours=1),
            }
        }


def _raise(trouble: Trouble | None, operation: str) -> None:
    if trouble is None:
        return
    if trouble.kind == "lost":
        raise ReadTimeoutError(endpoint_url="https://messaging.example")
    raise ClientError({"Error": {"Code": "InternalFailure", "Message": "internal"}}, operation)
