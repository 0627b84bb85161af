"""What a configuration would do, told by the Config function without storing it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.core import keys
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger
from functions.config.app import lambda_handler
from tests.functions.summary_calls import BUCKET, NOW, deployment, put
from tests.rest import CONTEXT, Reply, answer, event
from tests.summary_records import INDEX, REGION, REGISTRY, complete, configuration, digest, ledger

LEAST = {"region": REGION, "registry": REGISTRY, "repository": "team/*"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A registry with two repositories that were listed, and one that was only seen."""
    monkeypatch.setenv("ALLOWED_ROLES", "")
    with deployment() as client:
        account = Account(REGISTRY, REGION, repositories=("team/app", "team/web", "team/new", "other"))
        put(client, keys.account_key(REGISTRY, REGION), account.to_json())
        record(client, ledger({"3": complete(), "2": complete(), "1": None}))
        record(client, ledger({"9": None}, repository="team/web"))
        yield client


def record(s3: Any, held: Ledger) -> None:
    put(s3, keys.images_key(REGISTRY, REGION, held.repository), held.to_json())


def post(body: dict[str, object], dry_run: str = "true") -> Reply:
    return answer(lambda_handler, event("POST", "/configs", body=json.dumps(body), query={"dry_run": dry_run}))


def told(**fields: object) -> dict[str, Any]:
    reply = post(LEAST | fields)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()["dry_run"]
    return found


