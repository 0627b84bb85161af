"""The Summary function, by its API events, against a bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import Closing, Finding, FindingsDocument, Image, Manifest, Opening
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.runtime import clock, wiring
from functions.summary import app

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
BUCKET, REGISTRY, REGION = "records", "123456789012", "us-east-1"
CONFIG_ID = "0b2b3c4d-0000-4000-8000-000000000001"
CONTEXT = SimpleNamespace(
    function_name="Summary",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:Summary",
    aws_request_id="request",
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, a cold function, and a clock that stands still."""
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    monkeypatch.setenv("ACCOUNT_ID", REGISTRY)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("PUBLIC_URL", "")
    monkeypatch.setenv("SLA_DAYS", "CRITICAL=7,HIGH=30,MEDIUM=90,LOW=180")
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket=BUCKET)
        wiring.reset()
        clock.use(lambda: NOW)
        yield client
        clock.use(None)
        wiring.reset()


def put(s3: Any, key: str, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def digest(position: int) -> str:
    return f"sha256:{position:064}"


def configure(s3: Any, repository: str, configuration_id: str = CONFIG_ID, **members: Any) -> None:
    body = {"region": REGION, "registry": REGISTRY, "repository": repository, **members}
    stored = ScanConfiguration.from_wire(body, id=configuration_id, now=NOW)
    put(s3, keys.config_key(configuration_id), stored.to_document())


def record(s3: Any, repository: str, *, images: int = 1, findings: int = 0) -> None:
    """A repository whose images were all scanned three hours ago, with as many findings each."""
    ledger = Ledger(REGISTRY, REGION, repository, since=NOW, listed_at=NOW)
    document = FindingsDocument(REGISTRY, REGION, repository, since=NOW, changed_at=NOW)
    at = NOW - timedelta(hours=3)
    for position in range(images):
        pushed = NOW - timedelta(days=1 + position)
        ledger.images[digest(position)] = LedgerImage(pushed, tags={f"1.{position}": NOW})
        ledger.manifests[digest(position)] = ManifestRecord(
            state=ScanState.COMPLETE, looked_up=True, completed_at=at, counts={Severity.HIGH: findings}
        )
        document.manifests.append(Manifest(digest(position), result_at=at))
        image = Image(digest(position), (f"1.{position}",), pushed, 1 << position, pushed, NOW)
        document.images[digest(position)] = image
    for number in range(findings):
        affected = {"1": {Severity.HIGH: (1 << images) - 1}}
        document.findings[f"CVE-{number}", "openssl"] = Finding(NOW, NOW, openings=[Opening(NOW, affected)])
    fixed = Opening(at, closed=Closing(at, "fixed", Severity.HIGH, ("1.0",)))
    document.findings["CVE-fixed", "openssl"] = Finding(at, at, openings=[fixed])
    put(s3, keys.images_key(REGISTRY, REGION, repository), ledger.to_json())
    put(s3, keys.findings_key(REGISTRY, REGION, repository), document.to_json())


def call(path: str = "/summary", method: str = "GET", accept: str | None = None, **query: str) -> SimpleNamespace:
    configuration_id = path.removeprefix("/summary").strip("/")
    headers = {} if accept is None else {"accept": accept}
    event = {
        "resource": "/summary/{id}" if configuration_id else "/summary",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": {"id": configuration_id} if configuration_id else None,
        "requestContext": {"requestId": "request", "path": f"/v1{path}", "domainName": "api.example.com"},
        "body": None,
        "isBase64Encoded": False,
    }
    answer = app.lambda_handler(event, CONTEXT)
    return SimpleNamespace(
        status=answer["statusCode"],
        headers={name.lower(): values[0] for name, values in answer["multiValueHeaders"].items()},
        body=answer["body"],
        base64=answer["isBase64Encoded"],
    )


def error(answer: SimpleNamespace) -> str:
    code: str = json.loads(answer.body)["error"]["code"]
    return code


@pytest.fixture
def calls() -> Any:
    """S3 calls of the requests since the bucket's client was made, by operation."""
    made: list[str] = []

    def watch() -> list[str]:
        events = wiring.documents()._s3.meta.events
        events.register("before-call.s3", lambda model, **_: made.append(model.name), unique_id="count")
        return made

    return watch


def test_the_summary_in_json(s3: Any) -> None:
    """By default; compact, not to be stored by anybody, and never encoded."""
    configure(s3, "team/app")
    record(s3, "team/app", findings=2)
    answer = call()
    assert (answer.status, answer.base64) == (200, False)
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Accept")
    body = json.loads(answer.body)
    assert (body["schema"], body["at"], body["problems"]) == (1, "2026-11-23T18:00:00Z", [])
    assert body["totals"]["counts"]["HIGH"] == 2
    assert body["configurations"][0]["images"][0]["reason"].startswith("scanned 3 h ago, next 2026-11-24 15:")


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("text/plain", {}),
        ("text/*;q=0.9, application/json;q=0.1", {}),
        (None, {"format": "text"}),
        ("application/json", {"format": "text"}),
    ],
)
def test_the_plain_report(s3: Any, accept: str | None, query: dict[str, str]) -> None:
    """By Accept, or by format, which a person can type and therefore wins."""
    configure(s3, "team/app")
    record(s3, "team/app", findings=2)
    answer = call(accept=accept, **query)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == "Results for team/app:1.0 in us-east-1:\n HIGH: 2\n"


