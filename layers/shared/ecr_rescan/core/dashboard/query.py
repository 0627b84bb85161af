"""What a person asked the dashboard to show, and links that change a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from ecr_rescan.core.checks import Checks
from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.summary.recent import KINDS
from ecr_rescan.core.summary.summary import COVERAGE
from ecr_rescan.core.vulnerabilities.query import PARAMETERS as LIST_PARAMETERS
from ecr_rescan.core.vulnerabilities.query import ListQuery

VIEWS = ("findings", "changes", "repositories")
"""The lists beside the overview, which has the list of images itself."""

SORTS = {
    "findings": "Most severe first",
    "repository": "Repository",
    "scanned": "Oldest scan first",
    "pushed": "Newest first",
}
LONGEST_TEXT = 200
LARGEST_PAGE_NUMBER = 100_000
UNRATED = "UNRATED"
HOURS = ("24", "168")

_NAMES = ("q", "state", "severity", "fixable", "sort", "page", "cve")

PARAMETERS = tuple(
    dict.fromkeys(("view", "search", "package", *_NAMES, *LIST_PARAMETERS, "only", "hours", "kind", "after"))
)


def given(query: Mapping[str, str]) -> dict[str, str]:
    """The fields that say something: an empty field of a form counts as not given."""
    return {name: query[name].strip() for name in PARAMETERS if query.get(name, "").strip()}


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What to show of the images.

    ``q``: text in the name of a repository or a tag. ``state``: a name of ``COVERAGE``. ``severity``: the least severe
    of the findings that an image must have. ``fixable``: only images in which an upgrade mends something. ``page``: of
    the images, from 1.
    """

    q: str = ""
    state: str = ""
    severity: Severity | None = None
    sort: str = "findings"
    page: int = 1
    fixable: bool = False

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.q or self.state or self.severity or self.fixable)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PageQuery:
        """Read a request's query; an empty field of a form counts as not given.

        Raises:
            InvalidRequestError: with every fault of it.
        """
        asked = given(query)
        checks = Checks(asked)
        state, sort = asked.get("state", ""), asked.get("sort", "findings")
        fixable = asked.get("fixable", "false")
        if state and state not in COVERAGE:
            checks.fault("state", f"must be one of {', '.join(COVERAGE)}")
        if fixable not in ("true", "false"):
            checks.fault("fixable", "must be true or false")
        if sort not in SORTS:
            checks.fault("sort", f"must be one of {', '.join(SORTS)}")
        number = _page(checks, asked)
        text, severity = checks.text("q", longest=LONGEST_TEXT), checks.severity("severity")
        _refuse(checks.faults)
        return cls(text or "", state, severity, sort, number, fixable == "true")

    def changed(self, **changes: str | int) -> dict[str, str]:
        """The query with some of it changed, without what is as it is anyway."""
        fields: dict[str, str | int] = {
            "q": self.q,
            "state": self.state,
            "severity": self.severity or "",
            "sort": self.sort,
            "page": self.page,
            "fixable": "true" if self.fixable else "",
        }
        asked = fields | {"page": 1} | changes
        plain = {"sort": "findings", "page": 1}
        return {name: str(value) for name, value in asked.items() if value and value != plain.get(name)}


