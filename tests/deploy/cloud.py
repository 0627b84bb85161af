"""The translated template deployed into moto's CloudFormation, and its functions under the roles that result."""

from __future__ import annotations

import ast
import io
import itertools
import json
import os
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import boto3
import moto.settings
from botocore.config import Config
from moto import mock_aws
from moto.ecr.responses import ECRResponse
from moto.iam.access_control import IAMRequestBase
from moto.sns.models import sns_backends
from moto.sns.responses import SNSResponse

from ecr_rescan.runtime import clock as service_clock
from ecr_rescan.runtime import pacing
from functions.config.app import lambda_handler as config_handler
from functions.findings.app import lambda_handler as findings_handler
from functions.start_scan.app import lambda_handler as start_scan_handler
from functions.summary.app import lambda_handler as summary_handler
from local.ecr.scanning import ScanRules
from local.template import ACCOUNT, REGION
from local.translate import translate
from tests.rest import Reply
from tests.service import Service

FUNCTIONS = {
    "Config": config_handler,
    "StartScan": start_scan_handler,
    "Summary": summary_handler,
    "Findings": findings_handler,
}
STACK = "ecr-rescan"
# moto can't make these of a body whose methods are "any method", and has nothing that answers their requests anyway.
NOT_IN_MOTO = ("AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage")
Credentials = dict[str, str]


def deployable(*without: str) -> dict[str, Any]:
    """The translated template without what moto refuses, and without resources of further types."""
    document = translate()
    out = {*NOT_IN_MOTO, *without}
    left = {name: each for name, each in document["Resources"].items() if each["Type"] not in out}
    return document | {"Resources": left}


