"""Which role an invocation reads a registry with: the first of all configurations' that can be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from ecr_rescan.adapters.credentials import AssumedRoles, EcrClients
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.runtime.scanning.registries import Registries, roles_of
from ecr_rescan.runtime.settings import StartScanSettings
from local.template import ACCOUNT
from tests.builders import configuration
from tests.service import Service, basic, service

OTHER = "210987654321"
GOOD, BROKEN = f"arn:aws:iam::{OTHER}:role/b-good", f"arn:aws:iam::{OTHER}:role/a-broken"
SETTINGS = StartScanSettings(
    "us-east-1", ACCOUNT, "bucket", None, (GOOD, BROKEN), "https://sqs.example/q", "arn:t", None
)


def wish(role: str | None, repository: str = "team/app") -> ScanConfiguration:
    return configuration(repository, registry=OTHER, role_arn=role)


class Roles:
    """Which roles were asked for; the broken one can't be assumed."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def credentials(self, role_arn: str) -> Any:
        """As AssumedRoles answers."""
        self.asked.append(role_arn)
        if role_arn == BROKEN:
            raise RegistryError("AccessDenied", "no trust", region="us-east-1", registry=OTHER)
        return role_arn


def registries(roles: Roles) -> Registries:
    """The subject; its clients are the names of their roles."""
    return Registries(SETTINGS, EcrClients(lambda region, role: role, roles), lambda: 100.0)  # type: ignore[arg-type]


def test_all_roles_are_candidates_in_one_order_and_our_own_comes_last() -> None:
    wishes = [wish(None), wish(GOOD), wish(BROKEN), wish(GOOD)]
    assert roles_of(wishes) == roles_of(wishes[::-1]) == (BROKEN, GOOD, "")


def test_a_role_that_cannot_be_assumed_leaves_its_place_to_the_next_and_is_tried_once() -> None:
    roles = Roles()
    subject = registries(roles)
    assert subject.of([wish(BROKEN), wish(GOOD)]) is not None
    assert subject.of([wish(BROKEN)]) is None
    assert roles.asked == [BROKEN, GOOD]
    assert subject.problems(OTHER, "us-east-1") == {BROKEN: "AccessDenied: no trust"}


def test_a_role_that_is_not_allowed_leaves_its_place_to_the_next() -> None:
    subject, foreign = registries(Roles()), f"arn:aws:iam::{OTHER}:role/a"
    assert subject.of([wish(GOOD), wish(foreign)]) is not None
    assert list(subject.problems(OTHER, "us-east-1")) == [foreign]


@contextmanager
def two_accounts() -> Iterator[Service]:
    """A service of which one role of another account may not be assumed."""
    assume = AssumedRoles._assume

    def refuse(self: AssumedRoles, role_arn: str) -> Any:
        if role_arn == BROKEN:
            raise RegistryError("AccessDenied", "no trust", region="us-east-1", registry=OTHER)
        return assume(self, role_arn)

    with (
        service() as running,
        mock.patch.dict("os.environ", ALLOWED_ROLES=f"arn:aws:iam::{OTHER}:role/*"),
        mock.patch.object(AssumedRoles, "_assume", refuse),
    ):
        running.restart()
        yield running


@pytest.mark.parametrize("broken", ["team/*", "team/app", "*"])
def test_a_broken_role_is_the_problem_of_its_configuration_and_the_others_go_on(broken: str) -> None:
    with two_accounts() as aws:
        registry = aws.fake.registry(OTHER)
        registry.create_repository("team/app")
        digest = aws.put_into(registry, "team/app", "1")
        aws.post("team/app", digest, [basic("CVE-1")], registry=registry)
        bad = aws.add(broken, registry=OTHER, role_arn=BROKEN)
        good = aws.add("team/*", registry=OTHER, role_arn=GOOD)
        aws.cycle(6)
        shown = {item["id"]: item for item in aws.summary()["configurations"]}
        assert [image["state"] for image in shown[good["id"]]["images"]] == ["COMPLETE"]
        assert shown[good["id"]]["problems"] == []
        assert any("no trust" in problem for problem in shown[bad["id"]]["problems"])


def test_a_batch_is_recorded_with_the_role_that_works() -> None:
    with two_accounts() as aws:
        registry = aws.fake.registry(OTHER)
        registry.create_repository("team/app")
        digest = aws.put_into(registry, "team/app", "1")
        aws.add("team/*", registry=OTHER, role_arn=BROKEN)
        aws.add("team/app", registry=OTHER, role_arn=GOOD)
        aws.tick()
        aws.advance(minutes=20)
        aws.tick()
        assert aws.drain() >= 1
        assert aws.ledger("team/app", OTHER).manifests[digest].completed_at is not None


def test_what_nobodys_role_may_read_is_a_problem_and_stops_nothing_else() -> None:
    with two_accounts() as aws:
        aws.push("team/app", "1")
        aws.add("team/app")
        aws.add("team/app", registry=OTHER, role_arn=BROKEN)
        aws.cycle()
        assert aws.started() == 1
        assert not [call for call in aws.fake.calls.of("DescribeImages") if call.account == OTHER]
