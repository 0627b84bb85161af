"""Puts a built function on the stack's virtual clock: Python loads this by itself before the function.

The artefacts stay as they were built, and their import is not done beforehand, so what the emulator measures is theirs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType

CLOCK = "ecr_rescan.runtime.clock"


def now() -> datetime:
    """The virtual instant of the clock whose rate is in the file that the environment names."""
    return _local_clock().Rate.from_text(Path(os.environ["LOCAL_CLOCK_FILE"]).read_text()).now()  # type: ignore[no-any-return]


def _local_clock() -> ModuleType:
    # By its path: the project must not be on the import path of a function that is to show what its layer lacks.
    name = "local_clock"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "clock.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class _ClockFinder:
    """Finds the service's clock as Python would, and replaces its source once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Python's hook for imports; None for every other module."""
        if name != CLOCK:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                module.use(now)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if "LOCAL_CLOCK_FILE" in os.environ:
    sys.meta_path.insert(0, _ClockFinder())
