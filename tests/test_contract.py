"""The API's contract: current, about every route, and true of what the functions answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contract.document import FILE, to_text
from functions.config.app import app as config_app
from functions.findings.app import app as findings_app
from functions.summary.app import app as summary_app
from functions.summary.app import lambda_handler as summary_handler
from tests.service import Service, basic, service

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]}, format_checker=FormatChecker())


def hold(path: str, method: str, status: int, body: Any) -> None:
    """An answer must be as the contract says."""
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    found = [error.message for error in validator(answer["content"]["application/json"]["schema"]).iter_errors(body)]
    assert found == [], (path, method, status)


def test_the_file_is_what_the_code_says() -> None:
    """After a change: make openapi."""
    assert FILE.read_text(encoding="utf-8") == to_text()


def test_every_route_and_method_is_in_it() -> None:
    """And nothing else: names of parameters apart, the functions' own tables are the contract's."""
    registered = {
        (re.sub(r"<\w+>", "{}", rule), method.lower())
        for app in (config_app, summary_app, findings_app)
        for rule, methods in app._methods.items()
        for method in methods
    }
    told = {(re.sub(r"{\w+}", "{}", path), method) for path, each in DOCUMENT["paths"].items() for method in each}
    assert told == registered


def test_every_query_parameter_is_in_it() -> None:
    """And no other is taken: whatever else stands in a query is refused."""
    told = {
        f"{method.upper()} {path}": {
            *(parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"),
            *(["token"] if {"token": []} in operation["security"] else ()),
        }
        for path, each in DOCUMENT["paths"].items()
        for method, operation in each.items()
    }
    taken = {name: set(query) for app in (config_app, summary_app, findings_app) for name, query in app.queries.items()}
    assert {name: query for name, query in told.items() if query} == taken


def test_every_schema_is_one_and_is_used() -> None:
    """No reference leads nowhere, and none is missing."""
    text = json.dumps(DOCUMENT)
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text, name
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) == set(DOCUMENT["components"]["schemas"])


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A deployment with a finding in two repositories."""
    with service() as made:
        for repository in ("team/app", "team/web"):
            made.push(repository, "1")
            made.post(repository, "1", [basic("CVE-2026-1")])
        made.push("team/app", "0")
        yield made


def test_answers_are_as_it_says(running: Service) -> None:
    """Of every route in JSON, good and bad, with something in it."""
    ignore = [{"vulnerability": "CVE-1", "package": "p", "tags": ["x"], "reason": "r", "until": "2026-03-05"}]
    fields = {"region": "us-east-1", "registry": "123456789012", "repository": "team/*", "ignore": ignore}
    made = running.add(["team/*"], ignore=ignore)
    hold("/configs", "post", 201, made)
    sendable = validator({"$ref": "#/components/schemas/ConfigurationToSet"})
    assert sendable.is_valid(made)
    running.cycle(3)
    asked = {"parameters": {"id": made["id"]}}

    def config(method: str, resource: str, **more: Any) -> int:
        reply = running.config(method, resource, **more)
        hold(resource, method.lower(), reply.status, reply.json())
        return reply.status

    assert config("GET", "/configs") == 200
    assert config("GET", "/configs", query={"limit": "x"}) == 400
    assert config("POST", "/configs", body={}) == 400
    assert config("POST", "/configs", body=fields | {"newest": 1}, query={"dry_run": "true"}) == 200
    assert config("GET", "/configs/{id}", **asked) == 200
    assert config("GET", "/configs/{id}", parameters={"id": "x"}) == 404
    assert config("PUT", "/configs/{id}", body=fields, **asked) == 200
    assert config("PUT", "/configs/{id}", body=fields, query={"dry_run": "true"}, **asked) == 200
    assert config("PUT", "/configs/{id}", body=fields, headers={"If-Match": "x"}, **asked) == 412
    assert config("POST", "/configs/{id}/tokens", body={"name": "a"}, **asked) == 201
    assert config("POST", "/configs/{id}/tokens", body={"name": "a"}, **asked) == 409
    assert config("GET", "/configs/{id}/tokens", **asked) == 200
    assert config("POST", "/dashboard/tokens", body={"name": "a"}) == 201
    assert config("GET", "/dashboard/tokens") == 200
    assert config("POST", "/gate/tokens", body={"name": "a"}) == 201
    assert config("GET", "/gate/tokens") == 200

    def summary(resource: str, **more: Any) -> dict[str, Any]:
        reply = running.api(summary_handler, "GET", resource, **more)
        body: dict[str, Any] = reply.json()
        hold(resource, "get", reply.status, body)
        return body

    assert summary("/summary")["totals"]["images"] == 3
    assert summary("/summary/{id}", **asked)["totals"]["counts"]["HIGH"] == 1
    assert summary("/vulnerabilities/{id}", parameters={"id": "CVE-2026-1"})["repositories_affected"] == 2
    assert [row["images"] for row in summary("/vulnerabilities")["vulnerabilities"]] == [2]
    for image, verdict in (("team/app:1", "fail"), ("team/app:0", "pass"), ("team/app:9", "unknown")):
        assert summary("/gate", query={"image": image})["verdict"] == verdict
    assert summary("/gate", query={"image": "x"})["error"]["code"] == "InvalidRequest"
    assert summary("/gate/ci")["error"]["code"] == "Unauthorized"
    for repository in ("team/app", "team/web"):
        running.post(repository, "1", [])
    running.days(1.2)
    assert len(summary("/vulnerabilities/{id}", parameters={"id": "CVE-2026-1"})["past"]) == 2
    assert summary("/vulnerabilities", query={"state": "all"})["vulnerabilities"][0]["close_reason"] == "withdrawn"
    assert summary("/summary", query={"format": "x"})["error"]["code"] == "InvalidRequest"
    assert summary("/dashboard")["error"]["code"] == "Unauthorized"
    assert summary("/metrics")["error"]["code"] == "Unauthorized"


def test_what_may_be_sent_is_what_is_accepted() -> None:
    """The schema of a configuration knows the rules of the code."""
    schema = validator({"$ref": "#/components/schemas/ConfigurationToSet"})
    least = {"region": "eu-west-1", "registry": "123456789012", "repository": "team/*"}
    good = [least, least | {"repository": ["a", "!b"], "newest": 1, "severity": "HIGH", "tags": None}]
    bad: list[dict[str, Any]] = [
        {"region": "eu-west-1", "registry": "123456789012"},
        least | {"registry": "12"},
        least | {"repository": ["!a"]},
        least | {"repository": "Upper"},
        least | {"newest": 0},
        least | {"tag": ["x"]},
        least | {"ignore": [{"vulnerability": "CVE-1"}]},
    ]
    assert [schema.is_valid(body) for body in good] == [True] * len(good)
    assert [schema.is_valid(body) for body in bad] == [False] * len(bad)
