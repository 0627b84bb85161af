"""Keeps what it gets in the bucket; fails for messages that say so."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3

S3 = boto3.client("s3")


def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    """Store each record of a batch by its id, but fail those with ``fail`` in them; publish that a tick came."""
    if "Records" not in event:
        boto3.client("sns").publish(TopicArn=os.environ["TOPIC_ARN"], Subject="tick", Message=event["time"])
        return {"time": event["time"]}
    failed = [record["messageId"] for record in event["Records"] if "fail" in record["body"]]
    for record in event["Records"]:
        if record["messageId"] not in failed:
            S3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=record["messageId"], Body=json.dumps(record).encode())
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}
