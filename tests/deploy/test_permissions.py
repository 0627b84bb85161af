"""The roles of the template are enough for every path of the handlers, and for nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.summary.app import lambda_handler as summary
from local.faults import Fault
from local.functions import PROJECT
from local.samples.images import multi_platform
from local.template import ACCOUNT, REGION
from tests.deploy.cloud import FUNCTIONS, Deployed, deployed
from tests.service import basic

# Done by others with the role's permissions: Lambda writes logs and takes messages, ECR asks Inspector.
NOT_OURS = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "inspector2:ListCoverage",
    "inspector2:ListFindings",
}
OTHER = "210987654321"
OTHER_ROLE = f"arn:aws:iam::{OTHER}:role/ecr-rescan"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Deployed]:
    """A deployment that may assume a role of another account."""
    with deployed(AllowedRoles=OTHER_ROLE, RoleExternalId="an-external-id") as running:
        yield running


@pytest.fixture(scope="module")
def added(cloud: Deployed) -> dict[str, Any]:
    """A configuration, with one image scanned."""
    cloud.push("team/app", "1")
    cloud.post("team/app", "1", [basic("CVE-2026-1")])
    found = cloud.add("team/*")
    cloud.cycle(3)
    return found


def use_config(cloud: Deployed, added: dict[str, Any]) -> list[int]:
    """Every route of Config."""
    body = {"region": REGION, "registry": ACCOUNT, "repository": "other/app"}
    made = cloud.config("POST", "/configs", body=body)
    if made.status != 201:
        return [made.status]
    mine = {"id": made.json()["id"]}
    replies = [
        made,
        cloud.config("POST", "/configs", body=body | {"repository": "team/*"}, query={"dry_run": "true"}),
        cloud.config("GET", "/configs"),
        cloud.config("GET", "/configs/{id}", parameters=mine),
        cloud.config("PUT", "/configs/{id}", parameters=mine, body=body | {"tags": ["1"]}),
        cloud.config("POST", "/configs/{id}/tokens", parameters=mine, body={"name": "a"}),
        cloud.config("GET", "/configs/{id}/tokens", parameters=mine),
        cloud.config("DELETE", "/configs/{id}/tokens/{name}", parameters=mine | {"name": "a"}),
        cloud.config("POST", "/dashboard/tokens", body={"name": "a"}),
        cloud.config("GET", "/dashboard/tokens"),
        cloud.config("DELETE", "/dashboard/tokens/{name}", parameters={"name": "a"}),
        cloud.config("DELETE", "/configs/{id}", parameters=mine),
    ]
    return [reply.status for reply in replies]


def something_new(cloud: Deployed) -> None:
    """An image with something that will be announced, in an index of which nothing is known."""
    tag = f"tag-{next(NUMBERS)}"
    for pushed in multi_platform(f"image {tag}", tag):
        digest = cloud.put("team/app", pushed)
        cloud.post("team/app", digest, [basic(f"CVE-2026-{tag}", severity="CRITICAL")])


def use_start_scan(cloud: Deployed, added: dict[str, Any]) -> list[int]:
    """A day of ticks and batches, with events that are lost."""
    cloud.become("StartScan")
    cloud.restart()
    cloud.cycle(2)
    cloud.advance(hours=25)
    cloud.faults.clear()
    cloud.faults.add(Fault("events", effect="lose"))
    cloud.tick()
    cloud.advance(minutes=2)
    cloud.advance(minutes=30)
    cloud.tick()
    cloud.faults.clear()
    cloud.drain()
    cloud.advance(minutes=5)
    cloud.tick()
    return []


def use_summary(cloud: Deployed, added: dict[str, Any]) -> list[int]:
    """Every route of Summary."""
    token = cloud.config("POST", "/dashboard/tokens", body={"name": "b"}).json()["dashboard_url"].partition("token=")[2]
    cloud.config("DELETE", "/dashboard/tokens/{name}", parameters={"name": "c"})
    with_token = {"query": {"token": token}}
    one = {"parameters": {"id": added["id"]}}
    cloud.become("Summary")
    cloud.restart()
    replies = [
        cloud.api(summary, "GET", "/summary"),
        cloud.api(summary, "GET", "/summary/{id}", **one),
        cloud.api(summary, "GET", "/vulnerabilities/{id}", parameters={"id": "CVE-2026-1"}),
        cloud.api(summary, "GET", "/dashboard", **with_token),
        cloud.api(summary, "GET", "/dashboard/{id}", **one, **with_token),
        cloud.api(summary, "GET", "/metrics", **with_token),
    ]
    cloud.config("DELETE", "/dashboard/tokens/{name}", parameters={"name": "b"})
    return [reply.status for reply in replies]


def use_findings(cloud: Deployed, added: dict[str, Any]) -> list[int]:
    """The feed."""
    cloud.become("Findings")
    cloud.restart()
    return [cloud.feed(added).status]


NUMBERS = itertools.count()
USES: dict[str, Callable[[Deployed, dict[str, Any]], list[int]]] = {
    "Config": use_config,
    "StartScan": use_start_scan,
    "Summary": use_summary,
    "Findings": use_findings,
}


def granted(cloud: Deployed, function: str) -> list[tuple[str, str]]:
    """(action, resource pattern) of a deployed role, one by one."""
    role = cloud.made[f"{function}Role"]
    (name,) = cloud.iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = cloud.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return [
        (action, resource)
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
        if action not in NOT_OURS
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_enough_and_has_nothing_to_spare(cloud: Deployed, added: dict[str, Any], function: str) -> None:
    """Every path of the handler works, and what it asks for, taken together, is all that it is granted."""
    something_new(cloud)
    statuses = USES[function](cloud, added)
    assert all(status < 400 for status in statuses), statuses
    if function == "StartScan":
        read_another_account(cloud)
    assert cloud.refused_calls() == []
    role = cloud.made[f"{function}Role"]
    used = {(demand.action, demand.resource) for demand in cloud.demands if demand.role == role}
    unused = [
        (action, pattern)
        for action, pattern in granted(cloud, function)
        if not any(asked == action and fnmatchcase(resource, pattern) for asked, resource in used)
    ]
    assert unused == []


REMOVED = [
    ("Config", "s3:ListBucket"),
    ("Config", "s3:GetObject"),
    ("Config", "s3:PutObject"),
    ("Config", "s3:DeleteObject"),
    ("StartScan", "s3:ListBucket"),
    ("StartScan", "s3:GetObject"),
    ("StartScan", "s3:PutObject"),
    ("StartScan", "ecr:DescribeRepositories"),
    ("StartScan", "ecr:DescribeImages"),
    ("StartScan", "ecr:BatchGetImage"),
    ("StartScan", "ecr:StartImageScan"),
    ("StartScan", "ecr:DescribeImageScanFindings"),
    ("StartScan", "ecr:GetRegistryScanningConfiguration"),
    ("StartScan", "sqs:SendMessage"),
    ("StartScan", "sqs:ReceiveMessage"),
    ("StartScan", "sqs:DeleteMessage"),
    ("StartScan", "sqs:GetQueueAttributes"),
    ("StartScan", "sns:Publish"),
    ("StartScan", "sts:AssumeRole"),
    ("Summary", "s3:ListBucket"),
    ("Summary", "s3:GetObject"),
    ("Findings", "s3:ListBucket"),
    ("Findings", "s3:GetObject"),
]


def test_every_permission_is_tried_without(cloud: Deployed) -> None:
    """The list above is complete."""
    every = {(function, action) for function in FUNCTIONS for action, _ in granted(cloud, function)}
    assert every == set(REMOVED)


@pytest.mark.parametrize(("function", "action"), REMOVED)
def test_a_handler_fails_without_a_permission(
    cloud: Deployed, added: dict[str, Any], function: str, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A permission that is missing is refused, and people see that something is wrong."""
    something_new(cloud)
    cloud.demands.clear()
    capsys.readouterr()
    seen = False
    with cloud.without(function, action):
        try:
            if action == "sts:AssumeRole":
                read_another_account(cloud)
            else:
                seen = any(status >= 500 for status in USES[function](cloud, added))
        except Exception:
            seen = True
    assert {demand.action for demand in cloud.refused_calls()} == {action}
    cloud.demands.clear()
    counted = re.findall(r'"(Problems|MessagesDelayed)":\[([\d.]+)', capsys.readouterr().out)
    seen = seen or any(float(number) for _, number in counted)
    assert seen or "AccessDenied" in cloud.api(summary, "GET", "/summary").body


