"""The whole service on one machine: AWS, HTTP front, functions, schedule, rules and queue, wired from template.yaml.

``python -m local`` runs it live. A test drives it by hand, on a clock that stands still:

    with LocalStack(manual=True) as aws:
        aws.ecr.create_repository(repositoryName="team/app")  # boto3 clients: ecr, s3, sqs, client("sns")
        aws.post_findings("team/app", {"imageTag": "1"}, findings)
        urlopen(aws.url + "/configs")                         # the HTTP front, over real HTTP
        aws.tick()                                            # one run of each schedule; its answers
        aws.advance(hours=24)                                 # virtual time passes: scans end, sample days come
        aws.drain()                                           # events and messages, until the queue is empty
        aws.calls.of("StartImageScan")                        # what reached ECR, counted at ECR
        aws.faults.add(Fault("s3", "PutObject", "throttle", times=3))
        aws.published                                         # what was sent to SNS

Functions run in processes of their own, each started when first needed; during an invocation they see the stack's
virtual time. moto's state belongs to the process, so one stack runs at a time; a new one begins empty.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_api._internal.models import moto_api_backend
from moto.sns.models import sns_backends

from local.aws_server import AwsServer
from local.bus import EventBus
from local.clock import Clock
from local.ecr.calls import CallLog
from local.ecr.moto_ecr import FaithfulEcr
from local.ecr.registry import Registry
from local.ecr.scanning import ScanRules
from local.faults import Faults
from local.front import INTEGRATION_SECONDS, Front
from local.functions import PROJECT, Environment, EnvironmentFactory, ExecutionEnvironment
from local.live import Loops
from local.moto_time import on_clock
from local.queues import QueuePoller
from local.samples.driver import SampleDriver
from local.template import ACCOUNT, REGION, Template
from local.web import Request, Response, WebServer
from local.wiring import Schedule, read_wiring

_RUNNING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Published:
    """A message that the service sent to a topic."""

    topic: str
    subject: str | None
    body: str
    attributes: dict[str, Any]


def _print_log(line: str) -> None:
    # One write for each line: several threads print.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class LocalStack:
    """The embedded AWS with the service in it; a context manager.

    Args:
        template: which template to run.
        manual: time stands still and nothing happens by itself: ``tick``, ``advance`` and ``drain`` do it.
        samples: fill the registry with sample repositories that change from day to day.
        api_port, aws_port: ports on 127.0.0.1; 0 takes a free one. OSError when taken.
        clock_speed: virtual seconds per real second.
        tick_seconds: real seconds between two runs of a schedule; by default its rate on the virtual clock.
        rules: how ECR's scans behave.
        start: the first virtual instant; by default the real one.
        parameters: values for the template's parameters instead of their defaults.
        integration_seconds: how long the front waits for a function.
        log: takes what the functions print (warnings and worse; everything when ``verbose``).
        environments: what runs the functions; by default processes of this Python, from the sources.
    """

    def __init__(
        self,
        *,
        template: Path = PROJECT / "template.yaml",
        manual: bool = False,
        samples: bool = False,
        api_port: int = 0,
        aws_port: int = 0,
        clock_speed: float = 1.0,
        tick_seconds: float | None = None,
        rules: ScanRules | None = None,
        start: datetime | None = None,
        parameters: dict[str, str] | None = None,
        integration_seconds: float = INTEGRATION_SECONDS,
        log: Callable[[str], None] = _print_log,
        verbose: bool = False,
        environments: EnvironmentFactory | None = None,
    ) -> None:
        self.clock = Clock(start or datetime.now(UTC), 0 if manual else clock_speed)
        self.faults = Faults()
        self._clients: dict[tuple[str, str], Any] = {}
        self._live = not manual
        self._speed = clock_speed
        self._tick_seconds = tick_seconds
        self._log = log
        self._signals: WebServer | None = None
        self._cleanup = ExitStack()
        self._aws = self._cleanup.enter_context(_serving(aws_port, AwsServer(self.faults).handle))
        try:
            make = environments or partial(Environment, verbose=verbose)
            self.samples = SampleDriver(self.clock, self.endpoint) if samples else None
            # Nothing here asks the internet.
            given = {"SignalsFrom": self._signals_url()} | (parameters or {})
            self._build(template, api_port, rules or ScanRules(), given, integration_seconds, make)
        except BaseException:
            self._cleanup.close()
            raise

    def _signals_url(self) -> str:
        """Where the samples' public sources are served; ``off`` without samples."""
        if self.samples is None:
            return "off"
        self._signals = self._cleanup.enter_context(_serving(0, self.samples.answer))
        return self._signals.url

    def _build(
        self,
        template: Path,
        api_port: int,
        rules: ScanRules,
        parameters: dict[str, str] | None,
        integration_seconds: float,
        make: EnvironmentFactory,
    ) -> None:
        self.wiring = read_wiring(Template(template, self.endpoint, parameters))
        self._bus = EventBus(self.wiring.rules, self.clock, self._send, self.faults)
        self._fake = FaithfulEcr(self.clock, rules=rules, emit=self._bus.put, faults=self.faults)
        specs = self.wiring.functions

        def environment(name: str) -> ExecutionEnvironment:
            return make(specs[name], self.endpoint, self.clock, self._log)

        # What wakes a function in another way gets an environment of its own, as Lambda would start one.
        routed = {route.function for route in self.wiring.api.routes}
        self._of_api = {name: environment(name) for name in sorted(routed)}
        self._of_schedule = {
            name: environment(name) for name in sorted({one.function for one in self.wiring.schedules})
        }
        self._of_queue = {name: environment(name) for name in sorted({one.function for one in self.wiring.sources})}
        self.front = Front(
            self.wiring.api,
            lambda name, event: self._of_api[name].invoke(event),
            self.clock.now,
            seconds=integration_seconds,
        )
        self._api = self._cleanup.enter_context(_serving(api_port, self.front.handle))

    def __enter__(self) -> LocalStack:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _start(self) -> None:
        if not _RUNNING.acquire(blocking=False):
            raise RuntimeError("another stack runs in this process; end it first")
        self._cleanup.callback(_RUNNING.release)
        self._cleanup.callback(self.front.stop)
        for environment in self._environments():
            self._cleanup.callback(environment.stop)
        warming = [threading.Thread(target=one.warm, daemon=True) for one in self._environments()] if self._live else []
        for thread in warming:
            thread.start()
        moto_api_backend.reset()
        self._cleanup.enter_context(self._fake.installed())
        self._cleanup.enter_context(on_clock(self.clock))
        self._aws.start()
        if self._signals is not None:
            self._signals.start()
        self._create_resources()
        if self.samples is not None:
            self.samples.catch_up()
        self._api.start()
        for thread in warming:
            thread.join()
        if self._live:
            loops = Loops(self, self.wiring.schedules, self._pollers, self._speed, self._tick_seconds, self._log)
            self._cleanup.callback(loops.stop)
            loops.start()

    def _environments(self) -> list[ExecutionEnvironment]:
        return [*self._of_api.values(), *self._of_schedule.values(), *self._of_queue.values()]

    def _create_resources(self) -> None:
        for bucket in self.wiring.buckets:
            self.s3.create_bucket(Bucket=bucket)
        for topic in self.wiring.topics:
            made = self.client("sns").create_topic(Name=topic)["TopicArn"]
            # Whoever runs it here is told in the log; moto counts nobody, in an attribute of this name.
            sns_backends[ACCOUNT][REGION].topics[made].subscriptions_confimed = 1
        # A queue that dead letters go to must be there first.
        for name, properties in sorted(self.wiring.queues.items(), key=lambda item: "RedrivePolicy" in item[1]):
            known = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "RedrivePolicy")
            attributes = {key: properties[key] for key in known if key in properties}
            texts = {
                key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in attributes.items()
            }
            self.sqs.create_queue(QueueName=name, Attributes=texts)
        self._pollers = [self._poller(source.queue) for source in self.wiring.sources]

    def _poller(self, arn: str) -> QueuePoller:
        source = next(source for source in self.wiring.sources if source.queue == arn)
        visibility = self.wiring.queues[arn.rpartition(":")[2]].get("VisibilityTimeout", 30)
        # A fast clock must not let a message reappear while its batch is still at work in real seconds.
        hidden = int(visibility * max(1.0, self._speed if self._live else 1.0))
        return QueuePoller(source, self.sqs, self.queue_url(arn), self._of_queue[source.function].invoke, hidden)

    @property
    def url(self) -> str:
        """Base URL of the service's API."""
        return self._api.url

    @property
    def endpoint(self) -> str:
        """Base URL of the local AWS, for ``AWS_ENDPOINT_URL``."""
        return self._aws.url

    @property
    def calls(self) -> CallLog:
        """Every call that reached ECR's image operations."""
        return self._fake.calls

    @property
    def bucket(self) -> str:
        """The name of the service's bucket."""
        return self.wiring.buckets[0]

    @property
    def ecr(self) -> Any:
        """A boto3 client for ECR that never retries."""
        return self.client("ecr")

    @property
    def s3(self) -> Any:
        """A boto3 client for S3."""
        return self.client("s3")

    @property
    def sqs(self) -> Any:
        """A boto3 client for SQS."""
        return self.client("sqs")

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client for this stack."""
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id="local",
                aws_secret_access_key="local",
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
            )
        return self._clients[service, region]

    def registry(self, account: str = ACCOUNT, region: str = REGION) -> Registry:
        """The fake registry itself, to look into."""
        return self._fake.registry(account, region)

    def queue_url(self, arn: str) -> str:
        """The URL of a queue of the template."""
        return f"{self.endpoint}/{ACCOUNT}/{arn.rpartition(':')[2]}"

    @property
    def published(self) -> list[Published]:
        """All messages that were sent to the template's topics, oldest first."""
        topics = sns_backends[ACCOUNT][REGION].topics
        return [
            Published(arn, subject, body, attributes or {})
            for arn, topic in topics.items()
            for _, body, subject, attributes, *_ in topic.sent_notifications
        ]

    def post_findings(
        self,
        repository: str,
        image_id: dict[str, str],
        findings: list[dict[str, Any]] | None,
        *,
        status: str = "COMPLETE",
        description: str = "The scan was completed.",
        enhanced_findings: list[dict[str, Any]] | None = None,
    ) -> None:
        """Post the result of an image's next scan; one without any kind of findings is a failed scan's."""
        content = {"findings": findings, "enhancedFindings": enhanced_findings}
        body = {name: value for name, value in content.items() if value is not None}
        self._fake.registry().post(
            {
                "registryId": ACCOUNT,
                "repositoryName": repository,
                "imageId": image_id,
                "imageScanStatus": {"status": status, "description": description},
                "imageScanFindings": body or None,
            }
        )

    def advance(self, **step: float) -> None:
        """Let virtual time pass (arguments of ``timedelta``): scans end, sample days begin, events come up."""
        end = self.clock.now() + timedelta(**step)
        while self.samples is not None and self.samples.next_day <= end:
            self.clock.advance(self.samples.next_day - self.clock.now())
            self.settle()
        self.clock.advance(end - self.clock.now())
        self.settle()

    def settle(self) -> None:
        """Do what time has brought: complete scans, begin sample days."""
        self._fake.settle()
        if self.samples is not None:
            self.samples.catch_up()

    def deliver(self) -> int:
        """Hand EventBridge's events that are due to their queues; how many."""
        return self._bus.deliver()

    def drain(self) -> int:
        """Deliver events and serve the queues until they are empty; how many messages the functions got.

        A message that fails comes again in a later ``drain``, once time has passed; it goes to the dead-letter queue
        after as many tries as the template says.
        """
        served = 0
        failed: list[tuple[QueuePoller, list[str]]] = []
        while True:
            number = self.deliver()
            for poller in self._pollers:
                size, receipts = poller.poll()
                failed.append((poller, receipts))
                number += size
                served += size
            if not number:
                break
        for poller, receipts in failed:
            poller.release(receipts)
        return served

    def tick(self) -> list[Any]:
        """Run every schedule once; the functions' answers. FunctionError when one fails."""
        return [self.run_schedule(schedule) for schedule in self.wiring.schedules]

    def run_schedule(self, schedule: Schedule) -> Any:
        """Wake a function as EventBridge does at a scheduled time."""
        now = self.clock.now()
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [schedule.rule_arn],
            "detail": {},
        }
        return self._of_schedule[schedule.function].invoke(event)

    def _send(self, queue: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue_url(queue), MessageBody=body)


@contextmanager
def _serving(port: int, handle: Callable[[Request], Response]) -> Iterator[WebServer]:
    """A server with its port taken at once, to be started later; stopped at the end."""
    server = WebServer(port, handle)
    try:
        yield server
    finally:
        server.stop()
