"""What a person asked the dashboard to show, and links that change a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from ecr_rescan.core.checks import Checks
from ecr_rescan.core.errors import InvalidRequestError
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.summary import COVERAGE

SORTS = {
    "findings": "Most severe first",
    "repository": "Repository",
    "scanned": "Oldest scan first",
    "pushed": "Newest first",
}
LONGEST_TEXT = 200
LARGEST_PAGE_NUMBER = 100_000

_NAMES = ("q", "state", "severity", "fixable", "sort", "page", "cve")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What to show.

    ``q``: text in the name of a repository or a tag. ``state``: a name of ``COVERAGE``. ``severity``: the least severe
    of the findings that an image must have. ``page``: of the images, from 1. ``cve``: a vulnerability to look for.
    ``fixable``: "true" for images in which an upgrade mends something.
    """

    q: str = ""
    state: str = ""
    severity: Severity | None = None
    sort: str = "findings"
    page: int = 1
    cve: str = ""
    fixable: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether images are left out."""
        return bool(self.q or self.state or self.severity or self.fixable)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PageQuery:
        """Read a request's query; an empty field of a form counts as not given.

        Raises:
            InvalidRequestError: with every fault of it.
        """
        given = {name: query[name].strip() for name in _NAMES if query.get(name, "").strip()}
        checks = Checks(given)
        state, sort, page = given.get("state", ""), given.get("sort", "findings"), given.get("page", "1")
        if state and state not in COVERAGE:
            checks.fault("state", f"must be one of {', '.join(COVERAGE)}")
        if given.get("fixable", "true") != "true":
            checks.fault("fixable", "must be true")
        if sort not in SORTS:
            checks.fault("sort", f"must be one of {', '.join(SORTS)}")
        if not (page.isascii() and page.isdigit() and len(page) <= 6 and 1 <= int(page) <= LARGEST_PAGE_NUMBER):
            checks.fault("page", f"must be a whole number from 1 to {LARGEST_PAGE_NUMBER}")
        asked = (checks.text("q", longest=LONGEST_TEXT), checks.severity("severity"), checks.text("cve", longest=256))
        if checks.faults:
            raise InvalidRequestError("; ".join(f"{one.field}: {one.problem}" for one in checks.faults), checks.faults)
        return cls(asked[0] or "", state, asked[1], sort, int(page), asked[2] or "", given.get("fixable", ""))

    def changed(self, **changes: str | int) -> dict[str, str]:
        """The query with some of it changed, without what is as it is anyway."""
        fields: dict[str, str | int] = {
            "q": self.q,
            "state": self.state,
            "severity": self.severity or "",
            "sort": self.sort,
            "page": self.page,
            "cve": self.cve,
            "fixable": self.fixable,
        }
        asked = fields | {"page": 1} | changes
        plain = {"sort": "findings", "page": 1}
        return {name: str(value) for name, value in asked.items() if value and value != plain.get(name)}


@dataclass(frozen=True, slots=True)
class Links:
    """Links within the dashboard: absolute paths, with the token that opened it.

    ``base``: the path before ``/dashboard``. ``here``: the page's own path after it. ``everything``: whether the token
    opens the pages of all configurations.
    """

    base: str
    here: str
    token: str | None
    everything: bool

    def to(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """A link to a page of the dashboard."""
        asked = dict(query or {}) | ({"token": self.token} if self.token else {})
        return f"{self.base}{path}" + (f"?{urlencode(asked)}" if asked else "")

    def same(self, query: Mapping[str, str], anchor: str = "") -> str:
        """A link to the same page with another query."""
        return self.to(self.here, query) + (f"#{anchor}" if anchor else "")
