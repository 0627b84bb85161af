"""Cold starts under AWS's Lambda runtime interface emulator: the built functions, and a bare handler beside them.

A first request is timed from its sending to its answer; the emulator starts Python with it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import run, world
from benchmarks.scenarios import CONFIG_ID, asked
from local.clock import Clock
from local.e2e.emulator import EmulatedEnvironment
from local.wiring import FunctionSpec

BUILT = run.ROOT / ".aws-sam" / "e2e"
LAYER = BUILT / "SharedLayer"
EVENTS = {
    "Config": "api-get-configs.json",
    "Findings": "api-get-findings-id.json",
    "Summary": "api-get-summary.json",
    "StartScan": "schedule.json",
}
"""Function → what it is asked first."""
SERVICES = {"StartScan": ["s3", "ecr", "sts", "sqs", "sns"]}
"""The clients that a function makes; the others make one of S3."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class First:
    """A first request: ``seconds`` until its answer, those that the process spent on a processor, and its memory."""

    seconds: float
    processor: float
    peak_mb: float


class _Measured(EmulatedEnvironment):
    def first(self, event: object) -> First:
        """Ask once, and see what it took; RuntimeError for another answer than 200."""
        self.warm()
        began = time.perf_counter()
        answer = self.invoke(event)
        seconds = time.perf_counter() - began
        (pid,) = self._children()
        if answer and answer["statusCode"] != 200:
            raise RuntimeError(f"{self.spec.name} answered {answer['statusCode']}: {answer['body'][:500]}")
        # proc(5): of the fields behind the name, the 12th and 13th are clock ticks in user and system mode.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        (peak,) = (
            int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line
        )
        return First(seconds, (int(fields[11]) + int(fields[12])) / _TICKS, peak / 1024)


def problem() -> str:
    """Why nothing can be measured here; empty where it can."""
    if platform.system() != "Linux":
        return "the emulator is a program for Linux"
    return "" if LAYER.exists() else "not built; `make bench` builds it"


def first_request(function: str, aws: run.Aws) -> First:
    """A built function's."""
    spec = _spec(f"{function}Function", BUILT / f"{function}Function", LAYER, aws.environment)
    return _measure(spec, asked(EVENTS[function], world.token()), aws)


def bare_first_request(function: str, calls: Mapping[str, int], layer: Path, aws: run.Aws) -> First:
    """Of the bare handler, which makes the same clients and ``calls``."""
    event = {"services": SERVICES.get(function, ["s3"]), "calls": calls, "key": f"configs/{CONFIG_ID}.json"}
    return _measure(_spec("Bare", Path(__file__).parent / "bare", layer, aws.environment), event, aws)


@contextmanager
def bare_layers() -> Iterator[Mapping[str, Path]]:
    """What the bare handler imports: boto3 as pip installs it, and as it is in the service's trimmed layer."""
    with tempfile.TemporaryDirectory() as name:
        stock = Path(name) / "python"
        stock.mkdir()
        for package in ("boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six.py"):
            (stock / package).symlink_to(_installed(package))
        yield {"boto3 as installed": stock.parent, "boto3 in the same layer": LAYER}


def _installed(package: str) -> Path:
    found = importlib.util.find_spec(package.removesuffix(".py"))
    assert found is not None
    assert found.origin is not None
    return Path(found.origin) if package.endswith(".py") else Path(found.origin).parent


def _measure(spec: FunctionSpec, event: object, aws: run.Aws) -> First:
    printed: list[str] = []
    environment = _Measured(spec, aws.environment["AWS_ENDPOINT_URL"], Clock(world.NOW, 0), printed.append)
    try:
        return environment.first(event)
    except Exception as error:
        raise RuntimeError("\n".join([str(error), *printed])) from error
    finally:
        environment.stop()


def _spec(name: str, code: Path, layer: Path, environment: Mapping[str, str]) -> FunctionSpec:
    variables = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    return FunctionSpec(name, name, f"arn:{name}", code, "app.lambda_handler", (layer,), variables, 240, 1024)
