"""The composite action: its script hands every input to the command as an argument, whatever is in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ACTION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent.parent / "actions" / "gate" / "action.yml").read_text(encoding="utf-8")
)
STEP = ACTION["runs"]["steps"][-1]


def ran(tmp_path: Path, code: int = 0, **inputs: str) -> tuple[int, list[str], str]:
    """Exit code, arguments, and the token that the command was run with."""
    command = tmp_path / "ecr-rescan"
    command.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/arguments"\n'
        f'printf "%s" "${{ECR_RESCAN_GATE_TOKEN-none}}" > "{tmp_path}/token"\nexit {code}\n'
    )
    command.chmod(0o755)
    values = {name: str(given.get("default", "")) for name, given in ACTION["inputs"].items()} | inputs
    environment = {}
    for name, text in STEP["env"].items():
        environment[name] = values[text.removeprefix("${{ inputs.").removesuffix(" }}")]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEP["run"]],
        env=environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        timeout=30,
    )
    return done.returncode, (tmp_path / "arguments").read_text().splitlines(), (tmp_path / "token").read_text()


def test_the_least_that_is_given_is_enough(tmp_path: Path) -> None:
    """With the command's own defaults, and signed."""
    code, arguments, token = ran(tmp_path, image="a@sha256:1", url="https://x")
    assert arguments == ["gate", "--severity", "HIGH", "--max-age", "24h10m", "--wait", "10m", "--", "a@sha256:1"]
    assert (code, token) == (0, "none")


def test_everything_that_is_given_is_passed_on(tmp_path: Path) -> None:
    """Several images, one a line; nothing in an input is run."""
    hostile = '$(touch "$TMPDIR/x"); echo'
    more = {"fixable": "true", "compared-to": hostile, "sarif": "a b.sarif", "token": "t"}
    code, arguments, token = ran(tmp_path, image="a:1\n\n--help\n", **more)
    assert arguments[7:] == ["--fixable", "--compared-to", hostile, "--sarif", "a b.sarif", "--", "a:1", "--help"]
    assert (code, token) == (0, "t")


@pytest.mark.parametrize("code", [1, 2, 3])
def test_the_exit_code_is_the_command_s(tmp_path: Path, code: int) -> None:
    """So that the job stops."""
    assert ran(tmp_path, code, image="a:1")[0] == code
