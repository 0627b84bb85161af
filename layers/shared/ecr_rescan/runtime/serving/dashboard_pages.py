"""The dashboard's pages: which one is asked for, what it needs, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ecr_rescan.core.dashboard import changes, finding, findings, repositories, tables
from ecr_rescan.core.dashboard.findings import FINDINGS_ON_A_PAGE, FindingsPage
from ecr_rescan.core.dashboard.frame import Frame
from ecr_rescan.core.dashboard.merged import Merged, merge
from ecr_rescan.core.dashboard.page import Page, frame_of, to_html
from ecr_rescan.core.dashboard.parts import title_of
from ecr_rescan.core.dashboard.query import (
    SORTS,
    VIEWS,
    ChangesQuery,
    FindingsQuery,
    Links,
    PageQuery,
    given,
    page_number,
)
from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.summary import as_csv, pages
from ecr_rescan.core.summary.as_csv import cell
from ecr_rescan.core.summary.codes import codes_alone
from ecr_rescan.core.summary.summary import COVERAGE, Summary
from ecr_rescan.core.vulnerabilities import forms
from ecr_rescan.core.vulnerabilities.ids import read_id
from ecr_rescan.core.vulnerabilities.query import SORTS as ORDERS
from ecr_rescan.core.vulnerabilities.query import STATES, ListQuery
from ecr_rescan.core.vulnerabilities.rows import SHAPES, Row, cursor
from ecr_rescan.runtime.history import DAYS
from ecr_rescan.runtime.serving import dashboard
from ecr_rescan.runtime.serving.summaries import SummaryService
from ecr_rescan.runtime.serving.vulnerabilities import LARGEST_BYTES, Found, VulnerabilityService

_LONGEST_SEARCH = 256
# Images and findings have states and orders of their own; what another view is sent of them has one of either.
_BY_VIEW = {"state": (*COVERAGE, *STATES), "sort": (*SORTS, *ORDERS)}


@dataclass(frozen=True, slots=True)
class Table:
    """A list as CSV. ``following``: where the next part begins, None where this is the last."""

    name: str
    text: str
    following: str | None = None


class DashboardPages:
    """One visit's pages: of all configurations, or of the one that it may see."""

    def __init__(
        self,
        summaries: SummaryService,
        vulnerabilities: VulnerabilityService,
        links: Links,
        configuration_id: str | None,
        at: datetime,
    ) -> None:
        self._summaries = summaries
        self._vulnerabilities = vulnerabilities
        self._links = links
        self._configuration_id = configuration_id
        self._at = at

    def html(self, query: Mapping[str, str]) -> str:
        """The page that is asked for; InvalidRequestError with everything that is wrong with the question."""
        asked = given(query)
        _check(asked)
        style = dashboard.style()
        if "search" in asked:
            return self._search(asked["search"], style)
        if "cve" in asked:
            wanted = read_id(asked["cve"])
            if wanted is None:
                return self._search(asked["cve"], style)
            return self._finding(wanted, asked.get("package", ""), style)
        view = asked.get("view")
        if view == "findings":
            return self._findings(FindingsQuery.from_query(query), asked.get("after"), style)
        if view == "changes":
            of_changes = ChangesQuery.from_query(query)
            summary = self._summary()
            return changes.to_html(frame_of(summary, self._links), summary, of_changes, style)
        if view == "repositories":
            number = page_number(query)
            summary = self._summary()
            return repositories.to_html(frame_of(summary, self._links), summary, number, style)
        of_images = PageQuery.from_query(query)
        summary = self._summary()
        parts = pages.beginnings(summary, as_csv.size)
        return to_html(Page(summary, self._summaries.history(summary), of_images, self._links, DAYS, parts), style)

    def table(self, query: Mapping[str, str]) -> Table:
        """The list that is asked for, the images where that is none, as CSV."""
        asked = given(query)
        _check(asked)
        view, after = asked.get("view"), asked.get("after")
        if view == "findings":
            return self._findings_table(FindingsQuery.from_query(query), after)
        if view == "changes":
            found = changes.asked_for(self._summary(), ChangesQuery.from_query(query))
            return Table("changes", _written(changes.CSV_COLUMNS, changes.cells(found)))
        if view == "repositories":
            return Table("repositories", _written(repositories.CSV_COLUMNS, repositories.cells(self._summary())))
        of_images = PageQuery.from_query(query)
        start = None if after is None else pages.from_text(after, pages.SUMMARY_CURSOR)
        summary = self._summary()
        narrowed = tables.narrowed(summary, of_images) if of_images.narrows else summary
        part, last = pages.page_of_summary(narrowed, as_csv.size, after=start, limit=pages.LARGEST_PAGE)
        return Table("ecr-rescan", as_csv.to_csv(part), pages.to_text(last) if last else None)

    def _summary(self) -> Summary:
        if self._configuration_id is None:
            return self._summaries.everything(at=self._at)
        summary = self._summaries.one(self._configuration_id, at=self._at)
        return summary if self._links.everything else codes_alone(summary)

    def _found(self, listed: ListQuery) -> Found:
        if self._configuration_id is not None:
            listed = replace(listed, configuration=self._configuration_id)
        return self._vulnerabilities.found(listed, at=self._at)

    def _frame(self, found: Found, searched: str = "") -> Frame:
        title = "All configurations" if self._configuration_id is None else title_of(found.configurations[0])
        return Frame(title, found.at, self._links, searched)

    def _search(self, text: str, style: str) -> str:
        """What is meant by a text: an id that is on record, a package or a repository, or else an id that is not."""
        wanted = read_id(text)
        found = self._found(ListQuery(state="all"))
        if wanted is not None and any(row.vulnerability.upper() == wanted for row in found.rows):
            return self._finding(wanted, "", style, searched=text)
        query = FindingsQuery.from_query({"q": text[:_LONGEST_SEARCH]})
        there = [row for row in found.rows if _has(row, query.q)]
        if not there and wanted is not None:
            return self._finding(wanted, "", style, searched=text)
        if there and not any(row.state == "open" for row in there):
            query = FindingsQuery.from_query({"q": query.q, "state": "all"})
        return self._findings(query, None, style, searched=text)

    def _finding(self, wanted: str, package: str, style: str, *, searched: str = "") -> str:
        found = self._found(ListQuery(state="all"))
        where = self._summaries.where(wanted, at=self._at, configuration_id=self._configuration_id)
        rows = [row for row in found.rows if row.vulnerability.upper() == wanted and package in ("", row.package)]
        if package:
            where = replace(
                where,
                places=tuple(one for one in where.places if one.package == package),
                past=tuple(one for one in where.past if one.package == package),
            )
        listing = self._vulnerabilities.listing(found, rows)
        frame = self._frame(found, searched)
        return finding.to_html(finding.FindingPage(frame, where, rows, listing, package), style)

    def _merged(self, query: FindingsQuery) -> tuple[Found, list[tuple[pages.Cursor, Merged]]]:
        found = self._found(query.listed)
        merged = [one for one in merge(found.rows) if query.is_of(one.row.severity) and _has(one.row, query.q)]
        sort = query.listed.sort
        return found, sorted(((cursor(one.row, sort), one) for one in merged), key=lambda pair: pair[0])

    def _findings(self, query: FindingsQuery, after: str | None, style: str, *, searched: str = "") -> str:
        start = None if after is None else pages.from_text(after, SHAPES[query.listed.sort])
        found, ordered = self._merged(query)
        taken, last = pages.page(ordered, lambda _: 0, after=start, limit=FINDINGS_ON_A_PAGE)
        listing = self._vulnerabilities.listing(found, (), total=len(ordered))
        following = pages.to_text(last) if last else None
        page = FindingsPage(self._frame(found, searched), query, listing, taken, start is None, following)
        return findings.to_html(page, style)

    def _findings_table(self, query: FindingsQuery, after: str | None) -> Table:
        start = None if after is None else pages.from_text(after, SHAPES[query.listed.sort])
        found, ordered = self._merged(query)
        taken, last = pages.page(ordered, _size, after=start, limit=pages.LARGEST_PAGE, largest_bytes=LARGEST_BYTES)
        rows = [row for one in taken for row in one.rows]
        table = forms.to_csv(self._vulnerabilities.listing(found, rows))
        return Table("findings", table, pages.to_text(last) if last else None)