@dataclass(frozen=True, slots=True)
class FindingsQuery:
    """What to list of the findings: what ``GET /vulnerabilities`` takes, and what only people ask for.

    ``only``: these severities alone, UNRATED for both that are not rated. ``q``: text in an id, a package or a
    repository. ``asked``: the query as it was given, for links.
    """

    listed: ListQuery
    only: tuple[str, ...] = ()
    q: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> FindingsQuery:
        """Read a request's query; InvalidRequestError with every fault of it."""
        asked = {name: value for name, value in given(query).items() if name in (*LIST_PARAMETERS, "only", "q")}
        checks = Checks(asked)
        text = checks.text("q", longest=LONGEST_TEXT)
        only = tuple(asked.get("only", "").upper().split(",")) if "only" in asked else ()
        if not set(only) <= {*RATED, UNRATED}:
            checks.fault("only", f"must be some of {', '.join(RATED)}, {UNRATED}, with commas between them")
        try:
            listed = ListQuery.from_query({name: asked[name] for name in LIST_PARAMETERS if name in asked})
        except InvalidRequestError as error:
            _refuse([*checks.faults, *error.faults])
            raise
        _refuse(checks.faults)
        return cls(listed, only, text or "", asked)

    def within(self, configuration_id: str | None) -> ListQuery:
        """The question, of one configuration where only that may be told of."""
        return self.listed if configuration_id is None else replace(self.listed, configuration=configuration_id)

    def is_of(self, severity: Severity) -> bool:
        """Whether findings of this severity are asked for."""
        return not self.only or (severity.value if severity.rated else UNRATED) in self.only

    def changed(self, **changes: str) -> dict[str, str]:
        """The query with some of it changed; an empty text takes a part away."""
        return {name: value for name, value in {"view": "findings", **self.asked, **changes}.items() if value}


@dataclass(frozen=True, slots=True)
class ChangesQuery:
    """Which changes to list: those of the last ``hours``, of one ``kind``, ``fixed`` among them, or of all."""

    hours: int = 168
    kind: str = ""
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ChangesQuery:
        """Read a request's query; InvalidRequestError with every fault of it."""
        asked = given(query)
        checks = Checks(asked)
        hours, kind = asked.get("hours", HOURS[-1]), asked.get("kind", "")
        if hours not in HOURS:
            checks.fault("hours", f"must be one of {', '.join(HOURS)}")
        if kind and kind not in CHANGE_KINDS:
            checks.fault("kind", f"must be one of {', '.join(CHANGE_KINDS)}")
        number = _page(checks, asked)
        _refuse(checks.faults)
        return cls(int(hours), kind, number)

    def changed(self, **changes: str | int) -> dict[str, str]:
        """The query with some of it changed."""
        asked = {"view": "changes", "hours": self.hours, "kind": self.kind, "page": 1} | changes
        return {name: str(value) for name, value in asked.items() if value and (name, value) != ("page", 1)}


CHANGE_KINDS = (*KINDS, "fixed")
"""The kinds of change, and ``fixed``: those that were resolved because they were mended."""


def page_number(query: Mapping[str, str]) -> int:
    """The page of a list that has nothing else to ask; InvalidRequestError where it is none."""
    asked = given(query)
    checks = Checks(asked)
    number = _page(checks, asked)
    _refuse(checks.faults)
    return number


def _page(checks: Checks, asked: Mapping[str, str]) -> int:
    text = asked.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LARGEST_PAGE_NUMBER):
        checks.fault("page", f"must be a whole number from 1 to {LARGEST_PAGE_NUMBER}")
        return 1
    return int(text)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise InvalidRequestError("; ".join(f"{one.field}: {one.problem}" for one in faults), faults)


@dataclass(frozen=True, slots=True)
class Links:
    """Links within the dashboard: absolute paths, without a token, which the browser keeps.

    ``base``: the path before ``/dashboard``. ``here``: the page's own path after it. ``everything``: whether the token
    opens the pages of all configurations.
    """

    base: str
    here: str
    everything: bool

    def to(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """A link to a page of the dashboard."""
        return f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")

    def same(self, query: Mapping[str, str], anchor: str = "") -> str:
        """A link to the same page with another query."""
        return self.to(self.here, query) + (f"#{anchor}" if anchor else "")

    def findings(self, **query: str) -> str:
        """A link to a list of findings."""
        return self.same({"view": "findings"} | query)

    def finding(self, vulnerability: str, package: str = "") -> str:
        """A link to the page of a vulnerability, in one package or in all."""
        return self.same({"cve": vulnerability} | ({"package": package} if package else {}))
