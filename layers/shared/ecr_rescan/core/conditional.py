"""Conditional requests (RFC 9110, section 13): what a reader has already, it is not sent again."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_ENTITY_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def entity_tag(*parts: str) -> str:
    """A weak entity tag of everything that an answer is made from; weak, because it may be compressed on its way."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        # With its length before it, no part can pass for two.
        digest.update(b"%d:" % len(encoded) + encoded)
    return f'W/"{digest.hexdigest()[:32]}"'


def is_listed(etag: str, if_none_match: str | None) -> bool:
    """Whether an ``If-None-Match`` names the entity tag, by weak comparison; ``*`` does not name it."""
    opaque = etag.removeprefix("W/").strip('"')
    return if_none_match is not None and opaque in _ENTITY_TAG.findall(if_none_match)


def is_unmodified(last_modified: datetime, if_modified_since: str | None) -> bool:
    """Whether nothing changed since an ``If-Modified-Since``; one that is no date counts as not given."""
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except (ValueError, OverflowError):
        return False
    return last_modified.replace(microsecond=0) <= (since if since.tzinfo else since.replace(tzinfo=UTC))


def http_date(moment: datetime) -> str:
    """``Mon, 23 Nov 2026 18:00:00 GMT``."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
