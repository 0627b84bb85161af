"""When tokens were last used, and that they will end: kept and told by day, and by no request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core import keys
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.telling.message_forms import Message
from functions.summary.app import lambda_handler as summary_handler
from tests.rest import Reply
from tests.service import Service, basic, service

SLOW = {"minutes": 720}


@pytest.fixture
def aws() -> Iterator[Service]:
    """A deployment in which one image is scanned."""
    with service() as running:
        running.push("team/app", "1")
        running.post("team/app", "1", [basic("CVE-2026-1")])
        yield running


@pytest.fixture
def added(aws: Service) -> dict[str, Any]:
    """A configuration with a feed."""
    made = aws.add("team/app", description="Team A", owner="team-a")
    aws.cycle(2)
    return made


def tokens_of(aws: Service, added: dict[str, Any]) -> dict[str, Any]:
    """GET …/tokens: when each was last used, by name."""
    reply = aws.config("GET", "/configs/{id}/tokens", parameters={"id": added["id"]})
    return {one["name"]: one["last_used"] for one in reply.json()}


def make(aws: Service, name: str, id: str | None = None, **bounds: Any) -> str:
    """A token of a configuration, or else of the dashboard."""
    path, more = ("/configs/{id}/tokens", {"parameters": {"id": id}}) if id else ("/dashboard/tokens", {})
    reply = aws.config("POST", path, body={"name": name, **bounds}, **more)
    assert reply.status == 201, reply.body
    token: str = reply.json()["token"]
    return token


def in_days(aws: Service, days: int) -> str:
    return (aws.now.date() + timedelta(days=days)).isoformat()


def feed(aws: Service, added: dict[str, Any], token: str) -> Reply:
    return aws.feed({"id": added["id"], "feed_url": f"?token={token}"})


def test_the_day_is_shown_and_only_of_what_opened_something(aws: Service, added: dict[str, Any]) -> None:
    """Each token has its own; one that is refused, for its end or its sender, was not used."""
    make(aws, "unused", added["id"])
    elsewhere = make(aws, "elsewhere", added["id"], addresses=["198.51.100.0/24"])
    assert tokens_of(aws, added) == {"default": None, "unused": None, "elsewhere": None}
    assert aws.feed(added).status == 200
    assert feed(aws, added, elsewhere).status == 401
    first = aws.now.date().isoformat()
    assert tokens_of(aws, added) == {"default": first, "unused": None, "elsewhere": None}
    aws.advance(hours=48)
    assert tokens_of(aws, added)["default"] == first
    assert aws.feed(added).status == 200
    assert tokens_of(aws, added)["default"] == aws.now.date().isoformat() != first


def test_the_dashboard_s_tokens_are_used_on_every_page(aws: Service, added: dict[str, Any]) -> None:
    """As is a configuration's on its own page, whose day is not the dashboard's."""
    token = make(aws, "ops")
    own = added["feed_url"].partition("token=")[2]
    path, one = "/dashboard/{id}", {"parameters": {"id": added["id"]}}
    assert aws.api(summary_handler, "GET", path, query={"token": own}, **one).status == 200
    assert tokens_of(aws, added) == {"default": aws.now.date().isoformat()}
    assert [entry["last_used"] for entry in aws.config("GET", "/dashboard/tokens").json()] == [None]
    assert aws.api(summary_handler, "GET", path, query={"token": token}, **one).status == 200
    assert [entry["last_used"] for entry in aws.config("GET", "/dashboard/tokens").json()] == [
        aws.now.date().isoformat()
    ]


def test_a_token_of_the_same_name_starts_anew(aws: Service, added: dict[str, Any]) -> None:
    """What its predecessor was used for is not its own."""
    feed(aws, added, make(aws, "reader", added["id"]))
    assert tokens_of(aws, added)["reader"] is not None
    aws.config("DELETE", "/configs/{id}/tokens/{name}", parameters={"id": added["id"], "name": "reader"})
    make(aws, "reader", added["id"])
    assert tokens_of(aws, added)["reader"] is None


def writes(aws: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are written from now on."""
    written: list[str] = []
    send = BaseClient._make_api_call

    def sent(client: Any, operation: str, parameters: Any) -> Any:
        if operation == "PutObject":
            assert parameters["IfNoneMatch"] == "*", "what faces the internet may only create"
            written.append(parameters["Key"])
        return send(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", sent)
    return written


def test_a_use_is_noted_once_a_day_by_each_warm_function(
    aws: Service, added: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by each request; the mark tells the day, and nothing that would open anything."""
    written = writes(aws, monkeypatch)
    for _ in range(5):
        assert aws.feed(added).status == 200
    assert len(written) == 1
    (fingerprint, day) = keys.parse_used_key(written[0]) or ("", None)
    assert (len(fingerprint), day) == (16, aws.now.date())
    aws.restart()
    for _ in range(5):
        assert aws.feed(added).status == 200
    assert written == [written[0]] * 2
    aws.advance(hours=24)
    assert aws.feed(added).status == 200
    assert len(written) == 3
    assert len(set(written)) == 2


def test_what_can_t_be_noted_keeps_nobody_out(
    aws: Service, added: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not tried again by every request."""
    send = BaseClient._make_api_call
    tried: list[str] = []

    def sent(client: Any, operation: str, parameters: Any) -> Any:
        if operation == "PutObject":
            tried.append(parameters["Key"])
            parameters = parameters | {"Bucket": "another"}
        return send(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", sent)
    assert [aws.feed(added).status for _ in range(3)] == [200] * 3
    assert len(tried) == 1
    assert "could not be noted" in caplog.text
    assert tokens_of(aws, added) == {"default": None}


def test_a_foreign_object_is_no_use(aws: Service, added: dict[str, Any]) -> None:
    """Whatever lies beside the marks is passed over."""
    for key in ("x", "x/y", "x/not-a-day", "/2026-01-01", "x/2026-01-01/y"):
        aws.s3.put_object(Bucket=aws.bucket, Key=f"used/{added['id']}/{key}", Body=b"{}")
    assert tokens_of(aws, added) == {"default": None}


def told(aws: Service) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The messages about tokens, as machines read them, with their attributes."""
    read = [(json.loads(forms["default"]), attributes) for _, forms, attributes in aws.published]
    return [(message, attributes) for message, attributes in read if message["type"] == "tokens"]


def test_a_token_that_will_end_is_told_once_fourteen_days_before(aws: Service, added: dict[str, Any]) -> None:
    """By its name and last day, to those who get the configuration's messages; one without an end never."""
    last = in_days(aws, 17)
    token = make(aws, "build", added["id"], expires=last)
    make(aws, "forever", added["id"])
    aws.cycle(2 * 2, **SLOW)
    assert told(aws) == []
    aws.cycle(15 * 2, **SLOW)
    ((message, attributes),) = told(aws)
    assert message["tokens"] == [{"name": "build", "expires": last}]
    assert date.fromisoformat(message["at"][:10]) == date.fromisoformat(last) - timedelta(days=14)
    assert (message["configuration"]["id"], message["changes"]) == (added["id"], ["token-ending"])
    assert attributes["owner"] == "team-a"
    (forms,) = [forms for _, forms, _ in aws.published if '"type":"tokens"' in forms["default"]]
    assert all(f"build: {last} is its last day" in forms[kind] for kind in ("email", "https"))
    assert all(token[:12] not in text for text in forms.values())


def test_the_dashboard_s_tokens_are_told_of_the_deployment(aws: Service, added: dict[str, Any]) -> None:
    """They belong to no configuration; several of a set are one message."""
    for name in ("ops", "wall"):
        make(aws, name, expires=in_days(aws, 16))
    aws.cycle(8 * 2, **SLOW)
    ((message, attributes),) = told(aws)
    assert [one["name"] for one in message["tokens"]] == ["ops", "wall"]
    assert message["configuration"] is None
    assert attributes["configuration"] == "deployment"


def test_what_needs_no_reminder_gets_none(aws: Service, added: dict[str, Any]) -> None:
    """Who makes a token for two weeks knows; a revoked one, and one of a removed configuration, opens nothing."""
    make(aws, "short", added["id"], expires=in_days(aws, 14))
    make(aws, "revoked", added["id"], expires=in_days(aws, 16))
    aws.config("DELETE", "/configs/{id}/tokens/{name}", parameters={"id": added["id"], "name": "revoked"})
    other = aws.add("team/other")
    make(aws, "orphan", other["id"], expires=in_days(aws, 16))
    stored = aws.read(keys.tokens_key(other["id"]))
    aws.config("DELETE", "/configs/{id}", parameters={"id": other["id"]})
    aws.s3.put_object(Bucket=aws.bucket, Key=keys.tokens_key(other["id"]), Body=stored)
    aws.cycle(17 * 2, **SLOW)
    assert told(aws) == []


def test_what_was_missed_is_told_within_a_week(aws: Service, added: dict[str, Any]) -> None:
    """No tick for five days, as after an outage."""
    make(aws, "build", added["id"], expires=in_days(aws, 15))
    aws.advance(days=6)
    aws.cycle(2, **SLOW)
    assert len(told(aws)) == 1


def test_a_message_that_was_not_taken_is_sent_later_that_day(
    aws: Service, added: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once; another set's is sent meanwhile."""
    make(aws, "build", added["id"], expires=in_days(aws, 15))
    make(aws, "ops", expires=in_days(aws, 15))
    aws.advance(days=1)
    publish = Topic.publish

    def refused(topic: Topic, message: Message) -> None:
        if "Team A" in message.subject:
            raise MessageError("topic", "Throttled")
        publish(topic, message)

    with monkeypatch.context() as patched:
        patched.setattr(Topic, "publish", refused)
        aws.tick()
    assert [message["tokens"][0]["name"] for message, _ in told(aws)] == ["ops"]
    aws.cycle(7 * 2, **SLOW)
    assert [message["tokens"][0]["name"] for message, _ in told(aws)] == ["ops", "build"]


def test_a_set_that_can_t_be_read_stops_no_other_s(
    aws: Service, added: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it."""
    make(aws, "ops", expires=in_days(aws, 15))
    aws.s3.put_object(Bucket=aws.bucket, Key=keys.tokens_key(added["id"]), Body=b"{")
    aws.advance(days=1)
    aws.tick()
    assert len(told(aws)) == 1
    assert "A set of tokens can't be read" in caplog.text


def test_tokens_are_looked_at_once_a_day(aws: Service, added: dict[str, Any]) -> None:
    """A tick that finds nothing due reads none of them, even in a new execution environment."""
    aws.tick()
    read: list[str] = []
    send = BaseClient._make_api_call

    def sent(client: Any, operation: str, parameters: Any) -> Any:
        read.append(str(parameters.get("Key") or parameters.get("Prefix")))
        return send(client, operation, parameters)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", sent)
        aws.tick()
        aws.restart()
        aws.tick()
        assert not any(key.startswith("tokens/") for key in read)
        aws.advance(days=1)
        aws.tick()
        assert keys.tokens_key(added["id"]) in read