def stored(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def test_nothing_is_stored_and_nothing_promised(s3: Any) -> None:
    """The answer is the configuration without what only a stored one has."""
    before = stored(s3)
    body = post(LEAST | {"registry": "210987654321"}).json()
    assert stored(s3) == before
    assert not {"id", "created", "updated", "feed_url"} & set(body)
    assert (body["repository"], body["notify"]) == ("team/*", "HIGH")
    assert len(body["warnings"]) == 1


def test_which_repositories_and_images_match(s3: Any) -> None:
    """With those that newest leaves out; a repository that was never listed has no number, rather than 0."""
    found = told(newest=1, tags=["!1"])
    assert found["repositories"]["first"] == [
        {"repository": "team/app", "selected": 1, "left_out": 1},
        {"repository": "team/new", "selected": None, "left_out": None},
        {"repository": "team/web", "selected": 1, "left_out": 0},
    ]
    assert (found["repositories"]["matching"], found["repositories"]["not_listed_yet"]) == (3, 1)
    assert (found["images"]["selected"], found["images"]["left_out_by_newest"]) == (2, 1)
    assert [image["tags"] for image in found["images"]["first_selected"]] == [["3"], ["9"]]
    assert [image["tags"] for image in found["images"]["first_left_out"]] == [["2"]]
    assert found["as_of"] == "2026-11-23T18:00:00Z"


def test_scans_costs_and_first_results(s3: Any) -> None:
    """Four scans a day, two of which have results already."""
    found = told()
    assert (found["scans_a_day"], found["scans_a_day_shared"]) == (4, 0)
    assert found["cost"] == {"usd_a_month_at_most": 0.0008}
    assert found["first_results"] == {"recorded": 2, "expected_by": "2026-11-23T18:10:00Z"}


def test_what_another_configuration_scans_costs_nothing_more(s3: Any) -> None:
    """A scan serves all configurations that select its image."""
    other = configuration(tags=("3",))
    put(s3, keys.config_key(other.id), other.to_document())
    found = told()
    assert (found["scans_a_day"], found["scans_a_day_shared"]) == (4, 1)
    assert found["cost"] == {"usd_a_month_at_most": 0.0006}


def test_platforms_count_and_what_cannot_be_scanned_does_not(s3: Any) -> None:
    """Each platform of an index is a scan; charts and archived images are none."""
    held = ledger({"index": None, "chart": None, "old": None}, repository="team/web")
    held.images[digest("index")].media_type = INDEX
    held.images[digest("index")].children = {digest("amd"): "linux/amd64", digest("arm"): "linux/arm64"}
    held.images[digest("chart")].artifact_type = "application/vnd.cncf.helm.config.v1+json"
    held.images[digest("old")].archived = True
    record(s3, held)
    found = told(repository="team/web")
    assert (found["images"]["selected"], found["scans_a_day"]) == (2, 2)
    assert found["images"]["not_images"] == 1
    assert [(one["tags"], one["kind"]) for one in found["images"]["first_not_images"]] == [(["chart"], "Helm chart")]


def test_enhanced_scanning_starts_nothing(s3: Any) -> None:
    """Results are read, not made."""
    account = Account(REGISTRY, REGION, scan_type=ScanType.ENHANCED, repositories=("team/app",))
    put(s3, keys.account_key(REGISTRY, REGION), account.to_json())
    assert told()["scans_a_day"] == 0


def test_a_spent_quota_delays_the_first_results(s3: Any) -> None:
    """By as long as the day's starts count."""
    account = Account(REGISTRY, REGION, repositories=("team/app",), paused_until=NOW + timedelta(hours=1))
    put(s3, keys.account_key(REGISTRY, REGION), account.to_json())
    assert told()["first_results"]["expected_by"] == "2026-11-24T18:10:00Z"


def test_a_registry_never_seen_gives_no_numbers(s3: Any) -> None:
    """Unknown is not none."""
    found = told(region="eu-west-1")
    assert (found["known"], found["repositories"]["matching"], found["images"]["selected"]) == (False, None, None)
    assert (found["scans_a_day"], found["cost"]["usd_a_month_at_most"]) == (None, None)


def test_faults_are_found_as_without_it(s3: Any) -> None:
    """A dry run accepts nothing that the real one refuses, and only true and false as its own value."""
    assert post({"region": REGION}).status == 400
    assert post(LEAST, dry_run="yes").status == 400
    assert post(LEAST, dry_run="false").status == 201


def test_a_dry_put_keeps_the_conditions(s3: Any) -> None:
    """404, 412 and 409 as the real one, and the stored configuration as it was."""
    one = configuration()

    def put_dry(body: dict[str, object], **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = event(
            "PUT",
            "/configs/{id}",
            parameters={"id": one.id},
            body=json.dumps(body),
            query={"dry_run": "true"},
            headers=sent,
        )
        return answer(lambda_handler, request)

    assert put_dry(LEAST).status == 404
    assert put_dry(LEAST, If_None_Match="*").status == 200
    put(s3, keys.config_key(one.id), one.to_document())
    assert put_dry(LEAST, If_None_Match="*").status == 412
    assert put_dry(LEAST, If_Match='"old"').status == 412
    reply = put_dry(LEAST | {"newest": 1})
    assert (reply.status, reply.json()["newest"], reply.json()["dry_run"]["images"]["selected"]) == (200, 1, 2)
    body = s3.get_object(Bucket=BUCKET, Key=keys.config_key(one.id))["Body"].read()
    assert body == replace(one).to_document()


def test_the_answer_is_bounded_however_many_images_and_tags(s3: Any) -> None:
    """A function may answer 6 MB; the numbers go on where the lists end."""
    names = [f"{number:04}" for number in range(1100)]
    held = ledger(dict.fromkeys(names), repository="team/big")
    for name in names:
        held.images[digest(name)].tags = {f"{name}-{tag:02}-{'t' * 290}": NOW for tag in range(20)}
    record(s3, held)
    request = event(
        "POST",
        "/configs",
        body=json.dumps(LEAST | {"repository": "team/big", "newest": 550}),
        query={"dry_run": "true"},
    )
    raw = lambda_handler(request, CONTEXT)
    assert len(json.dumps(raw)) < 6_000_000
    images = json.loads(raw["body"])["dry_run"]["images"]
    assert (images["selected"], images["left_out_by_newest"]) == (550, 550)
    first = images["first_selected"][0]
    assert (len(first["tags"]), first["tags_in_all"]) == (10, 20)
