"""What is measured, each in a process of its own: ``python -m benchmarks.scenarios NAME RESULT_FILE [ARGUMENTS]``.

A new process is as cold as a new execution environment, and its peak memory is that of what it did alone. What the
handlers log goes to standard output; the figures go to the file, as JSON: seconds, and of the whole process ``peak_mb``
and ``processor``, its seconds on a processor.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()
"""Before anything is imported that a function imports."""

import http.client  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Mapping, Sequence  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

EVENTS = Path(__file__).parent.parent / "events"
CONFIG_ID = "6f2d3c1e-8a47-4b0e-9c55-1d7e2a90b3f4"
WORKERS_AT_ONCE = 16
BATCH = 500
"""Messages, as the template has it."""

Figures = dict[str, Any]


def at_noon() -> None:
    """Set the service's clock to the time of the records."""
    from ecr_rescan.runtime import clock

    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    clock.use(lambda: noon)


def asked(event: str, token: str) -> dict[str, Any]:
    """An event of ``events/``, about the configuration of the records."""
    made: dict[str, Any] = json.loads((EVENTS / event).read_text())
    if made.get("pathParameters"):
        made["pathParameters"] = {"id": CONFIG_ID}
        made["path"] = f"{made['path'].rpartition('/')[0]}/{CONFIG_ID}"
    if "token" in (made.get("queryStringParameters") or {}):
        made["queryStringParameters"] = {"token": token}
        made["multiValueQueryStringParameters"] = {"token": [token]}
    return made


def request(
    event: str, handler: Callable[[dict[str, Any], Any], Mapping[str, Any]], **headers: str
) -> tuple[float, float, Mapping[str, Any]]:
    """One request through a handler: seconds, seconds of the processor, and the answer."""
    sent = asked(event, os.environ["BENCH_TOKEN"])
    if headers:
        sent["headers"] |= headers
        sent["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
    began, busy = time.perf_counter(), time.process_time()
    answer = handler(sent, context())
    return time.perf_counter() - began, time.process_time() - busy, answer


def context(seconds: float = 240) -> SimpleNamespace:
    """What Lambda tells a handler of itself."""
    return SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:bench",
        aws_request_id="7d9c2f4e-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: int(seconds * 1000),
    )


def calls() -> dict[str, int]:
    """The AWS calls since this was last asked, by operation, as the stub counted them."""
    connection = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    connection.request("GET", "/_counts")
    counts: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return counts


def feed(warm: int = 5) -> Figures:
    """A configuration's feed: first request of a new process, later ones, and 304."""
    calls()
    from functions.findings.app import lambda_handler

    imported = time.perf_counter() - BEGAN
    at_noon()
    first, _, answer = request("api-get-findings-id.json", lambda_handler)
    _expect(answer, 200)
    figures: Figures = {"cold": imported + first, "calls_cold": calls(), "bytes": len(answer["body"])}
    again = [request("api-get-findings-id.json", lambda_handler) for _ in range(warm)]
    figures |= {"warm": [seconds for seconds, _, _ in again], "calls_warm": _each(calls(), warm)}
    etag = answer["multiValueHeaders"]["ETag"][0]
    known = {"If-None-Match": etag}
    unchanged = [request("api-get-findings-id.json", lambda_handler, **known) for _ in range(3 * warm)]
    for _, _, reply in unchanged:
        _expect(reply, 304)
    figures |= {
        "unchanged": [seconds for seconds, _, _ in unchanged],
        "unchanged_own": [busy for _, busy, _ in unchanged],
        "calls_unchanged": _each(calls(), 3 * warm),
    }
    return figures


def summary(warm: int = 5) -> Figures:
    """``GET /summary``."""
    return _page("api-get-summary.json", warm)


def dashboard(warm: int = 5) -> Figures:
    """A configuration's dashboard."""
    return _page("api-get-dashboard-id.json", warm)


def vulnerabilities(warm: int = 5) -> Figures:
    """A page of the list of what is open."""
    return _page("api-get-vulnerabilities.json", warm)


