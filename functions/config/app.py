"""The Config function: the routes of scan configurations and of the tokens that open feeds and pages."""

from __future__ import annotations

import secrets
import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths

from ecr_rescan.core import keys
from ecr_rescan.core.audit import suppressions_changed
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import InvalidRequestError, NotFoundError, StoreError
from ecr_rescan.core.summary import dry_run
from ecr_rescan.core.summary.dry_run import FIRST_RESULTS_WITHIN
from ecr_rescan.core.times import to_text
from ecr_rescan.core.tokens import RANDOM_BYTES, TokenRequest
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.api import (
    base_url,
    create_api,
    json_response,
    read_flag,
    read_json,
    read_limit,
)
from ecr_rescan.runtime.auditing import audit
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving.configs import ConfigurationService, Written, fitting, warnings
from ecr_rescan.runtime.serving.previews import read_preview

DEFAULT_PAGE = 100
_STORED = ("id", "created", "updated")
LARGEST_PAGE = 1000

app = create_api(
    {
        "GET /configs": ("limit", "after"),
        "POST /configs": ("dry_run",),
        "PUT /configs/{id}": ("dry_run",),
    }
)


@app.get("/configs")
def list_configurations() -> Response[str]:
    """Every configuration, or a page of them."""
    query = app.current_event.query_string_parameters
    after = query.get("after")
    if after is not None and not keys.is_configuration_id(after):
        raise InvalidRequestError("after: must be the id of a configuration")
    limit = read_limit(app.current_event, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
    page = _service().page(after=after or "", limit=limit)
    if page.problems:
        logger.warning("objects that are no usable configurations", problems=[p.key for p in page.problems[:100]])
    views = [_view(entry) for entry in page.configurations]
    shown = views[: fitting(views)]
    headers = {}
    if page.more or len(shown) < len(views):
        following = urlencode({"limit": limit, "after": page.configurations[len(shown) - 1].id})
        headers["Link"] = f'<{base_url(app.current_event)}/configs?{following}>; rel="next"'
    return json_response(HTTPStatus.OK, shown, headers=headers)


@app.post("/configs")
def add_configuration() -> Response[str]:
    """Create a configuration under an id of our own, or tell what it would do."""
    dry = read_flag(app.current_event, "dry_run")
    body = read_json(app.current_event)
    if dry:
        return _previewed(_service().check_new(body, id=str(uuid.uuid4()), now=clock.now()))
    return _created(
        _service().add(body, id=str(uuid.uuid4()), now=clock.now(), random_bytes=secrets.token_bytes(RANDOM_BYTES))
    )


@app.get("/configs/<configuration_id>")
def get_configuration(configuration_id: str) -> Response[str]:
    """One configuration."""
    found = _service().get(_checked_id(configuration_id))
    return json_response(HTTPStatus.OK, _view(found.configuration), headers={"ETag": found.etag})


@app.put("/configs/<configuration_id>")
def replace_configuration(configuration_id: str) -> Response[str]:
    """Change a configuration, or create it under an id of the caller's choice, or tell what it would do."""
    if read_flag(app.current_event, "dry_run"):
        return _previewed(
            _service().check_replacement(
                _checked_id(configuration_id),
                read_json(app.current_event),
                if_match=_if_match(),
                create=_create_only(),
                now=clock.now(),
            )
        )
    written = _service().replace(
        _checked_id(configuration_id),
        read_json(app.current_event),
        if_match=_if_match(),
        create=_create_only(),
        now=clock.now(),
        random_bytes=secrets.token_bytes(RANDOM_BYTES),
    )
    if written.token is not None:
        return _created(written)
    _remember()
    if written.etag != written.before:
        _audit_written("configuration.change", written)
    view = _view(written.configuration) | {"warnings": _warnings(written.configuration)}
    return json_response(HTTPStatus.OK, view, headers={"ETag": written.etag})


@app.delete("/configs/<configuration_id>")
def remove_configuration(configuration_id: str) -> Response[str]:
    """Remove a configuration; its feed is gone at once."""
    before = _service().remove(_checked_id(configuration_id), if_match=_if_match())
    audit(app.current_event, "configuration.remove", keys.config_key(configuration_id), before=before)
    return Response(HTTPStatus.NO_CONTENT)


@app.get("/configs/<configuration_id>/tokens")
def list_feed_tokens(configuration_id: str) -> Response[str]:
    """The tokens of a configuration, by name."""
    return _list_tokens(_tokens_key(configuration_id))


@app.post("/configs/<configuration_id>/tokens")
def add_feed_token(configuration_id: str) -> Response[str]:
    """One more token for a configuration."""
    key = _tokens_key(configuration_id)
    return _add_token(key, f"/configs/{configuration_id}/tokens", "feed_url", f"/findings/{configuration_id}")


@app.delete("/configs/<configuration_id>/tokens/<name>")
def revoke_feed_token(configuration_id: str, name: str) -> Response[str]:
    """Revoke a token of a configuration."""
    return _revoke_token(_tokens_key(configuration_id), name)


@app.get("/dashboard/tokens")
def list_dashboard_tokens() -> Response[str]:
    """The tokens of the dashboard, by name."""
    return _list_tokens(keys.DASHBOARD_TOKENS)


@app.post("/dashboard/tokens")
def add_dashboard_token() -> Response[str]:
    """One more token for the dashboard."""
    return _add_token(keys.DASHBOARD_TOKENS, "/dashboard/tokens", "dashboard_url", "/dashboard")


@app.delete("/dashboard/tokens/<name>")
def revoke_dashboard_token(name: str) -> Response[str]:
    """Revoke a token of the dashboard."""
    return _revoke_token(keys.DASHBOARD_TOKENS, name)


@app.get("/gate/tokens")
def list_gate_tokens() -> Response[str]:
    """The tokens of the gate, by name."""
    return _list_tokens(keys.GATE_TOKENS)


@app.post("/gate/tokens")
def add_gate_token() -> Response[str]:
    """One more token for the gate, for builds without AWS credentials."""
    return _add_token(keys.GATE_TOKENS, "/gate/tokens", "gate_url", "/gate/ci")


@app.delete("/gate/tokens/<name>")
def revoke_gate_token(name: str) -> Response[str]:
    """Revoke a token of the gate."""
    return _revoke_token(keys.GATE_TOKENS, name)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an API Gateway request."""
    return app.resolve(event, context)


def _service() -> ConfigurationService:
    return ConfigurationService(wiring.configurations(), wiring.token_sets(), wiring.settings())


def _remember() -> None:
    """Keep the API's URL for the links in messages: by what was written, as reading must not change what others see."""
    try:
        wiring.deployment().remember(base_url(app.current_event))
    except StoreError:
        logger.warning("the base URL could not be stored", exc_info=True)


def _view(configuration: ScanConfiguration, token: str | None = None) -> dict[str, object]:
    url = _with_token(f"/findings/{configuration.id}", token)
    return configuration.to_wire() | {"feed_url": url, "changes_feed_url": _changes(url)}


def _changes(feed_url: str) -> str:
    """The same feed without what was there from the beginning, for readers and mail."""
    return f"{feed_url}{'&' if '?' in feed_url else '?'}changes=true"


def _with_token(path: str, token: str | None) -> str:
    return f"{base_url(app.current_event)}{path}" + (f"?token={token}" if token else "")


def _audit_written(action: str, written: Written) -> None:
    ignored, unignored = suppressions_changed(written.previous, written.configuration)
    subject = keys.config_key(written.configuration.id)
    etags = {"before": written.before, "after": written.etag}
    audit(app.current_event, action, subject, **etags, ignored=ignored, unignored=unignored)


def _created(written: Written) -> Response[str]:
    _audit_written("configuration.create", written)
    _remember()
    configuration = written.configuration
    view = _view(configuration, written.token) | {
        "first_results": {"expected_by": to_text(clock.now() + FIRST_RESULTS_WITHIN)},
        "warnings": _warnings(configuration),
    }
    location = f"{base_url(app.current_event)}/configs/{configuration.id}"
    headers = {"Location": location, "ETag": written.etag}
    return json_response(HTTPStatus.CREATED, view, headers=headers)


def _previewed(configuration: ScanConfiguration) -> Response[str]:
    """The configuration as it would be, without what only a stored one has, and what it would do."""
    view = {name: value for name, value in configuration.to_wire().items() if name not in _STORED}
    found = read_preview(wiring.configurations(), wiring.documents(), configuration, now=clock.now())
    return json_response(
        HTTPStatus.OK, view | {"warnings": _warnings(configuration), "dry_run": dry_run.to_wire(found)}
    )


def _warnings(configuration: ScanConfiguration) -> list[str]:
    return warnings(
        configuration,
        account_id=wiring.settings().account_id,
        today=clock.now().date(),
        regions=wiring.regions(),
    )


def _list_tokens(key: str) -> Response[str]:
    tokens, used = wiring.token_sets().get(key).tokens, wiring.token_sets().last_used(key)
    return json_response(HTTPStatus.OK, [kept.to_wire(used.get(kept.fingerprint)) for kept in tokens])


def _add_token(key: str, collection: str, url_name: str, path: str) -> Response[str]:
    now = clock.now()
    asked = TokenRequest.from_wire(read_json(app.current_event), today=now.date())
    token = wiring.token_sets().add(key, asked, random_bytes=secrets.token_bytes(RANDOM_BYTES), now=now)
    _remember()
    audit(app.current_event, "token.add", key, detail=asked.name)
    bounds = {"expires": asked.expires and asked.expires.isoformat(), "addresses": list(asked.addresses)}
    view = {"name": asked.name, "created": to_text(now), **bounds, "token": token, url_name: _with_token(path, token)}
    if url_name == "feed_url":
        view["changes_feed_url"] = _changes(_with_token(path, token))
    location = f"{base_url(app.current_event)}{collection}/{asked.name}"
    return json_response(HTTPStatus.CREATED, view, headers={"Location": location})


def _revoke_token(key: str, name: str) -> Response[str]:
    wiring.token_sets().revoke(key, name)
    audit(app.current_event, "token.revoke", key, detail=name)
    return Response(HTTPStatus.NO_CONTENT)


def _tokens_key(configuration_id: str) -> str:
    return _service().tokens_key(_checked_id(configuration_id))


def _checked_id(configuration_id: str) -> str:
    if not keys.is_configuration_id(configuration_id):
        raise NotFoundError(f"configuration {configuration_id[:64]}")
    return configuration_id


def _if_match() -> list[str] | None:
    header = app.current_event.headers.get("If-Match")
    return None if header is None else [etag.strip() for etag in header.split(",")]


def _create_only() -> bool:
    header = app.current_event.headers.get("If-None-Match")
    if header not in (None, "*"):
        raise InvalidRequestError("If-None-Match: only * is understood, to create what is not there")
    return header is not None
