"""Starts what is measured: the stub of AWS, and scenarios in processes of their own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks import stub, world

ROOT = Path(__file__).parent.parent
LAYER = ROOT / ".aws-sam" / "e2e" / "SharedLayer" / "python"
"""The layer as built for this machine. Where there is none, the sources are measured."""
_COMPRESSED_OVER = 32 * 1024


@dataclass(frozen=True, slots=True)
class Aws:
    """A stub that is running. ``environment`` is what a function is given to use it."""

    port: int
    environment: Mapping[str, str]

    def run(self, scenario: str, *arguments: object) -> dict[str, Any]:
        """Run a scenario and wait for its figures."""
        return self.run_together([(scenario, arguments)])[0]

    def run_together(self, scenarios: Iterable[tuple[str, Iterable[object]]]) -> list[dict[str, Any]]:
        """Run scenarios at the same time; RuntimeError where one fails."""
        with tempfile.TemporaryDirectory() as directory:
            running = []
            for number, (scenario, arguments) in enumerate(scenarios):
                result = Path(directory) / str(number)
                given = json.dumps(list(arguments))
                command = [sys.executable, "-m", "benchmarks.scenarios", scenario, str(result), given]
                process = subprocess.Popen(
                    command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                running.append((scenario, process, result))
            figures = []
            for scenario, process, result in running:
                output, _ = process.communicate()
                if process.returncode:
                    raise RuntimeError(f"{scenario} failed: {output[-2000:]}")
                figures.append(json.loads(result.read_text()))
            return figures

    def restore(self) -> None:
        """Make the bucket what it was."""
        self._get(stub.SNAPSHOT)

    def counts(self) -> dict[str, int]:
        """The calls since this was last asked, by operation."""
        counts: dict[str, int] = json.loads(self._get(stub.COUNTS))
        return counts

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as reply:
            body: bytes = reply.read()
        return body


@contextmanager
def aws(
    objects: Iterable[tuple[str, bytes]],
    *,
    scans: Sequence[object] = (),
    digests: Sequence[str] = (),
    milliseconds: float = 20,
) -> Iterator[Aws]:
    """Serve these objects and findings for the length of a ``with``; ``digests`` are of the images to be recorded."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "objects").mkdir()
        for key, body in objects:
            stored = gzip.compress(body, 6, mtime=0) if len(body) > _COMPRESSED_OVER else body
            (directory / "objects" / quote(key, safe="")).write_bytes(stored)
        (directory / "scans.json").write_text(json.dumps(scans))
        (directory / "digests.json").write_text(json.dumps(digests))
        command = [sys.executable, "-m", "benchmarks.stub", str(directory), str(milliseconds)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Aws(port, _environment(port, directory / "digests.json"))
        finally:
            process.terminate()
            process.communicate()


def _environment(port: int, digests: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(LAYER if LAYER.exists() else ROOT / "layers" / "shared"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": world.REGION,
        "AWS_DEFAULT_REGION": world.REGION,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "BUCKET_NAME": stub.BUCKET,
        "ACCOUNT_ID": world.REGISTRY,
        "PUBLIC_URL": "",
        "SLA_DAYS": "CRITICAL=7,HIGH=30,MEDIUM=90,LOW=180",
        "SIGNALS_FROM": "off",
        "QUEUE_URL": f"http://127.0.0.1:{port}/queue",
        "TOPIC_ARN": f"arn:aws:sns:{world.REGION}:{world.REGISTRY}:changes",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
        "BENCH_TOKEN": world.token(),
        "BENCH_DIGESTS": str(digests),
    }
