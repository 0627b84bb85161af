"""The Summary function: what is recorded of all selected images, added up, in the form asked for. It only reads."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths

from ecr_rescan.core import keys
from ecr_rescan.core.dashboard.query import Links, PageQuery
from ecr_rescan.core.errors import Fault, InvalidRequestError, NotFoundError
from ecr_rescan.core.summary import as_csv as summary_csv
from ecr_rescan.core.summary import as_text as summary_text
from ecr_rescan.core.summary import pages, prometheus, where
from ecr_rescan.core.summary.as_json import to_wire
from ecr_rescan.core.summary.summary import Summary
from ecr_rescan.core.tokens import presented_token
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.access import Access
from ecr_rescan.runtime.api import JSON, base_path, base_url, choose_format, create_api, read_limit
from ecr_rescan.runtime.history import DAYS
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving import dashboard
from ecr_rescan.runtime.serving.summaries import SummaryService

TEXT = "text/plain"
CSV = "text/csv"
HTML = "text/html"
FORMATS = {"json": JSON, "text": TEXT, "csv": CSV}
PAGE_FORMATS = {"html": HTML, "csv": CSV}
LONGEST_VULNERABILITY = 256

app = create_api()


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


@app.get("/vulnerabilities/<vulnerability>")
def find_vulnerability(vulnerability: str) -> Response[str]:
    """Where a vulnerability is, and where it was."""
    choose_format(app.current_event, {"json": JSON})
    if not (
        vulnerability.isascii() and vulnerability.isprintable() and 0 < len(vulnerability) <= LONGEST_VULNERABILITY
    ):
        fault = Fault("id", f"must be the id of a vulnerability, at most {LONGEST_VULNERABILITY} characters")
        raise InvalidRequestError(f"{fault.field}: {fault.problem}", [fault])
    after = _after(where.CURSOR)
    limit = read_limit(app.current_event, default=pages.LARGEST_PAGE, largest=pages.LARGEST_PAGE)
    found = _service().where(vulnerability, at=clock.now())
    rows = ((place.cursor, place) for place in found.places)
    places, last = pages.page(rows, where.size, after=after, limit=limit)
    headers = _link("/vulnerabilities/" + vulnerability, last, limit)
    body = json.dumps(where.to_wire(found, places, first=after is None), separators=(",", ":"))
    return Response(HTTPStatus.OK, JSON, body, headers=headers)


@app.get("/metrics")
def show_metrics() -> Response[str]:
    """Everything as Prometheus scrapes it."""
    _access().to_everything(_token())
    text = prometheus.to_prometheus(_service().everything(at=clock.now()))
    return Response(HTTPStatus.OK, prometheus.CONTENT_TYPE, text)


@app.get("/dashboard")
def show_dashboard() -> Response[str]:
    """The page of all configurations."""
    token = _token()
    _access().to_everything(token)
    links = Links(base_path(app.current_event), "/dashboard", _token_of_links(token), True)
    return _page(links, None)


@app.get("/dashboard/<configuration_id>")
def show_configuration(configuration_id: str) -> Response[str]:
    """The page of one configuration."""
    token = _token()
    everything = _access().to_one(_checked(configuration_id), token)
    here = f"/dashboard/{configuration_id}"
    return _page(Links(base_path(app.current_event), here, _token_of_links(token), everything), configuration_id)


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


def _access() -> Access:
    return Access(wiring.configurations(), wiring.token_sets())


@cache
def _contract() -> str:
    return Path(__file__).with_name("openapi.json").read_text(encoding="utf-8")


def _checked(configuration_id: str) -> str:
    if not keys.is_configuration_id(configuration_id):
        raise NotFoundError(f"configuration {configuration_id[:64]}")
    return configuration_id


def _token() -> str | None:
    event = app.current_event
    return presented_token(event.query_string_parameters.get("token"), event.headers.get("Authorization"))


def _token_of_links(token: str | None) -> str | None:
    # Who sends it in a header will send it again; it is not written into the page then.
    return token if "token" in app.current_event.query_string_parameters else None


def _form() -> tuple[str, pages.Cursor | None, int]:
    media_type = choose_format(app.current_event, FORMATS)
    limit = read_limit(app.current_event, default=pages.LARGEST_PAGE, largest=pages.LARGEST_PAGE)
    return media_type, _after(pages.SUMMARY_CURSOR), limit


def _after(shape: str) -> pages.Cursor | None:
    text = app.current_event.query_string_parameters.get("after")
    return None if text is None else pages.from_text(text, shape)


def _link(path: str, last: pages.Cursor | None, limit: int) -> dict[str, str]:
    """The header that names the next page, where there is one."""
    if last is None:
        return {}
    query = {name: app.current_event.query_string_parameters.get(name) for name in ("format",)}
    following = {name: value for name, value in query.items() if value}
    following |= {"limit": str(limit), "after": pages.to_text(last)}
    return {"Link": f'<{base_url(app.current_event)}{path}?{urlencode(following)}>; rel="next"'}


def _summary(whole: Summary, path: str, media_type: str, after: pages.Cursor | None, limit: int) -> Response[str]:
    summary, last = pages.page_of_summary(whole, after=after, limit=limit)
    headers = {"Vary": "Accept"} | _link(path, last, limit)
    if media_type == TEXT:
        return Response(HTTPStatus.OK, f"{TEXT}; charset=utf-8", summary_text.to_text(summary), headers=headers)
    if media_type == CSV:
        return _csv(summary, headers)
    # Compact: thousands of images fit into the 6 MB that a function may answer.
    return Response(HTTPStatus.OK, JSON, json.dumps(to_wire(summary), separators=(",", ":")), headers=headers)


def _csv(summary: Summary, headers: dict[str, str]) -> Response[str]:
    saved = {"Content-Disposition": 'attachment; filename="ecr-rescan.csv"'}
    return Response(HTTPStatus.OK, f"{CSV}; charset=utf-8", summary_csv.to_csv(summary), headers=saved | headers)


def _page(links: Links, configuration_id: str | None) -> Response[str]:
    # Here, because scripts that only want numbers need not wait for what draws pages.
    from ecr_rescan.core.dashboard.page import Page, to_html

    media_type = choose_format(app.current_event, PAGE_FORMATS)
    query = PageQuery.from_query(app.current_event.query_string_parameters)
    service, now = _service(), clock.now()
    summary = service.everything(at=now) if configuration_id is None else service.one(configuration_id, at=now)
    headers = dashboard.headers() | {"Vary": "Accept"}
    if media_type == CSV:
        after = _after(pages.SUMMARY_CURSOR)
        part, last = pages.page_of_summary(summary, after=after, limit=pages.LARGEST_PAGE)
        return _csv(part, headers | _link(links.here, last, pages.LARGEST_PAGE))
    found = service.where(query.cve, at=now, configuration_id=configuration_id) if query.cve else None
    page = Page(summary, service.history(summary), found, query, links, DAYS)
    return Response(HTTPStatus.OK, dashboard.HTML, to_html(page, dashboard.style()), headers=headers)
