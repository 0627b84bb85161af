"""The layer that is deployed, built twice in two places: for Lambda's machine, and the same to the byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.functions import PROJECT

AARCH64 = 183
"""The machine in an ELF header (ELF for the Arm 64-bit Architecture)."""


def build(folder: Path, *, zone: str, umask: int) -> Path:
    """Build a copy of the layer's sources, as `sam build` does, with this Python's pip."""
    source, artefacts = folder / "sources", folder / "artefacts"
    shutil.copytree(PROJECT / "layers" / "shared", source, ignore=shutil.ignore_patterns("__pycache__"))
    artefacts.mkdir()
    environment = os.environ | {"TZ": zone, "PYTHON": sys.executable}
    for name in ("LAYER_PYTHON", "LAYER_MACHINE", "LAYER_COMPILER", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    command = ["make", "--silent", "build-SharedLayer", f"ARTIFACTS_DIR={artefacts}"]
    subprocess.run(command, cwd=source, env=environment, umask=umask, check=True)
    return artefacts


def contents(folder: Path) -> Mapping[str, tuple[int, float, str]]:
    """Mode, time and hash of everything in a folder, by its path there."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two builds, in folders, time zones and with a umask of their own."""
    first = build(tmp_path_factory.mktemp("first"), zone="UTC", umask=0o022)
    return first, build(tmp_path_factory.mktemp("second"), zone="Asia/Kathmandu", umask=0o077)


def test_two_builds_are_the_same_to_the_byte(artefacts: tuple[Path, Path]) -> None:
    """`sam deploy` uploads what has another hash: nothing, where nothing changed."""
    first, second = map(contents, artefacts)
    assert len(first) > 100
    assert first == second


def test_the_layer_is_for_arm64_and_python_3_13(artefacts: tuple[Path, Path]) -> None:
    """Whatever machine and Python build it."""
    compiled = list(artefacts[0].rglob("*.so"))
    assert compiled
    for path in compiled:
        header = path.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18)[0] == AARCH64, path
        assert "cpython-313-" in path.name or ".abi3." in path.name, path
    assert {path.suffixes[-2] for path in artefacts[0].rglob("*.pyc")} <= {".cpython-313"}


def test_the_layer_holds_what_runs_and_nothing_of_the_build(artefacts: tuple[Path, Path]) -> None:
    """Nothing of pip, nor of the machine that built it; what scanners of deployed code read stays."""
    site = artefacts[0] / "python"
    assert not {"pip", "setuptools", "bin"} & {path.name for path in site.iterdir()}
    assert not [path for path in site.rglob("*") if path.name in ("RECORD", "INSTALLER", "direct_url.json")]
    named = {path.name.split("-")[0] for path in site.glob("*.dist-info") if (path / "METADATA").exists()}
    locked = (PROJECT / "layers" / "shared" / "requirements.txt").read_text(encoding="utf-8")
    wanted = {line.split("==")[0].replace("-", "_") for line in locked.splitlines() if "==" in line}
    assert {name.lower() for name in named} == {name.lower() for name in wanted}
    assert {path.name for path in (site / "ecr_rescan").iterdir()} >= {"core", "adapters", "runtime"}
