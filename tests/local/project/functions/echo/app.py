"""Answers what it was asked, or misbehaves on request (the query's ``do``)."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import time
from typing import Any

import shared_code


def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    """Do what the query asks for; by default answer the event and what the function sees of its world."""
    wanted = (event["queryStringParameters"] or {}).get("do", "")
    match wanted.split(":"):
        case ["raise"]:
            raise RuntimeError("on request")
        case ["die"]:
            os._exit(3)
        case ["nonsense"]:
            return {"body": "no status"}
        case ["sleep", seconds]:
            time.sleep(float(seconds))
        case ["large", size]:
            return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "x" * int(size)}
        case ["refuse"]:
            return {"statusCode": 401, "headers": {"WWW-Authenticate": "Basic", "Content-Length": "7"}, "body": "no"}
        case ["cookies"]:
            return {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": ""}
        case ["unchanged"]:
            return {"statusCode": 304, "headers": {"ETag": '"1"'}, "body": ""}
        case ["binary"]:
            return {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    answer = {
        "event": event,
        "environment": dict(os.environ),
        "layer": shared_code.NAME,
        "sees_project": importlib.util.find_spec("functions") is not None,
        "remaining": context.get_remaining_time_in_millis(),
        "function": context.function_name,
        "memory": context.memory_limit_in_mb,
    }
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(answer)}
