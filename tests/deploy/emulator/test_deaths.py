"""A function's process may die at any moment. Nothing is lost by it: the next ticks repair what was cut short."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import feedparser
import pytest

from local.aws_server import AwsServer, identify
from local.faults import Fault
from local.functions import FunctionError
from local.samples.images import image
from local.web import Request, Response
from tests.deploy.emulator.conftest import Emulated, emulating
from tests.deploy.emulator.test_walkthrough import EVERYTHING, request


class Killer:
    """Kills the function at work when it makes a call to AWS for the n-th time, before or after AWS does it."""

    def __init__(self, operation: str, number: int, *, after: bool) -> None:
        self.kills = 0
        self.after = after
        self.operation = operation
        self._left = number
        self._stack: Emulated | None = None

    @contextmanager
    def at_work(self, emulated: Emulated) -> Iterator[None]:
        """Kill within this block, once."""
        self._stack = emulated
        yield
        self._stack = None
        assert self.kills == 1, "the call was not made"

    def watch(self, handle: Any) -> Any:
        """A handler of AWS's that kills."""

        def watched(server: AwsServer, call: Request) -> Response:
            strikes = False
            if self._stack is not None and identify(call)[1] == self.operation:
                self._left -= 1
                strikes = self._left == 0
            if strikes and not self.after:
                self._kill()
                return Response(0, aborts=True)
            response: Response = handle(server, call)
            if strikes:
                self._kill()
                return Response(0, aborts=True)
            return response

        return watched

    def _kill(self) -> None:
        assert self._stack is not None
        for made in self._stack.environments.values():
            for environment in made:
                if environment.is_busy():
                    environment.kill_function()
                    self.kills += 1


@contextmanager
def killing(killer: Killer) -> Iterator[Emulated]:
    """A stack whose AWS has the killer in it."""
    with mock.patch.object(AwsServer, "handle", killer.watch(AwsServer.handle)), emulating() as running:
        yield running


# What StartScan is woken for: how it comes to it, and what wakes it.
Wake = Callable[[Emulated], object]


def tick(running: Emulated) -> None:
    """Wake StartScan by the schedule; it may die of it."""
    with suppress(FunctionError):
        running.stack.tick()


def drain(running: Emulated) -> None:
    """Wake StartScan by the queue; what a dead batch had comes again."""
    running.stack.drain()


def begun(running: Emulated) -> None:
    """Scans were started, and have ended."""
    running.stack.tick()
    running.stack.advance(minutes=2)


def recorded(running: Emulated) -> None:
    """First results are recorded; nobody was told yet."""
    begun(running)
    running.stack.drain()
    running.stack.advance(minutes=3)


def unheard(running: Emulated) -> None:
    """Scans have ended long ago, and their events were lost."""
    running.stack.tick()
    running.stack.faults.add(Fault("events", effect="lose"))
    running.stack.advance(minutes=2)
    running.stack.drain()
    running.stack.faults.clear()
    running.stack.advance(minutes=20)


def asked(running: Emulated) -> None:
    """A tick has asked for results whose events were lost."""
    unheard(running)
    running.stack.tick()


def pushed(running: Emulated) -> None:
    """Everything is recorded and told; then an image is pushed."""
    running.cycle(3)
    new = image("an image that was pushed", "pushed")
    running.stack.ecr.put_image(repositoryName="team-a/api", imageManifest=new.manifest, imageTag=new.tag)
    running.stack.advance(seconds=10)


def a_day_old(running: Emulated) -> None:
    """Everything is recorded and told; a day later it is due again."""
    running.cycle(3)
    running.stack.advance(hours=24, minutes=10)


