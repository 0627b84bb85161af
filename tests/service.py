"""The whole service in this process: the four handlers, moto, and the faithful ECR, on a clock that stands still.

Quicker than the local stack, and measured by the coverage; the stack is for what only processes and HTTP show.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.sns.models import sns_backends

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.keys import account_key, findings_key, images_key, notices_key
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.runtime import clock as service_clock
from ecr_rescan.runtime import pacing, wiring
from ecr_rescan.runtime.scanning import scan_wiring
from functions.config.app import lambda_handler as config_handler
from functions.findings.app import lambda_handler as findings_handler
from functions.start_scan.app import lambda_handler as start_scan_handler
from functions.summary.app import lambda_handler as summary_handler
from local.bus import EventBus
from local.clock import Clock
from local.ecr.moto_ecr import FaithfulEcr
from local.ecr.registry import Registry
from local.ecr.scanning import ScanRules
from local.faults import Faults
from local.samples.images import Pushed, image
from local.template import ACCOUNT, REGION, Template
from local.wiring import read_wiring
from tests.rest import Reply, answer, event

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = Path(__file__).parent.parent

Finding = tuple[str, str, str]
"""(vulnerability, package, severity)."""


def basic(vulnerability: str, package: str = "openssl", severity: str = "HIGH", version: str = "1.0") -> dict[str, Any]:
    """A finding as basic scanning shows it."""
    return {
        "name": vulnerability,
        "severity": severity,
        "description": f"A fault in {package}.",
        "uri": f"https://example.com/{vulnerability}",
        "attributes": [
            {"key": "package_name", "value": package},
            {"key": "package_version", "value": version},
        ],
    }


class Service:
    """Drives the handlers by hand, as EventBridge, SQS and API Gateway would."""

    def __init__(self, rules: ScanRules, region: str = REGION, signals: str = "off") -> None:
        self.clock = Clock(START, 0)
        self.faults = Faults()
        self.wiring = read_wiring(
            Template(PROJECT / "template.yaml", "https://sqs.us-east-1.amazonaws.com", {"SignalsFrom": signals})
        )
        self.seconds_left = 240.0
        self.forwarded: set[tuple[str, str]] = set()
        self._bus = EventBus(self.wiring.rules, self.clock, self._send, self.faults)
        self.fake = FaithfulEcr(self.clock, rules=rules, emit=self._emitted, faults=self.faults)

    def build(self) -> None:
        """Create what the template names, and start cold."""
        self.ecr = boto3.client("ecr", config=Config(retries={"total_max_attempts": 1}))
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self.bucket = self.wiring.buckets[0]
        self.s3.create_bucket(Bucket=self.bucket)
        topic = boto3.client("sns").create_topic(Name=self.wiring.topics[0])["TopicArn"]
        # moto counts none, in an attribute of this name.
        sns_backends[ACCOUNT][REGION].topics[topic].subscriptions_confimed = 1
        for name in self.wiring.queues:
            self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0"})
        self.queue_url = self.sqs.get_queue_url(QueueName=self.wiring.sources[0].queue.rpartition(":")[2])["QueueUrl"]
        for spec in self.wiring.functions.values():
            os.environ.update(spec.environment)
        os.environ["QUEUE_URL"] = self.queue_url
        dead = self.wiring.queues[self.queue_url.rpartition("/")[2]]["RedrivePolicy"]["deadLetterTargetArn"]
        os.environ["DEAD_LETTERS_URL"] = self.sqs.get_queue_url(QueueName=dead.rpartition(":")[2])["QueueUrl"]
        self.restart()

    def restart(self) -> None:
        """New execution environments: nothing is warm."""
        wiring.reset()
        scan_wiring.reset()

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now()

    def advance(self, **step: float) -> None:
        """Let time pass; scans that are due end."""
        self.clock.advance(timedelta(**step))
        self.fake.settle()

    def tick(self) -> None:
        """The schedule wakes StartScan."""
        start_scan_handler({"detail-type": "Scheduled Event", "source": "aws.events"}, self._context())

    def drain(self) -> int:
        """Events go through the rules to the queue, and the queue to StartScan, until it is empty; how many messages.

        What the handler wants to have again stays in the queue for the next call.
        """
        served, again = 0, []
        while True:
            self._bus.deliver()
            messages = self._receive()
            if not messages:
                break
            served += len(messages)
            failed = self.deliver([self._record(message) for message in messages])
            again += [message for message in messages if message["MessageId"] in failed]
        for message in again:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=message["Body"])
        return served

    def deliver(self, records: Sequence[Mapping[str, Any]]) -> set[str]:
        """Hand a batch to StartScan; the ids that are to come again."""
        reply = start_scan_handler({"Records": list(records)}, self._context())
        return {item["itemIdentifier"] for item in reply["batchItemFailures"]}

    def events(self) -> list[str]:
        """Take all messages out of the queue, unserved: their bodies."""
        self._bus.deliver()
        return [message["Body"] for message in self._receive()]

    def send(self, body: str) -> None:
        """Put a message into the queue."""
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def cycle(self, times: int = 1, *, minutes: float = 5) -> None:
        """A tick, its scans, its results, and the time to the next tick."""
        for _ in range(times):
            self.tick()
            self.advance(minutes=2)
            self.drain()
            self.advance(minutes=minutes - 2)

    def days(self, number: float) -> None:
        """Cycles for so many days, with fewer ticks than there are: what matters is what happens in a day."""
        self.cycle(round(number * 48), minutes=30)

    def push(self, repository: str, tag: str, name: str = "") -> str:
        """Push a plain image, creating its repository where needed; its digest."""
        return self.put(repository, image(name or f"{repository}:{tag}", tag))

    def put(self, repository: str, pushed: Pushed) -> str:
        """Push a prepared manifest, creating its repository where needed; its digest."""
        if repository not in self.repositories():
            self.ecr.create_repository(repositoryName=repository)
        tag = {"imageTag": pushed.tag} if pushed.tag else {}
        reply = self.ecr.put_image(repositoryName=repository, imageManifest=pushed.manifest, **tag)
        digest: str = reply["image"]["imageId"]["imageDigest"]
        return digest

    def repositories(self) -> list[str]:
        """What the registry holds."""
        return [item["repositoryName"] for item in self.ecr.describe_repositories()["repositories"]]

    def put_into(self, registry: Registry, repository: str, tag: str) -> str:
        """Push a plain image into another account or Region, which sends us no events; its digest."""
        pushed = image(f"{repository}:{tag}", tag)
        if repository not in registry.repositories:
            registry.create_repository(repository)
        params = {"repositoryName": repository, "imageManifest": pushed.manifest, "imageTag": pushed.tag}
        digest: str = registry.call("PutImage", params)["image"]["imageId"]["imageDigest"]
        return digest

    def post(
        self,
        repository: str,
        image_id: str,
        findings: Sequence[dict[str, Any]] | None,
        *,
        registry: Registry | None = None,
        **more: Any,
    ) -> None:
        """What the next scan of an image (tag or digest) finds; None for a scan that fails."""
        name = "imageDigest" if image_id.startswith("sha256:") else "imageTag"
        status = {"status": "FAILED" if findings is None else "COMPLETE", "description": "as posted"}
        (registry or self.fake.registry()).post(
            {
                "registryId": ACCOUNT,
                "repositoryName": repository,
                "imageId": {name: image_id},
                "imageScanStatus": status,
                "imageScanFindings": None if findings is None else {"findings": list(findings)},
            }
            | more
        )

    def add(self, repository: str | list[str], **fields: Any) -> dict[str, Any]:
        """POST /configs."""
        body: dict[str, Any] = {"region": REGION, "registry": ACCOUNT, "repository": repository, **fields}
        reply = self.api(config_handler, "POST", "/configs", body=body)
        assert reply.status == 201, reply.body
        added: dict[str, Any] = reply.json()
        return added

    def api(
        self,
        handler: Callable[[dict[str, Any], Any], dict[str, Any]],
        method: str,
        resource: str,
        *,
        body: Any = None,
        **more: Any,
    ) -> Reply:
        """A request to one of the functions."""
        text = None if body is None else json.dumps(body)
        return answer(handler, event(method, resource, body=text, request_id=str(uuid.uuid4()), **more))

    def summary(self) -> dict[str, Any]:
        """GET /summary."""
        reply = self.api(summary_handler, "GET", "/summary")
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.json()
        return found

    def states(self) -> dict[tuple[str, str | None], str]:
        """(repository, platform) → state, of all images in the summary."""
        images = [image for config in self.summary()["configurations"] for image in config["images"]]
        return {(image["repository"], image["platform"]): image["state"] for image in images}

    def feed(self, configuration: dict[str, Any], **query: str) -> Reply:
        """GET /findings/{id} with the token that the configuration was given."""
        token = configuration["feed_url"].partition("token=")[2]
        return self.api(
            findings_handler,
            "GET",
            "/findings/{id}",
            parameters={"id": configuration["id"]},
            query={"token": token, **query},
        )

    def config(self, method: str, resource: str, **more: Any) -> Reply:
        """A request to the Config function."""
        return self.api(config_handler, method, resource, **more)

    def started(self, repository: str | None = None) -> int:
        """How many scans ECR was asked to start, whatever it answered."""
        return len(self.fake.calls.of("StartImageScan", repository=repository))

    def refused(self) -> int:
        """How many starts ECR refused."""
        return sum(call.outcome != "ok" for call in self.fake.calls.of("StartImageScan"))

    def ledger(self, repository: str, registry: str = ACCOUNT, region: str = REGION) -> Ledger:
        """The image ledger of a repository."""
        key = images_key(registry, region, repository)
        return Ledger.from_json(key, self.read(key))

    def account(self) -> Account:
        """What is known of the registry."""
        key = account_key(ACCOUNT, REGION)
        return Account.from_json(key, self.read(key))

    def findings(self, repository: str) -> FindingsDocument:
        """The findings document of a repository."""
        key = findings_key(ACCOUNT, REGION, repository)
        return FindingsDocument.from_json(key, self.read(key))

    def notices(self, config_id: str) -> Notices:
        """What a configuration was told."""
        return Notices.from_json("", self.read(notices_key(config_id)))

    def read(self, key: str) -> bytes:
        """A document as the service reads it."""
        stored = wiring.documents().get(key)
        assert stored is not None, key
        return stored.body

    @property
    def messages(self) -> list[tuple[str, str]]:
        """(subject, mail) of all that was published, oldest first."""
        return [(subject, forms["email"]) for subject, forms, _ in self.published]

    @property
    def published(self) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
        """(subject, forms by protocol, attributes) of all that was published, oldest first."""
        (topic,) = sns_backends[ACCOUNT][REGION].topics.values()
        return [
            (subject or "", json.loads(body), {name: item["Value"] for name, item in (attributes or {}).items()})
            for _, body, subject, attributes, *_ in topic.sent_notifications
        ]

    def _context(self) -> SimpleNamespace:
        return SimpleNamespace(
            function_name="StartScan",
            memory_limit_in_mb=1024,
            invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:StartScan",
            aws_request_id="7d9c2f4e-0000-4000-8000-000000000000",
            get_remaining_time_in_millis=lambda: int(self.seconds_left * 1000),
        )

    def _emitted(self, event: dict[str, Any]) -> None:
        # EventBridge has the events of its own account and Region, and what others forward.
        if (event["account"], event["region"]) in {(ACCOUNT, REGION), *self.forwarded}:
            self._bus.put(event)

    def _send(self, queue: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def _receive(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while len(messages) < self.wiring.sources[0].batch_size:
            part = self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=60
            ).get("Messages", [])
            if not part:
                break
            messages += part
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    @staticmethod
    def _record(message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "eventSource": "aws:sqs",
        }


@contextmanager
def service(*, signals: str = "off", **rules: Any) -> Iterator[Service]:
    """A fresh deployment without images or configurations; ``signals``: where it reads them."""
    with mock.patch.dict(os.environ), mock_aws(), mock.patch.object(pacing, "sleep"):
        running = Service(ScanRules(**rules), signals=signals)
        with running.fake.installed():
            service_clock.use(running.clock.now)
            try:
                running.build()
                yield running
            finally:
                service_clock.use(None)
                running.restart()
