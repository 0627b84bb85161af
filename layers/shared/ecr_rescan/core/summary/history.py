"""The open findings of a registry in one Region on one day: what the plot of the last weeks is drawn from.

Counted repository by repository and for no configuration: whatever is suppressed somewhere is in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.times import from_text, to_text

SCHEMA = 1

Counts = Mapping[Severity, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``repositories``: open findings by severity, without zeros, of each repository with a result; as of ``at``."""

    registry: str
    region: str
    day: date
    at: datetime
    repositories: Mapping[str, Counts]

    def to_json(self) -> bytes:
        """The document's one and only form."""
        wire = {
            "schema": SCHEMA,
            "registry": self.registry,
            "region": self.region,
            "date": self.day.isoformat(),
            "at": to_text(self.at),
            "repositories": {name: _ordered(counts) for name, counts in sorted(self.repositories.items())},
        }
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Snapshot:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no day of the history.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="day of the history")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Snapshot:
        return cls(
            registry=wire["registry"],
            region=wire["region"],
            day=date.fromisoformat(wire["date"]),
            at=from_text(wire["at"]),
            repositories={
                name: {Severity(severity): int(count) for severity, count in counts.items()}
                for name, counts in wire["repositories"].items()
            },
        )


def count_open(document: FindingsDocument) -> Counts | None:
    """The open findings of a repository by their highest severity, without zeros; None where nothing has a result."""
    if not document.with_result:
        return None
    counts: Counter[Severity] = Counter()
    for finding in document.findings.values():
        opening = finding.current
        if opening is not None and (mask := opening.mask):
            counts[opening.severity(mask)] += 1
    return counts


def _ordered(counts: Counts) -> dict[str, int]:
    return {severity.value: counts[severity] for severity in Severity if counts.get(severity)}