def changed(running: Emulated) -> None:
    """The scans of a day that is no longer the beginning have ended, and found something else."""
    a_day_old(running)
    running.cycle()
    running.stack.advance(hours=24, minutes=10)
    begun(running)


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work of StartScan: what comes before, and what wakes it."""

    before: Wake
    wake: Wake


WORK = {
    "a first tick": Work(lambda running: None, tick),
    "a tick that tells the baseline": Work(recorded, tick),
    "a tick that asks": Work(unheard, tick),
    "a tick of the next day": Work(a_day_old, tick),
    "a batch of first results": Work(begun, drain),
    "a batch of asks": Work(asked, drain),
    "a batch of pushes": Work(pushed, drain),
    "a batch of changes": Work(changed, drain),
}
DEATHS = [
    ("a first tick", "DescribeImages", 2, True),
    ("a first tick", "PutObject", 2, False),
    ("a first tick", "PutObject", 4, True),
    ("a first tick", "StartImageScan", 1, False),
    ("a first tick", "StartImageScan", 5, True),
    ("a tick that tells the baseline", "Publish", 1, False),
    ("a tick that tells the baseline", "Publish", 1, True),
    ("a tick that asks", "SendMessageBatch", 1, False),
    ("a tick that asks", "SendMessageBatch", 1, True),
    ("a tick of the next day", "StartImageScan", 3, False),
    ("a batch of first results", "DescribeImageScanFindings", 3, True),
    ("a batch of first results", "PutObject", 1, False),
    ("a batch of first results", "PutObject", 2, True),
    ("a batch of asks", "PutObject", 1, True),
    ("a batch of pushes", "PutObject", 1, False),
    ("a batch of changes", "PutObject", 3, True),
    ("a batch of changes", "Publish", 1, False),
    ("a batch of changes", "Publish", 1, True),
]


@dataclass(frozen=True, slots=True)
class Truth:
    """What people see in the end: states and counts of images, the feed's entries, how often each change was told."""

    images: list[tuple[str, ...]]
    entries: list[str]
    told: Counter[tuple[str, ...]]


def work_through(running: Emulated, work: Work, killer: Killer | None = None) -> Truth:
    """Do the work, dying or not, and let two hours of ticks pass."""
    added = json.loads(request(f"{running.stack.url}/configs", "POST", EVERYTHING)[2])
    work.before(running)
    if killer is None:
        work.wake(running)
    else:
        with killer.at_work(running):
            work.wake(running)
    for _ in range(5):
        running.cycle()
        running.stack.advance(minutes=20)
    return truth(running, added)


def truth(running: Emulated, added: dict[str, Any]) -> Truth:
    """Read it as people do."""
    summary = json.loads(request(f"{running.stack.url}/summary/{added['id']}")[2])
    images = sorted(
        (image["repository"], image["digest"], image["state"], json.dumps(image.get("counts"), sort_keys=True))
        for configuration in summary.get("configurations", [summary])
        for image in configuration["images"]
    )
    feed = feedparser.parse(request(added["feed_url"])[2])
    told: Counter[tuple[str, ...]] = Counter()
    for message in running.stack.published:
        machine = json.loads(json.loads(message.body)["default"])
        told.update((one["kind"], one["vulnerability"], one["package"]) for one in machine["alerts"])
        told.update([machine["type"]] if machine["type"] == "baseline" else [])
    return Truth(images, sorted(entry.title for entry in feed.entries), told)


@cache
def undisturbed(work: str) -> Truth:
    """Where the same work ends if nobody dies."""
    with emulating() as running:
        return work_through(running, WORK[work])


@pytest.mark.parametrize(
    ("work", "operation", "number", "after"),
    [pytest.param(*each, id=f"{each[0]}, {'after' if each[3] else 'before'} {each[1]} {each[2]}") for each in DEATHS],
)
def test_what_died_is_repaired(work: str, operation: str, number: int, after: bool) -> None:
    """However far it came, the service ends where it would have, and tells what it would have told, once."""
    killer = Killer(operation, number, after=after)
    with killing(killer) as running:
        found = work_through(running, WORK[work], killer)
    expected = undisturbed(work)
    assert len(expected.images) > 8
    assert len(expected.entries) > 400
    assert found.images == expected.images
    assert found.entries == expected.entries
    assert set(found.told) == set(expected.told)
    # Nobody knows of a message that was sent by somebody who died then: this one alone may come twice.
    assert found.told == expected.told or (operation, after) == ("Publish", True)
    assert max(found.told.values()) <= 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_configuration_is_there_or_not(after: bool) -> None:
    """Config dies in the middle of a POST: the caller sees an error, the next one is served, nothing is half there."""
    killer = Killer("PutObject", 1, after=after)
    with killing(killer) as running:
        url = f"{running.stack.url}/configs"
        with killer.at_work(running):
            assert request(url, "POST", EVERYTHING)[0] == 502
        status, _, body = request(url)
        assert (status, len(json.loads(body))) == (200, int(after))
        assert request(url, "POST", EVERYTHING)[0] == 201


@pytest.mark.parametrize("page", ["summary", "feed"])
def test_a_reader_s_next_request_is_served(page: str) -> None:
    """Summary or Findings dies in the middle of an answer: 502 once."""
    killer = Killer("GetObject", 1, after=False)
    with killing(killer) as running:
        added = json.loads(request(f"{running.stack.url}/configs", "POST", EVERYTHING)[2])
        running.cycle(2)
        url = f"{running.stack.url}/summary" if page == "summary" else added["feed_url"]
        with killer.at_work(running):
            assert request(url)[0] == 502
        assert request(url)[0] == 200