def _size(one: Merged) -> int:
    return sum(map(forms.size, one.rows))


def _check(asked: Mapping[str, str]) -> None:
    """Refuse what no page takes, also where the page that is asked for would not look at it."""
    view = "" if "search" in asked or "cve" in asked else asked.get("view")
    anywhere = {name: value for name, value in asked.items() if name not in _BY_VIEW}
    faults: dict[str, Fault] = {}
    for reader, own in ((PageQuery, None), (FindingsQuery, "findings"), (ChangesQuery, "changes")):
        try:
            reader.from_query(asked if view == own else anywhere)
        except InvalidRequestError as error:
            faults |= {fault.field: fault for fault in error.faults}
    for name, known in ({"view": VIEWS} if view in (None, "findings") else {"view": VIEWS, **_BY_VIEW}).items():
        if name in asked and asked[name] not in known:
            faults[name] = Fault(name, f"must be one of {', '.join(known)}")
    for name in ("search", "cve"):
        text = asked.get(name, "")
        if len(text) > _LONGEST_SEARCH or not text.isprintable():
            faults[name] = Fault(name, f"must be text of 1 to {_LONGEST_SEARCH} printable characters")
    if faults:
        problem = "; ".join(f"{fault.field}: {fault.problem}" for fault in faults.values())
        raise InvalidRequestError(problem, [*faults.values()])


def _has(row: Row, text: str) -> bool:
    """Whether a text is in the id, however it is spelt, in the package, or in the name of a repository."""
    if not text:
        return True
    low = text.lower()
    wanted = read_id(text)
    return (
        low in row.vulnerability.lower()
        or (wanted is not None and wanted in row.vulnerability.upper())
        or low in row.package.lower()
        or any(low in name.lower() for name in row.repositories)
    )


def _written(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """RFC 4180 with a heading; nothing in it is a formula to a spreadsheet."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()
