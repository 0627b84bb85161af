"""A function's execution environment under AWS's Lambda runtime interface emulator, which aws-sam-cli brings along."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from local.clock import Clock
from local.functions import PROJECT, FunctionError
from local.template import REGION
from local.web import HOST
from local.wiring import FunctionSpec

RUNTIME_PYTHON = PROJECT / ".venv-e2e" / "bin" / "python"
INVOKE = "/2015-03-31/functions/function/invocations"
START_SECONDS = 30.0

_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_EMULATOR = re.compile(r"\(rapid\)|^(START|END|REPORT) RequestId: |^$")


def emulator_binary() -> Path:
    """The emulator for this machine; FileNotFoundError where aws-sam-cli is not installed."""
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    found = sorted(
        (PROJECT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}")
    )
    if not found:
        raise FileNotFoundError(f"no aws-lambda-rie-{machine} in .venv-sam; make e2e installs it")
    return found[0]


class EmulatedEnvironment:
    """The emulator with a function in it, started when first needed.

    Nothing but the function's folder, its layers and awslambdaric is on the import path.

    Attributes:
        init_ms: how long each initialisation of the function took, oldest first, as the emulator measured it.
        log: every line that the function printed.
    """

    def __init__(self, spec: FunctionSpec, endpoint: str, clock: Clock, log: Callable[[str], None]) -> None:
        self.spec = spec
        self.init_ms: list[float] = []
        self.log: list[str] = []
        self._endpoint = endpoint
        self._clock = clock
        self._tell = log
        self._process: subprocess.Popen[bytes] | None = None
        self._logger: threading.Thread
        self._busy = threading.Lock()
        self._folder = TemporaryDirectory()
        self._clock_file = Path(self._folder.name) / "clock"

    def warm(self) -> None:
        """Start the emulator; it starts the function with its first event."""
        with self._busy:
            self._started()

    def invoke(self, event: Any) -> Any:
        """The handler's answer to an event; FunctionError where the function failed, died or took too long."""
        with self._busy:
            self._started()
            written = self._clock_file.with_suffix(".new")
            written.write_text(self._clock.rate.to_text(), encoding="utf-8")
            written.replace(self._clock_file)
            connection = HTTPConnection(HOST, self._port, timeout=self.spec.timeout + START_SECONDS)
            try:
                connection.request("POST", INVOKE, json.dumps(event))
                text = connection.getresponse().read().decode()
            except (OSError, HTTPException) as error:
                raise self._error("Runtime.ExitError", f"the emulator is gone: {error}") from error
            finally:
                connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            raise self._error("Sandbox.Timedout", text) from None
        # The emulator marks a failure by nothing else; no handler of ours answers such a member.
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(self.spec.name, {"errorMessage": ""} | answer)
        return answer

    def is_busy(self) -> bool:
        """Whether the function is at work on an event."""
        return self._busy.locked()

    def kill_function(self) -> None:
        """End the function's process at once, as Lambda may at any time; the emulator stays."""
        for pid in self._children():
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the emulator and the function."""
        if self._process is not None:
            children = self._children()
            self._process.kill()
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._logger.join(1)
            self._process = None
        self._folder.cleanup()

    def _started(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._port, runtime_port = _free_ports(2)
        emulator: list[str] = [
            *(str(emulator_binary()), "--runtime-interface-emulator-address", f"{HOST}:{self._port}"),
            *("--runtime-api-address", f"{HOST}:{runtime_port}"),
        ]
        self._process = subprocess.Popen(
            [*emulator, str(RUNTIME_PYTHON), "-m", "awslambdaric", self.spec.handler],
            cwd=self.spec.code,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._logger = threading.Thread(target=self._read_log, args=(self._process.stdout,), daemon=True)
        self._logger.start()
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._error("Runtime.ExitError", "the emulator did not start:\n" + "\n".join(self.log))
            time.sleep(0.02)

    def _variables(self) -> dict[str, str]:
        paths = [Path(__file__).parent / "clock", self.spec.code, *(layer / "python" for layer in self.spec.layers)]
        lambda_own = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_LAMBDA_FUNCTION_NAME": self.spec.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.spec.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.spec.timeout),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": str(self.spec.code),
            "LOCAL_CLOCK_FILE": str(self._clock_file),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": ":UTC",
            "PATH": os.environ.get("PATH", ""),
        }
        return lambda_own | self.spec.environment

    def _children(self) -> list[int]:
        if self._process is None:
            return []
        parent = str(self._process.pid)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    # Behind the command's name, which may hold anything: state, parent …
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if fields[1] == parent:
                    found.append(int(entry.name))
        return found

    def _read_log(self, lines: IO[bytes]) -> None:
        with lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if found := _INIT.search(line):
                    self.init_ms.append(float(found.group(1)))
                if not _EMULATOR.search(line):
                    self.log.append(line)
                    self._tell(f"{self.spec.id}: {line}")

    def _error(self, kind: str, message: str) -> FunctionError:
        return FunctionError(self.spec.name, {"errorType": kind, "errorMessage": message})


def _free_ports(number: int) -> list[int]:
    taken = [socket.socket() for _ in range(number)]
    try:
        for one in taken:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in taken]
    finally:
        for one in taken:
            one.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