def deploy(document: dict[str, Any], name: str = STACK, **parameters: str) -> dict[str, str]:
    """Create the stack; its physical resource ids by logical id."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("app.py", "")
    boto3.client("s3").create_bucket(Bucket="packaged")
    for resource in document["Resources"].values():
        for member in ("Code", "Content"):
            if "S3Key" in (code := resource["Properties"].get(member, {})):
                boto3.client("s3").put_object(Bucket="packaged", Key=code["S3Key"], Body=archive.getvalue())
    cloudformation = boto3.client("cloudformation")
    with warnings.catch_warnings():
        # moto tells of each resource that it doesn't make.
        warnings.simplefilter("ignore", UserWarning)
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(document),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
    assert cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    made = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made if each.get("LogicalResourceId")}


def permissions(statements: Iterable[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """(action, resource) of statements, one by one."""
    for statement in statements:
        actions, resources = (
            each if isinstance(each, list) else [each] for each in (statement["Action"], statement["Resource"])
        )
        yield from itertools.product(actions, resources)


@dataclass(frozen=True, slots=True)
class Demand:
    """A call that IAM was asked about."""

    role: str
    action: str
    resource: str
    granted: bool


class Deployed(Service):
    """Every handler runs with the environment and under the role that the template gives it; everything is enforced."""

    def __init__(self, rules: ScanRules, **parameters: str) -> None:
        super().__init__(rules)
        self.demands: list[Demand] = []
        self._parameters = parameters
        self._role = ""
        self._sessions: dict[str, Credentials] = {}
        self.environments: dict[str, dict[str, str]] = {}

    def build(self) -> None:
        """Deploy, and make a session of each role, and of an administrator for the test's own calls."""
        # moto itself would hand every message to the function's empty archive.
        self.made = deploy(deployable("AWS::Lambda::EventSourceMapping"), **self._parameters)
        self.bucket = self.made["Bucket"]
        iam, sts = boto3.client("iam"), boto3.client("sts")
        for name in FUNCTIONS:
            role = iam.get_role(RoleName=self.made[f"{name}Role"])["Role"]
            _mend_policies(iam, role["RoleName"])
            session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName=name)["Credentials"]
            self._sessions[name] = {
                "aws_access_key_id": session["AccessKeyId"],
                "aws_secret_access_key": session["SecretAccessKey"],
                "aws_session_token": session["SessionToken"],
            }
            told = boto3.client("lambda").get_function_configuration(FunctionName=self.made[f"{name}Function"])
            self.environments[name] = told["Environment"]["Variables"]
        iam.create_user(UserName="administrator")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = iam.create_access_key(UserName="administrator")["AccessKey"]
        self._sessions[""] = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        self.ecr, self.s3, self.sqs = (self.client(service) for service in ("ecr", "s3", "sqs"))
        self.iam = self.client("iam")
        self.queue_url = self.made["EventsQueue"]
        # moto counts none, in an attribute of this name.
        sns_backends[ACCOUNT][REGION].topics[self.made["Topic"]].subscriptions_confimed = 1

    def client(self, service: str, role: str = "") -> Any:
        """A client under a function's role; the administrator's without one."""
        once = Config(retries={"total_max_attempts": 1})
        return boto3.client(service, config=once, region_name=REGION, **self._sessions[role])

    def become(self, function: str) -> None:
        """Work under the role of a function from now on, cold."""
        if self._role != function:
            self._role = function
            session = {name.upper(): value for name, value in self._sessions[function].items()}
            os.environ.update(self.environments[function] | session | {"AWS_REGION": REGION})
            self.restart()

    def tick(self) -> None:
        self.become("StartScan")
        super().tick()

    def deliver(self, records: Any) -> set[str]:
        self.become("StartScan")
        return super().deliver(records)

    def api(self, handler: Callable[..., dict[str, Any]], method: str, resource: str, **more: Any) -> Reply:
        self.become(next(name for name, each in FUNCTIONS.items() if each is handler))
        return super().api(handler, method, resource, **more)

    def _receive(self) -> list[dict[str, Any]]:
        # Lambda's poller takes messages with the permissions of the function.
        administrator, self.sqs = self.sqs, self.client("sqs", "StartScan")
        try:
            return super()._receive()
        finally:
            self.sqs = administrator

    @contextmanager
    def as_owner(self, account: str) -> Iterator[Callable[[str], Any]]:
        """Clients of another account's owner, with nothing enforced."""
        with mock.patch.object(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", sys.maxsize):
            role = f"arn:aws:iam::{account}:role/owner"
            session = self.client("sts").assume_role(RoleArn=role, RoleSessionName="owner")["Credentials"]
            yield lambda service: boto3.client(
                service,
                region_name=REGION,
                aws_access_key_id=session["AccessKeyId"],
                aws_secret_access_key=session["SecretAccessKey"],
                aws_session_token=session["SessionToken"],
            )

    def refused_calls(self) -> list[Demand]:
        """What was not permitted."""
        return [demand for demand in self.demands if not demand.granted]

    def granted(self, function: str) -> list[tuple[str, str]]:
        """(action, resource pattern) of a function's role, one by one, in the template's order."""
        _, policy = self._policy(function)
        return list(permissions(policy["Statement"]))

    @contextmanager
    def without(self, function: str, number: int) -> Iterator[tuple[str, str]]:
        """Take one of the permissions in ``granted`` from a role, and give it back; which one it was."""
        name, before = self._policy(function)
        every = list(permissions(before["Statement"]))
        left = [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for index, (action, resource) in enumerate(every)
            if index != number
        ]
        self._put_policy(name, {**before, "Statement": left})
        try:
            yield every[number]
        finally:
            self._put_policy(name, before)

    def _policy(self, function: str) -> tuple[str, dict[str, Any]]:
        role = self.made[f"{function}Role"]
        (name,) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        policy: dict[str, Any] = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        return role, policy

    def _put_policy(self, role: str, policy: dict[str, Any]) -> None:
        (name,) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """IAM decides about every call, and its decisions are kept."""
        permitted = IAMRequestBase.check_action_permitted

        def decide(request: Any, resource: str) -> None:
            # Service Authorization Reference, Amazon SQS: a batch needs the permission of the single call.
            request._action = request._action.removesuffix("Batch")
            role = getattr(request._access_key, "_owner_role_name", "")
            try:
                permitted(request, resource)
            except BaseException:
                self.demands.append(Demand(role, request._action, resource, granted=False))
                raise
            self.demands.append(Demand(role, request._action, resource, granted=True))

        with (
            mock.patch.object(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0),
            mock.patch.object(IAMRequestBase, "check_action_permitted", decide),
            mock.patch.object(ECRResponse, "_determine_resource", _ecr_resource, create=True),
            mock.patch.object(SNSResponse, "_determine_resource", _topic, create=True),
        ):
            yield


def _mend_policies(iam: Any, role: str) -> None:
    # moto keeps a role's policies as Python writes them, and leaves None where AWS::NoValue takes a statement out.
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policy = ast.literal_eval(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        policy["Statement"] = [each for each in policy["Statement"] if each is not None]
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def _ecr_resource(response: Any) -> str:
    # Service Authorization Reference, Amazon ECR: what names no repository is asked about all of them, but for the
    # registry's own settings, which have no resource.
    action = response._get_action()
    if "Registry" in action or action == "GetAuthorizationToken":
        return "*"
    asked = json.loads(response.body or "{}")
    registry = asked.get("registryId") or response.current_account
    return f"arn:aws:ecr:{response.region}:{registry}:repository/{asked.get('repositoryName', '*')}"


def _topic(response: Any) -> str:
    return response._get_param("TopicArn") or "*"


@contextmanager
def deployed(**parameters: str) -> Iterator[Deployed]:
    """A fresh deployment with IAM enforced."""
    unpaced = mock.patch.object(pacing, "sleep")
    with mock.patch.dict(os.environ), mock_aws(config={"lambda": {"use_docker": False}}), unpaced:
        os.environ["AWS_DEFAULT_REGION"] = REGION
        # Nothing here asks the internet.
        running = Deployed(ScanRules(scan_seconds=60), **({"SignalsFrom": "off"} | parameters))
        with running.fake.installed():
            service_clock.use(running.clock.now)
            try:
                running.build()
                with running.enforced():
                    yield running
            finally:
                service_clock.use(None)
                running.restart()
