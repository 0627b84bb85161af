"""A client of ECR whose replies are scripted on the wire, below everything that botocore does with them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from ecr_rescan.adapters.backoff import PatientClient
from ecr_rescan.adapters.ecr import Registry

REGISTRY, REGION = "123456789012", "us-east-1"
A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DATA = Path(__file__).parents[1] / "data" / "ecr"
TIMEOUT = ReadTimeoutError(endpoint_url="https://ecr.example")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://ecr.example")

Reply = dict[str, Any] | tuple[int, str] | Exception
"""A success; a status and an error code; or a connection that fails."""


class Wire:
    """Answers a client's requests from a script, below everything that botocore does with them."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.sleeps: list[float] = []

    def __call__(self, request: Any, **_: object) -> AWSResponse:
        self.requests.append((request.headers["X-Amz-Target"].decode().rpartition(".")[2], json.loads(request.body)))
        reply = self.replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        status, body = 200, reply
        if isinstance(reply, tuple):
            status, body = reply[0], {"__type": reply[1], "message": f"about {reply[1]}"}
        response = AWSResponse(request.url, status, {}, None)
        response._content = json.dumps(body).encode()
        return response


@cache
def _session() -> boto3.Session:
    # Its first client costs a third of a second, the others next to nothing.
    return boto3.Session()


def client(wire: Callable[..., AWSResponse] | None = None) -> Any:
    """A client that makes one attempt per call, as the service's own do."""
    made = _session().client(
        "ecr",
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    if wire:
        made.meta.events.register("before-send.ecr", wire)
    return made


def registry(wire: Wire, *, own: bool = True, seconds_left: float = 1e9, chance: float = 0.0) -> Registry:
    """The adapter at the end of a wire."""
    made = PatientClient(
        client(wire), own=own, seconds_left=lambda: seconds_left, sleep=wire.sleeps.append, chance=lambda: chance
    )
    return at(made)


def at(*clients: PatientClient) -> Registry:
    """The registry, asked with these clients."""
    return Registry(lambda: clients, registry=REGISTRY, region=REGION)


def recorded(name: str) -> dict[str, Any]:
    """A recorded reply."""
    reply: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return reply
