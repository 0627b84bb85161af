"""What is known of one registry in one Region: who scans there, which repositories, how much of the quota is used."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.times import from_text, to_text

SCHEMA = 1

DAILY_QUOTA = 100_000
"""Basic scans per account and Region in 24 hours, scan on push included (Amazon ECR service quotas)."""

QUOTA_MARGIN = 1_000
"""Left to others: people's own scans, and scans on push that we have not counted."""

SCAN_TYPE_FOR = timedelta(hours=1)
REPOSITORIES_FOR = timedelta(hours=1)

_HOUR = "%Y-%m-%dT%H"


@dataclass(slots=True)
class Account:
    """One registry in one Region.

    ``starts``: hour → scans started in it. ``paused_until``: ECR said that the account's daily quota is spent.
    ``resume_at``: the repository at which the last tick ran out of time. ``problem``: why it can't be read now.
    """

    registry: str
    region: str
    scan_type: ScanType = ScanType.BASIC
    scan_type_at: datetime | None = None
    repositories: tuple[str, ...] = ()
    repositories_at: datetime | None = None
    starts: dict[str, int] = field(default_factory=dict)
    paused_until: datetime | None = None
    resume_at: str = ""
    problem: str = ""

    def count_starts(self, number: int, now: datetime) -> None:
        """Count scans started now, and forget those of more than a day ago."""
        self.starts = {hour: count for hour, count in self.starts.items() if self._within_a_day(hour, now)}
        if number:
            hour = now.strftime(_HOUR)
            self.starts[hour] = self.starts.get(hour, 0) + number

    def starts_left(self, now: datetime) -> int:
        """How many scans may still be started; none while the account is paused."""
        if self.paused_until is not None and now < self.paused_until:
            return 0
        used = sum(count for hour, count in self.starts.items() if self._within_a_day(hour, now))
        return max(0, DAILY_QUOTA - QUOTA_MARGIN - used)

    @staticmethod
    def _within_a_day(hour: str, now: datetime) -> bool:
        # An hour counts until all of it is a day old.
        return now - from_text(f"{hour}:00:00Z") < timedelta(hours=25)

    def to_json(self) -> bytes:
        """The document's one and only form."""
        wire = {
            "schema": SCHEMA,
            "registry": self.registry,
            "region": self.region,
            "scan_type": self.scan_type.value,
            "scan_type_at": _text(self.scan_type_at),
            "repositories": sorted(self.repositories),
            "repositories_at": _text(self.repositories_at),
            "starts": dict(sorted(self.starts.items())),
            "paused_until": _text(self.paused_until),
            "resume_at": self.resume_at,
            "problem": self.problem,
        }
        return json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Account:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no account document.
        """
        try:
            wire: dict[str, Any] = json.loads(body)
            if wire["schema"] != SCHEMA:
                raise UnknownSchemaError(key, wire["schema"])
            return cls(
                registry=wire["registry"],
                region=wire["region"],
                scan_type=ScanType(wire["scan_type"]),
                scan_type_at=_moment(wire["scan_type_at"]),
                repositories=tuple(wire["repositories"]),
                repositories_at=_moment(wire["repositories_at"]),
                starts={hour: int(count) for hour, count in wire["starts"].items() if from_text(f"{hour}:00:00Z")},
                paused_until=_moment(wire["paused_until"]),
                resume_at=wire["resume_at"],
                problem=wire["problem"],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DocumentError(key, f"is no account document: {error!r}") from error


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)
