"""What a contributor's machine may have set must not get between ``make`` and its own environments."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_pip_installs_into_the_environment_whatever_its_configuration_says(tmp_path: Path) -> None:
    """``user = true``, which many machines have, makes pip refuse that."""
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n")
    (tmp_path / "show.mk").write_text("include Makefile\nshow:\n\t@echo user=$$PIP_USER\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    command = ["make", "--no-print-directory", "-f", str(tmp_path / "show.mk"), "show"]
    shown = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_USER": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "user=0"
