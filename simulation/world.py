"""The world of a run: StartScan, woken by the schedule and the queue, between the registries and what it stores."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.credentials import AssumedRoles, Credentials, EcrClients
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import EcrRescanError
from ecr_rescan.core.keys import config_key
from ecr_rescan.runtime.scanning import start_scan
from ecr_rescan.runtime.scanning.signal_news import ToldMarker
from ecr_rescan.runtime.scanning.start_scan import Environment
from ecr_rescan.runtime.settings import StartScanSettings
from ecr_rescan.runtime.signals.fetching import SignalsKeeper
from local.ecr.scanning import BASIC, ENHANCED
from simulation import messaging
from simulation.ecr import PAGE, EcrClient, Sent
from simulation.gate import START, Died, Gate, VirtualClock, Worker
from simulation.inline import calls_in_turn
from simulation.messaging import Queue, TokenService
from simulation.plan import OTHER, OWN, OWN_REGION, ROLE, Size, draw, within
from simulation.s3 import KEYS_PER_PAGE, Bucket
from simulation.scene import REGIONS, Scene
from simulation.script import Script
from simulation.truth import Wish

TICK = timedelta(minutes=5)
BATCH_WINDOW = timedelta(seconds=60)
SECONDS = 240.0
ENVIRONMENTS = 2
SETTINGS = StartScanSettings(
    region=OWN_REGION,
    account_id=OWN,
    bucket_name="bucket",
    public_url=None,
    allowed_roles=(ROLE,),
    queue_url="https://sqs.example/events",
    topic_arn=f"arn:aws:sns:{OWN_REGION}:{OWN}:changes",
    role_external_id="simulated",
)


class World:
    """One run.

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
        self.log: deque[str] = deque(maxlen=2000)
        self._chance = Random(f"world {seed}")
        self.gate = Gate(self.clock, Random(f"gate {seed}"))
        small = size.images < 1000
        self._page = PAGE if small else 1000
        self.bucket = Bucket(self.gate, keys_per_page=KEYS_PER_PAGE if small else 1000)
        self.queue = Queue(self.gate)
        self.topic = messaging.Topic(self.gate)
        self._batch_at: datetime | None = None
        self._listening = False
        self.scene = Scene(size, seed, self.clock, self._emitted)
        self.truth = self.scene.truth
        self.script = Script(size, seed, self.scene, self.scene.knowledge)
        self.script.begin()
        names = sorted(name for account, name in self.truth.histories if account == OWN)
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
        """The configurations that people make, one of them later."""
        count = self.size.repositories
        exact = [f"team-{number % 5}/app-{number}" for number in range(0, count, 7) if number % 10 != 9][:5]
        self._wish(1, START, OWN, ("*",))
        self._wish(2, START, OWN, ("team-1/*", "!team-1/app-6"), notify="MEDIUM")
        self._wish(3, START, OWN, tuple(exact), tags=("v*", "!v2"))
        self._wish(6, START, OWN, ("team-0/*", "team-4/*"), newest=3)
        self._wish(4, START, OTHER, ("*",))
        late = START + timedelta(days=self.size.days * 0.4)
        self.scene.at(late, lambda: self._wish(5, late, OWN, ("team-2/*", "team-3/*")))

    def _wish(
        self,
        number: int,
        since: datetime,
        registry: str,
        repository: Sequence[str],
        *,
        tags: Sequence[str] = (),
        newest: int | None = None,
        notify: str = "HIGH",
    ) -> None:
        identity = f"00000000-0000-4000-8000-00000000000{number}"
        body = {
            "region": REGIONS[registry],
            "registry": registry,
            "repository": list(repository),
            "tags": list(tags),
            "newest": newest,
            "notify": notify,
            "role_arn": ROLE if registry == OTHER else None,
        }
        made = ScanConfiguration.from_wire(body, id=identity, now=since)
        self.bucket.put_object(Bucket="bucket", Key=config_key(identity), Body=made.to_document())
        self.truth.wishes.append(Wish(identity, registry, tuple(repository), tuple(tags), newest, notify, since))

    def documents(self) -> DocumentStore:
        """The bucket, as the service reads it."""
        return DocumentStore(self.bucket, "bucket")

    def _environment(self) -> Environment:
        documents = DocumentStore(self.bucket, "bucket", sleep=self.clock.sleep, chance=self.gate.chance.random)
        roles = AssumedRoles(TokenService(self.gate), external_id="simulated", now=self.clock.now)
        return Environment(
            settings=SETTINGS,
            documents=documents,
            configurations=ConfigurationStore(documents),
            ecr_clients=EcrClients(self._ecr_client, roles),
            queue=EventsQueue(self.queue, SETTINGS.queue_url),
            topic=Topic(self.topic, SETTINGS.topic_arn),
            base_url=lambda: None,
            signals=SignalsKeeper(documents, None, SETTINGS.epss_likely),
            told=ToldMarker(documents),
            sleep=self.clock.sleep,
            chance=self.gate.chance.random,
        )

    def _ecr_client(self, region: str, credentials: Credentials | None) -> EcrClient:
        account = credentials.access_key_id if credentials else OWN
        assert REGIONS[account] == region
        return EcrClient(
            self.gate,
            self.scene.registries[account],
            self.sent.append,
            lambda: self.scene.scan_type(account),
            page=self._page,
        )

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
