"""What first requests are compared with: a handler that makes the same clients with boto3, and the same calls of S3."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.config import Config

CLIENTS: dict[str, Any] = {}


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Make the clients of the event's ``services``, and its ``calls`` (how many of each operation)."""
    session = boto3.Session()
    for service in event["services"]:
        CLIENTS[service] = session.client(service, config=Config(max_pool_connections=16))
    s3, bucket, key = CLIENTS["s3"], os.environ["BUCKET_NAME"], event["key"]
    read = []
    for operation, number in event["calls"].items():
        for _ in range(number):
            if operation == "GetObject":
                read.append(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
            elif operation == "ListObjectsV2":
                s3.list_objects_v2(Bucket=bucket, Prefix=key)
            else:
                s3.put_object(Bucket=bucket, Key=f"bare/{key}", Body=b"{}")
    return {"statusCode": 200, "body": json.dumps(read)}