@pytest.mark.parametrize("accept", [None, "*/*", "application/*", "text/html, */*;q=0.1"])
def test_json_for_whoever_takes_anything(s3: Any, accept: str | None) -> None:
    """Browsers and curl get JSON."""
    assert call(accept=accept).headers["content-type"] == "application/json"


def test_a_form_that_there_is_not(s3: Any) -> None:
    """406 by Accept, 400 by format; nothing is read for it."""
    assert (call(accept="image/png").status, error(call(accept="image/png"))) == (406, "NotAcceptable")
    refused = call(format="xml")
    assert (refused.status, json.loads(refused.body)["error"]["details"]) == (
        400,
        [{"field": "format", "problem": "must be one of json, text, csv"}],
    )
    assert call("/summary/not-an-id", format="xml").status == 400


@pytest.mark.parametrize("path", ["/summary", "/summary/", f"/summary/{CONFIG_ID}", f"/summary/{CONFIG_ID}/"])
def test_head_and_trailing_slashes(s3: Any, path: str) -> None:
    """HEAD is GET without its body, with or without a slash at the end."""
    configure(s3, "team/app")
    answer = call(path, "HEAD")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, "", "application/json")
    assert call(path).status == 200


def test_only_reading_is_allowed(s3: Any) -> None:
    """405 says what is."""
    answer = call(method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_one_configuration(s3: Any) -> None:
    """Itself, its own totals, and nothing of the others."""
    other = CONFIG_ID[:-1] + "2"
    configure(s3, "team/app")
    configure(s3, "team/*", other)
    record(s3, "team/app", images=2)
    record(s3, "team/web", images=3)
    put(s3, "configs/notes.txt", b"hello")
    put(s3, "images/notes.txt", b"hello")
    mine, all_of_them = json.loads(call(f"/summary/{CONFIG_ID}").body), json.loads(call().body)
    assert [item["id"] for item in mine["configurations"]] == [CONFIG_ID]
    assert (mine["totals"]["images"], mine["problems"]) == (2, [])
    assert [item["coverage"]["selected"] for item in all_of_them["configurations"]] == [2, 5]
    assert (all_of_them["totals"]["repositories"], all_of_them["totals"]["images"]) == (2, 5)


@pytest.mark.parametrize("configuration_id", ["not-an-id", CONFIG_ID.upper(), "..%2Fconfigs"])
def test_a_malformed_id_never_reaches_the_bucket(s3: Any, calls: Any, configuration_id: str) -> None:
    """It is 404 without a single call."""
    made = calls()
    answer = call(f"/summary/{configuration_id}")
    assert (answer.status, error(answer), made) == (404, "NotFound", [])


def test_an_unknown_id(s3: Any, calls: Any) -> None:
    """404, after one look."""
    made = calls()
    assert call(f"/summary/{CONFIG_ID}").status == 404
    assert made == ["GetObject"]


def test_bad_objects_are_reported_and_never_fatal(s3: Any) -> None:
    """Foreign, corrupt and misplaced ones and those of a later version; what is good is summed up beside them."""
    configure(s3, "*")
    record(s3, "team/app", findings=1)
    record(s3, "team/copied")
    stolen = s3.get_object(Bucket=BUCKET, Key=keys.images_key(REGISTRY, REGION, "team/app"))["Body"].read()
    put(s3, keys.images_key(REGISTRY, REGION, "team/copied"), stolen)
    put(s3, keys.images_key(REGISTRY, REGION, "team/newer"), b'{"schema": 2}')
    put(s3, keys.findings_key(REGISTRY, REGION, "team/cut"), b'{"schema": 1, "registry"')
    put(s3, keys.findings_key(REGISTRY, REGION, "team/zip"), b"\x1f\x8bno")
    put(s3, f"images/{REGISTRY}/{REGION}/team/app.json", b"{}")
    put(s3, "findings/notes.txt", b"hello")
    put(s3, "configs/notes.txt", b"hello")
    put(s3, keys.config_key(CONFIG_ID[:-1] + "3"), b"[]")

    answer = call()
    assert answer.status == 200
    body = json.loads(answer.body)
    assert [problem["key"] for problem in body["problems"]] == [
        f"configs/{CONFIG_ID[:-1]}3.json",
        "configs/notes.txt",
        f"findings/{REGISTRY}/{REGION}/team%2Fcut.json",
        f"findings/{REGISTRY}/{REGION}/team%2Fzip.json",
        "findings/notes.txt",
        f"images/{REGISTRY}/{REGION}/team%2Fcopied.json",
        f"images/{REGISTRY}/{REGION}/team%2Fnewer.json",
        f"images/{REGISTRY}/{REGION}/team/app.json",
    ]
    assert all(problem["problem"] for problem in body["problems"])
    assert body["configurations"][0]["problems"] == [
        "team/copied: its image ledger can't be read",
        "team/cut: its findings can't be read",
        "team/newer: its image ledger can't be read",
        "team/zip: its findings can't be read",
    ]
    assert [image["repository"] for image in body["configurations"][0]["images"]] == ["team/app"]
    assert json.loads(call().body) == body


def test_a_corrupt_configuration_asked_for_by_its_id(s3: Any) -> None:
    """Its problem is the answer: nothing can be summed up, and nobody is told that it is gone."""
    put(s3, keys.config_key(CONFIG_ID), b"{")
    answer = call(f"/summary/{CONFIG_ID}")
    assert answer.status == 200
    body = json.loads(answer.body)
    assert (body["configurations"], body["totals"]["counts"]) == ([], None)
    assert body["problems"] == [{"key": f"configs/{CONFIG_ID}.json", "problem": "is not JSON"}]


def test_a_bucket_out_of_reach_is_no_empty_summary(s3: Any) -> None:
    """503: nothing is known, which is not the same as nothing found."""
    s3.delete_bucket(Bucket=BUCKET)
    answer = call()
    assert (answer.status, error(answer)) == (503, "StoreUnavailable")
    assert BUCKET not in answer.body


def test_calls_do_not_grow_with_images_and_the_next_request_reads_what_changed(s3: Any, calls: Any) -> None:
    """Cold: three listings and each document once. Warm: listings, account, health, signals, what changed."""
    configure(s3, "team/*")
    record(s3, "team/app", images=50, findings=20)
    record(s3, "team/web", images=1)
    record(s3, "other/app")
    made = calls()
    first = call().body
    assert sorted(made) == ["GetObject"] * 8 + ["ListObjectsV2"] * 3

    made.clear()
    assert call().body == first
    assert sorted(made) == ["GetObject"] * 3 + ["ListObjectsV2"] * 3

    made.clear()
    record(s3, "team/web", images=2)
    assert json.loads(call().body)["totals"]["images"] == 52
    assert sorted(made) == ["GetObject"] * 5 + ["ListObjectsV2"] * 3


def test_counts_follow_configurations_documents_and_days(s3: Any) -> None:
    """What is remembered between requests never outlives a changed configuration, document or suppression."""

    def high() -> tuple[int, int]:
        (item,) = json.loads(call(f"/summary/{CONFIG_ID}").body)["configurations"]
        return item["counts"]["HIGH"], item["suppressed"]

    ignore = [{"vulnerability": "CVE-0", "reason": "not reachable", "until": "2026-11-23"}]
    configure(s3, "team/app")
    record(s3, "team/app", findings=2)
    assert (high(), high()) == ((2, 0), (2, 0))
    configure(s3, "team/app", ignore=ignore)
    assert high() == (1, 1)
    record(s3, "team/app", findings=3)
    assert high() == (2, 1)
    clock.use(lambda: NOW + timedelta(days=1))
    assert high() == (3, 0)


def test_a_repository_that_went_away_is_forgotten(s3: Any) -> None:
    """Documents kept from earlier requests never outlive the bucket's."""
    configure(s3, "team/*")
    record(s3, "team/app")
    record(s3, "team/web")
    assert json.loads(call().body)["totals"]["repositories"] == 2
    s3.delete_object(Bucket=BUCKET, Key=keys.images_key(REGISTRY, REGION, "team/web"))
    assert json.loads(call().body)["totals"]["repositories"] == 1
    record(s3, "team/web")
    assert json.loads(call().body)["totals"]["repositories"] == 2


def test_documents_that_do_not_fit_are_read_again(s3: Any, calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept between requests is bounded, and what is answered does not depend on it."""
    monkeypatch.setattr("ecr_rescan.runtime.serving.records._KEPT_BYTES", 0)
    monkeypatch.setattr("ecr_rescan.runtime.serving.summaries._TALLIES_KEPT", 0)
    configure(s3, "team/*")
    record(s3, "team/app", images=3, findings=2)
    made = calls()
    first = call().body
    made.clear()
    assert call().body == first
    assert sorted(made) == ["GetObject"] * 5 + ["ListObjectsV2"] * 3
