"""The gate over its API: with a signature, with a token of its own, and by the record alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ecr_rescan.core import keys
from functions.summary.app import lambda_handler
from tests.functions.summary_calls import deployment, get, put, token
from tests.rest import Reply
from tests.service import Service, basic, service
from tests.summary_records import HIGH, PLACE, complete, configuration, findings, ledger

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
IMAGE = {"image": f"{HOST}/team/app:new"}


@pytest.fixture
def s3() -> Iterator[Any]:
    with deployment() as client:
        yield client


def recorded(s3: Any, *, severe: bool = False) -> None:
    """A configuration, and an image that it selects."""
    put(s3, keys.config_key(configuration().id), configuration().to_document())
    put(s3, keys.images_key(*PLACE), ledger({"new": complete()}).to_json())
    found = {("CVE-1", "openssl"): {"1.0": {HIGH: 1}}} if severe else {}
    put(s3, keys.findings_key(*PLACE), findings(("new",), found).to_json())


def asked(**query: str) -> Reply:
    return get("/gate", query=query)


def test_the_verdict_is_an_answer_whatever_it_is(s3: Any) -> None:
    """200, with everything that led to it."""
    recorded(s3, severe=True)
    reply = asked(**IMAGE)
    found = reply.json()
    assert (reply.status, found["verdict"], found["new_total"]) == (200, "fail", 1)
    assert found["image"]["digest"].endswith("new")
    assert "retry-after" not in reply.headers


def test_who_should_wait_is_told_for_how_long(s3: Any) -> None:
    """In the body and as the header that clients know."""
    recorded(s3)
    reply = asked(image=f"{HOST}/team/app:newer")
    assert (reply.json()["verdict"], reply.json()["retry_after"]) == ("unknown", 60)
    assert reply.headers["retry-after"] == "60"


def test_an_image_may_be_named_without_its_registry(s3: Any) -> None:
    """Where the configurations leave no doubt."""
    recorded(s3)
    assert asked(image="team/app:new").json()["verdict"] == "pass"
    assert asked(image="123456789012/team/app:new").json()["verdict"] == "pass"
    assert asked(image="210987654321/team/app:new").json()["reasons"][0]["code"] == "NOT_SELECTED"
    elsewhere = configuration(2, region="eu-west-1", repository=("*",))
    put(s3, keys.config_key(elsewhere.id), elsewhere.to_document())
    assert asked(image="team/app:new").status == 400
    assert asked(**IMAGE).json()["verdict"] == "pass"


def test_a_wrong_question_is_400_and_a_configuration_that_is_not_there_404(s3: Any) -> None:
    """Neither is a verdict."""
    assert asked().status == 400
    assert asked(image="nothing").json()["error"]["details"][0]["field"] == "image"
    assert asked(**IMAGE, configuration=configuration(9).id).status == 404


def test_the_configuration_that_is_named_decides(s3: Any) -> None:
    """Alone."""
    recorded(s3)
    other = configuration(2, tags=("prod",))
    put(s3, keys.config_key(other.id), other.to_document())
    assert asked(**IMAGE, configuration=configuration().id).json()["verdict"] == "pass"
    assert asked(**IMAGE, configuration=other.id).json()["reasons"][0]["code"] == "NOT_SELECTED"


def test_a_damaged_document_is_unknown_and_a_damaged_configuration_no_error(s3: Any) -> None:
    """A build gets a verdict."""
    recorded(s3)
    put(s3, keys.config_key(configuration(3).id), b"{")
    assert asked(**IMAGE).json()["verdict"] == "pass"
    put(s3, keys.findings_key(*PLACE), b"{")
    assert asked(**IMAGE).json()["reasons"][0]["code"] == "UNREADABLE"


def test_a_token_of_the_gate_opens_it_and_nothing_else(s3: Any) -> None:
    """And no other token opens the gate."""
    recorded(s3)
    own, dashboard = token(s3, keys.GATE_TOKENS), token(s3)
    assert get("/gate/ci", query={**IMAGE, "token": own}).json()["verdict"] == "pass"
    assert asked(**IMAGE, token=own).status == 200
    for path in ("/gate/ci", "/gate"):
        assert get(path, query={**IMAGE, "token": dashboard}).status == 401
        assert get(path, query={**IMAGE, "token": "x"}).status == 401
    assert get("/gate/ci", query=IMAGE).status == 401
    assert get("/dashboard", query={"token": own}).status == 401
    assert get("/metrics", query={"token": own}).status == 401
    page = get("/dashboard/{id}", parameters={"id": configuration().id}, query={"token": own})
    assert page.status == 401


def test_tokens_of_the_gate_are_made_listed_and_revoked() -> None:
    """By who signs requests."""
    with service() as running:
        made = running.config("POST", "/gate/tokens", body={"name": "ci"})
        assert made.status == 201
        assert made.json()["gate_url"].endswith(f"/gate/ci?token={made.json()['token']}")
        assert [one["name"] for one in running.config("GET", "/gate/tokens").json()] == ["ci"]
        gone = {"parameters": {"name": "ci"}}
        assert running.config("DELETE", "/gate/tokens/{name}", **gone).status == 204
        assert running.config("DELETE", "/gate/tokens/{name}", **gone).status == 404


def test_the_gate_follows_an_image_from_its_push_to_its_next_result() -> None:
    """Not on record, waiting, clean; a day later not; and never by asking ECR."""
    with service() as running:
        running.add("team/app")
        running.push("team/app", "1")
        assert verdict(running) == ("unknown", "UNKNOWN_IMAGE")
        running.cycle(2)
        assert verdict(running) == ("pass", "NOTHING_COUNTS")
        running.post("team/app", "1", [basic("CVE-2026-1")])
        running.days(1.1)
        before = len(running.fake.calls.of("DescribeImageScanFindings")) + running.started()
        assert verdict(running) == ("fail", "FINDINGS")
        assert len(running.fake.calls.of("DescribeImageScanFindings")) + running.started() == before
        running.post("team/app", "1", None)
        running.days(1.1)
        assert verdict(running) == ("unknown", "FAILED")


def verdict(running: Service) -> tuple[str, str]:
    found = running.api(lambda_handler, "GET", "/gate", query={"image": f"{HOST}/team/app:1"}).json()
    return found["verdict"], found["reasons"][0]["code"]
