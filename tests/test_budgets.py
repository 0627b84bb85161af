"""Budgets of AWS calls, counted on their way out: a change that adds a call per image anywhere fails here.

Two sizes are compared wherever that is possible, so that the budgets hold the slope and not the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient

from benchmarks.months import Counted, count
from functions.findings.app import lambda_handler as findings_handler
from functions.summary.app import lambda_handler as summary_handler
from tests.service import Service, basic, service

FEW, MANY = 3, 12
"""Images of the one repository."""

S3 = {"GetObject", "PutObject", "ListObjectsV2", "DeleteObject"}

FINDINGS = [basic("CVE-2026-1"), basic("CVE-2026-2", severity="LOW")]


def counted(work: Callable[[], object]) -> Counter[str]:
    """The AWS calls that some work makes, by operation."""
    calls: Counter[str] = Counter()
    send = BaseClient._make_api_call

    def sent(client: Any, operation: str, parameters: Any) -> Any:
        calls[operation] += 1
        return send(client, operation, parameters)

    with mock.patch.object(BaseClient, "_make_api_call", sent):
        work()
    return calls


def s3_of(calls: Counter[str]) -> Counter[str]:
    """Those that go to the bucket."""
    return Counter({operation: number for operation, number in calls.items() if operation in S3})


def filled(running: Service, images: int) -> dict[str, Any]:
    """A repository whose images are all scanned and recorded; its configuration."""
    for number in range(images):
        digest = running.push("team/app", f"v{number}")
        running.post("team/app", digest, FINDINGS)
    added = running.add("team/app")
    running.cycle(2)
    return added


def at_both_sizes(measure: Callable[[Service, dict[str, Any]], Counter[str]]) -> tuple[Counter[str], Counter[str]]:
    """The calls of the same work over few and over many images."""
    found = []
    for images in (FEW, MANY):
        with service() as running:
            found.append(measure(running, filled(running, images)))
    return found[0], found[1]


def test_a_tick_with_nothing_due_makes_the_same_calls_over_any_number_of_images() -> None:
    """Nothing is read by image, and ECR is not asked at all."""
    few, many = at_both_sizes(lambda running, _: counted(running.tick))
    assert few == many
    assert set(many) <= S3
    assert sum(many.values()) <= 15


def test_a_tick_that_starts_scans_makes_one_call_of_ecr_for_each_and_writes_as_often_over_any_number() -> None:
    """One StartImageScan for each image; the ledger is written once for all of them."""

    def of_a_day(running: Service, added: dict[str, Any]) -> Counter[str]:
        running.advance(hours=23, minutes=50)
        calls: Counter[str] = Counter()
        for _ in range(5):
            calls += counted(running.tick)
            running.advance(minutes=5)
        return calls

    few, many = at_both_sizes(of_a_day)
    assert (few["StartImageScan"], many["StartImageScan"]) == (FEW, MANY)
    assert s3_of(few) == s3_of(many)
    assert set(few) - S3 == set(many) - S3


def test_recording_makes_one_call_of_ecr_for_each_result_and_writes_as_often_over_any_number() -> None:
    """A batch about one repository is two documents read and written, however many results it brings."""

    def of_a_batch(running: Service, added: dict[str, Any]) -> Counter[str]:
        running.advance(hours=24)
        for _ in range(3):
            running.tick()
            running.advance(minutes=5)
        return counted(running.drain)

    few, many = at_both_sizes(of_a_batch)
    assert (few["DescribeImageScanFindings"], many["DescribeImageScanFindings"]) == (FEW, MANY)
    assert s3_of(few) == s3_of(many)
    assert many["PutObject"] <= 4


@pytest.mark.parametrize("path", ["/summary", "/summary/{id}"])
def test_a_summary_makes_the_same_calls_over_any_number_of_images(path: str) -> None:
    """Documents are read by repository, cold; warm nothing is read that has not changed; ECR is never called."""

    def measure(running: Service, added: dict[str, Any]) -> Counter[str]:
        running.restart()
        parameters = {"id": added["id"]} if "{id}" in path else None
        return counted(lambda: running.api(summary_handler, "GET", path, parameters=parameters))

    few, many = at_both_sizes(measure)
    assert few == many
    assert set(many) <= S3


def test_the_gate_makes_the_same_calls_over_any_number_of_images_and_repositories() -> None:
    """Cold: the configurations, two documents of one repository, signals; warm: three listings, and signals by ETag."""

    def ask(running: Service) -> Counter[str]:
        query = {"image": "team/app:v1", "compared_to": "v0"}
        return counted(lambda: running.api(summary_handler, "GET", "/gate", query=query))

    def cold(running: Service, added: dict[str, Any]) -> Counter[str]:
        running.restart()
        return ask(running)

    def beside_others(running: Service, added: dict[str, Any]) -> Counter[str]:
        for number in range(4):
            running.push(f"team/other-{number}", "1")
        running.add("team/other-*")
        running.cycle(2)
        ask(running)
        return ask(running)

    few, many = at_both_sizes(cold)
    assert few == many == Counter(ListObjectsV2=3, GetObject=4)
    few, many = at_both_sizes(beside_others)
    assert few == many == Counter(ListObjectsV2=3, GetObject=1)


def test_a_feed_makes_the_same_calls_over_any_number_of_images_and_four_where_it_is_unchanged() -> None:
    """Cold: the configuration, its tokens, signals, a listing, a document, and that the token was used; later reads."""

    def cold(running: Service, added: dict[str, Any]) -> Counter[str]:
        running.restart()
        return counted(lambda: running.feed(added))

    def unchanged(running: Service, added: dict[str, Any]) -> Counter[str]:
        etag = running.feed(added).headers["etag"]
        token = added["feed_url"].partition("token=")[2]
        more = {"parameters": {"id": added["id"]}, "query": {"token": token}, "headers": {"If-None-Match": etag}}

        def ask() -> None:
            assert running.api(findings_handler, "GET", "/findings/{id}", **more).status == 304

        return counted(ask)

    few, many = at_both_sizes(cold)
    assert few == many == Counter(GetObject=4, ListObjectsV2=1, PutObject=1)
    few, many = at_both_sizes(unchanged)
    assert few == many == Counter(GetObject=3, ListObjectsV2=1)


@pytest.fixture(scope="module")
def days() -> tuple[Counted, Counted]:
    """A steady day of 100 and of 300 images in 10 repositories, simulated."""
    return count(100, 10), count(300, 10)


@pytest.mark.parametrize(
    ("operation", "budget"),
    [
        (("ecr", "StartImageScan"), 1.05),
        (("ecr", "DescribeImageScanFindings"), 1.1),
        (("ecr", "DescribeImages"), 0.05),
        (("ecr", "BatchGetImage"), 0.05),
        (("s3", "GetObject"), 0.6),
        (("s3", "PutObject"), 0.4),
        (("s3", "ListObjectsV2"), 0.2),
        (("sqs", "SendMessageBatch"), 0.1),
        (("sns", "Publish"), 0.05),
    ],
)
def test_a_day_costs_so_many_calls_for_each_image_more(
    days: tuple[Counted, Counted], operation: tuple[str, str], budget: float
) -> None:
    """The slope between two sizes of the same registry: one start, one read, and next to nothing else."""
    smaller, larger = days
    more = (larger.calls[operation] - smaller.calls[operation]) / (larger.images - smaller.images)
    assert more <= budget


def test_a_day_of_ticks_costs_a_bounded_number_of_calls(days: tuple[Counted, Counted]) -> None:
    """What is paid without any image: five configurations in two registries, 288 ticks.

    A tick lists the configurations, their notices, and the ledgers of either registry; a batch the configurations; and
    the day has a few listings of its own: of the findings to count, of the counts, of what was left behind.
    """
    smaller, _ = days
    assert smaller.ticks == 288
    assert smaller.calls["s3", "ListObjectsV2"] <= 4 * 288 + smaller.batches + 15
    assert smaller.calls["s3", "GetObject"] <= 11 * 288
