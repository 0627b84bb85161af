"""Every parameter away from its default, in every partition: what companies ask of a template."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from unittest import mock

import boto3
import pytest
from moto import mock_aws

from local.parameters import NOT_TOGETHER, PARTITIONS, every
from local.template import REGION
from local.translate import translate
from tests.deploy.cloud import FUNCTIONS, deploy, deployable

EVERY = every(REGION)
# Of what moto can't make: a domain's mapping wants the stage that it doesn't make either.
NOT_MADE = ("AWS::ApiGateway::BasePathMapping", "AWS::ApiGateway::DomainName", "AWS::Route53::RecordSet")


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, str]]:
    """The stack with everything set, on the bucket that another one left; physical ids by logical id."""
    region = mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION})
    with region, mock_aws(config={"lambda": {"use_docker": False}}):
        boto3.client("s3").create_bucket(Bucket=EVERY["ExistingBucket"])
        document = deployable(*NOT_MADE)
        del document["Outputs"]["DomainTarget"]
        yield deploy(document, **EVERY)


def test_every_parameter_is_set_to_something_that_it_takes() -> None:
    """A new parameter is noticed here, and its value is one that CloudFormation would not refuse."""
    declared = translate()["Parameters"]
    assert set(EVERY) == set(declared) - NOT_TOGETHER
    for region in PARTITIONS:
        for name, value in every(region).items():
            parameter = declared[name]
            assert value != str(parameter["Default"]), name
            values = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
            for each in values:
                assert re.search(parameter.get("AllowedPattern", ""), each), (name, each)
                assert each in map(str, parameter.get("AllowedValues", [each])), name
                if parameter["Type"] == "Number" and "MinValue" in parameter:
                    assert parameter["MinValue"] <= int(each) <= parameter["MaxValue"], name


@pytest.mark.parametrize("region", PARTITIONS)
def test_nothing_names_another_partition(region: str) -> None:
    """What SAM adds, too: it writes the partition that it is run in. Service principals are the same in all."""
    whole = translate(region=region, values=every(region))
    for declared in whole["Parameters"].values():
        declared.pop("AllowedPattern", None)
    text = json.dumps(whole)
    assert set(re.findall(r"arn:(aws[a-z-]*):", text)) == {PARTITIONS[region]}
    hosts = set(re.findall(r"[\w.-]*\.amazonaws\.com[\w.]*", text))
    services = ("apigateway", "cloudwatch", "events", "lambda")
    assert hosts == {f"{service}.amazonaws.com" for service in services}


def test_the_bucket_of_an_earlier_stack_is_used(made: dict[str, str]) -> None:
    """None is made, and every function reads and writes the one that is there."""
    assert "Bucket" not in made
    for name in FUNCTIONS:
        found = boto3.client("lambda").get_function_configuration(FunctionName=made[f"{name}Function"])
        assert found["Environment"]["Variables"]["BUCKET_NAME"] == EVERY["ExistingBucket"]
        policies = boto3.client("iam").get_role_policy(RoleName=made[f"{name}Role"], PolicyName=name)
        buckets = set(re.findall(r"arn:aws:s3:::([a-z0-9.-]+)", str(policies["PolicyDocument"])))
        assert buckets - {"copies-of-signals"} == {EVERY["ExistingBucket"]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_roles_are_as_the_company_wants_them(made: dict[str, str], name: str) -> None:
    """Where a service control policy refuses any other, one role without its boundary fails the whole stack."""
    role = boto3.client("iam").get_role(RoleName=made[f"{name}Role"])["Role"]
    assert role["Path"] == EVERY["RolePath"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == EVERY["PermissionsBoundary"]


def test_there_is_no_role_beside_those() -> None:
    """SAM makes roles of its own for some kinds of events; they would have no boundary."""
    roles = {name for name, each in translate()["Resources"].items() if each["Type"] == "AWS::IAM::Role"}
    assert roles == {f"{name}Role" for name in FUNCTIONS}


def test_keys_encrypt_what_they_are_for(made: dict[str, str]) -> None:
    """Queues and topic; log groups."""
    for queue in ("EventsQueue", "DeadLetterQueue"):
        found = boto3.client("sqs").get_queue_attributes(QueueUrl=made[queue], AttributeNames=["All"])["Attributes"]
        assert found["KmsMasterKeyId"] == EVERY["QueueKeyArn"]
    topic = boto3.client("sns").get_topic_attributes(TopicArn=made["Topic"])["Attributes"]
    assert topic["KmsMasterKeyId"] == EVERY["TopicKeyArn"]
    # moto leaves the keys of log groups out.
    groups = [each["Properties"] for each in translate()["Resources"].values() if each["Type"] == "AWS::Logs::LogGroup"]
    key = {"Fn::If": ["HasLogsKey", {"Ref": "LogsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    assert len(groups) == len(FUNCTIONS) + 1
    assert all(each["KmsKeyId"] == key for each in groups)


def test_scanning_is_paused(made: dict[str, str]) -> None:
    """The schedule's rule is off; events go on being recorded."""
    events = boto3.client("events")
    assert events.describe_rule(Name=made["StartScanFunctionTick"])["State"] == "DISABLED"
    assert {events.describe_rule(Name=made[name])["State"] for name in ("ScanCompleteRule", "ImageActionRule")} == {
        "ENABLED"
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_links_begin_with_the_public_url_and_any_role_of_the_organisation_is_known(
    made: dict[str, str], name: str
) -> None:
    """The public URL wins over the domain; the functions that ask know the organisation's role."""
    found = boto3.client("lambda").get_function_configuration(FunctionName=made[f"{name}Function"])
    told = found["Environment"]["Variables"]
    assert told["PUBLIC_URL"] == EVERY["PublicUrl"]
    assert found["Architectures"] == ["x86_64"]
    if name in ("Config", "StartScan"):
        assert told["ALLOWED_ROLES"] == f"{EVERY['AllowedRoles']},arn:aws:iam::*:role/{EVERY['OrganizationRole']}"
    memory = {"Config": 1024, "StartScan": 2048}.get(name, 3008)
    assert found["MemorySize"] == memory


def test_a_domain_is_the_public_url_by_itself(made: dict[str, str]) -> None:
    """Links in messages begin with it, without a second parameter that could be forgotten."""
    document = deployable(*NOT_MADE)
    del document["Outputs"]["DomainTarget"]
    other = deploy(document, "other", DomainName=EVERY["DomainName"], CertificateArn=EVERY["CertificateArn"])
    found = boto3.client("lambda").get_function_configuration(FunctionName=other["SummaryFunction"])
    assert found["Environment"]["Variables"]["PUBLIC_URL"] == "https://scans.example.com"
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="other")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert outputs["ApiUrl"] == "https://scans.example.com"
    policy = boto3.client("iam").get_role_policy(RoleName=other["StartScanRole"], PolicyName="StartScan")
    assert f"arn:aws:s3:::{other['Bucket']}/findings/*" in str(policy["PolicyDocument"])


def test_the_body_is_one_that_cloudformation_takes_from_s3() -> None:
    """Above 51,200 bytes it must come from S3, up to 1 MB (CloudFormation quotas); `resolve_s3` sees to that."""
    assert len(json.dumps(translate(), separators=(",", ":"))) < 500_000
