"""Who may see what opens with a token: the dashboard, a configuration's own page, the metrics, and the gate."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.token_sets import TokenSetStore
from ecr_rescan.core import keys
from ecr_rescan.core.errors import NotFoundError, UnauthorizedError
from ecr_rescan.core.tokens import Presented, TokenSet, presented_token
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.api import HttpError, source_address
from ecr_rescan.runtime.refusals import WINDOW

_REFUSED = "This page opens with a token."
_GATE_REFUSED = "The gate opens with a token of its own, or with a signature."


def offered_token(event: APIGatewayProxyEvent) -> Presented | None:
    """The token that a request offers, if what it offers can be one.

    Raises:
        HttpError: 429, too many from its address were refused of late; nothing is read for it.
    """
    query = event.query_string_parameters or {}
    address = source_address(event)
    if wiring.refusals().too_many(address, clock.now()):
        message = "Too many tokens from this address were refused; try again in a minute."
        retry = {"Retry-After": str(int(WINDOW.total_seconds()))}
        raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", message, headers=retry)
    return presented_token(query.get("token"), event.headers.get("Authorization"), at=clock.now(), address=address)


def opens(key: str, tokens: TokenSet, presented: Presented) -> bool:
    """Whether a token is one of a set, by its key, and opens; that it was used is noted then."""
    token = tokens.opened_by(presented)
    if token is not None:
        wiring.uses().note(key, token, presented.at)
    return token is not None


class Access:
    """Checks tokens against those of the dashboard and of configurations."""

    def __init__(self, configurations: ConfigurationStore, token_sets: TokenSetStore) -> None:
        self._configurations = configurations
        self._token_sets = token_sets

    def to_everything(self, token: Presented | None) -> None:
        """Let the dashboard's tokens in.

        Args:
            token: what the request offers, None where that can be no token.

        Raises:
            UnauthorizedError: it is none of them.
            StoreError, DocumentError: they can't be read.
        """
        key = keys.DASHBOARD_TOKENS
        if token is None or not opens(key, self._token_sets.get(key), token):
            raise UnauthorizedError(_REFUSED)

    def to_gate(self, token: Presented | None) -> None:
        """Let the gate's own tokens in; no other token opens it, and these open nothing else.

        Raises:
            UnauthorizedError: it is none of them.
            StoreError, DocumentError: they can't be read.
        """
        key = keys.GATE_TOKENS
        if token is None or not opens(key, self._token_sets.get(key), token):
            raise UnauthorizedError(_GATE_REFUSED)

    def to_one(self, configuration_id: str, token: Presented | None) -> bool:
        """Let the configuration's tokens and the dashboard's in; whether it is one of the dashboard's.

        Raises:
            NotFoundError: there is no such configuration, whatever the token.
            UnauthorizedError: it is none of them.
            StoreError, DocumentError: they can't be read.
        """
        if token is None:
            raise UnauthorizedError(_REFUSED)
        with ThreadPoolExecutor(2) as pool:
            key = keys.tokens_key(configuration_id)
            own = pool.submit(self._token_sets.get, key)
            dashboard = pool.submit(self._token_sets.get, keys.DASHBOARD_TOKENS)
            there = self._configurations.etag(configuration_id) is not None
        if not there:
            raise NotFoundError(f"configuration {configuration_id}")
        if opens(keys.DASHBOARD_TOKENS, dashboard.result(), token):
            return True
        if not opens(key, own.result(), token):
            raise UnauthorizedError(_REFUSED)
        return False
