"""Assumed roles and the clients that use them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from ecr_rescan.adapters.credentials import AssumedRoles, Credentials, EcrClients
from ecr_rescan.core.errors import RegistryError

ROLE = "arn:aws:iam::210987654321:role/ecr-rescan-reader"
NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def sts_client() -> Any:
    """An STS client."""
    return boto3.client("sts", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def sts() -> Iterator[Stubber]:
    """A stubbed STS client; nothing but what a test adds may be called."""
    with Stubber(sts_client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def add_session(sts: Stubber, number: int, *, role: str = ROLE, external_id: str | None = "tenant-1") -> None:
    """One AssumeRole that is answered with a session of an hour that begins with the ``number``-th hour."""
    expected = {"RoleArn": role, "RoleSessionName": "ecr-rescan"} | ({"ExternalId": external_id} if external_id else {})
    sent = {
        "AccessKeyId": f"ASIATESTING{number:06}",
        "SecretAccessKey": "very-secret",
        "SessionToken": "very-secret",
        "Expiration": NOW + timedelta(hours=number + 1),
    }
    sts.add_response("assume_role", {"Credentials": sent}, expected)


def roles(sts: Stubber, clock: Clock, *, external_id: str = "tenant-1") -> AssumedRoles:
    """The subject."""
    return AssumedRoles(sts.client, external_id=external_id, now=clock)


def test_a_session_is_kept_until_five_minutes_before_its_end(sts: Stubber) -> None:
    """Then it is replaced."""
    clock = Clock()
    subject = roles(sts, clock)
    add_session(sts, 0)
    first = subject.credentials(ROLE)
    clock.now = NOW + timedelta(minutes=54, seconds=59)
    assert subject.credentials(ROLE) is first
    clock.now = NOW + timedelta(minutes=55)
    add_session(sts, 1)
    assert subject.credentials(ROLE).access_key_id == "ASIATESTING000001"


def test_each_role_has_its_own_session(sts: Stubber) -> None:
    """And keeps it while others are assumed."""
    subject = roles(sts, Clock())
    other = "arn:aws:iam::310987654321:role/other"
    add_session(sts, 0)
    add_session(sts, 1, role=other)
    first, second = subject.credentials(ROLE), subject.credentials(other)
    assert first != second
    assert (subject.credentials(ROLE), subject.credentials(other)) == (first, second)


def test_no_external_id_is_sent_where_there_is_none(sts: Stubber) -> None:
    """STS refuses an empty one."""
    add_session(sts, 0, external_id=None)
    roles(sts, Clock(), external_id="").credentials(ROLE)


def test_secrets_are_not_shown() -> None:
    """Neither in logs nor in tracebacks that show locals."""
    shown = repr(Credentials("ASIATESTING000000", "very-secret", "very-secret", NOW))
    assert "ASIATESTING000000" in shown
    assert "very-secret" not in shown


def test_a_role_that_may_not_be_assumed(sts: Stubber) -> None:
    """It is the trouble of that account; the next attempt asks again."""
    sts.add_client_error("assume_role", "AccessDenied", "not authorized to perform: sts:AssumeRole", 403)
    subject = roles(sts, Clock())
    with pytest.raises(RegistryError) as caught:
        subject.credentials(ROLE)
    assert (caught.value.code, caught.value.registry, caught.value.region) == (
        "AccessDenied",
        "210987654321",
        "us-east-1",
    )
    add_session(sts, 0)
    assert subject.credentials(ROLE)


def test_a_connection_that_fails() -> None:
    """Is an error of ours as well."""

    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sts.example")

    client = sts_client()
    client.meta.events.register("before-call.sts", refuse)
    with pytest.raises(RegistryError, match="EndpointConnectionError"):
        AssumedRoles(client, external_id="", now=Clock()).credentials(ROLE)


@mock_aws
def test_a_real_session() -> None:
    """As STS answers."""
    session = AssumedRoles(sts_client(), external_id="tenant-1", now=lambda: NOW).credentials(ROLE)
    assert session.access_key_id
    assert session.expires_at.tzinfo is not None


class Maker:
    """Makes clients that are told apart by their number."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Credentials | None]] = []

    def __call__(self, region: str, credentials: Credentials | None) -> Any:
        self.made.append((region, credentials))
        return len(self.made)


def test_clients_are_kept_by_role_and_region(sts: Stubber) -> None:
    """And one is replaced with its role's session."""
    clock, make = Clock(), Maker()
    clients = EcrClients(make, roles(sts, clock))
    add_session(sts, 0)
    assert [clients.client("us-east-1", None), clients.client("eu-west-1", None)] == [1, 2]
    assert [clients.client("us-east-1", ROLE), clients.client("us-east-1", ROLE)] == [3, 3]
    assert clients.client("us-east-1", None) == 1
    clock.now = NOW + timedelta(hours=1)
    add_session(sts, 1)
    assert clients.client("us-east-1", ROLE) == 4
    assert [credentials.access_key_id if credentials else None for _, credentials in make.made] == [
        None,
        None,
        "ASIATESTING000000",
        "ASIATESTING000001",
    ]


def test_the_clients_used_last_are_kept(sts: Stubber) -> None:
    """A bounded number."""
    clients = EcrClients(Maker(), roles(sts, Clock()), capacity=2)
    assert [clients.client(region, None) for region in ("a", "b", "a", "c", "a", "b")] == [1, 2, 1, 3, 1, 4]


def test_a_region_that_botocore_refuses() -> None:
    """Is the trouble of whoever named it."""

    def make(region: str, _: Credentials | None) -> Any:
        return boto3.client("ecr", region_name=region)

    with pytest.raises(RegistryError, match="InvalidRegionError") as caught:
        EcrClients(make, AssumedRoles(None, external_id="", now=Clock())).client("us east 1", None)
    assert caught.value.region == "us east 1"