def gate(image: str, warm: int = 40) -> Figures:
    """The gate about one image, in turn with bare reads of the objects that it needs: get, gunzip, ``json.loads``."""
    import gzip

    import boto3

    from ecr_rescan.core import keys
    from ecr_rescan.core.gate.question import parse_image
    from functions.summary.app import lambda_handler

    at_noon()
    named = parse_image(image)
    assert named is not None
    place = named.registry or "", named.region or "", named.repository
    needed = (keys.config_key(CONFIG_ID), keys.images_key(*place), keys.findings_key(*place))
    s3, bucket = boto3.client("s3"), os.environ["BUCKET_NAME"]

    def read() -> float:
        began = time.perf_counter()
        for key in needed:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        return time.perf_counter() - began

    event = asked("api-get-gate.json", os.environ["BENCH_TOKEN"])
    event["queryStringParameters"] = {"image": image}

    def ask() -> float:
        began = time.perf_counter()
        _expect(answer := lambda_handler(event, context()), 200)
        assert '"verdict": "unknown"' not in answer["body"], answer["body"]
        return time.perf_counter() - began

    ask(), read(), calls()
    figures: Figures = {"warm": [ask() for _ in range(warm)]}
    figures["calls_warm"] = _each(calls(), warm)
    return figures | {"reads": [read() for _ in range(warm)]}


def _page(event: str, warm: int) -> Figures:
    calls()
    from functions.summary.app import lambda_handler

    imported = time.perf_counter() - BEGAN
    at_noon()
    first, _, answer = request(event, lambda_handler)
    _expect(answer, 200)
    figures: Figures = {"cold": imported + first, "calls_cold": calls(), "bytes": len(answer["body"])}
    again = [request(event, lambda_handler) for _ in range(warm)]
    return figures | {"warm": [seconds for seconds, _, _ in again], "calls_warm": _each(calls(), warm)}


def bare_reads(*prefixes: str) -> Figures:
    """What reading and decoding the same documents costs by itself: list, get 16 at a time, gunzip, ``json.loads``."""
    import gzip
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3", config=Config(max_pool_connections=WORKERS_AT_ONCE))
    bucket = os.environ["BUCKET_NAME"]

    def read(key: str) -> object:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)

    def everything() -> list[object]:
        keys = []
        for prefix in prefixes:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                keys += [item["Key"] for item in page.get("Contents", ())]
        with ThreadPoolExecutor(WORKERS_AT_ONCE) as pool:
            return list(pool.map(read, keys))

    everything()
    figures: Figures = {"cold": time.perf_counter() - BEGAN}
    listed = []
    for _ in range(5):
        began = time.perf_counter()
        for prefix in prefixes:
            s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        listed.append(time.perf_counter() - began)
    return figures | {"listed": listed}


