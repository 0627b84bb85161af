"""``python -m tests.fuzz SCHEMATHESIS``: hold the local stack to its contract, by requests made up from it.

Schemathesis lives in an environment of its own; its program is the argument. Its exit status is ours.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from local.stack import LocalStack

MAX_EXAMPLES = "40"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def main(program: str) -> int:
    """Run everything, and say what was found."""
    with LocalStack(manual=True, samples=True) as stack:
        body = {"region": "us-east-1", "registry": "123456789012", "repository": "*"}
        configuration = post(f"{stack.url}/configs", body)
        token = post(f"{stack.url}/dashboard/tokens", {"name": "fuzz"})["token"]
        for _ in range(3):
            stack.tick()
            stack.advance(minutes=5)
            stack.drain()
        password = base64.b64encode(f":{token}".encode()).decode()
        print(f"configuration {configuration['id']}, {stack.url}", flush=True)
        command = [
            program,
            f"--config-file={CONFIGURATION}",
            "run",
            f"{stack.url}/openapi.json",
            "--header",
            f"Authorization: Basic {password}",
            f"--max-examples={MAX_EXAMPLES}",
            "--seed=1",
            "--suppress-health-check=all",
            "--generation-database=none",
            "--workers=2",
            # The dashboard's own tokens stay, or the run would lock itself out.
            "--exclude-path-regex=^/dashboard/tokens/",
        ]
        return subprocess.run(command, check=False).returncode


def post(url: str, body: object) -> dict[str, str]:
    """POST JSON, and the answer's."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, str] = json.load(answer)
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
