"""Imports point inwards: functions -> runtime -> adapters -> core.

Core knows neither AWS, nor the clock, nor chance, nor the environment.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "layers" / "shared" / "ecr_rescan"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")])

AWS = {"boto3", "botocore"}
IMPURE = {"os", "time", "random", "secrets", "logging", "aws_lambda_powertools"}
MAY_NOT_IMPORT = {
    "core": AWS | IMPURE | {"ecr_rescan.adapters", "ecr_rescan.runtime", "functions"},
    "adapters": {"aws_lambda_powertools", "ecr_rescan.runtime", "functions"},
    "runtime": {"functions"},
    "functions": AWS | {"ecr_rescan.adapters", "functions"},
}
# Within core: what was found and changed, what is scanned when, and what people see of both.
ROOMS_ABOVE = {
    "ecr_rescan.core.signals": {"changes", "scanning", "telling", "summary", "dashboard", "gate", "vulnerabilities"},
    "ecr_rescan.core.changes": {"scanning", "telling", "summary", "dashboard", "gate", "vulnerabilities"},
    "ecr_rescan.core.scanning": {"telling", "summary", "dashboard", "gate", "vulnerabilities"},
    "ecr_rescan.core.telling": {"scanning", "summary", "dashboard", "gate", "vulnerabilities"},
    "ecr_rescan.core.summary": {"telling", "dashboard", "gate", "vulnerabilities"},
    "ecr_rescan.core.dashboard": {"telling"},
    "ecr_rescan.core.gate": {"telling", "dashboard", "vulnerabilities"},
    "ecr_rescan.core.vulnerabilities": {"telling", "dashboard", "gate"},
    "ecr_rescan.runtime.scanning": {"serving"},
    "ecr_rescan.runtime.serving": {"scanning"},
}
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom"}


def imported(module: str, source: str) -> Iterator[str]:
    """Yield the absolute name of everything that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def faults(module: str, source: str) -> list[str]:
    """Return what a module, given by its dotted name, does that its place forbids."""
    part = module.split(".")[1] if module.startswith("ecr_rescan.") else module.split(".")[0]
    found = [
        f"{module} imports {name}"
        for name in imported(module, source)
        for forbidden in MAY_NOT_IMPORT.get(part, set())
        if f"{name}.".startswith(f"{forbidden}.")
    ]
    for room, above in ROOMS_ABOVE.items():
        if module.startswith(f"{room}."):
            outside = {f"{room.rpartition('.')[0]}.{other}" for other in above}
            found += [
                f"{module} imports {name}"
                for name in imported(module, source)
                if any(f"{name}.".startswith(f"{other}.") for other in outside)
            ]
    if module.startswith("ecr_rescan.core.") and module.count(".") == 2:
        rooms = tuple(f"{room}." for room in ROOMS_ABOVE)
        found += [f"{module} imports {name}" for name in imported(module, source) if f"{name}.".startswith(rooms)]
    if module != "ecr_rescan.core.telling.feed":
        found += [f"{module} imports {name}" for name in imported(module, source) if name.split(".")[0] == "feedgen"]
    if part == "core":
        found += [
            f"{module} calls {node.func.attr}()"
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_CALLS
        ]
    return found


def dotted(path: Path) -> str:
    base = PACKAGE.parent if path.is_relative_to(PACKAGE) else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_keeps_to_its_place(path: Path) -> None:
    """No module imports outwards, and core stays pure."""
    assert faults(dotted(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """A module starts with a docstring, and a package's __init__ holds nothing else."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert path.name != "__init__.py" or len(tree.body) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ecr_rescan.core.x", "import botocore.exceptions"),
        ("ecr_rescan.core.x", "def f():\n    from os import environ"),
        ("ecr_rescan.core.x", "from ..adapters import documents"),
        ("ecr_rescan.core.x", "from ecr_rescan import runtime"),
        ("ecr_rescan.core.x", "from datetime import datetime\ndatetime.now()"),
        ("ecr_rescan.core.x", "from feedgen.feed import FeedGenerator"),
        ("ecr_rescan.core.x", "from ecr_rescan.core.changes.view import view"),
        ("ecr_rescan.core.changes.x", "from ecr_rescan.core.scanning.ledger import Ledger"),
        ("ecr_rescan.runtime.serving.x", "from ecr_rescan.runtime.scanning import tick"),
        ("ecr_rescan.adapters.x", "from ecr_rescan.runtime import clock"),
        ("ecr_rescan.runtime.x", "import functions.config.app"),
        ("ecr_rescan.runtime.x", "import feedgen"),
        ("functions.summary.app", "import boto3"),
        ("functions.summary.app", "from functions.config import app"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    """The rules above do bite."""
    assert faults(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ecr_rescan.core.x", "import json\nfrom ecr_rescan.core.times import at\nfrom . import severity"),
        ("ecr_rescan.core.telling.feed", "from feedgen.feed import FeedGenerator"),
        ("ecr_rescan.core.scanning.x", "from ecr_rescan.core.changes.view import view"),
        ("ecr_rescan.adapters.x", "import boto3\nfrom ecr_rescan.core import errors"),
        ("ecr_rescan.runtime.x", "import boto3\nimport os\nfrom ecr_rescan.adapters import documents"),
        ("functions.config.app", "from ecr_rescan.core import errors\nfrom ecr_rescan.runtime import api"),
    ],
)
def test_a_right_import_is_let_through(module: str, source: str) -> None:
    """The rules forbid no more than they say."""
    assert faults(module, source) == []
