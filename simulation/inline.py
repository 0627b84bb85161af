"""Calls that the service makes at once are made in turn, so that a seed gives the same run every time; no logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

_MODULES = (
    "ecr_rescan.adapters.documents",
    "ecr_rescan.runtime.scanning.turns",
    "ecr_rescan.runtime.scanning.recorder",
)


class InTurn:
    """What a ThreadPoolExecutor is, without threads."""

    def __init__(self, max_workers: int | None = None) -> None:
        pass

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @staticmethod
    def map(function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """All of it is done when this returns, as with threads."""
        return iter([function(*arguments) for arguments in zip(*iterables, strict=False)])


@contextmanager
def calls_in_turn() -> Iterator[None]:
    """Replace the service's thread pools for the length of a ``with``."""
    with ExitStack() as stack:
        for module in _MODULES:
            stack.enter_context(mock.patch(f"{module}.ThreadPoolExecutor", InTurn))
        # Both go to where the simulation reports.
        stack.enter_context(mock.patch("ecr_rescan.runtime.scanning.start_scan.metrics"))
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        yield
