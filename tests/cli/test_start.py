"""What the command costs before it does anything, and completion as a shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent


def python(*arguments: str, **environment: str) -> str:
    """Run Python in the project, and answer what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_help_waits_for_nothing_that_it_does_not_need() -> None:
    """What signs, sends and draws is imported when it is used: it takes several times as long as the rest."""
    script = "import sys; from cli.main import main; main(['gate', '--help']); print(*sys.modules, file=sys.stderr)"
    asked = f"import sys; sys.stderr = sys.stdout; {script}"
    loaded = {name.partition(".")[0] for name in python("-c", asked).split()}
    assert "click" in loaded
    assert not loaded & {"boto3", "botocore", "urllib3", "rich", "orjson", "ecr_rescan", "xml"}


def test_a_shell_is_told_how_words_may_end() -> None:
    """Commands and options, as the completion's script asks for them."""
    asked = {"_ECR_RESCAN_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert "plain,ignored" in python("-m", "cli", COMP_WORDS="ecr-rescan ign", **asked)
    asked["COMP_CWORD"] = "2"
    assert "plain,--compared-to" in python("-m", "cli", COMP_WORDS="ecr-rescan gate --com", **asked)
