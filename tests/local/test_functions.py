"""Execution environments: a process that is started when needed, ended when it must, and started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.clock import Clock
from local.functions import Environment, FunctionError
from local.wiring import FunctionSpec

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Make = Callable[..., Environment]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Environments of a handler with the given body."""
    with ExitStack() as stack:

        def make(body: str, *, clock: Clock | None = None, layer: str = "", **more: object) -> Environment:
            code, layers = tmp_path / "code", ()
            code.mkdir()
            lines = "\n    ".join(body.splitlines())
            (code / "app.py").write_text(f"import os, time\n\ndef lambda_handler(event, context):\n    {lines}\n")
            if layer:
                runtime = tmp_path / "layer" / "ecr_rescan" / "runtime"
                runtime.mkdir(parents=True)
                (runtime / "clock.py").write_text(layer)
                layers = (tmp_path / "layer",)
            spec = FunctionSpec("One", "one", "arn:one", code, "app.lambda_handler", layers, {}, 1, 128)
            environment = Environment(spec, "http://127.0.0.1:1", clock or Clock(START, 0), **({"log": print} | more))
            stack.callback(environment.stop)
            return environment

        yield make


def test_one_process_serves_one_event_after_another(make: Make) -> None:
    """With what it remembers between them, as a warm function."""
    environment = make("return [event, os.getpid()]")
    first, second = environment.invoke({"a": 1}), environment.invoke("b")
    assert (first[0], second[0], first[1]) == ({"a": 1}, "b", second[1])
    assert first[1] != os.getpid()


def test_an_exception_is_a_failed_invocation_of_a_function_that_lives_on(make: Make) -> None:
    """With Lambda's description of it."""
    environment = make("if event: raise ValueError('no')\nreturn os.getpid()")
    before = environment.invoke(0)
    with pytest.raises(FunctionError, match="one: ValueError: no") as caught:
        environment.invoke(1)
    assert caught.value.error["stackTrace"]
    assert environment.invoke(0) == before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("os._exit(7)", "Runtime.ExitError"),
        ("time.sleep(60)", "Sandbox.Timedout"),
        ("return object()", "TypeError"),
    ],
)
def test_a_crash_a_timeout_and_nonsense_are_failed_invocations(make: Make, body: str, kind: str) -> None:
    """And the next event finds a function again."""
    environment = make(f"if event: {body}\nreturn 'alive'")
    with pytest.raises(FunctionError) as caught:
        environment.invoke(1)
    assert caught.value.error["errorType"] == kind
    assert environment.invoke(0) == "alive"


def test_a_process_that_was_killed_between_events_is_started_again(make: Make) -> None:
    """Nobody notices."""
    environment = make("return os.getpid()")
    first = environment.invoke(0)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, os.WNOHANG)
    try:
        second = environment.invoke(0)
    except FunctionError:
        # It had not ended yet when the event was written: then this event fails, and the next one is served.
        second = environment.invoke(0)
    assert second != first


def test_a_function_that_can_not_be_loaded_says_so(make: Make, tmp_path: Path) -> None:
    """In its log and at every event."""
    lines: list[str] = []
    environment = make("return 1", log=lines.append)
    (tmp_path / "code" / "app.py").write_text("raise RuntimeError('broken')")
    environment.warm()
    with pytest.raises(FunctionError, match="could not be loaded"):
        environment.invoke(0)


def test_the_functions_clock_is_the_stacks(make: Make) -> None:
    """Through the hook of the runtime's clock module; it moves with the stack's, between events too."""
    clock = Clock(START, 0)
    layer = "source = None\n\ndef use(new):\n    global source\n    source = new\n"
    environment = make(
        "from ecr_rescan.runtime import clock\nreturn clock.source().isoformat()", clock=clock, layer=layer
    )
    assert environment.invoke(0) == START.isoformat()
    clock.advance(timedelta(days=1))
    assert environment.invoke(0) == (START + timedelta(days=1)).isoformat()


@pytest.mark.parametrize("verbose", [False, True])
def test_the_log_shows_warnings_and_stray_lines_or_everything(make: Make, verbose: bool) -> None:
    """Lines of JSON below WARNING, metrics among them, are for people who ask."""
    lines: list[str] = []
    environment = make(
        'print(\'{"level": "INFO"}\')\nprint(\'{"_aws": {}}\')\nprint(\'{"level": "ERROR"}\')\nprint(\'stray\')',
        log=lines.append,
        verbose=verbose,
    )
    environment.invoke(0)
    environment.stop()
    shown = ['One: {"level": "ERROR"}', "One: stray"]
    assert lines == (['One: {"level": "INFO"}', 'One: {"_aws": {}}', *shown] if verbose else shown)


def test_a_stopped_environment_stays_stopped(make: Make) -> None:
    """Its process is gone, and no event starts another."""
    environment = make("return os.getpid()")
    process = environment.invoke(0)
    environment.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(FunctionError):
        environment.invoke(0)
