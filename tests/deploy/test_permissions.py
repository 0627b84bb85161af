"""The roles of the template are enough for every path of the handlers, and for nothing else."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.keys import SWEEP, account_key, findings_key, images_key, notices_key
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.sweep import Sweep
from ecr_rescan.core.signals.places import PLACES
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV
from functions.summary.app import lambda_handler as summary
from local.faults import Fault
from local.functions import PROJECT
from local.samples.images import multi_platform
from local.template import ACCOUNT, REGION
from local.translate import translate
from tests import test_template as roles
from tests.builders import document
from tests.deploy.cloud import FUNCTIONS, Deployed, deployed, permissions
from tests.rest import Reply
from tests.service import START, basic
from tests.signal_sources import epss, euvd, kev

# Done by others with the role's permissions: Lambda writes logs and takes messages, ECR asks Inspector.
NOT_OURS = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "inspector2:ListCoverage",
    "inspector2:ListFindings",
}
TEMPLATE = translate()
OTHER = "210987654321"
OTHER_ROLE = f"arn:aws:iam::{OTHER}:role/ecr-rescan"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Deployed]:
    """A deployment that may assume a role of another account, and reads signals from copies in another bucket."""
    more = {"RoleExternalId": "an-external-id", "AuditCopies": "true", "SignalsFrom": "s3://copies/signals/"}
    with deployed(AllowedRoles=OTHER_ROLE, **more) as running:
        running.s3.create_bucket(Bucket="copies")
        copies = {KEV: kev(["CVE-2021-1"], START), EUVD: euvd(["CVE-2021-1"]), EPSS: epss({}, "2026-03-01")}
        for place in PLACES:
            running.s3.put_object(Bucket="copies", Key=f"signals/{place.copy}", Body=copies[place.name])
        yield running


@pytest.fixture(scope="module")
def added(cloud: Deployed) -> dict[str, Any]:
    """A configuration, with one image scanned; and ``nothing``: one of which a listing shows that nothing matches."""
    cloud.push("team/app", "1")
    cloud.post("team/app", "1", [basic("CVE-2026-1")])
    found = {**cloud.add("team/*"), "nothing": cloud.add("none-*")}
    cloud.cycle(3)
    return found


def use_config(cloud: Deployed, added: dict[str, Any]) -> list[Reply]:
    """Every route of Config."""
    cloud.become("Config")
    cloud.restart()
    body = {"region": REGION, "registry": ACCOUNT, "repository": "other/app"}
    # By a URL that is not the known one, which is stored then.
    made = cloud.config("POST", "/configs", body=body, domain=f"api-{next(NUMBERS)}.example.com")
    if made.status != 201:
        return [made]
    mine = {"id": made.json()["id"]}
    return [
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
        cloud.config("POST", "/gate/tokens", body={"name": "a"}),
        cloud.config("DELETE", "/gate/tokens/{name}", parameters={"name": "a"}),
        cloud.config("DELETE", "/configs/{id}", parameters=mine),
    ]


def something_new(cloud: Deployed) -> None:
    """An image with something that will be announced, in an index of which nothing is known."""
    tag = f"tag-{next(NUMBERS)}"
    for pushed in multi_platform(f"image {tag}", tag):
        digest = cloud.put("team/app", pushed)
        cloud.post("team/app", digest, [basic(f"CVE-2026-{tag}", severity="CRITICAL")])


def something_to_remove(cloud: Deployed) -> None:
    """What no configuration has asked for since long ago."""
    long_ago = cloud.now - timedelta(days=100)
    ledger = Ledger(ACCOUNT, REGION, "old/app", since=long_ago)
    bodies = {
        images_key(ACCOUNT, REGION, "old/app"): ledger.to_json(),
        account_key(OTHER, "eu-north-1"): Account(OTHER, "eu-north-1").to_json(),
        notices_key("00000000-0000-4000-8000-000000000000"): Notices().to_json(),
    }
    sweep = Sweep(unnamed=dict.fromkeys(bodies, long_ago))
    bodies[findings_key(ACCOUNT, REGION, "old/app")] = document("old/app").to_json()
    for key, body in {**bodies, SWEEP: sweep.to_json()}.items():
        cloud.s3.put_object(Bucket=cloud.bucket, Key=key, Body=body)


def use_start_scan(cloud: Deployed, added: dict[str, Any]) -> list[Reply]:
    """A day of ticks and batches, with events that are lost."""
    something_to_remove(cloud)
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
    something_that_fails(cloud)
    return []


def something_that_fails(cloud: Deployed) -> None:
    """A message for which there is no time; it is to come again soon."""
    place = {"registry": ACCOUNT, "region": REGION, "repository": "team/app", "digest": f"sha256:{'0' * 64}"}
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": json.dumps({"ask": place}),
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    cloud.seconds_left, before = 1.0, cloud.seconds_left
    cloud.deliver([record])
    cloud.seconds_left = before


def use_summary(cloud: Deployed, added: dict[str, Any]) -> list[Reply]:
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
        cloud.api(summary, "GET", "/vulnerabilities"),
        cloud.api(summary, "GET", "/gate", query={"image": "team/app:1"}),
    ]
    cloud.config("DELETE", "/dashboard/tokens/{name}", parameters={"name": "b"})
    return replies


def use_findings(cloud: Deployed, added: dict[str, Any]) -> list[Reply]:
    """The feed, of something and of nothing."""
    cloud.become("Findings")
    cloud.restart()
    return [cloud.feed(added), cloud.feed(added["nothing"])]


NUMBERS = itertools.count()
USES: dict[str, Callable[[Deployed, dict[str, Any]], list[Reply]]] = {
    "Config": use_config,
    "StartScan": use_start_scan,
    "Summary": use_summary,
    "Findings": use_findings,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_enough_and_has_nothing_to_spare(
    cloud: Deployed,
    added: dict[str, Any],
    function: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every path of the handler works, and what it asks for, taken together, is all that it is granted."""
    something_new(cloud)
    troubles(capsys, caplog)
    replies = USES[function](cloud, added)
    assert all(reply.status < 400 for reply in replies), replies
    if function == "StartScan":
        read_another_account(cloud)
    assert cloud.refused_calls() == []
    assert troubles(capsys, caplog) == []
    role = cloud.made[f"{function}Role"]
    used = {(demand.action, demand.resource) for demand in cloud.demands if demand.role == role}
    unused = [
        (action, pattern)
        for action, pattern in cloud.granted(function)
        if action not in NOT_OURS
        and not any(asked == action and fnmatchcase(resource, pattern) for asked, resource in used)
    ]
    assert unused == []


