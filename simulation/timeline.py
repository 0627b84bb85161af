"""The story of a broken promise: what people did, and what each worker read and wrote, in the order of time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from simulation.gate import Call
from simulation.scans import Broken
from simulation.truth import Scanned, Tagged
from simulation.world import World

_BEFORE, _AFTER = timedelta(hours=26), timedelta(hours=2)
_LINES_BEFORE, _LINES_AFTER = 40, 10

_HASH = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24,56}\b")

_Line = tuple[datetime, str, str]
"""When, who, what."""


def timeline(world: World, broken: Broken) -> list[str]:
    """What happened around a broken promise, about its repository; the calls only where the world kept them."""
    lines = [
        *_of_people(world, broken),
        *_of_calls(world, broken),
        *((one.began, one.name, "begins, and will be killed") for one in world.workers if one.died),
        *(
            (one.begin, "trouble", f"{one.service} {one.kind} until {one.end:%d %H:%M}")
            for one in world.troubles.episodes
        ),
    ]
    lines.sort(key=lambda line: line[0])
    before = [line for line in lines if broken.at - _BEFORE <= line[0] <= broken.at]
    after = [line for line in lines if broken.at < line[0] <= broken.at + _AFTER]
    return [
        *map(_written, before[-_LINES_BEFORE:]),
        _written((broken.at, "BROKEN", f"{broken.invariant}: {broken.what} {broken.repository} {broken.digest}")),
        *map(_written, after[:_LINES_AFTER]),
    ]


def _of_people(world: World, broken: Broken) -> Iterator[_Line]:
    for place, history in world.truth.histories.items():
        if broken.repository not in ("", place[1]):
            continue
        tags: Mapping[str, str] = {}
        for step in history.steps:
            if isinstance(step, Scanned):
                if broken.repository:
                    ended = "failed" if step.found is None else f"complete, {len(step.found)} findings"
                    yield step.at, "ECR", f"scan of {step.digest} ended, {ended}"
            elif isinstance(step, Tagged):
                yield step.at, "people", f"{place[1]}: {_difference(tags, step.tags)}"
                tags = step.tags


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    moved = [f"{tag} is {digest}" for tag, digest in sorted(after.items()) if before.get(tag) != digest]
    return ", ".join([*moved, *(f"{tag} is gone" for tag in sorted(before.keys() - after.keys()))]) or "no change"


def _of_calls(world: World, broken: Broken) -> Iterator[_Line]:
    """The calls about the repository, but of workers that only looked whether there is something to do.

    Where the promise is about no repository in particular, what was written and sent.
    """
    about = [call for call in world.gate.story or () if call.repository == broken.repository or _writes(call)]
    did_more = {call.who for call in about if call.operation != "GetObject"}
    for call in about:
        in_repository = call.repository == broken.repository and call.who in did_more
        if in_repository or not broken.repository:
            name = "" if call.about.startswith(("images/", "findings/")) else call.repository
            over = f" over {call.version}" if call.version else ""
            text = " ".join(filter(None, (call.operation, name, call.about)))
            yield call.at, call.who, f"{text}{over}: {call.result}"


def _writes(call: Call) -> bool:
    return call.operation in ("PutObject", "DeleteObject", "StartImageScan", "Publish", "SendMessageBatch")


def _written(line: _Line) -> str:
    at, who, what = line
    short = _HASH.sub(r"\1", what)
    return f"  {at:%d %H:%M:%S}.{at.microsecond // 1000:03} {who:<11} {short}"
