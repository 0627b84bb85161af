"""The table of `make bench`: each figure with its spread, its reference of the same run, and its target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    ``values``: of several runs, in ``unit``. ``reference``: what it is compared with, its name and values.
    ``at_most``: the target for the median, or for its ratio to the reference's where ``relative``; None: no target.
    ``problem``: why there is no figure.
    """

    name: str
    unit: str
    values: Sequence[float]
    reference: str = ""
    reference_values: Sequence[float] = ()
    at_most: float | None = None
    relative: bool = False
    problem: str = ""
    calls: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Of the values."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """To the reference."""
        return self.median / statistics.median(self.reference_values) if self.values and self.reference_values else None

    @property
    def met(self) -> bool:
        """Whether the target is met; a figure that could not be taken meets none."""
        if self.problem:
            return False
        if self.at_most is None:
            return True
        if self.relative:
            return self.ratio is not None and self.ratio <= self.at_most
        return self.median <= self.at_most

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        more = {"median": self.median if self.values else None, "ratio": self.ratio, "met": self.met}
        return asdict(self) | more


def table(rows: Sequence[Row]) -> str:
    """All rows as Markdown."""
    lines = ["| what | median (least–most) | beside | target | |", "|---|---|---|---|---|"]
    for row in rows:
        if row.problem:
            lines.append(f"| {row.name} | not measured: {row.problem} | | {_target(row)} | MISSED |")
            continue
        beside = ""
        if row.reference_values:
            beside = f"{row.reference} {_spread(row.reference_values, row.unit)}, × {row.ratio:.2f}"
        calls = ", ".join(f"{number:g} {operation}" for operation, number in sorted(row.calls.items()))
        what = f"{row.name} ({calls})" if calls else row.name
        verdict = "" if row.at_most is None else "met" if row.met else "MISSED"
        lines.append(f"| {what} | {_spread(row.values, row.unit)} | {beside} | {_target(row)} | {verdict} |")
    return "\n".join(lines)


def _target(row: Row) -> str:
    if row.at_most is None:
        return ""
    return f"≤ {row.at_most:g} ×" if row.relative else f"≤ {row.at_most:g} {row.unit}"


def _spread(values: Sequence[float], unit: str) -> str:
    middle = f"{statistics.median(values):.4g} {unit}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3g}–{max(values):.3g})"
