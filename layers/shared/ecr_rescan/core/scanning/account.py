"""What is known of one registry in one Region: who scans there, which repositories, how much of the quota is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.times import from_text, from_text_or_none, to_text, to_text_or_none

SCHEMA = 1

DAILY_QUOTA = 100_000
"""Basic scans per account and Region in 24 hours, scan on push included (Amazon ECR service quotas)."""

QUOTA_MARGIN = 1_000
"""Left to others: people's own scans, and scans on push that we have not counted."""

SCAN_TYPE_FOR = timedelta(hours=1)
REPOSITORIES_FOR = timedelta(hours=1)

EVENTS_FOR = timedelta(hours=25)
"""How long an event of an image shows that such events arrive: on most days every registry has some."""

SILENT = "silent"
"""The rest of a Region that does not answer."""

SILENT_FOR = tuple(timedelta(minutes=minutes) for minutes in (4, 9, 14))
"""How long it is left alone: a tick, two, then three, so that it is heard soon after it speaks again."""

_BUCKET = timedelta(minutes=10)
_COUNTED = timedelta(days=1) + _BUCKET
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rest:
    """Something that is left alone until a time, after it failed so many times in a row."""

    until: datetime
    times: int
    reason: str


@dataclass(slots=True)
class Account:
    """One registry in one Region.

    ``scan_filters``: by which the registry chooses what is scanned, as far as it is known.
    ``starts``: the beginning of ten minutes → scans started in them. ``paused_until``: ECR said that the account's
    daily quota is spent; kept until a start is accepted again. ``events_at``: about when an event last told
    that an image arrived. ``resume_at``: the repository at which the last tick ran out of time. ``unnamed``: repository
    that no configuration names → since when. ``swept_at``: when these were last looked for. ``problem``: why the
    account can't be read now. ``problems``: why roles can't be used for it, by role ("": the service's own
    permissions). ``refused``: what could not be asked when it was last tried (``repositories``, ``scan_type``) → why;
    kept until it works. ``rests``: what is left alone for a while, by what it is.
    """

    registry: str
    region: str
    scan_type: ScanType = ScanType.BASIC
    scan_type_at: datetime | None = None
    scan_filters: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    repositories_at: datetime | None = None
    starts: dict[datetime, int] = field(default_factory=dict)
    paused_until: datetime | None = None
    events_at: datetime | None = None
    resume_at: str = ""
    unnamed: dict[str, datetime] = field(default_factory=dict)
    swept_at: datetime | None = None
    problem: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)

    def rest(self, what: str, waits: Sequence[timedelta], reason: str, now: datetime) -> None:
        """Leave something alone: for the first of these times, then, each time that it fails again, for the next."""
        before = self.rests.get(what)
        times = before.times + 1 if before else 1
        self.rests[what] = Rest(now + waits[min(times, len(waits)) - 1], times, reason)

    @property
    def is_troubled(self) -> bool:
        """Whether it can't be read, or something of it can't be asked."""
        return bool(self.problem or self.problems or self.refused or self.rests)

    def problem_for(self, role_arn: str | None) -> str:
        """What keeps a configuration with this role from being served as it should be; "" where nothing does."""
        resting = [f"{rest.reason}; tried again after {to_text(rest.until)}" for rest in self.rests.values()]
        return self.problems.get(role_arn or "") or "; ".join(resting) or self.problem

    def count_starts(self, number: int, now: datetime) -> None:
        """Count scans started now, and forget those of more than a day ago."""
        self.starts = {begin: count for begin, count in self.starts.items() if now - begin < _COUNTED}
        if number:
            begin = now - (now - _EPOCH) % _BUCKET
            self.starts[begin] = self.starts.get(begin, 0) + number

    def starts_left(self, now: datetime) -> int:
        """How many scans may still be started: none while the account is paused, one to see whether that is over."""
        if self.paused_until is not None:
            return 0 if now < self.paused_until else 1
        # Ten minutes count until all of them are a day old.
        used = sum(count for begin, count in self.starts.items() if now - begin < _COUNTED)
        return max(0, DAILY_QUOTA - QUOTA_MARGIN - used)

    def hears_events(self, now: datetime) -> bool:
        """Whether this registry's and Region's events of new images are seen to arrive; those of scans show nothing."""
        return self.events_at is not None and now - self.events_at < EVENTS_FOR

    def to_json(self) -> bytes:
        """The document's one and only form."""
        wire = {
            "schema": SCHEMA,
            "registry": self.registry,
            "region": self.region,
            "scan_type": self.scan_type.value,
            "scan_type_at": to_text_or_none(self.scan_type_at),
            "scan_filters": list(self.scan_filters),
            "repositories": sorted(self.repositories),
            "repositories_at": to_text_or_none(self.repositories_at),
            "starts": {to_text(begin): count for begin, count in sorted(self.starts.items())},
            "paused_until": to_text_or_none(self.paused_until),
            "events_at": to_text_or_none(self.events_at),
            "resume_at": self.resume_at,
            "unnamed": {name: to_text(since) for name, since in sorted(self.unnamed.items())},
            "swept_at": to_text_or_none(self.swept_at),
            "problem": self.problem,
            "problems": self.problems,
            "refused": dict(sorted(self.refused.items())),
            "rests": {
                what: {"until": to_text(rest.until), "times": rest.times, "reason": rest.reason}
                for what, rest in sorted(self.rests.items())
            },
        }
        return record_form.to_json(wire)

    @classmethod
    def from_json(cls, key: str, body: bytes) -> Account:
        """Read what ``to_json`` wrote.

        Raises:
            UnknownSchemaError: another version of the service wrote it.
            DocumentError: it is no account document.
        """
        return record_form.from_json(key, body, cls._from_wire, schema=SCHEMA, what="account document")

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Account:
        return cls(
            registry=wire["registry"],
            region=wire["region"],
            scan_type=ScanType(wire["scan_type"]),
            scan_type_at=from_text_or_none(wire["scan_type_at"]),
            scan_filters=tuple(wire.get("scan_filters", ())),
            repositories=tuple(wire["repositories"]),
            repositories_at=from_text_or_none(wire["repositories_at"]),
            starts={from_text(begin): int(count) for begin, count in wire["starts"].items()},
            paused_until=from_text_or_none(wire["paused_until"]),
            events_at=from_text_or_none(wire["events_at"]),
            resume_at=wire["resume_at"],
            unnamed={name: from_text(since) for name, since in wire["unnamed"].items()},
            swept_at=from_text_or_none(wire["swept_at"]),
            problem=wire["problem"],
            problems=wire.get("problems", {}),
            rests={
                what: Rest(from_text(rest["until"]), rest["times"], rest["reason"])
                for what, rest in wire.get("rests", {}).items()
            },
            refused=dict(wire.get("refused", {})),
        )
