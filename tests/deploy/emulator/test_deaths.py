"""A function's process may die at any moment. Nothing is lost by it: the next ticks repair what was cut short."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from local.aws_server import AwsServer, identify
from local.functions import FunctionError
from local.web import Request, Response
from tests.deploy.emulator.conftest import Emulated
from tests.deploy.emulator.test_walkthrough import EVERYTHING, request


class Killer:
    """Kills the function at work when it makes a call to AWS for the n-th time, before or after AWS does it."""

    def __init__(self, operation: str, number: int, *, after: bool) -> None:
        self.kills = 0
        self._operation = operation
        self._left = number
        self.after = after
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
            if self._stack is not None and identify(call)[1] == self._operation:
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


@pytest.fixture
def killer(request: pytest.FixtureRequest) -> Iterator[Killer]:
    """One for the operation, count and moment that the test names; installed before the stack is made."""
    operation, number, after = request.param
    made = Killer(operation, number, after=after)
    with mock.patch.object(AwsServer, "handle", made.watch(AwsServer.handle)):
        yield made


def truth(emulated: Emulated, added: dict[str, Any]) -> tuple[Any, ...]:
    """What people see: open findings, states of images, the feed's entries."""
    summary = json.loads(request(f"{emulated.stack.url}/summary/{added['id']}")[2])
    images = sorted(
        (image["repository"], image["digest"], image["state"], json.dumps(image.get("counts"), sort_keys=True))
        for configuration in summary.get("configurations", [summary])
        for image in configuration["images"]
    )
    feed = request(added["feed_url"])[2].decode()
    entries = sorted(part.partition("</id>")[0] for part in feed.split("<entry>")[1:])
    return images, len(entries)


def days_later(emulated: Emulated) -> None:
    """Two hours of ticks: what was claimed is looked up again, what was overdue is asked for."""
    for _ in range(5):
        emulated.cycle()
        emulated.stack.advance(minutes=20)


STARTS = [("StartImageScan", 1, False), ("StartImageScan", 5, True), ("PutObject", 2, False), ("PutObject", 4, True)]


@pytest.mark.parametrize("killer", STARTS, indirect=True, ids=lambda killed: f"{killed[0]}-{killed[1]}-{killed[2]}")
def test_a_tick_that_dies_is_repaired(killer: Killer, emulated: Emulated) -> None:
    """Before or after a start, before or after a claim is written: every image gets its result."""
    added = json.loads(request(f"{emulated.stack.url}/configs", "POST", EVERYTHING)[2])
    with killer.at_work(emulated), pytest.raises(FunctionError):
        emulated.stack.tick()
    days_later(emulated)
    assert_complete(emulated, added)


RECORDING = [
    ("DescribeImageScanFindings", 3, True),
    ("PutObject", 1, False),
    ("PutObject", 2, True),
    ("Publish", 1, False),
]


@pytest.mark.parametrize("killer", RECORDING, indirect=True, ids=lambda killed: f"{killed[0]}-{killed[1]}-{killed[2]}")
def test_a_recording_that_dies_is_repaired(killer: Killer, emulated: Emulated) -> None:
    """Before, between and after the writes, and before a message is sent: nothing is lost or doubled."""
    added = json.loads(request(f"{emulated.stack.url}/configs", "POST", EVERYTHING)[2])
    emulated.stack.tick()
    emulated.stack.advance(minutes=2)
    with killer.at_work(emulated):
        emulated.stack.drain()
        if not killer.kills:
            emulated.stack.advance(minutes=3)
            with pytest.raises(FunctionError):
                emulated.stack.tick()
    days_later(emulated)
    assert_complete(emulated, added)


def assert_complete(emulated: Emulated, added: dict[str, Any]) -> None:
    """The service ends where one that nothing happened to ends."""
    images, entries = truth(emulated, added)
    states = {state for _, _, state, _ in images}
    assert states <= {"COMPLETE", "FAILED", "UNSUPPORTED", "ARCHIVED"}, states
    assert sum(state == "COMPLETE" for _, _, state, _ in images) >= 8
    assert entries > 400
    assert [
        message
        for message in emulated.stack.published
        if "baseline" in (message.body + (message.subject or "")).lower()
    ]


WRITES = [("PutObject", 1, False), ("PutObject", 1, True)]


@pytest.mark.parametrize("killer", WRITES, indirect=True, ids=lambda killed: f"{killed[0]}-{killed[2]}")
def test_a_configuration_is_there_or_not(killer: Killer, emulated: Emulated) -> None:
    """Config dies in the middle of a POST: the caller sees an error, the next one is served, nothing is half there."""
    url = f"{emulated.stack.url}/configs"
    with killer.at_work(emulated):
        assert request(url, "POST", EVERYTHING)[0] == 502
    status, _, body = request(url)
    assert (status, len(json.loads(body))) == (200, int(killer.after))
    assert request(url, "POST", EVERYTHING)[0] == 201


@pytest.mark.parametrize("killer", [("GetObject", 1, False)], indirect=True, ids=["GetObject"])
@pytest.mark.parametrize("page", ["summary", "feed"])
def test_a_reader_s_next_request_is_served(killer: Killer, emulated: Emulated, page: str) -> None:
    """Summary or Findings dies in the middle of an answer: 502 once."""
    added = json.loads(request(f"{emulated.stack.url}/configs", "POST", EVERYTHING)[2])
    emulated.cycle(2)
    url = f"{emulated.stack.url}/summary" if page == "summary" else added["feed_url"]
    with killer.at_work(emulated):
        assert request(url)[0] == 502
    assert request(url)[0] == 200
