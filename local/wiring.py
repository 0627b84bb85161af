"""What template.yaml wires together: functions, routes, schedules, rules, queues. There is no second list of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.template import ACCOUNT, REGION, STACK, Template, TemplateError


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: ``timeout`` in seconds, ``memory`` in MB, ``layers`` the folders that go onto its import path."""

    id: str
    name: str
    arn: str
    code: Path
    handler: str
    layers: tuple[Path, ...]
    environment: dict[str, str]
    timeout: int
    memory: int


@dataclass(frozen=True, slots=True)
class Route:
    """A path of the API (with ``{parameters}``) and a method (or ANY) of a function; ``signed`` when it wants IAM."""

    path: str
    method: str
    function: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Api:
    """The REST API: its stage, when it compresses (bytes; None = never), what it takes for binary, its routes."""

    id: str
    stage: str
    minimum_compression_size: int | None
    binary_media_types: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A function that EventBridge wakes at a fixed rate."""

    function: str
    every: timedelta
    rule_arn: str


@dataclass(frozen=True, slots=True)
class Rule:
    """An event pattern, and the queues (ARNs) that get what matches it."""

    name: str
    pattern: dict[str, Any]
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueSource:
    """A queue (ARN) whose messages wake a function in batches."""

    function: str
    queue: str
    batch_size: int
    reports_failures: bool


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything that the local stack needs to know of the template."""

    functions: dict[str, FunctionSpec]
    api: Api
    schedules: tuple[Schedule, ...]
    rules: tuple[Rule, ...]
    sources: tuple[QueueSource, ...]
    buckets: tuple[str, ...]
    queues: dict[str, dict[str, Any]]
    topics: tuple[str, ...]


def read_wiring(template: Template) -> Wiring:
    """Read a template's wiring; TemplateError for what the local stack can't do."""
    functions = {
        name: _function(template, name, found) for name, found in template.of_type("AWS::Serverless::Function").items()
    }
    apis = template.of_type("AWS::Serverless::Api")
    if len(apis) != 1:
        raise TemplateError(f"the local stack runs one AWS::Serverless::Api, the template has {len(apis)}")
    ((api_id, api),) = apis.items()
    routes: list[Route] = []
    schedules: list[Schedule] = []
    sources: list[QueueSource] = []
    signed = "DefaultAuthorizer" in api.get("Auth", {})
    for name, found in template.of_type("AWS::Serverless::Function").items():
        for event_name, event in found.get("Events", {}).items():
            where, properties = f"{name}.Events.{event_name}", event.get("Properties", {})
            match event["Type"]:
                case "Api":
                    wants = properties.get("Auth", {}).get("Authorizer", "" if signed else "NONE") != "NONE"
                    routes.append(Route(properties["Path"], properties["Method"].upper(), name, wants))
                case "Schedule" | "ScheduleV2":
                    expression = properties.get("Schedule", properties.get("ScheduleExpression", ""))
                    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK}-{name}{event_name}"
                    schedules.append(Schedule(name, _rate(expression, where), arn))
                case "SQS":
                    reports = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
                    sources.append(QueueSource(name, properties["Queue"], properties.get("BatchSize", 10), reports))
                case kind:
                    raise TemplateError(f"{where}: events of type {kind} are not known to the local stack")
    return Wiring(
        functions=functions,
        api=Api(
            id=api_id,
            stage=api["StageName"],
            minimum_compression_size=api.get("MinimumCompressionSize"),
            binary_media_types=tuple(item.replace("~1", "/") for item in api.get("BinaryMediaTypes", [])),
            routes=tuple(routes),
        ),
        schedules=tuple(schedules),
        rules=tuple(_rule(template, name, found) for name, found in template.of_type("AWS::Events::Rule").items()),
        sources=tuple(sources),
        buckets=tuple(template.name(name) for name in template.of_type("AWS::S3::Bucket")),
        queues={template.name(name): found for name, found in template.of_type("AWS::SQS::Queue").items()},
        topics=tuple(template.name(name) for name in template.of_type("AWS::SNS::Topic")),
    )


def _function(template: Template, logical_id: str, properties: dict[str, Any]) -> FunctionSpec:
    shared = template.resolve(template.globals.get("Function", {}), "Globals.Function")
    merged = shared | properties
    environment = [part.get("Environment", {}).get("Variables", {}) for part in (shared, properties)]
    # SAM puts the lists of Globals and of the function one after the other.
    layers = [*shared.get("Layers", []), *properties.get("Layers", [])]
    name = template.name(logical_id)
    return FunctionSpec(
        id=logical_id,
        name=name,
        arn=template.resolve({"Fn::GetAtt": [logical_id, "Arn"]}, logical_id),
        code=template.folder / merged["CodeUri"],
        handler=merged["Handler"],
        layers=tuple(template.folder / template.resources[layer]["Properties"]["ContentUri"] for layer in layers),
        environment={key: str(value) for part in environment for key, value in part.items()},
        timeout=merged.get("Timeout", 3),
        memory=merged.get("MemorySize", 128),
    )


def _rule(template: Template, logical_id: str, properties: dict[str, Any]) -> Rule:
    queues: list[str] = []
    for target in properties["Targets"]:
        if unknown := target.keys() - {"Id", "Arn"}:
            raise TemplateError(f"{logical_id}.Targets: {', '.join(sorted(unknown))} is not known to the local stack")
        if ":sqs:" not in target["Arn"]:
            raise TemplateError(
                f"{logical_id}.Targets: the local stack delivers to queues only, not to {target['Arn']}"
            )
        queues.append(target["Arn"])
    if "EventPattern" not in properties:
        raise TemplateError(f"{logical_id}: the local stack knows rules with an EventPattern only")
    return Rule(template.name(logical_id), properties["EventPattern"], tuple(queues))


def _rate(expression: str, where: str) -> timedelta:
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if found is None:
        raise TemplateError(f"{where}: the schedule {expression!r} is not known to the local stack")
    number, unit = found.groups()
    return timedelta(**{f"{unit}s": int(number)})
