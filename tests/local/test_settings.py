"""The variables of ``make run``, and the program that they start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from local.settings import SettingError, Settings

ROOT = Path(__file__).parents[2]


def test_defaults_with_samples_and_without() -> None:
    """A day in two minutes with samples, real time without; a tick every five virtual minutes."""
    with_samples, without = Settings.from_environment({}), Settings.from_environment({"SAMPLES": "0"})
    assert (with_samples.api_port, with_samples.aws_port, with_samples.clock_speed) == (3000, 4566, 720)
    assert with_samples.tick_seconds == pytest.approx(300 / 720)
    assert (without.clock_speed, without.tick_seconds, without.scan_seconds) == (1, 300, 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "0"),
        ("AWS_PORT", "x"),
        ("AWS_PORT", "3000"),
        ("SAMPLES", "yes"),
        ("CLOCK_SPEED", "0"),
        ("CLOCK_SPEED", "nan"),
        ("TICK_SECONDS", "-1"),
        ("SCAN_SECONDS", "1e9"),
        ("LOG", "2"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    """Before anything starts."""
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: value})


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(**variables: object) -> subprocess.Popen[str]:
    """``python -m local`` in a machine with a misleading AWS configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_PROFILE": "nobody", "HTTP_PROXY": "http://127.0.0.1:9"}
    environment |= {"http_proxy": "http://127.0.0.1:9", "no_proxy": "example.com"}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "local"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def functions_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes of a running stack's functions."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == process.pid]


def is_running(pid: int) -> bool:
    """Whether a process is there and not just waiting to be collected."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_says_so_and_ends_with_all_its_functions(number: signal.Signals) -> None:
    """Cleanly when it is asked to; when it is killed, its functions end by themselves."""
    port = free_port()
    process = start(API_PORT=port, AWS_PORT=free_port(), SAMPLES=0, TICK_SECONDS=600)
    assert process.stdout is not None
    try:
        ready = next(line for line in process.stdout if line.startswith("ready "))
        assert f"ready http://127.0.0.1:{port} " in ready
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{port}/configs"
        ) as answer:
            assert answer.status == 200
        functions = functions_of(process)
        assert len(functions) == 5
        if number == signal.SIGINT:
            # A terminal interrupts the whole group.
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(10) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
        assert "Traceback" not in process.stdout.read()
        # A killed stack leaves its functions a moment in which to notice.
        assert any(not any(is_running(child) for child in functions) for _ in range(500))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_port_that_is_taken_is_named() -> None:
    """With what to do about it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(API_PORT=port, AWS_PORT=free_port())
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"API_PORT: port {port} is in use" in output


def test_a_malformed_variable_ends_it_at_once() -> None:
    """With the message alone."""
    process = start(CLOCK_SPEED="fast")
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (2, "CLOCK_SPEED: must be a number above 0, at most 100000, not 'fast'\n")
