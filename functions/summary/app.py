"""The Summary function: what is recorded of all selected images, added up, in the form asked for. It only reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths

from ecr_rescan.core import keys
from ecr_rescan.core.dashboard.query import PARAMETERS as PAGE_PARAMETERS
from ecr_rescan.core.dashboard.query import Links
from ecr_rescan.core.errors import Fault, InvalidRequestError, NotFoundError, UnauthorizedError
from ecr_rescan.core.gate import as_json as gate_json
from ecr_rescan.core.gate.question import PARAMETERS as GATE_PARAMETERS
from ecr_rescan.core.gate.question import Question
from ecr_rescan.core.summary import as_csv, as_json, as_text, pages, prometheus, where
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.tokens import Presented
from ecr_rescan.core.vulnerabilities import forms
from ecr_rescan.core.vulnerabilities.ids import read_id
from ecr_rescan.core.vulnerabilities.query import PARAMETERS, ListQuery
from ecr_rescan.core.vulnerabilities.rows import SHAPES
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.access import Access, offered_token
from ecr_rescan.runtime.api import (
    JSON,
    base_path,
    base_url,
    choose_format,
    create_api,
    json_response,
    note_refusal,
    read_limit,
)
from ecr_rescan.runtime.cookies import keeping, kept_tokens
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving import dashboard
from ecr_rescan.runtime.serving.gate import GateService
from ecr_rescan.runtime.serving.health import HealthService
from ecr_rescan.runtime.serving.summaries import SummaryService
from ecr_rescan.runtime.serving.vulnerabilities import VulnerabilityService

TEXT = "text/plain"
CSV = "text/csv"
HTML = "text/html"
FORMATS = {"json": JSON, "text": TEXT, "csv": CSV}
SIZES = {JSON: as_json.size, TEXT: as_text.size, CSV: as_csv.size}
# JSON is read by programs, which go on to the next page and have the first the sooner.
LIMITS = {JSON: 5_000, TEXT: pages.LARGEST_PAGE, CSV: pages.LARGEST_PAGE}
WHERE_FORMATS = {"json": JSON}
PAGE_FORMATS = {"html": HTML, "csv": CSV}
DEFAULT_ROWS = 500
MOST_ROWS = 5_000

_PAGE = ("token", "format", *PAGE_PARAMETERS)

app = create_api(
    {
        "GET /summary": ("format", "limit", "after"),
        "GET /summary/{id}": ("format", "limit", "after"),
        "GET /vulnerabilities": (*PARAMETERS, "format", "limit", "after"),
        "GET /vulnerabilities/{id}": ("format", "limit", "after", "fixable"),
        "GET /gate": (*GATE_PARAMETERS, "token"),
        "GET /gate/ci": (*GATE_PARAMETERS, "token"),
        "GET /metrics": ("token",),
        "GET /dashboard": _PAGE,
        "GET /dashboard/{id}": _PAGE,
    }
)


@app.get("/summary")
def summarise_everything() -> Response[str]:
    """Every configuration."""
    media_type, after, limit = _form()
    return _summary(_service().everything(at=clock.now()), "/summary", media_type, after, limit)


@app.get("/summary/<configuration_id>")
def summarise_configuration(configuration_id: str) -> Response[str]:
    """One configuration."""
    media_type, after, limit = _form()
    summary = _service().one(_checked(configuration_id), at=clock.now())
    return _summary(summary, f"/summary/{configuration_id}", media_type, after, limit)


@app.get("/vulnerabilities")
def list_vulnerabilities() -> Response[str]:
    """What is open, or what else of it is asked for."""
    event = app.current_event
    media_type = choose_format(event, FORMATS)
    query = ListQuery.from_query(event.query_string_parameters)
    limit = read_limit(event, default=DEFAULT_ROWS, largest=MOST_ROWS)
    after = _after(SHAPES[query.sort])
    listing, last = _vulnerabilities().page(query, after=after, limit=limit, at=clock.now())
    asked = {name: event.query_string_parameters.get(name) for name in (*PARAMETERS, "format")}
    following = _next("/vulnerabilities", last, **asked, limit=str(limit))
    headers = {"Vary": "Accept"} | _link(following)
    if media_type == TEXT:
        lines = forms.to_lines(listing, following=following)
        return Response(HTTPStatus.OK, f"{TEXT}; charset=utf-8", lines, headers=headers)
    if media_type == CSV:
        return _csv(forms.to_csv(listing), headers, "vulnerabilities")
    return Response(HTTPStatus.OK, JSON, json.dumps(forms.to_wire(listing), separators=(",", ":")), headers=headers)


@app.get("/vulnerabilities/<vulnerability>")
def find_vulnerability(vulnerability: str) -> Response[str]:
    """Where a vulnerability is, and where it was."""
    choose_format(app.current_event, WHERE_FORMATS)
    wanted = read_id(vulnerability)
    if wanted is None:
        problem = "is no id of a vulnerability, such as CVE-2026-1234; for a package: /vulnerabilities?package=NAME"
        raise InvalidRequestError(f"id: {problem}", [Fault("id", problem)])
    after = _after(where.CURSOR)
    limit = read_limit(app.current_event, default=LIMITS[JSON], largest=pages.LARGEST_PAGE)
    service, now = _service(), clock.now()
    found = service.where(wanted, at=now, only_fixable=_fixable())
    # Where nothing was scanned nothing is found: without this, an answer of no places would be taken for an all-clear.
    coverage = service.everything(at=now).totals.coverage
    rows = ((place.cursor, place) for place in found.places)
    places, last = pages.page(rows, where.size, after=after, limit=limit)
    headers = _link(_next(f"/vulnerabilities/{quote(wanted)}", last, limit=str(limit), fixable=_asked("fixable")))
    told = where.to_wire(found, places, first=after is None) | {"coverage": as_json.coverage_to_wire(coverage)}
    return Response(HTTPStatus.OK, JSON, json.dumps(told, separators=(",", ":")), headers=headers)


@app.get("/health")
def show_health() -> Response[str]:
    """What is wrong with this deployment, and what to do."""
    service = HealthService(
        wiring.configurations(), wiring.documents(), _service(), is_paused=wiring.summary_settings().is_paused
    )
    body = json.dumps(service.examine(at=clock.now()), separators=(",", ":"))
    return Response(HTTPStatus.OK, JSON, body, headers={"Cache-Control": "no-store"})


@app.get("/gate")
def ask_gate() -> Response[str]:
    """May this image go on? Asked with a signature, or, where nobody checks signatures, with a token."""
    event = app.current_event
    if "token" in event.query_string_parameters:
        _access().to_gate(offered_token(app.current_event))
    return _verdict()


@app.get("/gate/ci")
def ask_gate_with_token() -> Response[str]:
    """The same, for builds without AWS credentials."""
    _access().to_gate(offered_token(app.current_event))
    return _verdict()


@app.get("/metrics")
def show_metrics() -> Response[str]:
    """Everything as Prometheus scrapes it."""
    _access().to_everything(offered_token(app.current_event))
    text = prometheus.to_prometheus(_service().everything(at=clock.now()))
    return Response(HTTPStatus.OK, prometheus.CONTENT_TYPE, text)


@app.get("/dashboard")
def show_dashboard() -> Response[str]:
    """The pages of all configurations."""
    return _let_in("/dashboard", None, _opens_everything)


@app.get("/dashboard/<configuration_id>")
def show_configuration(configuration_id: str) -> Response[str]:
    """The pages of one configuration."""
    _checked(configuration_id)
    return _let_in(
        f"/dashboard/{configuration_id}",
        configuration_id,
        lambda token: _access().to_one(configuration_id, token),
    )


@app.get("/openapi.json")
def show_contract() -> Response[str]:
    """The API's contract."""
    return Response(HTTPStatus.OK, JSON, _contract(), headers={"Cache-Control": "private, max-age=3600"})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API Gateway request."""
    return app.resolve(event, context)


def _service() -> SummaryService:
    return SummaryService(wiring.configurations(), wiring.documents(), wiring.summary_settings().days_allowed)


def _vulnerabilities() -> VulnerabilityService:
    days_allowed = wiring.summary_settings().days_allowed
    return VulnerabilityService(wiring.configurations(), wiring.documents(), days_allowed)


def _access() -> Access:
    return Access(wiring.configurations(), wiring.token_sets())


def _verdict() -> Response[str]:
    question = Question.from_query(app.current_event.query_string_parameters)
    verdict = GateService(wiring.configurations(), wiring.documents()).judge(question, at=clock.now())
    headers = {} if verdict.retry_after is None else {"Retry-After": str(verdict.retry_after)}
    return json_response(HTTPStatus.OK, gate_json.to_wire(verdict), headers=headers)


@cache
def _contract() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _checked(configuration_id: str) -> str:
    if not keys.is_configuration_id(configuration_id):
        raise NotFoundError(f"configuration {configuration_id[:64]}")
    return configuration_id


def _form() -> tuple[str, pages.Cursor | None, int]:
    media_type = choose_format(app.current_event, FORMATS)
    limit = read_limit(app.current_event, default=LIMITS[media_type], largest=pages.LARGEST_PAGE)
    return media_type, _after(pages.SUMMARY_CURSOR), limit


def _asked(name: str) -> str | None:
    return app.current_event.query_string_parameters.get(name)


def _fixable() -> bool:
    asked = app.current_event.query_string_parameters.get("fixable", "false")
    if asked not in ("true", "false"):
        raise InvalidRequestError("fixable: must be true or false", [Fault("fixable", "must be true or false")])
    return asked == "true"


def _after(shape: str) -> pages.Cursor | None:
    text = app.current_event.query_string_parameters.get("after")
    return None if text is None else pages.from_text(text, shape)


def _next(path: str, last: pages.Cursor | None, **query: str | None) -> str | None:
    """The URL of the next page, where there is one."""
    if last is None:
        return None
    asked = {name: value for name, value in query.items() if value} | {"after": pages.to_text(last)}
    return f"{base_url(app.current_event)}{path}?{urlencode(asked)}"


def _link(following: str | None) -> dict[str, str]:
    return {"Link": f'<{following}>; rel="next"'} if following else {}


def _summary(whole: Summary, path: str, media_type: str, after: pages.Cursor | None, limit: int) -> Response[str]:
    summary, last = pages.page_of_summary(whole, SIZES[media_type], after=after, limit=limit)
    asked = app.current_event.query_string_parameters.get("format")
    following = _next(path, last, format=asked, limit=str(limit))
    headers = {"Vary": "Accept"} | _link(following)
    if media_type == TEXT:
        text = as_text.to_text(summary, following=following)
        return Response(HTTPStatus.OK, f"{TEXT}; charset=utf-8", text, headers=headers)
    if media_type == CSV:
        return _csv(as_csv.to_csv(summary), headers)
    body = json.dumps(as_json.to_wire(summary), separators=(",", ":"))
    return Response(HTTPStatus.OK, JSON, body, headers=headers)


def _csv(table: str, headers: dict[str, str], name: str = "ecr-rescan") -> Response[str]:
    saved = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(HTTPStatus.OK, f"{CSV}; charset=utf-8", table, headers=saved | headers)


def _let_in(here: str, configuration_id: str | None, check: Callable[[Presented | None], bool]) -> Response[str]:
    """A page of the dashboard for whoever has a token that ``check`` lets in; it says whether to everything."""
    event = app.current_event
    offered = offered_token(event)
    asked = "token" in event.query_string_parameters or "Authorization" in event.headers
    candidates: Sequence[Presented | None] = [offered] if asked else kept_tokens(event) or [None]
    try:
        everything = _first_let_in(candidates, check)
    except UnauthorizedError:
        if "text/html" not in (event.headers.get("Accept") or ""):
            raise
        return _door(here)
    base = base_path(event)
    reply = _page(Links(base, here, everything), configuration_id)
    if offered is not None and "token" in event.query_string_parameters:
        reply.headers["Set-Cookie"] = keeping(event, offered.text, base + ("/dashboard" if everything else here))
    return reply


def _opens_everything(token: Presented | None) -> bool:
    _access().to_everything(token)
    return True


def _first_let_in(tokens: Sequence[Presented | None], check: Callable[[Presented | None], bool]) -> bool:
    for token in tokens[:-1]:
        try:
            return check(token)
        except UnauthorizedError:
            # A cookie may be older than the token's end.
            continue
    return check(tokens[-1])


def _door(here: str) -> Response[str]:
    """How to get in, for a person."""
    from ecr_rescan.core.dashboard.frame import door

    event = app.current_event
    note_refusal(event)
    text = door(base_path(event), here, event.query_string_parameters, dashboard.style())
    # A browser that is offered Basic asks for a user and a password before it shows the page.
    headers = dashboard.headers() | {"Vary": "Accept, Cookie", "WWW-Authenticate": 'Token realm="ecr-rescan"'}
    return Response(HTTPStatus.UNAUTHORIZED, dashboard.HTML, text, headers=headers)


def _page(links: Links, configuration_id: str | None) -> Response[str]:
    # Here, because scripts that only want numbers need not wait for what draws pages.
    from ecr_rescan.runtime.serving.dashboard_pages import DashboardPages

    event = app.current_event
    media_type = choose_format(event, PAGE_FORMATS)
    query = event.query_string_parameters
    pages_of = DashboardPages(_service(), _vulnerabilities(), links, configuration_id, clock.now())
    headers = dashboard.headers() | {"Vary": "Accept, Cookie"}
    if media_type == HTML:
        return Response(HTTPStatus.OK, dashboard.HTML, pages_of.html(query), headers=headers)
    table = pages_of.table(query)
    if table.following:
        asked = {name: value for name, value in query.items() if value} | {"format": "csv", "after": table.following}
        headers |= _link(f"{base_url(event)}{links.here}?{urlencode(asked)}")
    return _csv(table.text, headers, table.name)
