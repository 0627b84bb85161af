"""What ECR refuses is asked for ever more rarely, is shown with ECR's words, and comes back by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from ecr_rescan.core.keys import account_key
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import GUESS, Account
from ecr_rescan.core.scanning.ledger import ScanState
from ecr_rescan.runtime.scanning import turns
from local.ecr.errors import EcrError
from local.ecr.registry import Registry
from local.template import ACCOUNT, REGION
from tests.service import Service, service

OTHER = "210987654321"
Params = dict[str, Any]


@pytest.fixture
def aws() -> Iterator[Service]:
    """The service with empty registries."""
    with service() as running:
        yield running


class Refusals:
    """Refuses calls of ECR for as long as it is told to, and counts them."""

    def __init__(self, aws: Service, code: str, operation: str, which: Callable[[Params], bool]) -> None:
        self._aws = aws
        self.counted: Counter[str] = Counter()
        self.at: list[float] = []
        self.is_over = False
        self._refused = (code, operation, which)

    @contextmanager
    def on(self, registry: Registry) -> Iterator[Refusals]:
        """While the service talks to this registry."""
        call = registry.call
        code, refused, which = self._refused
        begin = self._aws.now

        def answer(operation: str, params: Params, refusal: EcrError | None = None) -> Any:
            if operation == refused and which(params) and not self.is_over:
                self.counted[(params.get("imageId") or {}).get("imageDigest", "")] += 1
                self.at.append((self._aws.now - begin) / timedelta(hours=1))
                refusal = EcrError(code, "no")
            return call(operation, params, refusal)

        with mock.patch.object(registry, "call", answer):
            yield self

    def between(self, first: float, last: float) -> int:
        """How many were refused from one hour to another."""
        return sum(first <= at < last for at in self.at)


def refused(
    aws: Service, code: str, operation: str = "StartImageScan", which: Callable[[Params], bool] = lambda _: True
) -> Refusals:
    return Refusals(aws, code, operation, which)


def account(aws: Service, registry: str = ACCOUNT) -> Account:
    key = account_key(registry, REGION)
    return Account.from_json(key, aws.read(key))


def reasons(aws: Service) -> set[str]:
    return {image["reason"] for item in aws.summary()["configurations"] for image in item["images"]}


def hours(aws: Service, first: float, last: float) -> None:
    """Ticks from one hour to another: every quarter of an hour at first, then every two hours."""
    at = first
    while at < last:
        step = 0.25 if at < 2 else 2
        aws.tick()
        aws.advance(minutes=2)
        aws.drain()
        aws.advance(hours=step, minutes=-2)
        at += step


@pytest.mark.parametrize("code", ["AccessDeniedException", "LimitExceededException"])
def test_one_refused_image_is_sent_four_times_on_its_first_day_and_once_on_each_other(aws: Service, code: str) -> None:
    bad, good = aws.push("team/app", "bad"), aws.push("team/app", "good")
    aws.add("team/app")
    refusing = refused(aws, code, which=lambda params: params["imageId"]["imageDigest"] == bad)
    with refusing.on(aws.fake.registry()) as refusals:
        hours(aws, 0, 58)
        assert refusals.between(0, 24) == 4
        assert refusals.between(24, 48) == 1
        assert any("no" in reason and "next" in reason for reason in reasons(aws))
        assert len(aws.fake.calls.of("StartImageScan", outcome="ok")) == 3, "the other one is scanned every day"
        refusals.is_over = True
        hours(aws, 58, 84)
    states = {digest: record.state for digest, record in aws.ledger("team/app").manifests.items()}
    assert states == {bad: ScanState.COMPLETE, good: ScanState.COMPLETE}


def test_a_denied_account_is_asked_a_few_times_for_all_its_images(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One call after the other: how many are on their way at once when it is noticed, is chance.
    monkeypatch.setattr(turns, "_CALLS_AT_ONCE", 1)
    monkeypatch.setattr(turns, "_REPOSITORIES_AT_ONCE", 1)
    for number in range(5):
        for tag in range(5):
            aws.push(f"team/app-{number}", str(tag))
    aws.add("team/*")
    with refused(aws, "AccessDeniedException").on(aws.fake.registry()) as refusals:
        hours(aws, 0, 9)
        assert sum(refusals.counted.values()) == 4 * 3 * 3, "three images each of three repositories, four times"
        assert all("no" in reason for reason in reasons(aws))
        (problem,) = aws.summary()["configurations"][0]["problems"]
        assert "starts are refused: AccessDeniedException: no" in problem
        refusals.is_over = True
        hours(aws, 9, 36)
    assert {record.state for n in range(5) for record in aws.ledger(f"team/app-{n}").manifests.values()} == {
        ScanState.COMPLETE
    }


def test_denied_repositories_do_not_keep_others_waiting(aws: Service) -> None:
    for name in ("a/one", "a/two", "a/three", "b/four"):
        for tag in range(4):
            aws.push(name, str(tag))
    aws.add(["a/*", "b/*"])
    aws.cycle()
    assert aws.started("b/four") == 4
    refusing = refused(aws, "AccessDeniedException", which=lambda params: params["repositoryName"] < "b")
    with refusing.on(aws.fake.registry()):
        aws.advance(hours=24)
        aws.cycle()
    assert aws.started("b/four") == 8


def test_a_repository_that_cannot_be_listed_is_tried_ever_more_rarely_and_the_others_go_on(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.push("team/other", "1")
    aws.add("team/*")
    refusing = refused(
        aws, "AccessDeniedException", "DescribeImages", lambda params: params["repositoryName"] == "team/app"
    )
    with refusing.on(aws.fake.registry()) as refusals:
        hours(aws, 0, 34)
        assert refusals.between(0, 24) == 4
        assert refusals.between(24, 34) == 1
        problems = [text for item in aws.summary()["configurations"] for text in item["problems"]]
        assert any("team/app: AccessDeniedException" in text for text in problems)
        refusals.is_over = True
        hours(aws, 34, 60)
    assert aws.states() == {("team/app", None): "COMPLETE", ("team/other", None): "COMPLETE"}


def test_repositories_that_cannot_be_listed_at_all_are_asked_for_once_an_hour(aws: Service) -> None:
    aws.push("team/app", "1")
    aws.add("team/*")
    with refused(aws, "AccessDeniedException", "DescribeRepositories").on(aws.fake.registry()) as refusals:
        aws.cycle(12 * 2)
        assert len(refusals.at) == 3
        (problem,) = aws.summary()["configurations"][0]["problems"]
        assert "its repositories can't be listed, so that new ones are not seen: AccessDeniedException: no" in problem
        refusals.is_over = True
        aws.cycle(6)
    assert aws.states() == {("team/app", None): "COMPLETE"}


@contextmanager
def through_its_policy(aws: Service, other: Registry) -> Iterator[None]:
    """Our own permissions reach the other account's registry, as its policy allows."""
    own = aws.fake.registry()
    call = own.call

    def route(operation: str, params: Params, refusal: EcrError | None = None) -> Any:
        registry = other if params.get("registryId") == OTHER else None
        return registry.call(operation, params, refusal) if registry else call(operation, params, refusal)

    with mock.patch.object(own, "call", route):
        yield


