"""What a reader may ask of a feed in its URL: a severity, a tag, which kinds of entries, at most so many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.patterns import MOST_WILDCARDS, wildcards
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.shapes import LONGEST_TAG, TAG_PATTERN

FORM = "4"
"""How feeds look. Raised with every change of what is rendered, so that readers fetch the new form."""

_LIMIT = re.compile(r"[1-9][0-9]{0,3}|10000")


@dataclass(frozen=True, slots=True)
class FeedFilters:
    """The filters of one request. ``severity`` takes the place of the configuration's; ``tag`` is a name or a glob.

    ``changes``: without what was there from the beginning.
    """

    severity: Severity | None = None
    tag: str | None = None
    resolved: bool = False
    limit: int | None = None
    exploited: bool = False
    fixable: bool = False
    changes: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> FeedFilters:
        """Read the query parameters; those that are not filters are left alone.

        Raises:
            InvalidRequestError: with every filter that makes no sense.
        """
        faults: list[Fault] = []
        severity = query.get("severity")
        if severity is not None and severity.upper() not in RATED:
            faults.append(Fault("severity", f"must be one of {', '.join(RATED)}"))
        tag = query.get("tag")
        if tag is not None and not (len(tag) <= LONGEST_TAG and TAG_PATTERN.fullmatch(tag)):
            faults.append(Fault("tag", f"must be a tag or a glob of tags, of at most {LONGEST_TAG} characters"))
        elif tag is not None and wildcards(tag) > MOST_WILDCARDS:
            faults.append(Fault("tag", f"may have at most {MOST_WILDCARDS} wildcards (* and ?)"))
        resolved = query.get("resolved", "false")
        if resolved not in ("true", "false"):
            faults.append(Fault("resolved", "must be true or false"))
        exploited = query.get("exploited", "false")
        if exploited not in ("true", "false"):
            faults.append(Fault("exploited", "must be true or false"))
        fixable = query.get("fixable", "false")
        if fixable not in ("true", "false"):
            faults.append(Fault("fixable", "must be true or false"))
        changes = query.get("changes", "false")
        if changes not in ("true", "false"):
            faults.append(Fault("changes", "must be true or false"))
        limit = query.get("limit")
        if limit is not None and not _LIMIT.fullmatch(limit):
            faults.append(Fault("limit", "must be a whole number from 1 to 10000"))
        if faults:
            raise InvalidRequestError("; ".join(f"{fault.field}: {fault.problem}" for fault in faults), faults)
        return cls(
            severity=Severity(severity.upper()) if severity is not None else None,
            tag=tag,
            resolved=resolved == "true",
            limit=int(limit) if limit is not None else None,
            exploited=exploited == "true",
            fixable=fixable == "true",
            changes=changes == "true",
        )

    @property
    def query(self) -> str:
        """The filters as a query string, in one spelling, without a question mark; "" for none."""
        given = {
            "severity": self.severity,
            "tag": self.tag,
            "resolved": "true" if self.resolved else None,
            "limit": self.limit,
            "exploited": "true" if self.exploited else None,
            "fixable": "true" if self.fixable else None,
            "changes": "true" if self.changes else None,
        }
        return urlencode({name: value for name, value in given.items() if value is not None})
