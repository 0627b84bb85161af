"""What AWS charges: its list prices in US dollars for us-east-1, without the free tier.

Sources: the pricing pages of Amazon S3, AWS Lambda (arm64), Amazon SQS, Amazon EventBridge, Amazon SNS, Amazon
CloudWatch, Amazon API Gateway (REST) and Amazon Inspector. Check them before relying on a sum: they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DATE = "2026-11-23"
DAYS = 30.4

PER_CALL = {
    ("s3", "PutObject"): 5.00e-6,
    ("s3", "ListObjectsV2"): 5.00e-6,
    ("s3", "DeleteObject"): 0.0,
    ("s3", "GetObject"): 0.40e-6,
    ("sqs", "SendMessageBatch"): 0.40e-6,
    ("sqs", "GetQueueAttributes"): 0.40e-6,
    ("sns", "Publish"): 0.50e-6,
}
"""ECR's and STS's calls cost nothing; neither do EventBridge's schedule and the events of AWS services."""

SQS_REQUEST = 0.40e-6
LAMBDA_REQUEST = 0.20e-6
LAMBDA_GB_SECOND = 13.3334e-6
LOG_GB = 0.50
METRIC = 0.30
METRICS = 8
"""Custom metrics that StartScan writes; one stays silent while nothing goes wrong."""
ALARM_METRIC = 0.10
ALARM_METRICS = 14
"""Metrics that alarms look at, which is what CloudWatch counts."""
API_REQUEST = 3.50e-6

INSPECTOR_FIRST = 0.09
INSPECTOR_AGAIN = 0.01

MEMORY_GB = 1.0
LOG_LINE_BYTES = 1500
POLLS_A_DAY = 5 * 3 * 60 * 24
"""Lambda's five pollers of an idle queue, each waiting 20 seconds."""


@dataclass(frozen=True, slots=True)
class Day:
    """What a day of the service took.

    ``calls``: AWS calls by (service, operation). ``events``: messages from EventBridge. ``ticks``, ``batches``:
    invocations. ``seconds``: of Lambda.
    """

    calls: Mapping[tuple[str, str], float]
    events: float
    ticks: float
    batches: float
    seconds: float


def monthly_bill(day: Day) -> dict[str, float]:
    """A month of such days, in dollars by service; metrics and alarms come on top."""
    by_service = dict.fromkeys(("s3", "sqs", "sns"), 0.0)
    for (service, operation), number in day.calls.items():
        if service in by_service:
            by_service[service] += number * PER_CALL[service, operation]
    # Each event is sent once, received in tens and deleted in tens.
    by_service["sqs"] += (POLLS_A_DAY + day.events * 1.2) * SQS_REQUEST
    invocations = day.ticks + day.batches
    by_service["lambda"] = invocations * LAMBDA_REQUEST + day.seconds * MEMORY_GB * LAMBDA_GB_SECOND
    by_service["logs"] = invocations * LOG_LINE_BYTES / 1e9 * LOG_GB
    return {service: dollars * DAYS for service, dollars in by_service.items()}


def inspector(images: int) -> float:
    """Amazon Inspector re-scanning every image once a day: a month of re-scans, first scans apart."""
    return images * DAYS * INSPECTOR_AGAIN


def naive(images: int, *, readers: int = 10) -> float:
    """The obvious design: every tick tries every image, one object per image, read live at every request.

    288 ticks a day try each image at 20 ms a call, 16 at a time; each image's object is written once a day; ten readers
    ask for the feed four times an hour, which reads every object.
    """
    tries = 288 * images
    lambda_seconds = tries * 0.020 / 16
    reads = readers * 4 * 24 * images
    day = lambda_seconds * MEMORY_GB * LAMBDA_GB_SECOND + images * PER_CALL["s3", "PutObject"]
    return (day + reads * PER_CALL["s3", "GetObject"]) * DAYS
