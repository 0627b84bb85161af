"""GitHub's workflows run what a contributor runs, with actions that nobody can exchange, and may do little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from supply.locks import locks

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAY = {
    ("ci.yml", "run"): None,
    ("audit.yml", "audit"): None,
    ("codeql.yml", "analyze"): {"contents": "read", "security-events": "write"},
    ("release.yml", "check"): None,
    ("release.yml", "publish"): {"contents": "write", "id-token": "write", "attestations": "write"},
}


def workflow(path: Path) -> dict[Any, Any]:
    made: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return made


def steps() -> list[dict[str, Any]]:
    return [step for path in WORKFLOWS for job in workflow(path)["jobs"].values() for step in job.get("steps", ())]


def test_permissions_are_those_that_are_known() -> None:
    """A workflow may read the sources; what one job needs beside is the job's."""
    assert {path.name: workflow(path)["permissions"] for path in WORKFLOWS} == {
        path.name: {"contents": "read"} for path in WORKFLOWS
    }
    assert {
        (path.name, name): job.get("permissions") for path in WORKFLOWS for name, job in workflow(path)["jobs"].items()
    } == MAY


def test_actions_are_named_by_commit() -> None:
    """A tag can be moved to other code; a commit can't."""
    used = [step["uses"] for step in steps() if "uses" in step]
    assert len(used) >= 8
    assert [one for one in used if not re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40}", one)] == []


def test_checkouts_leave_no_credentials_behind() -> None:
    """What runs afterwards is code of many packages."""
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts) != []


def test_ci_runs_all_that_ci_runs_and_must_look() -> None:
    """With a network, a look for known vulnerabilities that could not be taken is a failure."""
    for name in ("ci.yml", "audit.yml"):
        (job,) = workflow(ROOT / ".github" / "workflows" / name)["jobs"].values()
        (run,) = [step for step in job["steps"] if "run" in step]
        assert run["run"] == {"ci.yml": ".ci/run", "audit.yml": "make audit"}[name]
        assert run["env"] == {"MUST_LOOK": "1"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_that_people_can_name_is_pasted_into_a_command(path: Path) -> None:
    """A branch or title with a quote in it would be run; it is an environment variable instead."""
    runs = [step["run"] for job in workflow(path)["jobs"].values() for step in job.get("steps", ()) if "run" in step]
    assert [run for run in runs if "${{" in run] == []


def test_dependabot_looks_after_every_lock() -> None:
    """And after the actions."""
    updates = workflow(ROOT / ".github" / "dependabot.yml")["updates"]
    folders = {folder for one in updates for folder in one.get("directories", ())}
    assert {f"/{path.parent.relative_to(ROOT)}" for path in locks()} == folders
    assert "github-actions" in {one["package-ecosystem"] for one in updates}
