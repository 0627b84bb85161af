"""The translated template as moto's CloudFormation makes it, as far as moto goes: what is deployed is what is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3
import pytest
from moto import mock_aws

from local.template import ACCOUNT, REGION
from local.translate import translate
from tests.deploy.cloud import FUNCTIONS, NOT_IN_MOTO, STACK, deploy, deployable

# What moto passes over; tests/test_template.py, tests/deploy/test_alarms.py and cfn-lint look at these.
PASSED_OVER = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
PARAMETERS = {
    "NotificationEmail": "security@example.com",
    "AllowedRoles": f"arn:aws:iam::210987654321:role/a,arn:aws:iam::{ACCOUNT}:role/b*",
    "Schedule": "rate(10 minutes)",
    "LogRetentionDays": "7",
}


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, str]]:
    """The stack, with some parameters away from their defaults; physical ids by logical id."""
    region = mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION})
    with region, mock_aws(config={"lambda": {"use_docker": False}}):
        yield deploy(deployable(), **PARAMETERS)


def test_everything_that_moto_can_make_is_made(made: dict[str, str]) -> None:
    """A resource that moto makes no longer, or one that is new, is noticed here."""
    wanted = {name: each["Type"] for name, each in translate()["Resources"].items() if "Condition" not in each}
    assert {kind for name, kind in wanted.items() if name not in made} == PASSED_OVER - {"AWS::SNS::Subscription"}
    assert set(NOT_IN_MOTO) <= PASSED_OVER


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_told_what_exists(made: dict[str, str], function: str) -> None:
    """Names in the environment are those of the resources that were made."""
    found = boto3.client("lambda").get_function_configuration(FunctionName=made[f"{function}Function"])
    told = found["Environment"]["Variables"]
    assert told["BUCKET_NAME"] == made["Bucket"]
    assert told["ACCOUNT_ID"] == ACCOUNT
    assert told["POWERTOOLS_SERVICE_NAME"] == STACK
    if function == "StartScan":
        assert told["QUEUE_URL"] == made["EventsQueue"]
        assert told["TOPIC_ARN"] == made["Topic"]
        assert told["ALLOWED_ROLES"].strip(",") == PARAMETERS["AllowedRoles"]
    assert found["Role"] == boto3.client("iam").get_role(RoleName=made[f"{function}Role"])["Role"]["Arn"]


def test_the_bucket_is_encrypted(made: dict[str, str]) -> None:
    """Of the bucket's settings, what moto keeps."""
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_encryption(Bucket=made["Bucket"])["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_events_reach_the_queue_and_dead_letters_theirs(made: dict[str, str]) -> None:
    """Rules, queue and dead-letter queue hang together by their real names."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    queue = sqs.get_queue_attributes(QueueUrl=made["EventsQueue"], AttributeNames=["All"])["Attributes"]
    dead = sqs.get_queue_attributes(QueueUrl=made["DeadLetterQueue"], AttributeNames=["QueueArn"])["Attributes"]
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == dead["QueueArn"]
    targets: dict[str, list[Any]] = {
        name: [target["Arn"] for target in events.list_targets_by_rule(Rule=made[name])["Targets"]]
        for name in ("ScanCompleteRule", "ImageActionRule")
    }
    assert targets == {"ScanCompleteRule": [queue["QueueArn"]], "ImageActionRule": [queue["QueueArn"]]}
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"] == queue["QueueArn"]


def test_the_schedule_is_the_parameter_s(made: dict[str, str]) -> None:
    """How often ticks come is decided on deploying."""
    rule = boto3.client("events").describe_rule(Name=made["StartScanFunctionTick"])
    assert rule["ScheduleExpression"] == PARAMETERS["Schedule"]


def test_logs_are_kept_as_long_as_the_parameter_says(made: dict[str, str]) -> None:
    """Each function's group."""
    groups = {each["logGroupName"]: each for each in boto3.client("logs").describe_log_groups()["logGroups"]}
    assert {groups[made[f"{name}Logs"]]["retentionInDays"] for name in FUNCTIONS} == {7}


def test_the_outputs_say_what_to_do_next(made: dict[str, str]) -> None:
    """Short enough to be read in a terminal, where long ones are wrapped inside quotes and can't be copied."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert outputs["ApiUrl"] == f"https://{made['Api']}.execute-api.{REGION}.amazonaws.com/v1"
    assert outputs["BucketName"] == made["Bucket"]
    assert outputs["DashboardUrl"] == outputs["ApiUrl"] + "/dashboard"
    assert outputs["StartScanRoleArn"] == boto3.client("iam").get_role(RoleName=made["StartScanRole"])["Role"]["Arn"]
    assert outputs["NextStep"] == f"ecr-rescan --stack {STACK} --region {REGION} doctor"
    assert max(map(len, outputs.values())) <= 100
