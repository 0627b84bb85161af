"""The world of a run: StartScan, woken by the schedule and the queue, between the registries and what it stores."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.credentials import AssumedRoles, Credentials, EcrClients
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.errors import EcrRescanError
from ecr_rescan.runtime.scanning import start_scan
from ecr_rescan.runtime.scanning.start_scan import Environment
from ecr_rescan.runtime.settings import StartScanSettings
from local.ecr.scanning import BASIC, ENHANCED
from simulation import messaging, people
from simulation.author import Author
from simulation.ecr import PAGE, EcrClient, Sent, SilentClient
from simulation.gate import START, Died, Gate, VirtualClock, Worker
from simulation.inline import calls_in_turn
from simulation.messaging import Queue, TokenService
from simulation.permissions import DeployedBucket, role
from simulation.plan import OTHER, OWN, OWN_REGION, ROLE, ROLE_REFUSED, SILENT_REGION, THIRD, Size, draw, within
from simulation.s3 import KEYS_PER_PAGE, Bucket
from simulation.scene import REGIONS, Scene
from simulation.script import Script

TICK = timedelta(minutes=5)
BATCH_WINDOW = timedelta(seconds=60)
SECONDS = 240.0
ENVIRONMENTS = 2
SETTINGS = StartScanSettings(
    region=OWN_REGION,
    account_id=OWN,
    bucket_name="bucket",
    public_url=None,
    allowed_roles=(ROLE, ROLE_REFUSED),
    queue_url="https://sqs.example/events",
    topic_arn=f"arn:aws:sns:{OWN_REGION}:{OWN}:changes",
    role_external_id="simulated",
)


@dataclass(frozen=True, slots=True)
class Unheard:
    """An event that never came (``arrived`` is None), or came more than a minute late."""

    at: datetime
    repository: str
    digest: str
    is_scan: bool
    arrived: datetime | None = None


class World:
    """One run. ``after`` is called when an invocation has ended, and nobody else is at work.

    ``sent``: the service's ECR calls. ``workers``: its invocations. ``errors``: those that failed as a whole.
    ``lost``: (when, repository, digest) of events that never arrived; ``late``: the same of those that took more than a
    minute, with the time of their arrival.
    """

    def __init__(self, size: Size, seed: int) -> None:
        self.size, self.seed = size, seed
        self.clock = VirtualClock()
        self.sent: list[Sent] = []
        self.workers: list[Worker] = []
        self.errors: list[tuple[datetime, str]] = []
        self.lost: list[tuple[datetime, str, str]] = []
        self.late: list[tuple[datetime, str, str, datetime]] = []
        self.unheard: list[Unheard] = []
        self.used: Counter[tuple[str, str]] = Counter()
        self.after: Callable[[], None] = lambda: None
        self.log: deque[str] = deque(maxlen=2000)
        self._chance = Random(f"world {seed}")
        self.gate = Gate(self.clock, Random(f"gate {seed}"))
        small = size.images < 1000
        self.page = PAGE if small else 1000
        self.bucket = Bucket(self.gate, keys_per_page=KEYS_PER_PAGE if small else 1000)
        self.queue = Queue(self.gate)
        self.topic = messaging.Topic(self.gate)
        self._batch_at: datetime | None = None
        self._listening = False
        self.scene = Scene(size, seed, self.clock, self._emitted)
        self.truth = self.scene.truth
        self.script = Script(size, seed, self.scene, self.scene.knowledge)
        self.author = Author(self.bucket, self.truth, self.clock.now)
        self.script.begin()
        self.habits = people.begin(size, seed, self.scene, self.author)
        names = sorted(name for account, name in self.truth.histories if account == OWN and "lab/" not in name)
        self.troubles = self.scene.troubles = draw(size, seed, names)
        self._listening = True
        self.gate.trouble = self._trouble
        self.gate.interrupt = self._interrupt
        self._environments = [self._environment() for _ in range(ENVIRONMENTS)]
        self._configure()
        self.scene.at(START + timedelta(seconds=self._chance.uniform(0, 300)), self._tick)
        for begin, end in self.troubles.enhanced:
            self.scene.at(begin, lambda: self.scene.switch(ENHANCED))
            self.scene.at(end, lambda: self.scene.switch(BASIC))

    def run(self) -> None:
        """Let it happen."""
        with calls_in_turn():
            self.scene.play(self.size.end)
            self.scene.settle()
            self.clock.advance(BATCH_WINDOW)
            self._wake("batch")

    def _configure(self) -> None:
        """The configurations that people make, one of them later; the lab has its own."""
        count, write = self.size.repositories, partial(self.author.write, edited=False)
        exact = [f"team-{number % 5}/app-{number}" for number in range(0, count, 7) if number % 10 != 9][:5]
        write(1, OWN, ("*", "!lab/*"))
        write(2, OWN, ("team-1/*", "!team-1/app-6"), notify="MEDIUM")
        write(3, OWN, tuple(exact), tags=("v*", "!v2"))
        write(6, OWN, ("team-0/*", "team-4/*"), newest=3)
        write(4, OTHER, ("*", "!lab/*"))
        late = START + timedelta(days=self.size.days * 0.4)
        self.scene.at(late, lambda: write(5, OWN, ("team-2/*", "team-3/*")))

    def documents(self) -> DocumentStore:
        """The bucket, as the service reads it."""
        return DocumentStore(self.bucket, "bucket")

    def _environment(self) -> Environment:
        bucket = DeployedBucket(self.bucket, role("StartScan"), self.used)
        documents = DocumentStore(bucket, "bucket", sleep=self.clock.sleep, chance=self.gate.chance.random)
        roles = AssumedRoles(TokenService(self.gate), external_id="simulated", now=self.clock.now)
        return Environment(
            settings=SETTINGS,
            documents=documents,
            configurations=ConfigurationStore(documents),
            ecr_clients=EcrClients(self._ecr_client, roles),
            queue=EventsQueue(self.queue, SETTINGS.queue_url),
            topic=Topic(self.topic, SETTINGS.topic_arn),
            base_url=lambda: None,
            sleep=self.clock.sleep,
            chance=self.gate.chance.random,
        )

    def _ecr_client(self, region: str, credentials: Credentials | None) -> EcrClient | SilentClient:
        if region == SILENT_REGION:
            return SilentClient(self.gate)
        account = credentials.access_key_id if credentials else OWN
        assert REGIONS[account] == region
        return EcrClient(
            self.gate,
            self.scene.registries[account],
            self.sent.append,
            lambda: self.scene.scan_type(account),
            page=self.page,
            others={THIRD: self.scene.registries[THIRD]} if account == OWN else None,
            refuses=self._refuses,
        )

    def _refuses(self, registry: str) -> bool:
        if registry in self.scene.refusing:
            self.scene.refusing.discard(registry)
            return True
        return False

    def _trouble(self, service: str, operation: str, registry: str, repository: str) -> Any:
        return self.troubles.of(service, registry, repository, self.clock.now())

    def _emitted(self, event: dict[str, Any]) -> None:
        """EventBridge delivers as well as it does; from other accounts and Regions nothing comes."""
        if event["account"] != OWN or not self._listening:
            return
        now, chance = self.clock.now(), self._chance
        about = (event["detail"]["repository-name"], event["detail"]["image-digest"])
        faulty = not self.troubles.calm(now)
        if within(self.troubles.deaf, now) or (faulty and chance.random() < 0.02):
            self.lost.append((now, *about))
            self.unheard.append(Unheard(now, *about, is_scan=event["detail-type"] == "ECR Image Scan"))
            return
        delays = []
        for _ in range(2 if faulty and chance.random() < 0.05 else 1):
            delay = chance.uniform(0.2, 3)
            if faulty and chance.random() < 0.05:
                delay = chance.choice([90, 600, 7200, 40_000]) * chance.random()
            delays.append(timedelta(seconds=delay))
            self.queue.put(json.dumps(event), now + delays[-1])
        if min(delays) > timedelta(minutes=1):
            self.late.append((now, *about, now + min(delays)))
            is_scan = event["detail-type"] == "ECR Image Scan"
            self.unheard.append(Unheard(now, *about, is_scan=is_scan, arrived=now + min(delays)))
        self._plan_batch()

    def _plan_batch(self) -> None:
        """Wake the recorder when a batch is full, or a minute after its first message."""
        next_at = self.queue.next_at
        if next_at is None:
            return
        window = timedelta() if self.queue.is_full else BATCH_WINDOW
        at = max(next_at, self.clock.now()) + window
        if self._batch_at is None or at < self._batch_at:
            self._batch_at = at
            self.scene.at(at, lambda: self._batch(at))

    def _batch(self, planned: datetime) -> None:
        if planned != self._batch_at:
            # Another message came before the one for which this was planned.
            return
        self._batch_at = None
        if not within(self.troubles.asleep, self.clock.now()):
            self._wake("batch")
            self._plan_batch()
        else:
            later = self._batch_at = self.clock.now() + BATCH_WINDOW
            self.scene.at(later, lambda: self._batch(later))

    def _tick(self) -> None:
        # Rarely EventBridge wakes twice.
        self.scene.at(self.clock.now() + TICK, self._tick)
        if within(self.troubles.asleep, self.clock.now()):
            return
        self._wake("tick")
        if not self.troubles.calm(self.clock.now()) and self._chance.random() < 0.01:
            self._wake("tick")
        for seconds in (30, 60, 90, 120):
            self.scene.at(self.clock.now() + timedelta(seconds=seconds), self.scene.settle)
        self._plan_batch()

    def _interrupt(self) -> None:
        """Another worker, of another environment, runs while this one is between two calls."""
        if len(self.gate.workers) == 1:
            self._wake(self._chance.choice(["tick", "batch", "batch"]), environment=-1)

    def _wake(self, kind: str, environment: int = 0) -> None:
        now = self.clock.now()
        worker = Worker(len(self.workers) + 1, kind, now)
        self.workers.append(worker)
        if not self.troubles.calm(now):
            if self._chance.random() < 0.02:
                worker.die_at = int(self._chance.expovariate(1 / 25)) + 1
            if self._chance.random() < 0.08:
                worker.interrupt_at = int(self._chance.expovariate(1 / 25)) + 1
            if self._chance.random() < 0.03:
                self._environments[environment] = self._environment()
        self.gate.workers.append(worker)
        try:
            if kind == "tick":
                start_scan.tick(self._environments[environment], now, lambda: self._seconds_left(worker))
            else:
                self._batch_of(worker, environment)
        except Died:
            self._environments[environment] = self._environment()
        except EcrRescanError as error:
            self.errors.append((now, f"{kind}: {error}"))
        finally:
            self.gate.workers.pop()
            self.scene.settle()
            if not self.gate.workers:
                self.after()

    def _batch_of(self, worker: Worker, environment: int) -> None:
        messages = self.queue.receive()
        if not messages:
            return
        records = [
            {
                "messageId": message.id,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.receives)},
            }
            for message in messages
        ]
        again = {message.id for message in messages}
        try:
            failed = start_scan.record(
                self._environments[environment], records, worker.began, lambda: self._seconds_left(worker)
            )
            again = set(failed)
        finally:
            self.queue.give_back([message for message in messages if message.id in again])

    def _seconds_left(self, worker: Worker) -> float:
        return SECONDS - (self.clock.now() - worker.began).total_seconds()
