"""What becomes of repositories that are gone, and of what no configuration names any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest

from ecr_rescan.core.keys import SWEEP
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage
from ecr_rescan.core.scanning.sweep import KEEP_MISSING, KEEP_UNNAMED, Sweep
from ecr_rescan.runtime.scanning import retention
from local.template import ACCOUNT, REGION
from tests.builders import AT
from tests.service import Service, basic, service

HOUR = timedelta(hours=1)


@pytest.fixture
def aws() -> Iterator[Service]:
    """A service with two repositories, one of them with a finding."""
    with service() as running:
        for name in ("team/app", "team/other"):
            running.push(name, "1")
        running.post("team/app", "1", [basic("CVE-1")])
        yield running


def keys(aws: Service, part: str = "") -> set[str]:
    listed = aws.s3.list_objects_v2(Bucket=aws.bucket).get("Contents", ())
    return {item["Key"] for item in listed if part in item["Key"]}


def later(aws: Service, **step: float) -> None:
    """Two ticks after so much time: what the first one finds out, the second one knows."""
    aws.advance(**step)
    aws.cycle(2)


def remove(aws: Service, name: str) -> None:
    aws.ecr.delete_repository(repositoryName=name, force=True)


def problems(aws: Service) -> list[str]:
    return [text for item in aws.summary()["configurations"] for text in item["problems"]]


def test_under_a_pattern_a_repository_that_is_gone_costs_nothing_and_is_no_problem(aws: Service) -> None:
    aws.add("team/*")
    aws.cycle(2)
    remove(aws, "team/app")
    later(aws, hours=2)
    finding = aws.findings("team/app").findings["CVE-1", "openssl"]
    assert finding.openings[-1].closed is not None
    assert finding.openings[-1].closed.reason == "gone"
    ledger = aws.read("images/123456789012/us-east-1/team%2Fapp.json")
    for _ in range(3):
        later(aws, hours=26)
    assert not aws.fake.calls.of("DescribeImages", outcome="RepositoryNotFoundException")
    assert aws.read("images/123456789012/us-east-1/team%2Fapp.json") == ledger
    assert problems(aws) == []


def test_a_repository_that_is_pushed_again_is_found_within_a_tick(aws: Service) -> None:
    aws.add("team/*")
    aws.cycle(2)
    remove(aws, "team/app")
    later(aws, hours=2)
    aws.advance(minutes=10)
    aws.push("team/app", "2")
    aws.drain()
    aws.tick()
    assert aws.started("team/app") == 2


def test_a_repository_that_is_named_exactly_is_looked_for_and_missed(aws: Service) -> None:
    aws.add(["team/app", "team/o*"])
    aws.cycle(2)
    remove(aws, "team/app")
    later(aws, hours=25)
    assert problems(aws) == ["team/app: repository not found"]
    assert aws.fake.calls.of("DescribeImages", outcome="RepositoryNotFoundException")


def test_nothing_is_left_of_a_repository_that_has_been_gone_for_ninety_days(aws: Service) -> None:
    aws.add("team/*")
    aws.cycle(2)
    remove(aws, "team/app")
    later(aws, hours=2)
    later(aws, days=89)
    assert len(keys(aws, "team%2Fapp")) == 2
    aws.restart()
    later(aws, days=2)
    assert keys(aws, "team%2Fapp") == set()
    assert len(keys(aws, "team%2Fother")) == 2


def test_what_is_still_to_be_announced_is_announced_first(aws: Service) -> None:
    aws.add("team/*")
    aws.cycle(2)
    remove(aws, "team/app")
    later(aws, hours=2)
    with mock.patch.object(retention, "FindingsDocument") as documents:
        documents.from_json.return_value.outbox = ["something"]
        later(aws, days=92)
        assert len(keys(aws, "team%2Fapp")) == 2
    later(aws, days=1)
    assert keys(aws, "team%2Fapp") == set()


def test_nothing_is_left_of_what_no_configuration_names(aws: Service) -> None:
    added = aws.add("team/*")
    aws.cycle(2)
    aws.config("DELETE", "/configs/{id}", parameters={"id": added["id"]})
    later(aws, days=1)
    aws.restart()
    later(aws, days=29)
    assert len(keys(aws, "team%2F")) == 4
    aws.restart()
    later(aws, days=2)
    assert keys(aws, "team%2F") == set()
    assert keys(aws, "notices/")
    aws.restart()
    later(aws, days=60)
    left = {key for key in keys(aws) if not key.startswith("history/")}
    # Of the deployment, not of a configuration: its health, and up to when its people were told of signals and tokens.
    deployment = {"deployment.json", "accounts/health.json", "signals/told.json", "notices/tokens.json"}
    assert left == {SWEEP, *deployment}


def test_what_is_named_again_in_time_is_kept(aws: Service) -> None:
    added = aws.add("team/*")
    aws.cycle(2)
    aws.config("DELETE", "/configs/{id}", parameters={"id": added["id"]})
    later(aws, days=1)
    later(aws, days=20)
    aws.add("team/*")
    later(aws, days=1)
    later(aws, days=20)
    assert len(keys(aws, "team%2F")) == 4
    assert Sweep.from_json(SWEEP, aws.read(SWEEP)).unnamed.keys() == {f"notices/{added['id']}.json"}


def test_a_sweep_that_has_too_much_to_do_goes_on_at_the_next_tick(
    aws: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    added = aws.add("team/*")
    aws.cycle(2)
    aws.config("DELETE", "/configs/{id}", parameters={"id": added["id"]})
    aws.advance(days=1)
    aws.tick()
    aws.advance(days=31)
    aws.tick()
    assert len(keys(aws, "images/")) == 1
    aws.tick()
    assert keys(aws, "images/") == set()


def test_a_document_that_was_written_meanwhile_is_kept(aws: Service) -> None:
    documents = mock.Mock()
    documents.delete.side_effect = retention.ConflictError("key")
    documents.get.return_value = None
    subject = retention.Retention(documents, {})
    assert not subject._remove(f"images/{ACCOUNT}/{REGION}/team%2Fapp.json", "etag")
    documents.delete.assert_called_once_with(f"images/{ACCOUNT}/{REGION}/team%2Fapp.json", if_match="etag")


def test_a_sweep_keeps_each_kind_for_its_time() -> None:
    sweep = Sweep()
    sweep.note(["images/a", "notices/b", "accounts/c"], AT)
    sweep.note(["images/a", "notices/b", "accounts/c", "images/d"], AT + HOUR)
    assert sweep.over(AT + KEEP_UNNAMED - HOUR) == []
    assert sweep.over(AT + KEEP_UNNAMED) == ["images/a"]
    assert sweep.over(AT + KEEP_MISSING) == ["accounts/c", "images/a", "images/d", "notices/b"]
    assert Sweep.from_json("key", sweep.to_json()) == sweep


@pytest.mark.parametrize(
    ("listed_at", "tagged_at", "missing", "lacks"),
    [
        (-HOUR, -HOUR, False, True),
        (timedelta(), -HOUR, False, False),
        (-HOUR, HOUR, False, False),
        (HOUR, None, True, True),
    ],
    ids=["older", "listed since", "pushed since", "missed since"],
)
def test_only_a_newer_list_of_repositories_shows_that_one_is_gone(
    listed_at: timedelta, tagged_at: timedelta | None, missing: bool, lacks: bool
) -> None:
    ledger = Ledger(ACCOUNT, REGION, "team/app", since=AT - 2 * HOUR, listed_at=AT + listed_at)
    if tagged_at is not None:
        ledger.images["sha256:a"] = LedgerImage(AT, {"1": AT + tagged_at})
    ledger.missing_since = AT if missing else None
    assert Account(ACCOUNT, REGION, repositories=("team/other",), repositories_at=AT).lacks(ledger) is lacks
    assert not Account(ACCOUNT, REGION, repositories=("team/app",), repositories_at=AT).lacks(ledger)
    assert not Account(ACCOUNT, REGION).lacks(ledger)