def read_another_account(cloud: Deployed) -> None:
    """A configuration of images in another account, which trusts ours as docs/deploy.md says."""
    ours = cloud.made["StartScanRole"]
    trust, permissions = documented_policies(OTHER, ours)
    with cloud.as_owner(OTHER) as client:
        if OTHER_ROLE not in {role["Arn"] for role in client("iam").list_roles()["Roles"]}:
            client("iam").create_role(RoleName="ecr-rescan", AssumeRolePolicyDocument=trust)
            client("iam").put_role_policy(RoleName="ecr-rescan", PolicyName="scan", PolicyDocument=permissions)
            client("ecr").create_repository(repositoryName="theirs/app")
    body = {"region": REGION, "registry": OTHER, "repository": "theirs/*", "role_arn": OTHER_ROLE}
    made = cloud.config("POST", "/configs", body=body)
    assert made.status == 201, made.body
    cloud.restart()
    cloud.cycle()
    cloud.config("DELETE", "/configs/{id}", parameters={"id": made.json()["id"]})


def documented_policies(other: str, ours: str) -> tuple[str, str]:
    """The trust policy and the permissions that docs/deploy.md has people create, for these accounts."""
    text = (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")
    trust, permissions = re.findall(r"```json\n(.*?)```", text, re.DOTALL)[:2]
    values = {"<OTHER>": other, "<ACCOUNT>": ACCOUNT, "<STARTSCANROLE>": ours, "<EXTERNALID>": "an-external-id"}
    for placeholder, value in values.items():
        trust, permissions = trust.replace(placeholder, value), permissions.replace(placeholder, value)
    return trust, permissions


REFUSED: list[tuple[str, str, str, dict[str, str]]] = [
    ("Findings", "s3", "put_object", {"Key": "findings/x"}),
    ("Findings", "s3", "get_object", {"Key": "images/x"}),
    ("Findings", "ecr", "start_image_scan", {}),
    ("Findings", "sns", "publish", {}),
    ("Summary", "s3", "put_object", {"Key": "configs/x"}),
    ("Summary", "s3", "get_object", {"Key": "notices/x"}),
    ("Summary", "ecr", "describe_images", {}),
    ("Config", "s3", "put_object", {"Key": "images/x"}),
    ("Config", "s3", "get_object", {"Key": "findings/x"}),
    ("Config", "s3", "delete_object", {"Key": "deployment.json"}),
    ("Config", "ecr", "describe_images", {}),
    ("StartScan", "s3", "put_object", {"Key": "configs/x"}),
    ("StartScan", "s3", "get_object", {"Key": "tokens/x"}),
    ("StartScan", "s3", "delete_object", {"Key": "images/x"}),
    ("StartScan", "ecr", "batch_delete_image", {}),
    ("StartScan", "ecr", "put_image", {}),
    ("StartScan", "sts", "assume_role", {"RoleArn": "arn:aws:iam::999999999999:role/anything"}),
]


@pytest.mark.parametrize(("function", "service", "operation", "more"), REFUSED)
def test_what_is_not_granted_is_refused(
    cloud: Deployed, added: dict[str, Any], function: str, service: str, operation: str, more: dict[str, str]
) -> None:
    """Each role at the border of what it may."""
    needed: dict[str, dict[str, Any]] = {
        "s3": {"Bucket": cloud.bucket},
        "ecr": {"repositoryName": "team/app"},
        "sns": {"TopicArn": cloud.made["Topic"], "Message": "x"},
        "sts": {"RoleSessionName": "test"},
    }
    special: dict[str, dict[str, Any]] = {
        "start_image_scan": {"imageId": {"imageTag": "1"}},
        "batch_delete_image": {"imageIds": [{"imageTag": "1"}]},
        "put_image": {"imageManifest": "{}"},
    }
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service, function), operation)(**needed[service], **special.get(operation, {}), **more)
    # moto answers ECR's JSON protocol with a bare 403.
    assert refused.value.response["Error"]["Code"] in ("AccessDenied", "403")
