"""Reads requirement locks: which packages, in which versions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYER = ROOT / "layers" / "shared" / "requirements.txt"

_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, order=True, slots=True)
class Package:
    """A package of PyPI; its name in the normal form, with lower-case letters and hyphens."""

    name: str
    version: str


def normal(name: str) -> str:
    """A name in its normal form (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locks() -> list[Path]:
    """Every lock of the project, the layer's first: its build's, and those of the tools."""
    return [LAYER, LAYER.with_name("build.txt"), *sorted((ROOT / "requirements").glob("*.txt"))]


def locked(files: Iterable[Path]) -> list[Package]:
    """What these locks hold, each version once. A lock in which nothing is found is an error, not an empty one."""
    found = set()
    for file in files:
        packages = {Package(normal(name), version) for name, version in _LOCKED.findall(file.read_text("utf-8"))}
        if not packages:
            raise ValueError(f"{file.name} locks nothing")
        found |= packages
    return sorted(found)