def removable() -> Iterator[Any]:
    """Every single permission of every role: the function, its number in the role, and what it is called."""
    for function in FUNCTIONS:
        statements = roles.statements(TEMPLATE["Resources"][f"{function}Role"]["Properties"], "HasAllowedRoles")
        for number, (action, resource) in enumerate(permissions(statements)):
            if action not in NOT_OURS:
                yield pytest.param(function, number, action, id=f"{function}-{action}-{roles.named(resource)}")


@pytest.mark.parametrize(("function", "number", "action"), removable())
def test_a_handler_fails_without_a_permission(
    cloud: Deployed,
    added: dict[str, Any],
    function: str,
    number: int,
    action: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A permission that is missing is refused, and seen: a failed request or tick, a metric, a warning, the summary."""
    # What an earlier refusal left in the queue would be refused no more, and slows moto's queue with its square.
    cloud.events()
    something_new(cloud)
    cloud.demands.clear()
    troubles(capsys, caplog)
    failed = False
    replies: list[Reply] = []
    with cloud.without(function, number) as (removed, pattern):
        assert removed == action
        try:
            if action == "sts:AssumeRole":
                read_another_account(cloud)
            else:
                replies = USES[function](cloud, added)
        except Exception:
            failed = True
    refused = cloud.refused_calls()
    assert refused
    assert all(demand.action == action and fnmatchcase(demand.resource, pattern) for demand in refused)
    cloud.demands.clear()
    told = [reply for reply in replies if reply.status >= 500 or "AccessDenied" in reply.body]
    assert failed or told or troubles(capsys, caplog) or "AccessDenied" in cloud.api(summary, "GET", "/summary").body


def troubles(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the functions have warned of, and counted as wrong, since the last look."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        found += [name for name in ("Problems", "MessagesDelayed") if any(line.get(name, ()))]
    caplog.clear()
    return found


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
    trust, permissions = (
        re.findall(rf"^{title}:\n\n```json\n(.*?)```", text, re.DOTALL | re.MULTILINE)[0]
        for title in ("Trust policy", "Permissions")
    )
    values = {"<OTHER>": other, "<ACCOUNT>": ACCOUNT, "<STARTSCANROLE>": ours, "<EXTERNALID>": "an-external-id"}
    for placeholder, value in values.items():
        trust, permissions = trust.replace(placeholder, value), permissions.replace(placeholder, value)
    return trust, permissions


REFUSED: list[tuple[str, str, str, dict[str, str]]] = [
    ("Findings", "s3", "put_object", {"Key": "findings/x"}),
    ("Findings", "s3", "delete_object", {"Key": "used/x"}),
    ("Findings", "s3", "get_object", {"Key": "images/x"}),
    ("Findings", "ecr", "start_image_scan", {}),
    ("Findings", "sns", "publish", {}),
    ("Summary", "s3", "put_object", {"Key": "configs/x"}),
    ("Summary", "s3", "get_object", {"Key": "used/x"}),
    ("Summary", "s3", "get_object", {"Key": "notices/x"}),
    ("Summary", "ecr", "describe_images", {}),
    ("Config", "s3", "put_object", {"Key": "images/x"}),
    ("Config", "s3", "get_object", {"Key": "findings/x"}),
    ("Config", "s3", "delete_object", {"Key": "deployment.json"}),
    ("Config", "ecr", "describe_images", {}),
    ("StartScan", "s3", "put_object", {"Key": "configs/x"}),
    ("StartScan", "s3", "put_object", {"Key": "tokens/x"}),
    ("StartScan", "s3", "get_object", {"Key": "audit/x"}),
    ("StartScan", "s3", "delete_object", {"Key": "history/x"}),
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
