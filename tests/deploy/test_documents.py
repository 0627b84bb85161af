"""What the documents for operators say of the deployment is so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ecr_rescan.adapters import deployment
from ecr_rescan.core import audit, configuration, tokens
from ecr_rescan.core.changes import findings, notices
from ecr_rescan.core.scanning import account, ledger
from ecr_rescan.core.summary import history
from local.functions import PROJECT
from local.translate import translate

TEMPLATE = translate()
SCHEMAS = {
    "configs/": configuration.SCHEMA,
    "tokens/": tokens.SCHEMA,
    "accounts/": account.SCHEMA,
    "images/": ledger.SCHEMA,
    "findings/": findings.SCHEMA,
    "history/": history.SCHEMA,
    "notices/": notices.SCHEMA,
    "audit/": audit.SCHEMA,
    "deployment.json": deployment.SCHEMA,
}


def text(name: str) -> str:
    return (PROJECT / "docs" / name).read_text(encoding="utf-8")


def test_schemas_and_the_versions_that_are_kept_are_told() -> None:
    """Who goes back to an earlier version needs both."""
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) days? \|$", text("operations.md"), re.MULTILINE)
    rules = TEMPLATE["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {each["Prefix"]: each["NoncurrentVersionExpiration"]["NoncurrentDays"] for each in rules if "Prefix" in each}
    assert rows
    assert {name: (int(schema), int(kept)) for name, schema, kept in rows} == {
        name: (schema, days[name]) for name, schema in SCHEMAS.items()
    }


def test_every_parameter_is_told_with_its_default() -> None:
    """One row for each, or for several of a kind."""
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", text("deploy.md"), re.MULTILINE)
    told: dict[str, str] = {}
    for names, defaults in rows:
        listed = re.findall(r"`(\w+)`", names)
        if "…" in names:
            every = list(TEMPLATE["Parameters"])
            listed = every[every.index(listed[0]) : every.index(listed[-1]) + 1]
        values = [value.strip(" `") for value in defaults.split(",")]
        told |= dict(zip(listed, values if len(values) == len(listed) else values * len(listed), strict=True))
    defaults_ = {name: str(each["Default"]) or "–" for name, each in TEMPLATE["Parameters"].items()}
    assert told == defaults_


def blocks(name: str) -> list[Any]:
    return [json.loads(found) for found in re.findall(r"^```json\n(.*?)```", text(name), re.DOTALL | re.MULTILINE)]


@pytest.mark.parametrize("policy", re.findall(r"'(\{\"Version.*?\})'", text("deploy.md"), re.DOTALL))
def test_a_policy_in_a_command_is_json(policy: str) -> None:
    """It is pasted into a shell; nothing there says what is wrong with it."""
    assert {"Version", "Statement"} == set(json.loads(policy))


def test_a_policy_of_its_own_is_json() -> None:
    """Likewise."""
    assert len(blocks("deploy.md")) == 3


def test_every_role_and_resource_that_is_named_is_the_template_s() -> None:
    """Names with the look of a logical id, in the runbook and the security model."""
    known = {*TEMPLATE["Resources"], *TEMPLATE["Parameters"], *TEMPLATE["Outputs"]}
    named = set(re.findall(r"`([A-Z]\w+(?:Alarm|Function|FunctionTick|Role|Queue|TopicArn))`", text("operations.md")))
    named |= set(
        re.findall(r"`([A-Z]\w+(?:Alarm|Function|Role|Roles|Queue))`", text("security.md") + text("deploy.md"))
    )
    assert len(named) > 8
    assert named <= known
