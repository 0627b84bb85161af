"""The template for the organisation's accounts: what it grants, what it forwards, and what comes of it here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from moto.events.models import EventPattern
from moto.events.utils import EventMessageType

from functions.summary.app import lambda_handler as summary
from local.functions import PROJECT
from local.template import ACCOUNT, REGION, Template
from local.translate import translate
from tests import test_template as roles
from tests.service import Service, basic, service

PATH = PROJECT / "organisation" / "member.yaml"
MEMBERS = ("210987654321", "310987654321", "410987654321")
REGIONS = (REGION, "eu-west-1")
GIVEN = {
    "HomeAccount": ACCOUNT,
    "HomeRegion": REGION,
    "StartScanRole": "ecr-rescan-StartScanRole-*",
    "ExternalId": "an-external-id",
    "RolesIn": REGION,
}


def resources(**more: str) -> dict[str, Any]:
    """The template's resources as CloudFormation would resolve them, in the home Region."""
    template = Template(PATH, "http://127.0.0.1:1", GIVEN | more)
    return {
        name: template.resolve(each.get("Properties", {}), name)
        for name, each in template.resources.items()
        if "Condition" not in each or name in template.resources
    }


def test_it_is_plain_cloudformation() -> None:
    """StackSets' own roles may run no transform; a body that is given directly has 51,200 bytes."""
    text = PATH.read_text(encoding="utf-8")
    assert "Transform" not in text
    assert "AWS::Serverless" not in text
    assert len(text.encode()) < 51_200


def test_the_role_may_do_what_start_scan_does_at_home() -> None:
    """Not less, or its accounts are half seen; not more, or the organisation gave away what nobody needs."""
    own = roles.statements(translate()["Resources"]["StartScanRole"]["Properties"])
    wanted = {
        action
        for each in own
        for action in roles.listed(each["Action"])
        if action.partition(":")[0] in ("ecr", "inspector2")
    }
    (policy,) = resources()["ScanRole"]["Policies"]
    granted = {action for each in policy["PolicyDocument"]["Statement"] for action in each["Action"]}
    assert granted == wanted
    narrow, wide = policy["PolicyDocument"]["Statement"]
    assert narrow["Resource"] == f"arn:aws:ecr:*:{ACCOUNT}:repository/*"
    assert (wide["Resource"], [one for one in wide["Action"] if one in narrow["Action"]]) == ("*", [])


def test_the_trust_outlives_a_new_deployment_and_wants_the_external_id() -> None:
    """The account's root with the role's name: the id of a role that is named as principal dies with the role."""
    (trust,) = resources()["ScanRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert trust["Condition"] == {
        "StringEquals": {"sts:ExternalId": "an-external-id"},
        "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ecr-rescan-StartScanRole-*"},
    }


def test_roles_are_made_in_one_region_and_rules_in_all() -> None:
    """A role's name is taken in the whole account: a second Region's stack would fail on it."""
    assert set(resources(RolesIn="eu-west-1", HomeRegion="eu-north-1")) == {"ForwardRule"}
    assert set(resources()) == {"ScanRole", "EventsRole"}, "at home, events are there already"
    assert set(resources(HomeAccount=MEMBERS[0])) == {"ScanRole", "EventsRole", "ForwardRule"}


def test_the_forwarding_role_is_the_one_that_the_home_bus_lets_in() -> None:
    """By its name, which the deployment's policy of its bus has from the same parameter."""
    made = resources(HomeAccount=MEMBERS[0])
    name = made["EventsRole"]["RoleName"]
    home = translate()["Resources"]["FromOrganization"]["Properties"]["Statement"]["Condition"]["ArnLike"]
    default = translate()["Parameters"]["OrganizationRole"]["Default"]
    pattern = home["aws:PrincipalArn"]["Fn::Sub"].replace("${OrganizationRole}", default)
    assert pattern.rpartition("/")[2] == name
    (target,) = made["ForwardRule"]["Targets"]
    assert target["RoleArn"].endswith(f"role/{name}")
    assert target["Arn"] == f"arn:aws:events:{REGION}:{MEMBERS[0]}:event-bus/default"


