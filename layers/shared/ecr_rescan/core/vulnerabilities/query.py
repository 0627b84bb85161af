"""What of the list is asked for, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from ecr_rescan.core import keys
from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.times import from_text

STATES = ("open", "resolved", "suppressed", "all")
SORTS = ("matters", "newest", "oldest", "vulnerability", "package")
GLOBS = ("repository", "tag", "package", "vulnerability")
PARAMETERS = (*GLOBS, "configuration", "owner", "severity", "state", "overdue", "exploited", "fixable", "since", "sort")
LONGEST = 256

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The filters, each None where it is not given; all that are given must hold.

    ``repository``, ``tag``, ``package``, ``vulnerability`` are names or globs in any letter case, those of what is
    found. ``severity`` is the least severe; unrated ones pass, as in the feed. ``exploited``: only what is known to be
    exploited; ``fixable``: to have a fix. ``since``: open since then or later.
    """

    repository: str | None = None
    tag: str | None = None
    package: str | None = None
    vulnerability: str | None = None
    configuration: str | None = None
    owner: str | None = None
    severity: Severity | None = None
    state: str = "open"
    overdue: bool = False
    exploited: bool = False
    fixable: bool = False
    since: datetime | None = None
    sort: str = "matters"

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ListQuery:
        """Read the parameters of a request; InvalidRequestError with everything that is wrong with them."""
        faults: list[Fault] = []
        for name in (*GLOBS, "owner"):
            text = query.get(name)
            if text is not None and not (0 < len(text) <= LONGEST and text.isprintable()):
                faults.append(Fault(name, f"must be text of 1 to {LONGEST} printable characters"))
        configuration = query.get("configuration")
        if configuration is not None and not keys.is_configuration_id(configuration):
            faults.append(Fault("configuration", "must be the id of a configuration"))
        severity = query.get("severity")
        if severity is not None and severity.upper() not in RATED:
            faults.append(Fault("severity", f"must be one of {', '.join(RATED)}"))
        state = _one_of("state", query, STATES, faults)
        sort = _one_of("sort", query, SORTS, faults)
        overdue, exploited, fixable = (_flag(name, query, faults) for name in ("overdue", "exploited", "fixable"))
        since = _since(query.get("since"), faults)
        if faults:
            raise InvalidRequestError("; ".join(f"{fault.field}: {fault.problem}" for fault in faults), faults)
        return cls(
            repository=query.get("repository"),
            tag=query.get("tag"),
            package=query.get("package"),
            vulnerability=query.get("vulnerability"),
            configuration=configuration,
            owner=query.get("owner"),
            severity=Severity(severity.upper()) if severity else None,
            state=state,
            overdue=overdue,
            exploited=exploited,
            fixable=fixable,
            since=since,
            sort=sort,
        )


def _one_of(name: str, query: Mapping[str, str], known: tuple[str, ...], faults: list[Fault]) -> str:
    text = query.get(name, known[0])
    if text not in known:
        faults.append(Fault(name, f"must be one of {', '.join(known)}"))
    return text


def _flag(name: str, query: Mapping[str, str], faults: list[Fault]) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        faults.append(Fault(name, "must be true or false"))
    return text == "true"


def _since(text: str | None, faults: list[Fault]) -> datetime | None:
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        return from_text(text)
    except (ValueError, OverflowError):
        faults.append(Fault("since", "must be a date as YYYY-MM-DD, or an instant such as 2026-11-23T18:00:00Z"))
        return None
