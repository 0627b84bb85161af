"""``python -m tests.fuzz SCHEMATHESIS``: hold the local stack to its contract, by requests made up from it.

Schemathesis lives in an environment of its own; its program is the argument. Its exit status is ours, unless
what was sent keeps other configurations from being scanned and told of.
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

from local.functions import FunctionError
from local.samples.images import image
from local.stack import LocalStack

# For each operation and way of making data; and where chance begins.
EXAMPLES, SEED = os.environ.get("EXAMPLES", "40"), os.environ.get("SEED", "1")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
CONTROL = "control/app"
CONTROL_ID = "0b2b3c4d-0000-4000-8000-00000000c0c0"
NEWS = "CVE-2026-0002"
DAY_TICKS = 24
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def main(program: str) -> int:
    """Run everything, and say what was found."""
    (configuration_id,) = tomllib.loads(CONFIGURATION.read_text())["dictionaries"]["configurations"]["values"]
    with LocalStack(manual=True, samples=True, start=START) as stack:
        body = {"region": "us-east-1", "registry": "123456789012", "repository": "*"}
        made = send("PUT", f"{stack.url}/configs/{configuration_id}", body, {"If-None-Match": "*"})
        (feed_token,) = parse_qs(urlsplit(made["feed_url"]).query)["token"]
        token = send("POST", f"{stack.url}/dashboard/tokens", {"name": "fuzz"})["token"]
        prepare_control(stack)
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
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--suppress-health-check=all",
            "--generation-database=none",
            # With two threads Hypothesis parses sources in both at once, for which Python 3.11 raises a SystemError now
            # and then: it counts the depth of a syntax tree for the process, not for the thread.
            "--workers=1",
            # The dashboard's own tokens stay, or the run would lock itself out.
            "--exclude-path-regex=^/dashboard/tokens/",
        ]
        status = subprocess.run(
            command, env=os.environ | {"FEED_AUTHORIZATION": basic(feed_token)}, check=False
        ).returncode
        return max(status, check_control(stack))


def finding(vulnerability: str, severity: str) -> dict[str, object]:
    """As ECR has it."""
    attributes = [{"key": "package_name", "value": "openssl"}, {"key": "package_version", "value": "1.1"}]
    return {"name": vulnerability, "severity": severity, "uri": "", "description": "", "attributes": attributes}


def prepare_control(stack: LocalStack) -> None:
    """An image and a configuration that nothing of what is sent is about: they are to be served as before."""
    stack.ecr.create_repository(repositoryName=CONTROL)
    pushed = image("control", "1")
    stack.ecr.put_image(repositoryName=CONTROL, imageManifest=pushed.manifest, imageTag="1")
    stack.post_findings(CONTROL, {"imageTag": "1"}, [finding("CVE-2026-0001", "HIGH")])
    body = {"region": "us-east-1", "registry": "123456789012", "repository": CONTROL}
    send("PUT", f"{stack.url}/configs/{CONTROL_ID}", body, {"If-None-Match": "*"})


def check_control(stack: LocalStack) -> int:
    """Tick on after everything that was sent: 0 when the control's image is scanned again, and what is new told."""
    told_before = len(stack.published)
    stack.post_findings(CONTROL, {"imageTag": "1"}, [finding(name, "CRITICAL") for name in ("CVE-2026-0001", NEWS)])
    stack.advance(hours=25)
    for _ in range(DAY_TICKS):
        try:
            stack.tick()
            stack.drain()
        except FunctionError as error:
            print(f"a tick or a batch failed after what was sent: {error}", flush=True)
            return 1
        if any(NEWS in message.body for message in stack.published[told_before:]):
            print("the control configuration is still scanned and told", flush=True)
            return 0
        stack.advance(minutes=5)
    print("the control configuration is not scanned or not told any more", flush=True)
    return 1


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
