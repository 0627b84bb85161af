"""What is known of one registry in one Region: who scans there, which repositories, how much of the quota is used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_rescan.core import record_form
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import SKEW
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

GUESS = "guess"
"""The rest of a registry of which only a refusal tells that it is ENHANCED; after it one start is tried."""

GUESS_FOR = (timedelta(minutes=25), *(timedelta(hours=hours) for hours in (2, 6, 24)))

REPOSITORIES = "repositories"
SCAN_TYPE = "scan type"
"""What could not be asked of a registry when it was last tried."""

ASK_FOR = (timedelta(minutes=15), timedelta(hours=1))
"""How long an account's scan type, or its repositories, are not asked for after that failed once, or more often."""

IN_A_ROW = 3
"""So many distinct images refused in a row, with none accepted, and it is not about one of them."""

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
    daily quota is spent; kept until a start is accepted again. ``unexplained``: the last images, ``IN_A_ROW`` at most,
    whose refusals their own results don't explain, with no start accepted since. ``events_at``: about when an event
    last told that an image arrived, ``scans_at`` that a scan ended. ``pushed_at``: the newest push that a listing of a
    known repository showed. ``resume_at``: the repository at which the last tick ran out of time. ``problem``:
    why the account can't be read now. ``problems``: why roles can't be used for it, by role ("": the service's own
    permissions). ``rests``: what is left alone for a while, by what it is.
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
    unexplained: tuple[str, ...] = ()
    events_at: datetime | None = None
    scans_at: datetime | None = None
    pushed_at: datetime | None = None
    resume_at: str = ""
    problem: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)

    def rest(self, what: str, waits: Sequence[timedelta], reason: str, now: datetime) -> None:
        """Leave something alone: for the first of these times, then, each time that it fails again, for the next."""
        before = self.rests.get(what)
        times = before.times + 1 if before else 1
        self.rests[what] = Rest(now + waits[min(times, len(waits)) - 1], times, reason)

    @property
    def is_troubled(self) -> bool:
        """Whether it can't be read, or something of it can't be asked."""
        return bool(self.problem or self.problems or self.rests.keys() - {GUESS})

    def problem_for(self, role_arn: str | None) -> str:
        """What keeps a configuration with this role from being read as it should be; "" where nothing does."""
        resting = [
            f"{rest.reason}; tried again after {to_text(rest.until)}"
            for what, rest in self.rests.items()
            if what not in (REPOSITORIES, SCAN_TYPE)
        ]
        return self.problems.get(role_arn or "") or "; ".join(resting) or self.problem

    def lacks(self, ledger: Ledger) -> bool:
        """Whether the newest list of all repositories, newer than all that is known of this one, shows it gone."""
        if self.repositories_at is None or ledger.repository in self.repositories:
            return False
        if ledger.missing_since is None and ledger.listed_at is not None and ledger.listed_at >= self.repositories_at:
            return False
        tagged = (since for image in ledger.images.values() for since in image.tags.values())
        return all(since < self.repositories_at - SKEW for since in tagged)

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

    def note_pushes(self, pushed: Iterable[datetime], since: datetime) -> None:
        """Note what a listing shows of a repository; what was there before it was known shows nothing."""
        newest = max((at for at in pushed if at > since), default=None)
        if newest is not None and (self.pushed_at is None or newest > self.pushed_at):
            self.pushed_at = newest

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
            "unexplained": self.unexplained,
            "events_at": to_text_or_none(self.events_at),
            "scans_at": to_text_or_none(self.scans_at),
            "pushed_at": to_text_or_none(self.pushed_at),
            "resume_at": self.resume_at,
            "problem": self.problem,
            "problems": self.problems,
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
            unexplained=tuple(wire.get("unexplained", ())),
            events_at=from_text_or_none(wire["events_at"]),
            scans_at=from_text_or_none(wire.get("scans_at")),
            pushed_at=from_text_or_none(wire.get("pushed_at")),
            resume_at=wire["resume_at"],
            problem=wire["problem"],
            problems=wire.get("problems", {}),
            rests={
                what: Rest(from_text(rest["until"]), rest["times"], rest["reason"])
                for what, rest in wire.get("rests", {}).items()
            },
        )
