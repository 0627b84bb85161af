"""The alarms: each rings on something that is really measured, reaches somebody, and is explained to who is woken."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from functools import cache
from typing import Any
from unittest import mock

import boto3
import pytest

from benchmarks import prices
from ecr_rescan.runtime.observability import logger
from functions.summary.app import lambda_handler as summary
from local.functions import PROJECT
from local.template import STACK
from local.translate import translate
from tests.service import basic, service

NAMESPACE = "EcrRescan"
TOPIC = {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "Topic"}]}

TEMPLATE: dict[str, Any] = translate()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
FILTERS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::Logs::MetricFilter"}

START_SCAN = {"FunctionName": {"Ref": "StartScanFunction"}}
API = {"ApiName": {"Ref": "AWS::StackName"}, "Stage": "v1"}
# What AWS publishes by itself (the developer guides of Lambda, SQS and API Gateway, "metrics and dimensions").
OF_AWS = {
    ("AWS/Lambda", "Errors"): START_SCAN,
    ("AWS/Lambda", "Throttles"): START_SCAN,
    ("AWS/Lambda", "Duration"): START_SCAN,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName": {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}},
    ("AWS/ApiGateway", "5XXError"): API,
    ("AWS/ApiGateway", "IntegrationLatency"): API,
}
SLOWEST_SCHEDULE = 600


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm looks at: namespace, name, dimensions."""
    if "Metrics" in alarm:
        return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]
    return [{name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}]


@cache
def printed() -> tuple[dict[str, Any], ...]:
    """The lines of JSON that the functions print: of ticks and batches whose topic is gone, and of refused requests."""
    out = io.StringIO()
    handler = logger.registered_handler
    with service() as running, redirect_stdout(out), mock.patch.object(handler, "stream", out):
        boto3.client("sns").delete_topic(
            TopicArn=running.wiring.functions["StartScanFunction"].environment["TOPIC_ARN"]
        )
        running.push("team/app", "1")
        running.post("team/app", "1", [basic("CVE-2026-1")])
        added = running.add("team/*")
        assert running.feed(added).status == 503
        running.cycle(2)
        assert running.feed(added, token="wrong").status == 401
        assert running.api(summary, "GET", "/metrics").status == 401
    return tuple(json.loads(line) for line in out.getvalue().splitlines())


@cache
def embedded() -> dict[str, set[tuple[str, str, str]]]:
    """(dimension, its value, unit) of the metrics that the functions embed in their logs, by name."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for line in printed():
        for block in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert block["Namespace"] == NAMESPACE
            ((dimension,),) = block["Dimensions"]
            for metric in block["Metrics"]:
                assert isinstance(line[metric["Name"]], list), "CloudWatch finds the values beside"
                found.setdefault(metric["Name"], set()).add((dimension, line[dimension], metric["Unit"]))
    return found


def counted() -> set[str]:
    """The custom metrics: those that the functions embed, and those that filters make of their logs."""
    return set(embedded()) | {made["MetricName"] for each in FILTERS.values() for made in each["MetricTransformations"]}


def slots(alarm: dict[str, Any]) -> tuple[int, int, int]:
    """The seconds of a period, how many are looked at, and how many of them must be bad."""
    (period,) = {each["MetricStat"]["Period"] for each in alarm.get("Metrics", ()) if "MetricStat" in each} or {
        alarm["Period"]
    }
    return period, alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])


def test_there_is_an_alarm_for_everything_that_may_go_wrong_unseen() -> None:
    """Ticks, dead letters, lateness, coverage, troubles, throttling, the API's errors and refusals, time-outs."""
    assert set(ALARMS) == {
        "TickFailingAlarm",
        "TickMissingAlarm",
        "DeadLettersAlarm",
        "ResultsOverdueAlarm",
        "CoverageAlarm",
        "ProblemsAlarm",
        "ThrottledAlarm",
        "ApiErrorsAlarm",
        "RefusedTokensAlarm",
        "TickSlowAlarm",
        "ApiSlowAlarm",
        "MessagesDelayedAlarm",
    }


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_what_is_published(name: str) -> None:
    """A metric that nobody writes is an alarm that never rings."""
    for metric in metrics(ALARMS[name]):
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        if metric["Namespace"] == NAMESPACE:
            assert metric["MetricName"] in counted()
            assert dimensions == {"service": {"Ref": "AWS::StackName"}}
        else:
            assert dimensions == OF_AWS[metric["Namespace"], metric["MetricName"]]


