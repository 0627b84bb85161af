"""The Findings function and its bucket, for tests that send it requests."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import feedparser

from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.tokens import TokenSet
from functions.findings import app
from tests.builders import AT, CONFIG_ID, REGION, REGISTRY, configuration

BUCKET = "ecr-rescan-test"
EVENTS = Path(__file__).parents[2] / "events"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
WRONG_TOKEN = "ecrr_" + "x" * 43
CONTEXT = SimpleNamespace(
    function_name="findings",
    memory_limit_in_mb=128,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:findings",
    aws_request_id="8f2d3c1e",
)


class Stack:
    """The bucket with one configuration and its token, and the function in front of it."""

    def __init__(self, log: io.StringIO) -> None:
        self.log = log
        self.s3 = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket=BUCKET)
        tokens, self.token = TokenSet().add("default", random_bytes=bytes(range(32)), now=AT)
        self.put(keys.tokens_key(CONFIG_ID), tokens.to_document())
        self.configure()
        self.calls: dict[str, int] = {}

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def configure(self, repository: str | list[str] = "team/app", **wire: Any) -> None:
        self.put(keys.config_key(CONFIG_ID), configuration(repository, **wire).to_document())

    def store(self, made: FindingsDocument) -> str:
        key = keys.findings_key(REGISTRY, REGION, made.repository)
        self.put(key, made.to_json())
        return key

    def call(
        self,
        path_id: str = CONFIG_ID,
        *,
        method: str = "GET",
        token: str | None = "",
        query: dict[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        """Send a request; its token is the right one unless another, or None, is given."""
        event = json.loads((EVENTS / "api-get-findings-id.json").read_text())
        parameters = dict(query or {})
        if token is not None:
            parameters["token"] = token or self.token
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        event["httpMethod"] = event["requestContext"]["httpMethod"] = method
        event["path"] = f"/findings/{path_id}"
        event["requestContext"]["path"] = f"/v1/findings/{path_id}"
        event["pathParameters"] = {"id": path_id}
        event["queryStringParameters"] = parameters or None
        event["multiValueQueryStringParameters"] = {name: [value] for name, value in parameters.items()} or None
        event["headers"] |= named
        event["multiValueHeaders"] |= {name: [value] for name, value in named.items()}
        answer = Answer(app.lambda_handler(event, CONTEXT))
        self.calls = self.logged("answered")[-1]["s3_calls"]
        return answer

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The log lines with this message."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["message"] == message]


class Answer:
    """What API Gateway would send."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.status: int = response["statusCode"]
        self.body: str = response["body"]
        self.headers = {name: values[0] for name, values in response["multiValueHeaders"].items()}
        self.is_base64: bool = response["isBase64Encoded"]

    @property
    def error(self) -> dict[str, Any]:
        """The uniform error."""
        value: dict[str, Any] = json.loads(self.body)["error"]
        return value

    @property
    def titles(self) -> list[str]:
        """The titles of a feed that nothing is wrong with."""
        parsed = feedparser.parse(self.body.encode(), response_headers={"content-type": self.headers["Content-Type"]})
        assert not parsed.bozo
        return [entry.title for entry in parsed.entries]
