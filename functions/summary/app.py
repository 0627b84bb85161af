"""The Summary function: what is recorded of all selected images, added up, in the form asked for. It only reads."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths

from ecr_rescan.core import keys, summary_text
from ecr_rescan.core.errors import Fault, InvalidRequestError, NotFoundError
from ecr_rescan.core.summary import Summary, to_wire
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.api import JSON, choose_media_type, create_api
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.summaries import SummaryService

TEXT = "text/plain"
FORMATS = {"json": JSON, "text": TEXT}

app = create_api()


@app.get("/summary")
def summarise_everything() -> Response[str]:
    """Every configuration."""
    media_type = _media_type()
    return _response(_service().everything(at=clock.now()), media_type)


@app.get("/summary/<configuration_id>")
def summarise_configuration(configuration_id: str) -> Response[str]:
    """One configuration."""
    media_type = _media_type()
    if not keys.is_configuration_id(configuration_id):
        raise NotFoundError(f"configuration {configuration_id[:64]}")
    return _response(_service().one(configuration_id, at=clock.now()), media_type)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API Gateway request."""
    return app.resolve(event, context)


def _service() -> SummaryService:
    return SummaryService(wiring.configurations(), wiring.documents())


def _media_type() -> str:
    asked = app.current_event.query_string_parameters.get("format")
    if asked is None:
        return choose_media_type(app.current_event.headers.get("Accept"), tuple(FORMATS.values()))
    if asked not in FORMATS:
        fault = Fault("format", f"must be one of {', '.join(FORMATS)}")
        raise InvalidRequestError(f"{fault.field}: {fault.problem}", [fault])
    return FORMATS[asked]


def _response(summary: Summary, media_type: str) -> Response[str]:
    # Compact: thousands of images fit into the 6 MB that a function may answer.
    body = summary_text.to_text(summary) if media_type == TEXT else json.dumps(to_wire(summary), separators=(",", ":"))
    content_type = f"{TEXT}; charset=utf-8" if media_type == TEXT else JSON
    return Response(HTTPStatus.OK, content_type, body, headers={"Vary": "Accept"})
