"""A message whose work fails takes its batch with it at first, and only itself from the third time on."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest

from ecr_rescan.runtime.scanning import recorder
from tests.service import Service, basic, service


def records(running: Service, counts: dict[str, str]) -> list[dict[str, Any]]:
    """The queue's scan events as SQS hands them over, each received so often; the message ids are the digests."""
    made = []
    for body in running.events():
        digest = json.loads(body)["detail"]["image-digest"]
        attributes = {"ApproximateReceiveCount": counts[digest]}
        made.append({"messageId": digest, "body": body, "attributes": attributes, "eventSource": "aws:sqs"})
    return made


@pytest.mark.parametrize(("received", "alone"), [("1", False), ("2", False), ("3", True), ("8", True)])
def test_a_giant_result_does_not_poison_its_batch(received: str, alone: bool) -> None:
    """What fails again and again is worked on alone, so that the rest of its repository gets on."""
    with service() as running:
        giant, other = running.push("team/app", "giant"), running.push("team/app", "other")
        for tag in ("giant", "other"):
            running.post("team/app", tag, [basic("CVE-2026-1")])
        running.add("team/*")
        running.drain()
        running.tick()
        running.advance(minutes=2)
        look_up = recorder.look_up

        def fail(registry: Any, repository: str, digests: list[str], *more: Any) -> Any:
            if giant in digests:
                raise MemoryError
            return look_up(registry, repository, digests, *more)

        with mock.patch.object(recorder, "look_up", fail):
            failed = running.deliver(records(running, {giant: received, other: "1"}))
        assert failed == ({giant} if alone else {giant, other})
