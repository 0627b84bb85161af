"""Requests to the Summary function, and a bucket for it, for the tests of its routes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws

from ecr_rescan.core import keys
from ecr_rescan.core.tokens import TokenSet
from ecr_rescan.runtime import clock, wiring
from functions.summary.app import lambda_handler
from tests.rest import Reply, answer, event

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
BUCKET = "records"
ENVIRONMENT = {
    "BUCKET_NAME": BUCKET,
    "ACCOUNT_ID": "123456789012",
    "AWS_REGION": "us-east-1",
    "PUBLIC_URL": "",
    "SLA_DAYS": "CRITICAL=7,HIGH=30,MEDIUM=90,LOW=180",
}


@contextmanager
def deployment() -> Iterator[Any]:
    """An empty bucket, a cold function, and a clock that stands still."""
    with mock.patch.dict("os.environ", ENVIRONMENT), mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        wiring.reset()
        clock.use(lambda: NOW)
        try:
            yield client
        finally:
            clock.use(None)
            wiring.reset()


def put(s3: Any, key: str, body: bytes) -> None:
    """Store a document."""
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def token(s3: Any, key: str = keys.DASHBOARD_TOKENS) -> str:
    """A token, the same for the same key."""
    tokens, made = TokenSet().add("me", random_bytes=hashlib.sha256(key.encode()).digest(), now=NOW)
    put(s3, key, tokens.to_document())
    return made


def get(resource: str, **more: Any) -> Reply:
    """GET a resource, such as ``/dashboard/{id}``, with ``parameters``, ``query`` and ``headers``."""
    return answer(lambda_handler, event("GET", resource, **more))