def test_the_api_s_metrics_are_of_this_api() -> None:
    """CloudWatch knows an API by its name."""
    (stage,) = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::ApiGateway::Stage"]
    assert {"ApiName": RESOURCES["Api"]["Properties"]["Name"], "Stage": stage["StageName"]} == API


def test_a_function_s_metrics_are_of_this_stack() -> None:
    """Each is embedded as a count, under one dimension: the name that the template gives the functions."""
    variables = RESOURCES["StartScanFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE
    assert embedded()
    for name, seen in embedded().items():
        assert seen == {("service", STACK, "Count")}, name


def test_the_functions_log_as_cloudwatch_reads_embedded_metrics() -> None:
    """Lambda's JSON log format would wrap the lines, and neither metrics nor filters would find anything in them."""
    for name, each in RESOURCES.items():
        if each["Type"] == "AWS::Lambda::Function":
            assert set(each["Properties"]["LoggingConfig"]) == {"LogGroup"}, name


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_reaches_somebody_and_says_when_it_is_over(name: str) -> None:
    """The operator's own topic, else the notifications'."""
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == [TOPIC]


def test_cloudwatch_can_publish_to_the_topic() -> None:
    """The topic has no AWS-managed key, and its policy lets this account's alarms in."""
    key = RESOURCES["Topic"]["Properties"]["KmsMasterKeyId"]
    assert key == {"Fn::If": ["HasTopicKey", {"Ref": "TopicKeyArn"}, {"Ref": "AWS::NoValue"}]}
    allow, deny = RESOURCES["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    assert allow["Action"] == "sns:Publish"
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_in_the_runbook(name: str) -> None:
    """Who is woken finds a heading with the alarm's name: what it means, what to look at, what to do."""
    assert f"See {name} in docs/operations.md." in ALARMS[name]["AlarmDescription"]
    runbook = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    (entry,) = re.findall(rf"^### {name}\n(.*?)(?=^##)", runbook + "\n## ", re.DOTALL | re.MULTILINE)
    for part in ("**Means**", "**Look at**", "**Do**"):
        assert part in entry


def test_only_the_missing_tick_rings_where_nothing_is_measured() -> None:
    """A quiet API or an empty queue is no trouble; a silent schedule is."""
    missing = {name: alarm["TreatMissingData"] for name, alarm in ALARMS.items()}
    while_scanning = {"Fn::If": ["Scans", "breaching", "notBreaching"]}
    assert missing.pop("TickMissingAlarm") == while_scanning
    assert "breaching" not in missing.values()
    # Lateness is not over because nothing measures it any more.
    assert {name for name, treated in missing.items() if treated == "ignore"} == {
        "ResultsOverdueAlarm",
        "CoverageAlarm",
        "ProblemsAlarm",
    }


def test_the_schedules_are_those_that_the_alarms_are_made_for() -> None:
    """A slower schedule would need longer periods."""
    allowed = TEMPLATE["Parameters"]["Schedule"]["AllowedValues"]
    assert max(60 * int(re.findall(r"\d+", each)[0]) for each in allowed) == SLOWEST_SCHEDULE


def test_a_late_tick_is_given_three_turns_of_the_slowest_schedule() -> None:
    """The alarm must not ring between two ticks."""
    alarm = ALARMS["TickMissingAlarm"]
    assert alarm["Statistic"] == "SampleCount"
    assert alarm["Period"] * alarm["EvaluationPeriods"] >= 3 * SLOWEST_SCHEDULE


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_though_ticks_leave_gaps(name: str) -> None:
    """What comes with ticks can fill no more periods than there are ticks, on the slowest schedule too."""
    period, looked_at, bad = slots(ALARMS[name])
    of_ticks = {
        *("ImagesSelected", "ImagesOverdue", "MessagesDelayed", "Problems"),
        *("Errors", "Throttles", "Duration"),
    }
    if {metric["MetricName"] for metric in metrics(ALARMS[name])} <= of_ticks:
        assert bad <= looked_at * period // max(period, SLOWEST_SCHEDULE)
        assert looked_at * period <= 3600, "it rings within the hour"


def test_one_late_tick_is_no_alarm() -> None:
    """Lateness and coverage ring when every tick of twenty minutes saw it, and not for what the next one repairs."""
    overdue, coverage = ALARMS["ResultsOverdueAlarm"], ALARMS["CoverageAlarm"]
    assert overdue["Statistic"] == "Minimum"
    stats = {each["Id"]: each["MetricStat"]["Stat"] for each in coverage["Metrics"] if "MetricStat" in each}
    assert stats == {"selected": "Maximum", "overdue": "Minimum"}
    assert slots(overdue)[:2] == slots(coverage)[:2] == (SLOWEST_SCHEDULE, 2)


def test_durations_ring_before_the_time_out() -> None:
    """The thresholds are below what ends the functions, and above what a tick may take by its own budget."""
    tick, api = ALARMS["TickSlowAlarm"], ALARMS["ApiSlowAlarm"]
    assert 210_000 < tick["Threshold"] < RESOURCES["StartScanFunction"]["Properties"]["Timeout"] * 1000
    assert api["Threshold"] < 29_000


def test_refused_tokens_are_counted_from_the_lines_that_are_logged() -> None:
    """The filters' pattern is what the functions log of a request, at a level that no parameter silences."""
    refusing = {name: each for name, each in FILTERS.items() if name.endswith("RefusedTokens")}
    assert {each["LogGroupName"]["Ref"] for each in refusing.values()} == {"SummaryLogs", "FindingsLogs"}
    for each in refusing.values():
        assert each["FilterPattern"] == "{ $.status = 401 }"
        (made,) = each["MetricTransformations"]
        assert (made["MetricNamespace"], made["MetricName"], made["MetricValue"]) == (NAMESPACE, "RefusedTokens", "1")
        assert made["Dimensions"] == [{"Key": "service", "Value": "$.service"}]
    refused = [line for line in printed() if line.get("status") == 401]
    assert [line["route"] for line in refused] == ["/findings/{id}", "/metrics"]
    assert {(line["service"], line["level"]) for line in refused} == {(STACK, "INFO")}
    assert set(TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]) <= {"DEBUG", "INFO"}


def test_feeds_that_are_not_ready_are_no_errors() -> None:
    """The alarm takes off the errors that it looks at just what the function logs of such a feed, in the same time."""
    counting = FILTERS["FeedsNotReady"]
    assert counting["LogGroupName"] == {"Ref": "FindingsLogs"}
    assert counting["FilterPattern"] == "{ $.not_ready = * }"
    assert [line["level"] for line in printed() if "not_ready" in line] == ["INFO"]
    (unready,) = [line for line in printed() if line.get("status") == 503]
    assert (unready["route"], unready["service"]) == ("/findings/{id}", STACK)
    whole, *parts = ALARMS["ApiErrorsAlarm"]["Metrics"]
    assert whole["Expression"] == "answered - FILL(notready, 0)"
    assert whole.get("ReturnData", True)
    assert [part["Id"] for part in parts] == ["answered", "notready"]
    assert [part["MetricStat"]["Metric"]["MetricName"] for part in parts] == ["5XXError", "FeedsNotReady"]
    assert {(part["MetricStat"]["Stat"], part["ReturnData"]) for part in parts} == {("Sum", False)}


def test_metrics_and_alarms_stay_cheap() -> None:
    """At most eleven custom metrics ($0.30 a month each), and alarms ($0.10 a metric) for little more than a dollar."""
    assert len(counted()) <= 11
    looked_at = sum(len(metrics(alarm)) for alarm in ALARMS.values())
    assert looked_at == prices.ALARM_METRICS <= 14, "the cost model counts what CloudWatch bills"
    page = (PROJECT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert f"| custom metrics | {len(counted())} (" in page
    assert f"| alarms | {len(ALARMS)}, over {looked_at} metrics |" in page


def test_every_line_tells_which_invocation_and_request_it_is_about() -> None:
    """Lambda's request id in all, and API Gateway's in those about requests."""
    logged = [line for line in printed() if "_aws" not in line]
    assert {"tick", "batch", "answered"} <= {line["message"] for line in logged}
    assert all(line["function_request_id"] for line in logged)
    assert all(line["correlation_id"] for line in logged if line["message"] == "answered")


def test_nothing_is_traced_unless_asked() -> None:
    """X-Ray comes by the template alone: its SDK would take a third of a second of every cold start."""
    assert TEMPLATE["Parameters"]["Tracing"]["Default"] == "false"
    assert "xray" not in (PROJECT / "layers/shared/requirements.txt").read_text(encoding="utf-8").lower()
    assert "Traces" in json.dumps(RESOURCES["ConfigFunction"]["Properties"]["TracingConfig"])
