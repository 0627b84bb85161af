"""The sample events in events/ are what AWS would send to this template, and every trigger and route has one."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from local.translate import translate

ROOT = Path(__file__).parent.parent
EVENTS = {path.stem: path for path in sorted((ROOT / "events").glob("*.json"))}
REQUESTS = [name for name in EVENTS if name.startswith("api-")]
BATCHES = [name for name in EVENTS if name.startswith("sqs-")]

# The design's table of the API, method by method.
API = {
    "/configs": {"GET", "POST"},
    "/configs/{id}": {"GET", "PUT", "DELETE"},
    "/configs/{id}/tokens": {"GET", "POST"},
    "/configs/{id}/tokens/{name}": {"DELETE"},
    "/dashboard/tokens": {"GET", "POST"},
    "/dashboard/tokens/{name}": {"DELETE"},
    "/gate/tokens": {"GET", "POST"},
    "/gate/tokens/{name}": {"DELETE"},
    "/gate": {"GET"},
    "/gate/ci": {"GET"},
    "/summary": {"GET"},
    "/summary/{id}": {"GET"},
    "/vulnerabilities": {"GET"},
    "/vulnerabilities/{id}": {"GET"},
    "/health": {"GET"},
    "/openapi.json": {"GET"},
    "/findings/{id}": {"GET", "HEAD"},
    "/dashboard": {"GET"},
    "/dashboard/{id}": {"GET"},
    "/metrics": {"GET"},
}
# Which rule brings what to the queue; our own message comes by no rule.
BROUGHT_BY = {
    "sqs-scan-complete": "ScanCompleteRule",
    "sqs-scan-failed": "ScanCompleteRule",
    "sqs-inspector2-scan": "ScanCompleteRule",
    "sqs-push": "ImageActionRule",
    "sqs-push-index": "ImageActionRule",
    "sqs-delete": "ImageActionRule",
    "sqs-archive": "ImageActionRule",
    "sqs-restore": "ImageActionRule",
    "sqs-replication": "ImageActionRule",
    "sqs-replication-backfill": "ImageActionRule",
    "sqs-pull-through-cache": "ImageActionRule",
    "sqs-pull-through-cache-refresh": "ImageActionRule",
    "sqs-creation-template": "ImageActionRule",
    "sqs-ask": None,
}


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(EVENTS[name].read_text(encoding="utf-8"))
    return event


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    resources: dict[str, Any] = translate()["Resources"]
    return resources


@pytest.fixture(scope="module")
def rules(resources: dict[str, Any]) -> dict[str, EventPattern]:
    return {
        name: EventPattern(None, each["Properties"]["EventPattern"])
        for name, each in resources.items()
        if each["Type"] == "AWS::Events::Rule" and "EventPattern" in each["Properties"]
    }


def test_every_file_is_a_request_a_batch_or_the_schedule() -> None:
    """No sample lies about that nothing sends."""
    assert set(EVENTS) == {*REQUESTS, *BROUGHT_BY, "schedule"}
    assert set(BATCHES) == set(BROUGHT_BY)


def test_every_route_and_method_has_a_request(resources: dict[str, Any]) -> None:
    """The requests are the API's table, and its paths are the template's."""
    found: dict[str, set[str]] = {}
    for name in REQUESTS:
        event = load(name)
        found.setdefault(event["resource"], set()).add(event["httpMethod"])
    assert found == API
    assert set(found) == set(resources["Api"]["Properties"]["Body"]["paths"])


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_agrees_with_itself(name: str) -> None:
    """API Gateway says the same thing in several places; so do the samples."""
    event = load(name)
    context = event["requestContext"]
    parameters = event["pathParameters"] or {}
    assert event["path"] == event["resource"].format(**parameters)
    assert context["path"] == f"/{context['stage']}{event['path']}"
    assert (context["resourcePath"], context["httpMethod"]) == (event["resource"], event["httpMethod"])
    assert event["multiValueHeaders"] == {key: [value] for key, value in event["headers"].items()}
    assert event["headers"]["Host"] == context["domainName"]
    assert (event["httpMethod"] in {"POST", "PUT"}) == (event["body"] is not None)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_carries_a_signature_or_a_token(resources: dict[str, Any], name: str) -> None:
    """Signed where the template asks for IAM, with a token where it doesn't."""
    event = load(name)
    methods = resources["Api"]["Properties"]["Body"]["paths"][event["resource"]]
    method = methods.get(event["httpMethod"].lower()) or methods["x-amazon-apigateway-any-method"]
    signed = method["security"] == [{"AWS_IAM": []}]
    assert ("Authorization" in event["headers"]) == signed
    assert ("token" in (event["queryStringParameters"] or {})) != signed
    assert (event["requestContext"]["identity"]["userArn"] is not None) == signed


@pytest.mark.parametrize(("name", "rule"), BROUGHT_BY.items())
def test_a_queued_event_comes_by_its_rule_alone(rules: dict[str, EventPattern], name: str, rule: str | None) -> None:
    """Each sample of an ECR or Inspector event matches the one rule that is to bring it."""
    for record in load(name)["Records"]:
        body = json.loads(record["body"])
        assert {each for each, pattern in rules.items() if pattern.matches_event(body)} == ({rule} if rule else set())


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_has_the_shape_of_sqs(name: str) -> None:
    """Ids differ within a batch, and the digest is that of the body."""
    records = load(name)["Records"]
    assert len({record["messageId"] for record in records}) == len(records)
    for record in records:
        assert record["eventSource"] == "aws:sqs"
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        assert {"ApproximateReceiveCount", "SentTimestamp"} <= set(record["attributes"])


@pytest.mark.parametrize(
    ("source", "kind", "detail"),
    [
        ("aws.ecr", "ECR Pull Through Cache Action", {"sync-status": "FAILED"}),
        ("aws.ecr", "ECR Replication Action", {"result": "SUCCESS"}),
        ("aws.ecr", "ECR Image Action", {"action-type": "PULL"}),
        ("aws.ecr", "ECR Referrer Action", {"action-type": "UPDATE_STORAGE_CLASS"}),
        ("aws.inspector2", "Inspector2 Finding", {"severity": "HIGH"}),
    ],
)
def test_other_events_stay_away(rules: dict[str, EventPattern], source: str, kind: str, detail: dict[str, str]) -> None:
    """The queue gets nothing that the service has no use for."""
    event = {"source": source, "detail-type": kind, "detail": detail}
    assert not any(pattern.matches_event(event) for pattern in rules.values())


def test_early_material_s_name_of_the_scan_event_is_taken_too(rules: dict[str, EventPattern]) -> None:
    """The rule also matches the name that ECR's early material gave the event."""
    event = {"source": "aws.ecr", "detail-type": "ECR Image Scan Status Notification", "detail": {}}
    assert rules["ScanCompleteRule"].matches_event(event)


def test_the_forwarding_example_forwards_what_the_rules_take(resources: dict[str, Any]) -> None:
    """What another Region or account is told to send on is what this stack hears, no less and no more."""
    (example,) = re.findall(r"'({\"source\".*})'", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"))
    taken = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Events::Rule"]
    heard = {kind for rule in taken for kind in rule.get("EventPattern", {}).get("detail-type", [])}
    assert set(json.loads(example)["detail-type"]) == heard - {"ECR Image Scan Status Notification"}


def test_the_schedule_s_event_is_eventbridge_s_own() -> None:
    """A tick is told from a batch by its source."""
    assert load("schedule")["source"] == "aws.events"
    assert load("schedule")["detail-type"] == "Scheduled Event"
