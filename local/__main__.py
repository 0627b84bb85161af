"""``python -m local``: run the service with its embedded AWS until it is interrupted."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from queue import SimpleQueue

from local.settings import SettingError, Settings
from local.web import HOST


def main() -> int:
    """Start, say what to open, wait for SIGINT or SIGTERM, end cleanly."""
    began = time.monotonic()
    # Of all that threads wait for, only this may be told from within a signal's handler (its put is reentrant).
    ending: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: ending.put(number))
    try:
        settings = Settings.from_environment(os.environ)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    print("starting the embedded AWS and the four functions ...", flush=True)
    _forget_own_configuration()
    # Samples of what the service reads are made for the addresses that it knows.
    sys.path.append(str(Path(__file__).resolve().parents[1] / "layers" / "shared"))
    # Here, not above: moto takes a second to import, and a wrong setting should say so at once.
    from local.ecr.scanning import ScanRules
    from local.stack import LocalStack
    from local.template import TemplateError

    for name, port in (("API_PORT", settings.api_port), ("AWS_PORT", settings.aws_port)):
        if _is_taken(port):
            print(f"{name}: port {port} is in use; choose another: make run {name}=...", file=sys.stderr)
            return 2
    try:
        with LocalStack(
            samples=settings.samples,
            api_port=settings.api_port,
            aws_port=settings.aws_port,
            clock_speed=settings.clock_speed,
            tick_seconds=settings.tick_seconds,
            rules=ScanRules(scan_seconds=settings.scan_seconds),
            verbose=settings.verbose,
        ) as stack:
            print(_banner(settings, stack.url, stack.endpoint, time.monotonic() - began), flush=True)
            ending.get()
            print("ending", flush=True)
    except TemplateError as error:
        print(f"template.yaml: {error}", file=sys.stderr)
        return 1
    return 0


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _forget_own_configuration() -> None:
    # A profile, an endpoint or a proxy of this machine must not get between the stack and its own ports.
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_PORT"]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    # Of a variable for proxies in both letter cases, the lower one counts.
    os.environ |= {"NO_PROXY": HOST, "no_proxy": HOST}


def _banner(settings: Settings, url: str, endpoint: str, seconds: float) -> str:
    pace = "in real time" if settings.clock_speed == 1 else f"a day passes in {86400 / settings.clock_speed:.0f} s"
    return f"""
The local AWS is at {endpoint} (any credentials, region us-east-1).
Time: {pace}; the schedule runs every {settings.tick_seconds:g} s.
Signatures are not checked here. In an AWS account the routes marked (IAM) want them.

  # (IAM) Scan everything; the answer holds the feed's URL.
  curl -s {url}/configs -H 'content-type: application/json' \\
    -d '{{"region": "us-east-1", "registry": "123456789012", "repository": "*"}}'
  # (IAM) What is configured, and what was found.
  curl -s {url}/configs
  curl -s {url}/summary -H 'accept: text/plain'
  # (IAM) A token for the dashboard; the answer holds its URL.
  curl -s {url}/dashboard/tokens -H 'content-type: application/json' -d '{{"name": "me"}}'
  # Any AWS client works on the local registry.
  aws --endpoint-url {endpoint} --region us-east-1 ecr describe-repositories

LOG=1 shows what the functions log. Interrupt (^C) to end.

ready {url} after {seconds:.1f} s"""


if __name__ == "__main__":
    sys.exit(main())
