"""Shares of a tick: who is slow, silent or broken takes nobody else's time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ConnectTimeoutError

from ecr_rescan.adapters.credentials import EcrClients
from ecr_rescan.core.keys import account_key
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.runtime.scanning import scan_wiring, start_scan
from ecr_rescan.runtime.scanning.shares import Shares, rotated
from local.template import ACCOUNT
from tests.builders import AT
from tests.service import Service, service

SILENT, OTHER = "ap-south-1", "eu-west-1"


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with empty registries."""
    with service() as running:
        yield running


class SilentRegion:
    """Lets every call to a Region run into a timeout that takes ten seconds of the invocation."""

    def __init__(self, aws: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self.speaks = False
        self.calls = 0
        make = scan_wiring._ecr

        def made(region: str, credentials: Any) -> Any:
            client = make(region, credentials)
            if region == SILENT:
                client.meta.events.register_first("before-call.ecr", self)
            return client

        monkeypatch.setattr(scan_wiring, "_ecr", made)
        aws.restart()

    def __call__(self, **_: object) -> None:
        """What botocore asks before it sends."""
        if not self.speaks:
            self.calls += 1
            self.aws.seconds_left -= 10
            raise ConnectTimeoutError(endpoint_url="https://ecr.example")

    def tick(self, minutes: float = 5) -> None:
        """A tick with the whole time before it."""
        self.aws.seconds_left = 240
        self.aws.tick()
        self.aws.advance(minutes=minutes)


def problems(aws: Service, region: str) -> list[str]:
    (found,) = [item for item in aws.summary()["configurations"] if item["region"] == region]
    shown: list[str] = found["problems"]
    return shown


def test_time_is_shared_among_those_who_are_still_to_come() -> None:
    left = 130.0
    shares = Shares(lambda: left, reserve=30)
    assert (shares(), shares.in_all()) == (100, 100)
    shares.begin(4)
    assert shares() == 25
    left = 120.0
    assert shares() == 15
    shares.begin(3)
    assert shares() == 30
    left = 20.0
    shares.begin(2)
    assert shares() <= 0


def test_another_one_is_first_at_each_tick() -> None:
    orders = [rotated("abc", AT + timedelta(minutes=5 * number)) for number in range(3)]
    assert sorted(order[0] for order in orders) == ["a", "b", "c"]
    assert {"".join(sorted(order)) for order in orders} == {"abc"}
    assert rotated([], AT) == []


def test_a_silent_region_costs_three_calls_and_is_then_left_alone(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = SilentRegion(aws, monkeypatch)
    for number in range(20):
        aws.put_into(aws.fake.registry(region=SILENT), f"team/app-{number}", "1")
    aws.push("team/app", "1")
    aws.add("team/*", region=SILENT)
    aws.add("team/*")
    silent.tick()
    assert (silent.calls, aws.started()) == (3, 1)
    silent.tick()
    assert silent.calls == 4
    for _ in range(10):
        silent.tick()
    assert silent.calls <= 8, "one call in two and then three ticks"
    (problem,) = problems(aws, SILENT)
    assert "does not answer" in problem
    assert "tried again after 2026-03-01T1" in problem
    assert problems(aws, aws.ecr.meta.region_name) == []
    silent.speaks = True
    for _ in range(6):
        silent.tick()
    assert aws.ledger("team/app-19", region=SILENT).manifests
    assert aws.started("team/app-19") == 1
    assert problems(aws, SILENT) == []


def test_a_silent_region_does_not_keep_a_batch_from_recording_the_others(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = SilentRegion(aws, monkeypatch)
    silent.speaks = True
    digests = {}
    for region in (SILENT, "us-east-1"):
        digests[region] = aws.put_into(aws.fake.registry(region=region), "team/app", "1")
        aws.add("team/app", region=region)
    silent.tick(2)
    aws.events()
    silent.speaks = False
    records = [
        {"messageId": f"{region}", "body": json.dumps({"ask": ask}), "attributes": {}}
        for region, digest in digests.items()
        for ask in [{"registry": ACCOUNT, "region": region, "repository": "team/app", "digest": digest}]
    ]
    many = [{**records[0], "messageId": str(number)} for number in range(30)]
    assert aws.deliver([*many, *records]) == {SILENT, *map(str, range(30))}
    assert silent.calls == 3
    assert aws.ledger("team/app").manifests[digests["us-east-1"]].completed_at is not None
    aws.advance(hours=2)
    silent.tick(minutes=0)
    calls = silent.calls
    assert aws.deliver(records) == {SILENT}
    assert silent.calls == calls, "the tick has noted that the Region is silent"


def test_an_error_that_nobody_foresaw_is_the_problem_of_its_account(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = EcrClients.client

    def broken(self: EcrClients, region: str, role_arn: str | None) -> Any:
        if region == SILENT:
            raise RuntimeError("a surprise")
        return client(self, region, role_arn)

    monkeypatch.setattr(EcrClients, "client", broken)
    aws.push("team/app", "1")
    aws.add("team/app", region=SILENT)
    aws.add("team/app")
    with mock.patch.object(start_scan.logger, "info") as log:
        aws.cycle()
    assert aws.started() == 1
    assert "a surprise" in problems(aws, SILENT)[0]
    ticks = [call for call in log.call_args_list if call.args == ("tick",)]
    assert ticks[0].kwargs["problems"] == {"unexpected": 1}


def test_an_account_document_that_cannot_be_read_stops_nothing_else(aws: Service) -> None:
    for region in (OTHER, "us-east-1"):
        aws.put_into(aws.fake.registry(region=region), "team/app", "1")
        aws.add("team/app", region=region)
    aws.s3.put_object(Bucket=aws.bucket, Key=account_key(ACCOUNT, OTHER), Body=b"{")
    aws.cycle()
    assert [call.region for call in aws.fake.calls.of("StartImageScan")] == ["us-east-1"]
    assert aws.read(account_key(ACCOUNT, OTHER)) == b"{"


def test_a_slow_account_takes_its_share_and_later_what_others_leave(aws: Service) -> None:
    slow = aws.fake.registry(region=SILENT)
    for number in range(40):
        aws.put_into(slow, f"slow/app-{number:02}", "1")
    for number in range(3):
        aws.push(f"team/app-{number}", "1")
    aws.add("slow/*", region=SILENT)
    aws.add("team/*")
    call = slow.call

    def slowly(operation: str, params: dict[str, Any], refusal: Any = None) -> Any:
        aws.seconds_left -= 3
        return call(operation, params, refusal)

    with mock.patch.object(slow, "call", slowly):
        for _ in range(2):
            aws.seconds_left = 240
            aws.tick()
            aws.advance(minutes=5)
    started = [call.region for call in aws.fake.calls.of("StartImageScan")]
    assert started.count("us-east-1") == 3
    assert started.count(SILENT) >= 20
    assert aws.seconds_left > 0


@pytest.mark.parametrize("warm", [True, False])
def test_what_was_not_reached_counts_as_overdue(aws: Service, warm: bool) -> None:
    aws.push("team/app", "1")
    aws.add("team/app")
    aws.cycle()
    if not warm:
        aws.restart()
    aws.advance(hours=26)
    aws.seconds_left = 25
    with mock.patch.object(start_scan, "metrics") as metrics:
        aws.tick()
    counted = {call.args[0]: call.args[2] for call in metrics.add_metric.call_args_list}
    assert (counted["ImagesSelected"], counted["ImagesOverdue"]) == (1, 1)
    assert aws.started() == 1


def test_a_rest_grows_with_each_failure_in_a_row() -> None:
    account = Account(ACCOUNT, OTHER)
    waits = (timedelta(hours=1), timedelta(hours=2))
    for _ in range(3):
        account.rest("it", waits, "why", AT)
    assert account.rests["it"].until == AT + timedelta(hours=2)
    assert account.problem_for(None) == "why; tried again after 2026-03-02T10:00:00Z"
