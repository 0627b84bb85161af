"""The alarms: each rings on something that is really measured, reaches somebody, and is explained to who is woken."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from local.functions import PROJECT
from local.translate import translate

NAMESPACE = "EcrRescan"
TOPIC = {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "Topic"}]}

TEMPLATE: dict[str, Any] = translate()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm looks at: namespace, name, dimensions."""
    if "Metrics" in alarm:
        return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]
    return [{name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}]


def counted() -> set[str]:
    """The metrics that the functions publish, and those that filters make of their logs."""
    source = (PROJECT / "layers/shared/ecr_rescan/runtime").rglob("*.py")
    published = {name for path in source for name in re.findall(r'add_metric\("(\w+)"', path.read_text("utf-8"))}
    filters = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::Logs::MetricFilter"]
    assert published, "the metrics are no longer found in the code"
    return published | {made["MetricName"] for each in filters for made in each["MetricTransformations"]}


def test_there_is_an_alarm_for_everything_that_may_go_wrong_unseen() -> None:
    """Ticks, dead letters, lateness, coverage, throttling, the API's errors and refusals, time-outs."""
    assert set(ALARMS) == {
        "TickFailingAlarm",
        "TickMissingAlarm",
        "DeadLettersAlarm",
        "ResultsOverdueAlarm",
        "CoverageAlarm",
        "ThrottledAlarm",
        "ApiErrorsAlarm",
        "RefusedTokensAlarm",
        "TickSlowAlarm",
        "ApiSlowAlarm",
    }


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_what_is_published(name: str) -> None:
    """A metric that nobody writes is an alarm that never rings."""
    for metric in metrics(ALARMS[name]):
        dimensions = {each["Name"] for each in metric["Dimensions"]}
        if metric["Namespace"] == NAMESPACE:
            assert metric["MetricName"] in counted()
            assert metric["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
        else:
            assert (
                dimensions
                == {
                    "AWS/Lambda": {"FunctionName"},
                    "AWS/SQS": {"QueueName"},
                    "AWS/ApiGateway": {"ApiName", "Stage"},
                }[metric["Namespace"]]
            )


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_reaches_somebody_and_says_when_it_is_over(name: str) -> None:
    """The operator's own topic, else the notifications'."""
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == [TOPIC]


def test_cloudwatch_can_publish_to_the_topic() -> None:
    """The topic has no AWS-managed key, and its policy lets this account's alarms in."""
    assert "KmsMasterKeyId" not in RESOURCES["Topic"]["Properties"]
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
    breaching = {name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {"TickMissingAlarm"}


def test_a_late_tick_is_given_three_turns_of_the_slowest_schedule() -> None:
    """The alarm must not ring between two ticks."""
    alarm = ALARMS["TickMissingAlarm"]
    slowest = max(int(re.findall(r"\d+", each)[0]) for each in TEMPLATE["Parameters"]["Schedule"]["AllowedValues"])
    assert alarm["Period"] * alarm["EvaluationPeriods"] >= 3 * slowest * 60


def test_durations_ring_before_the_time_out() -> None:
    """The thresholds are below what ends the functions, and above what a tick may take by its own budget."""
    tick, api = ALARMS["TickSlowAlarm"], ALARMS["ApiSlowAlarm"]
    assert 210_000 < tick["Threshold"] < RESOURCES["StartScanFunction"]["Properties"]["Timeout"] * 1000
    assert api["Threshold"] < 29_000


def test_refused_tokens_are_counted_from_the_lines_that_are_logged() -> None:
    """The filters' pattern is what the functions log of a request, at a level that no parameter silences."""
    filters = {
        name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::Logs::MetricFilter"
    }
    assert {each["LogGroupName"]["Ref"] for each in filters.values()} == {"SummaryLogs", "FindingsLogs"}
    for each in filters.values():
        assert each["FilterPattern"] == "{ $.status = 401 }"
        (made,) = each["MetricTransformations"]
        assert made["Dimensions"] == [{"Key": "service", "Value": "$.service"}]
    assert set(TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]) <= {"DEBUG", "INFO"}


def test_metrics_and_alarms_stay_cheap() -> None:
    """At most ten custom metrics ($0.30 a month each), and alarms ($0.10 a metric) for little more than a dollar."""
    assert len(counted()) <= 10
    assert sum(len(metrics(alarm)) for alarm in ALARMS.values()) <= 12


def test_nothing_is_traced_unless_asked() -> None:
    """X-Ray comes by the template alone: its SDK would take a third of a second of every cold start."""
    assert TEMPLATE["Parameters"]["Tracing"]["Default"] == "false"
    assert "xray" not in (PROJECT / "layers/shared/requirements.txt").read_text(encoding="utf-8").lower()
    assert "Traces" in json.dumps(RESOURCES["ConfigFunction"]["Properties"]["TracingConfig"])