def feed_of_one(entries: int) -> Figures:
    """A feed of one repository, made from its document, in turn with the same entries by feedgen and by lxml."""
    import gc

    from benchmarks import bare_feeds, world
    from ecr_rescan.core.changes.alerts import alerts
    from ecr_rescan.core.changes.coverage import coverage
    from ecr_rescan.core.changes.findings import FindingsDocument
    from ecr_rescan.core.telling.feed import FeedSource, render_feed
    from ecr_rescan.core.telling.feed_filters import FeedFilters

    made = world.findings_document(1, world.Scale(1, 2, entries * 10 // 12))
    document = FindingsDocument.from_json("bench", made.to_json())
    configuration = world.configuration(document.repository)

    def ours() -> str:
        covered = coverage(configuration, [document])
        source = FeedSource(configuration, [document], covered, FeedFilters(), "https://api.example.com/feed")
        return render_feed(source, alerts(configuration, [document], on=world.NOW.date()))

    same = bare_feeds.entries_of(ours())
    ways: dict[str, Callable[[], object]] = {
        "ours": ours,
        "feedgen": lambda: bare_feeds.by_feedgen(same),
        "lxml": lambda: bare_feeds.by_lxml(same),
    }
    figures: Figures = {name: [] for name in ways} | {"entries": len(same)}
    for _ in range(9):
        for name, way in ways.items():
            gc.collect()
            began = time.perf_counter()
            way()
            figures[name].append(time.perf_counter() - began)
    return figures


def tick(warm: int = 5) -> Figures:
    """Ticks with nothing due: the first of a new process, and later ones."""
    calls()
    from functions.start_scan.app import lambda_handler

    imported = time.perf_counter() - BEGAN
    at_noon()
    event = json.loads((EVENTS / "schedule.json").read_text())
    began = time.perf_counter()
    lambda_handler(event, context())
    figures: Figures = {"cold": imported + time.perf_counter() - began, "calls_cold": calls(), "warm": []}
    for _ in range(warm):
        began = time.perf_counter()
        lambda_handler(event, context())
        figures["warm"].append(time.perf_counter() - began)
    return figures | {"calls_warm": _each(calls(), warm)}


def record(part: int, parts: int) -> Figures:
    """One of two workers that record completions of one repository, in batches, until all are recorded."""
    from functions.start_scan.app import lambda_handler

    at_noon()
    waiting = _completions(part, parts)
    received = dict.fromkeys(range(len(waiting)), 0)
    batches = dead = 0
    began = time.perf_counter()
    left = list(received)
    while left:
        batch, left = left[:BATCH], left[BATCH:]
        for number in batch:
            received[number] += 1
        records = [_message(number, waiting[number], received[number]) for number in batch]
        answer = lambda_handler({"Records": records}, context())
        failed = [int(item["itemIdentifier"]) for item in answer["batchItemFailures"]]
        dead += sum(received[number] >= 8 for number in failed)
        left += [number for number in failed if received[number] < 8]
        batches += 1
    return {"seconds": time.perf_counter() - began, "batches": batches, "dead": dead}


def record_reads(part: int, parts: int) -> Figures:
    """The reads alone: the same scan results, all pages, with the service's own client settings."""
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore.config import Config

    ecr = boto3.client("ecr", config=Config(max_pool_connections=WORKERS_AT_ONCE, retries={"total_max_attempts": 1}))

    def read(digest: str) -> object:
        asked = {"registryId": "123456789012", "repositoryName": "team-0/service-0", "maxResults": 1000}
        return ecr.describe_image_scan_findings(**asked, imageId={"imageDigest": digest})

    digests = _completions(part, parts)
    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS_AT_ONCE) as pool:
        list(pool.map(read, digests))
    return {"seconds": time.perf_counter() - began}


def _completions(part: int, parts: int) -> list[str]:
    digests: list[str] = json.loads(Path(os.environ["BENCH_DIGESTS"]).read_text())
    return digests[part::parts]


def _message(number: int, digest: str, received: int) -> dict[str, Any]:
    body = {
        "version": "0",
        "id": f"4a8a08f0-9d37-4737-9564-{number:012}",
        "detail-type": "ECR Image Scan",
        "source": "aws.ecr",
        "account": "123456789012",
        "time": "2026-03-02T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"scan-status": "COMPLETE", "repository-name": "team-0/service-0", "image-digest": digest},
    }
    return {
        "messageId": str(number),
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(received)},
    }


def _each(counts: Mapping[str, int], times: int) -> dict[str, float]:
    return {operation: count / times for operation, count in counts.items()}


def _expect(answer: Mapping[str, Any], status: int) -> None:
    if answer["statusCode"] != status:
        raise SystemExit(f"{answer['statusCode']} instead of {status}: {answer['body'][:500]}")


SCENARIOS: dict[str, Callable[..., Figures]] = {
    found.__name__: found
    for found in (
        feed,
        summary,
        dashboard,
        vulnerabilities,
        gate,
        tick,
        bare_reads,
        feed_of_one,
        record,
        record_reads,
    )
}


def main(arguments: Sequence[str]) -> None:
    """Run one scenario and write down what came of it."""
    name, result, given = arguments
    figures = SCENARIOS[name](*json.loads(given))
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures |= {"peak_mb": used.ru_maxrss / 1024, "processor": used.ru_utime + used.ru_stime}
    Path(result).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
