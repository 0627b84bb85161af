"""Lambda: each function in a process of its own with nothing but its own environment, one event at a time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from local.clock import Clock
from local.template import REGION
from local.wiring import FunctionSpec

PROJECT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
QUIET_LEVELS = ("DEBUG", "INFO")


class FunctionError(Exception):
    """An invocation failed: an exception in the handler, a crash, a time-out, or an answer that is no JSON.

    Attributes:
        error: Lambda's description, with ``errorType`` and ``errorMessage``.
    """

    def __init__(self, function: str, error: dict[str, Any]) -> None:
        super().__init__(f"{function}: {error['errorType']}: {error['errorMessage']}")
        self.error = error


class ExecutionEnvironment(Protocol):
    """What runs a function, one event at a time."""

    def warm(self) -> None:
        """Load the handler before the first event."""

    def invoke(self, event: Any) -> Any:
        """The handler's answer to an event, as JSON would carry it; FunctionError otherwise."""

    def stop(self) -> None:
        """End, whatever runs; nothing is started again."""


EnvironmentFactory = Callable[[FunctionSpec, str, Clock, Callable[[str], None]], ExecutionEnvironment]
"""Makes one of a function, the local AWS's base URL, the clock, and what takes the function's log."""


class Environment:
    """An execution environment of a function: a process that is started when first needed, and again after a crash.

    Args:
        spec: what the template says about the function.
        endpoint: base URL of the local AWS.
        clock: virtual time; what the function sees during an event.
        log: takes each line that the function prints and that somebody should see.
        verbose: whether that is every line, or only warnings and worse.
    """

    def __init__(
        self, spec: FunctionSpec, endpoint: str, clock: Clock, log: Callable[[str], None], *, verbose: bool = False
    ) -> None:
        self.spec = spec
        self._endpoint = endpoint
        self._clock = clock
        self._log = log
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: IO[bytes]
        self._answers: IO[bytes]
        self._logger: threading.Thread
        self._busy = threading.Lock()
        self._stopped = False

    def warm(self) -> None:
        """Start the process and wait until its handler is loaded; what goes wrong is in the log."""
        with self._busy:
            self._started()

    def invoke(self, event: Any) -> Any:
        """The handler's answer to an event, as JSON would carry it; FunctionError otherwise."""
        with self._busy:
            if not self._started():
                raise self._error("Runtime.ExitError", "the function could not be loaded")
            context = {
                "aws_request_id": str(uuid.uuid4()),
                "function_name": self.spec.name,
                "function_version": "$LATEST",
                "invoked_function_arn": self.spec.arn,
                "memory_limit_in_mb": str(self.spec.memory),
                "log_group_name": f"/aws/lambda/{self.spec.name}",
                "log_stream_name": "local",
            }
            request = {
                "event": event,
                "context": context,
                "seconds": self.spec.timeout,
                "rate": self._clock.rate.to_text(),
            }
            try:
                self._requests.write(json.dumps(request).encode() + b"\n")
                self._requests.flush()
            except OSError:
                self._end()
                raise self._error("Runtime.ExitError", "the function's process had ended") from None
            answer = self._receive(self.spec.timeout)
        if "failed" in answer:
            raise FunctionError(self.spec.name, answer["failed"])
        return answer["answer"]

    def stop(self) -> None:
        """End the process, whatever it does; it is not started again."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()
        with self._busy:
            self._end()

    def _started(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return True
        if self._stopped:
            return False
        self._end()
        self._start()
        if "ready" in self._receive(START_SECONDS):
            return True
        self._end()
        return False

    def _start(self) -> None:
        receive, requests = os.pipe()
        answers, send = os.pipe()
        paths = [self.spec.code, *self.spec.layers]
        arguments = [str(receive), str(send), self._clock.rate.to_text(), self.spec.handler, *map(str, paths)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.host", *arguments],
            cwd=PROJECT,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(receive, send),
        )
        os.close(receive)
        os.close(send)
        self._requests, self._answers = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        assert self._process.stdout is not None
        self._logger = threading.Thread(target=self._copy_log, args=(self._process.stdout,), daemon=True)
        self._logger.start()

    def _variables(self) -> dict[str, str]:
        lambda_own = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": self.spec.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.spec.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(self.spec.code),
            "_HANDLER": self.spec.handler,
            "TZ": ":UTC",
            "PYTHONUNBUFFERED": "1",
            "PATH": os.environ.get("PATH", ""),
            # The machine's own AWS configuration is none of the functions' business.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        return lambda_own | self.spec.environment

    def _receive(self, seconds: float) -> dict[str, Any]:
        ready, _, _ = select.select([self._answers], [], [], seconds)
        line = self._answers.readline() if ready else b""
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._end()
        if not ready:
            return {"failed": {"errorType": "Sandbox.Timedout", "errorMessage": f"timed out after {seconds} s"}}
        return {"failed": {"errorType": "Runtime.ExitError", "errorMessage": "the function's process ended"}}

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        # What it printed last is told before anything else happens.
        self._logger.join(1)
        self._requests.close()
        self._answers.close()
        self._process = None

    def _error(self, kind: str, message: str) -> FunctionError:
        return FunctionError(self.spec.name, {"errorType": kind, "errorMessage": message})

    def _copy_log(self, lines: IO[bytes]) -> None:
        with lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if self._verbose or not _is_quiet(line):
                    self._log(f"{self.spec.id}: {line}")


def _is_quiet(line: str) -> bool:
    # A handler's log and its metrics are lines of JSON; anything else is a traceback or a stray print.
    try:
        content = json.loads(line)
    except ValueError:
        return not line.strip()
    return isinstance(content, dict) and content.get("level", "INFO") in QUIET_LEVELS