@pytest.mark.parametrize("path", sorted((PROJECT / "events").glob("sqs-*.json")), ids=lambda path: path.stem)
def test_what_the_home_rules_want_is_forwarded(path: Any) -> None:
    """Every event that the service is tried with."""
    forwards = EventPattern(None, resources(HomeAccount=MEMBERS[0])["ForwardRule"]["EventPattern"])
    own = translate()["Resources"]
    wants = [
        EventPattern(None, own[name]["Properties"]["EventPattern"]) for name in ("ScanCompleteRule", "ImageActionRule")
    ]
    for record in json.loads(path.read_text(encoding="utf-8"))["Records"]:
        event = json.loads(record["body"])
        if "detail-type" in event and any(each.matches_event(cast(EventMessageType, event)) for each in wants):
            assert forwards.matches_event(cast(EventMessageType, event))


@pytest.fixture
def home() -> Iterator[Service]:
    """A deployment that scans three accounts in two Regions; two of them forward their events, the third doesn't."""
    with service() as running:
        for member in MEMBERS:
            arn = f"arn:aws:iam::{member}:role/ecr-rescan-member"
            for region in REGIONS:
                running.add("*", registry=member, region=region, role_arn=arn)
                if member != MEMBERS[2]:
                    running.forwarded.add((member, region))
        yield running


@pytest.fixture(autouse=True)
def _organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Template.__init__

    def with_organisation(self: Template, path: Any, endpoint: str, parameters: Any = None) -> None:
        is_home = path.name == "template.yaml"
        given = {"OrganizationId": "o-a1b2c3d4e5", "RoleExternalId": "an-external-id"} if is_home else {}
        whole(self, path, endpoint, {**given, **(parameters or {})})

    monkeypatch.setattr(Template, "__init__", with_organisation)


def test_a_push_in_each_account_and_region_is_recorded_within_a_tick_and_told(home: Service) -> None:
    """By events, where they are forwarded: the account and the Region are the event's own."""
    for member in MEMBERS:
        for region in REGIONS:
            home.put_into(home.fake.registry(member, region), "team/app", "1")
    home.days(1.1)
    before = len(home.messages)
    for member in MEMBERS:
        for region in REGIONS:
            registry = home.fake.registry(member, region)
            digest = home.put_into(registry, "team/app", "2")
            found = [basic(f"CVE-2026-{member[:1]}{REGIONS.index(region)}", severity="CRITICAL")]
            home.post("team/app", digest, found, registry=registry, registryId=member)
    home.drain()
    home.cycle(1)
    told = " ".join(mail for _, mail in home.messages[before:])
    for number, member in enumerate(MEMBERS):
        for place, region in enumerate(REGIONS):
            ledger = home.ledger("team/app", member, region)
            assert ("2" in {tag for image in ledger.images.values() for tag in image.tags}) is (number < 2)
            assert (f"CVE-2026-{member[:1]}{place}" in told) is (number < 2)
    # The third one's are found by a listing.
    home.cycle(14, minutes=30)
    assert "2" in {tag for image in home.ledger("team/app", MEMBERS[2], REGION).images.values() for tag in image.tags}


def test_an_account_without_the_stack_is_swept_and_says_so(home: Service) -> None:
    """A day after a listing showed a push of which no event told."""
    for member in MEMBERS:
        home.put_into(home.fake.registry(member, REGION), "team/app", "1")
    home.days(0.5)
    for member in MEMBERS:
        home.put_into(home.fake.registry(member, REGION), "team/app", "2")
    home.days(1.6)
    reply = home.api(summary, "GET", "/health")
    found = {one["what"].partition(":")[0]: one["code"] for one in reply.json()["findings"]}
    assert found == {f"{MEMBERS[2]}/{REGION}": "events-missing"}
