"""The stack of `make e2e`: built artefacts under AWS's Lambda runtime interface emulator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from local.clock import Clock
from local.e2e.emulator import EmulatedEnvironment
from local.functions import PROJECT
from local.stack import LocalStack
from local.wiring import FunctionSpec

BUILT = PROJECT / ".aws-sam" / "e2e" / "template.yaml"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

# `make e2e` builds what these tests run, and says so.
collect_ignore_glob = [] if "ECR_RESCAN_E2E" in os.environ else ["test_*.py"]

_INIT_MS: dict[str, list[float]] = {}


class Emulated:
    """A stack that stands still, and the environments of its functions, by function."""

    def __init__(self) -> None:
        self.environments: dict[str, list[EmulatedEnvironment]] = {}
        self.stack = LocalStack(
            template=BUILT, manual=True, samples=True, start=START, environments=self._make, log=lambda _: None
        )

    def _make(self, spec: FunctionSpec, endpoint: str, clock: Clock, log: Callable[[str], None]) -> EmulatedEnvironment:
        made = EmulatedEnvironment(spec, endpoint, clock, log)
        self.environments.setdefault(spec.id, []).append(made)
        return made

    def cycle(self, times: int = 1) -> None:
        """Ticks, and what they start coming back."""
        for _ in range(times):
            self.stack.tick()
            self.stack.advance(minutes=2)
            self.stack.drain()
            self.stack.advance(minutes=3)

    def log(self) -> list[str]:
        """All that the functions printed."""
        return [line for made in self.environments.values() for one in made for line in one.log]


@contextmanager
def emulating() -> Iterator[Emulated]:
    """A stack with the samples, cold."""
    running = Emulated()
    with running.stack:
        yield running
    for name, made in running.environments.items():
        _INIT_MS.setdefault(name, []).extend(ms for one in made for ms in one.init_ms)


@pytest.fixture
def emulated() -> Iterator[Emulated]:
    """A stack of its own for a test."""
    with emulating() as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the functions took to initialise."""
    if _INIT_MS:
        terminalreporter.section("initialisation under the runtime interface emulator")
    for name, found in sorted(_INIT_MS.items()):
        middle = sorted(found)[len(found) // 2]
        terminalreporter.write_line(
            f"{name:20} median {middle:4.0f} ms, {min(found):4.0f} to {max(found):4.0f}, {len(found)} times"
        )
