"""The world of a run: StartScan, woken by the schedule and the queue, between the registries and what it stores."""

from __future__ import annotations

import json
from collections import Counter
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
from ecr_rescan.runtime.scanning.signal_news import ToldMarker
from ecr_rescan.runtime.scanning.start_scan import Environment
from ecr_rescan.runtime.settings import StartScanSettings
from ecr_rescan.runtime.signals.fetching import SignalsKeeper
from ecr_rescan.runtime.signals.fixing import FixesKeeper
from local.ecr.scanning import BASIC, ENHANCED
from simulation import messaging, people
from simulation.author import Author
from simulation.ecr import PAGE, EcrClient, Sent, SilentClient
from simulation.gate import DEADLINE, START, Died, Gate, VirtualClock, Worker
from simulation.inline import calls_in_turn
from simulation.messaging import BATCH, Queue, TokenService
from simulation.permissions import DeployedBucket, role
from simulation.plan import OTHER, OWN, OWN_REGION, ROLE, ROLE_REFUSED, SILENT_REGION, THIRD, Size, draw, within
from simulation.s3 import KEYS_PER_PAGE, Bucket
from simulation.scene import REGIONS, Scene
from simulation.script import Script
from simulation.workers import Pace, Turns

TICK = timedelta(minutes=5)
BATCH_WINDOW = timedelta(seconds=60)
RECORDERS = 2
"""The event source's MaximumConcurrency in the template: two batches at most are recorded at once."""
PACES = (0.0, 0.02, 0.1, 0.5)
"""How many of a worker's calls take longer than usual."""
SETTINGS = StartScanSettings(
    region=OWN_REGION,
    account_id=OWN,
    bucket_name="bucket",
    public_url=None,
    allowed_roles=(ROLE, ROLE_REFUSED),
    queue_url="https://sqs.example/events",
    topic_arn=f"arn:aws:sns:{OWN_REGION}:{OWN}:changes",
    role_external_id="simulated",
    dead_letters_url="https://sqs.example/dead",
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
    """One run. ``after`` is called when an invocation has ended.

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
        self.is_over: Callable[[], bool] = lambda: False
        self._chance = Random(f"world {seed}")
        self._retries = Random(f"gate {seed}")
        self.scene = Scene(size, seed, self.clock, self._emitted)
        self.turns = Turns(self.clock, self.scene)
        self.gate = Gate(self.clock, self.turns, allowed=size.pauses)
        small = size.images < 1000
        self.page = PAGE if small else 1000
        self.bucket = Bucket(self.gate, keys_per_page=KEYS_PER_PAGE if small else 1000)
        self.queue = Queue(self.gate)
        self.topic = messaging.Topic(self.gate)
        self._batch_at: datetime | None = None
        self._listening = False
        self._recorders = 0
        self.truth = self.scene.truth
        self.script = Script(size, seed, self.scene, self.scene.knowledge)
        self.author = Author(self.bucket, self.truth, self.clock.now)
        self.script.begin()
        self.habits = people.begin(size, seed, self.scene, self.author)
        names = sorted(name for account, name in self.truth.histories if account == OWN and "lab/" not in name)
        self.troubles = self.scene.troubles = draw(size, seed, names)
        self._listening = True
        self.gate.trouble = self._trouble
        self.gate.slow = self._crowd
        self._idle = [self._environment()]
        self._configure()
        self.scene.at(START + timedelta(seconds=self._chance.uniform(0, 300)), self._tick)
        for begin, end in self.troubles.enhanced:
            self.scene.at(begin, lambda: self.scene.switch(ENHANCED))
            self.scene.at(end, lambda: self.scene.switch(BASIC))

    def run(self) -> None:
        """Let it happen, until ``is_over``."""
        try:
            with calls_in_turn():
                until = START
                while until < self.size.end and not self.is_over():
                    until += timedelta(hours=1)
                    self.scene.play(until)
                self.turns.finish()
                self.scene.settle()
                self.clock.advance(BATCH_WINDOW)
                self._wake("batch")
        except BaseException:
            self.turns.leave()
            raise

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
        documents = DocumentStore(bucket, "bucket", sleep=self.turns.sleep, chance=self._retries.random)
        roles = AssumedRoles(TokenService(self.gate), external_id="simulated", now=self.clock.now)
        return Environment(
            settings=SETTINGS,
            documents=documents,
            configurations=ConfigurationStore(documents),
            ecr_clients=EcrClients(self._ecr_client, roles),
            queue=EventsQueue(self.queue, SETTINGS.queue_url, SETTINGS.dead_letters_url),
            topic=Topic(self.topic, SETTINGS.topic_arn, sleep=lambda _: None),
            base_url=lambda: None,
            signals=SignalsKeeper(documents, None, SETTINGS.epss_likely),
            fixes=FixesKeeper(documents, None),
            told=ToldMarker(documents),
            sleep=self.turns.sleep,
            chance=self._retries.random,
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
        lost, doubled = chance.random() < 0.02, chance.random() < 0.05
        if within(self.troubles.deaf, now) or (faulty and lost and self.size.has("lost events")):
            self.lost.append((now, *about))
            self.unheard.append(Unheard(now, *about, is_scan=event["detail-type"] == "ECR Image Scan"))
            return
        delays = []
        for _ in range(2 if faulty and doubled and self.size.has("doubled events") else 1):
            delay, late = chance.uniform(0.2, 3), chance.random() < 0.05
            later = chance.choice([90, 600, 7200, 40_000]) * chance.random()
            delays.append(timedelta(seconds=later if faulty and late and self.size.has("late events") else delay))
            self.queue.put(json.dumps(event), now + delays[-1])
        if min(delays) > timedelta(minutes=1):
            self.late.append((now, *about, now + min(delays)))
            is_scan = event["detail-type"] == "ECR Image Scan"
            self.unheard.append(Unheard(now, *about, is_scan=is_scan, arrived=now + min(delays)))
        self._plan_batch()

    def _plan_batch(self) -> None:
        """Wake a recorder when a batch is full, or a minute after its first message."""
        next_at = self.queue.next_at
        if next_at is None or self._recorders >= RECORDERS:
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
            self._record()
        else:
            later = self._batch_at = self.clock.now() + BATCH_WINDOW
            self.scene.at(later, lambda: self._batch(later))

    def _record(self) -> None:
        """Wake a recorder, or two that share what waits."""
        waiting = self.queue.backlog
        if self._draws("split batches", 0.3) and waiting > 1:
            self._wake("batch", self._chance.randint(1, waiting - 1))
        self._wake("batch")
        self._plan_batch()

    def _tick(self) -> None:
        self.scene.at(self.clock.now() + TICK, self._tick)
        if within(self.troubles.asleep, self.clock.now()):
            return
        self._wake("tick")
        # Rarely EventBridge wakes twice.
        if self._draws("second ticks", 0.01):
            self._wake("tick")
        # A batch does not always wait for a whole minute.
        if self._draws("split batches", 0.3) and self.queue.backlog:
            self._record()

    def _draws(self, fault: str, rate: float) -> bool:
        drawn = self._chance.random() < rate
        return drawn and self.size.has(fault) and not self.troubles.calm(self.clock.now())

    def _crowd(self, registry: str, repository: str, pause: timedelta) -> None:
        """While a worker is slow in a repository, somebody may push there: so that others have to do with it, too."""
        worker, now = self.gate.worker, self.clock.now()
        assert worker is not None
        chance = Random(f"crowd {self.seed} {worker.number} {worker.calls}")
        comes, at = chance.random() < 0.5, now + pause * chance.random() / 4
        if comes and self.size.has("crowds") and not self.troubles.calm(now):
            self.scene.at(at, lambda: self.script.push((registry, repository)))

    def _wake(self, kind: str, most: int = BATCH) -> None:
        if kind == "batch" and self._recorders >= RECORDERS:
            return
        now = self.clock.now()
        worker = Worker(len(self.workers) + 1, kind, now)
        self.workers.append(worker)
        chance = Random(f"worker {self.seed} {worker.number}")
        dies, restarts = chance.random() < 0.02, chance.random() < 0.03
        die_at, often = int(chance.expovariate(1 / 25)) + 1, chance.choice(PACES)
        rough = not self.troubles.calm(now)
        if rough and dies and self.size.has("deaths"):
            worker.die_at = die_at
        if rough and often and self.size.has("pauses"):
            worker.pace = Pace(chance, often)
        warm = self._idle.pop() if self._idle else self._environment()
        environment = self._environment() if rough and restarts and self.size.has("restarts") else warm
        self._recorders += kind == "batch"
        self.turns.start(worker, lambda: self._work(worker, environment, most))

    def _work(self, worker: Worker, environment: Environment, most: int) -> None:
        """In the worker's own thread: what Lambda does with an invocation."""
        try:
            if worker.kind == "tick":
                start_scan.tick(environment, worker.began, lambda: self._seconds_left(worker))
            else:
                self._batch_of(worker, environment, most)
        except Died:
            # Nothing that it knew is left.
            environment = self._environment()
        except EcrRescanError as error:
            self.errors.append((worker.began, f"{worker.kind}: {error}"))
        self._recorders -= worker.kind == "batch"
        self._idle.append(environment)
        self.scene.settle()
        self.after()
        if worker.kind == "tick":
            for seconds in (30, 60, 90, 120):
                self.scene.at(self.clock.now() + timedelta(seconds=seconds), self.scene.settle)
        self._plan_batch()

    def _batch_of(self, worker: Worker, environment: Environment, most: int) -> None:
        messages = self.queue.receive(most)
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
            failed = start_scan.record(environment, records, worker.began, lambda: self._seconds_left(worker))
            again = set(failed)
        finally:
            self.queue.give_back([message for message in messages if message.id in again])

    def _seconds_left(self, worker: Worker) -> float:
        return (DEADLINE - (self.clock.now() - worker.began)).total_seconds()
