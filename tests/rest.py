"""REST API proxy events as API Gateway sends them, and a context, for tests that call a ``lambda_handler``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

DOMAIN = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
BASE = f"https://{DOMAIN}/v1"

CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
    aws_request_id="7d9c2f4e-0000-4000-8000-000000000000",
)


def event(
    method: str,
    resource: str,
    *,
    parameters: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: str | None = None,
    base64_encoded: bool = False,
    path_before: str = "/v1",
    domain: str = DOMAIN,
    slash: bool = False,
    address: str = "",
    principal: str = "",
    request_id: str = "b7efc553-45ee-4e8e-b756-037e6e64d031",
) -> dict[str, Any]:
    """A proxy event; ``path_before`` is the stage, or the base path of a custom ``domain``."""
    path = resource.format(**(parameters or {})) + ("/" if slash else "")
    sent = {"X-Forwarded-Proto": "https", **(headers or {})}
    return {
        "resource": resource,
        "path": path if domain == DOMAIN else path_before + path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "path": path_before + path,
            "resourcePath": resource,
            "stage": "v1",
            "domainName": domain,
            "identity": {"sourceIp": address, "userArn": principal} if address else {},
            "requestId": request_id,
        },
        "body": body,
        "isBase64Encoded": base64_encoded,
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def answer(handler: Callable[[dict[str, Any], Any], dict[str, Any]], request: dict[str, Any]) -> Reply:
    """Call a handler, and hold its answer to what API Gateway takes."""
    raw = json.loads(json.dumps(handler(request, CONTEXT)))
    assert raw["isBase64Encoded"] is False
    headers = {name.lower(): ", ".join(values) for name, values in raw["multiValueHeaders"].items()}
    return Reply(raw["statusCode"], headers, raw["body"] or "")
