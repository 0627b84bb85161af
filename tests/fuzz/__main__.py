"""``python -m tests.fuzz SCHEMATHESIS``: hold the local stack to its contract, by requests made up from it.

Schemathesis lives in an environment of its own; its program is the argument. Its exit status is ours.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from local.stack import LocalStack

MAX_EXAMPLES = "40"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def main(program: str) -> int:
    """Run everything, and say what was found."""
    (configuration_id,) = tomllib.loads(CONFIGURATION.read_text())["dictionaries"]["configurations"]["values"]
    with LocalStack(manual=True, samples=True, start=START) as stack:
        body = {"region": "us-east-1", "registry": "123456789012", "repository": "*"}
        made = send("PUT", f"{stack.url}/configs/{configuration_id}", body, {"If-None-Match": "*"})
        (feed_token,) = parse_qs(urlsplit(made["feed_url"]).query)["token"]
        token = send("POST", f"{stack.url}/dashboard/tokens", {"name": "fuzz"})["token"]
        for _ in range(3):
            stack.tick()
            stack.advance(minutes=5)
            stack.drain()
        print(f"configuration {configuration_id}, {stack.url}", flush=True)
        command = [
            program,
            f"--config-file={CONFIGURATION}",
            "run",
            f"{stack.url}/openapi.json",
            "--header",
            f"Authorization: {basic(token)}",
            f"--max-examples={MAX_EXAMPLES}",
            "--seed=1",
            "--suppress-health-check=all",
            "--generation-database=none",
            # With two threads Hypothesis parses sources in both at once, for which Python 3.11 raises a SystemError now
            # and then: it counts the depth of a syntax tree for the process, not for the thread.
            "--workers=1",
            # The dashboard's own tokens stay, or the run would lock itself out.
            "--exclude-path-regex=^/dashboard/tokens/",
        ]
        return subprocess.run(
            command, env=os.environ | {"FEED_AUTHORIZATION": basic(feed_token)}, check=False
        ).returncode


def basic(token: str) -> str:
    """The header that carries a token."""
    return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"


def send(method: str, url: str, body: object, headers: dict[str, str] | None = None) -> dict[str, str]:
    """Send JSON, and read the answer's."""
    sent = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(url, json.dumps(body).encode(), sent, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, str] = json.load(answer)
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