def test_what_is_only_believed_to_be_enhanced_is_tried_again_by_one_start(aws: Service) -> None:
    """A registry reached only by its policy can't be asked for its scan type."""
    other = aws.fake.registry(OTHER)
    for tag in ("1", "2"):
        aws.put_into(other, "team/app", tag)
    aws.add("team/app", registry=OTHER)
    with through_its_policy(aws, other), refused(aws, "ValidationException").on(other) as refusals:
        aws.cycle()
        assert account(aws, OTHER).scan_type is ScanType.ENHANCED
        (problem,) = aws.summary()["configurations"][0]["problems"]
        assert "it seems that Amazon Inspector scans this registry" in problem
        first = len(refusals.at)
        hours(aws, 2, 48)
        # After half an hour, then 2, 6 and every 24 hours.
        assert len(refusals.at) == first + 4
        refusals.is_over = True
        hours(aws, 48, 76)
    assert GUESS not in account(aws, OTHER).rests
    assert account(aws, OTHER).scan_type is ScanType.BASIC
    assert {record.state for record in aws.ledger("team/app", OTHER).manifests.values()} == {ScanState.COMPLETE}


def test_a_spent_quota_pauses_the_account_after_three_images_and_one_image_never_does(aws: Service) -> None:
    digests = [aws.push("team/app", str(number)) for number in range(30)]
    aws.add("team/app")
    one = refused(aws, "LimitExceededException", which=lambda params: params["imageId"]["imageDigest"] == digests[0])
    with one.on(aws.fake.registry()):
        aws.cycle(2)
        assert account(aws).paused_until is None
        assert len(aws.fake.calls.of("StartImageScan", outcome="ok")) == 29
    aws.cycle(4)
    aws.advance(hours=25)
    with refused(aws, "LimitExceededException").on(aws.fake.registry()) as refusals:
        aws.cycle(14)
        assert account(aws).paused_until is not None
        assert len(refusals.at) <= 3 + 16 + 2
        assert max(refusals.counted.values()) == 1, "each time another image tries whether it is over"
    aws.cycle(14)
    assert account(aws).paused_until is None
    assert not account(aws).unexplained
    assert len(aws.fake.calls.of("StartImageScan", outcome="ok")) >= 60
