"""The cookie in which a browser keeps a dashboard's token, so that no link of a page has to carry it (ADR 80)."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from ecr_rescan.core.tokens import Presented, looks_like_token
from ecr_rescan.runtime import clock
from ecr_rescan.runtime.api import base_url, source_address

NAME = "ecr-rescan"
MAX_AGE = 180 * 24 * 3600
"""Seconds: half a year. A token that is revoked or ends before opens nothing from then on."""

_MOST = 4
_LONGEST_HEADER = 8_192


def kept_tokens(event: APIGatewayProxyEvent) -> list[Presented]:
    """The tokens in a request's cookies, that of the widest path first: it opens the most.

    Browsers send the narrowest first (RFC 6265, 5.4), and several of one name where their paths differ.
    """
    pairs = (pair.strip().partition("=") for pair in (event.headers.get("Cookie") or "")[:_LONGEST_HEADER].split(";"))
    found = dict.fromkeys(value.strip() for name, _, value in pairs if name == NAME and looks_like_token(value.strip()))
    now, address = clock.now(), source_address(event)
    return [Presented(text, now, address) for text in reversed(list(found)[:_MOST])]


def keeping(event: APIGatewayProxyEvent, token: str, path: str) -> str:
    """The header by which a browser keeps a token for what is under a path.

    No script reads it, no form or frame of another site sends it, and what came by https stays on https.
    """
    secure = "; Secure" if base_url(event).startswith("https://") else ""
    return f"{NAME}={token}; Path={path}; Max-Age={MAX_AGE}; HttpOnly{secure}; SameSite=Lax"
