"""The Atom feed of a configuration's findings, for whoever has one of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from ecr_rescan.core.conditional import http_date, is_listed, is_unmodified
from ecr_rescan.core.errors import NotFoundError, UnauthorizedError
from ecr_rescan.core.keys import is_configuration_id
from ecr_rescan.core.telling.feed_filters import FeedFilters
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.access import offered_token
from ecr_rescan.runtime.api import base_url, create_api
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving.feeds import FeedService, FeedState

_ATOM = "application/atom+xml; charset=utf-8"

app = create_api(
    {"GET /findings/{id}": ("token", "severity", "tag", "resolved", "exploited", "fixable", "changes", "limit")}
)


@app.get("/findings/<configuration_id>")
def get_feed(configuration_id: str) -> Response[str]:
    """The feed, or 304 where the reader has it already: without reading a findings document, by what it was given."""
    if not is_configuration_id(configuration_id):
        raise NotFoundError("that configuration")
    headers = app.current_event.headers
    query = app.current_event.query_string_parameters or {}
    token = offered_token(app.current_event)
    if token is None:
        raise UnauthorizedError("This feed opens with a token of its own.")
    feeds = _feeds()
    configuration, version = feeds.authorise(configuration_id, token)
    filters = FeedFilters.from_query(query)
    state = feeds.state(configuration, version, clock.now())
    self_url = f"{base_url(app.current_event)}/findings/{configuration_id}"
    if filters.query:
        self_url += f"?{filters.query}"
    etag = state.entity_tag(filters, self_url)
    if_none_match = headers.get("If-None-Match")
    since = headers.get("If-Modified-Since") if if_none_match is None else None
    # The very date of this state was given with a feed.
    if is_listed(etag, if_none_match) or since == _last_modified(state):
        return _answer(HTTPStatus.NOT_MODIFIED, etag, state)
    feed, state = feeds.render(state, filters, self_url)
    etag = state.entity_tag(filters, self_url)
    # These ask whether there is a feed at all, or since when: not before it is known that there is one.
    if if_none_match == "*" or (state.is_whole and is_unmodified(state.changed_at, since)):
        return _answer(HTTPStatus.NOT_MODIFIED, etag, state)
    return _answer(HTTPStatus.OK, etag, state, feed)


def _answer(status: HTTPStatus, etag: str, state: FeedState, body: str = "") -> Response[str]:
    headers: dict[str, str | list[str]] = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
    }
    if state.is_whole:
        headers["Last-Modified"] = _last_modified(state)
    return Response(status, _ATOM if body else None, body, headers=headers)


def _last_modified(state: FeedState) -> str:
    return http_date(state.changed_at)


def _feeds() -> FeedService:
    return _service(wiring.documents())


@lru_cache(maxsize=1)
def _service(documents: Any) -> FeedService:
    return FeedService(documents, wiring.configurations(), wiring.token_sets())


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an API Gateway proxy event."""
    return app.resolve(event, context)
