"""ECR's pages: at most 1,000 items, 100 unless asked, and an opaque token that belongs to one request alone."""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from local.ecr.errors import invalid_parameter
from local.ecr.images import Result

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000

Item = TypeVar("Item")


def page(
    items: Sequence[Item], key: Callable[[Item], str], params: Mapping[str, Any], *scope: str
) -> tuple[Sequence[Item], str | None]:
    """The page of ``items`` (sorted by ``key``) that ``params`` ask for, and the token of the next one.

    ``scope`` is what the listing is of: a token that was given out for another one is refused
    (InvalidParameterException). A cursor is the last key that was shown, so items that come and go between pages
    neither repeat nor hide others.
    """
    size = params.get("maxResults", DEFAULT_PAGE)
    if not 1 <= size <= LARGEST_PAGE:
        raise invalid_parameter("maxResults", f"must be between 1 and {LARGEST_PAGE}")
    seal = hashlib.sha256("\0".join(scope).encode()).hexdigest()[:24]
    begin = 0
    if (token := params.get("nextToken")) is not None:
        begin = bisect_right(items, _open(token, seal), key=key)
    shown = items[begin : begin + size]
    more = begin + size < len(items)
    return shown, _seal(seal, key(shown[-1])) if more else None


def _seal(seal: str, cursor: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([seal, cursor]).encode()).decode()


def _open(token: str, seal: str) -> str:
    try:
        found, cursor = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        found, cursor = "", ""
    if found != seal or not isinstance(cursor, str):
        raise invalid_parameter("nextToken", "is not a token of this request")
    return cursor


def findings_page(result: Result, params: dict[str, Any], repository: str, digest: str) -> dict[str, Any]:
    """The members of a DescribeImageScanFindings answer that hold findings: one page of them."""
    findings, enhanced = result.findings or [], result.enhanced_findings or []
    rows = [*((False, finding) for finding in findings), *((True, finding) for finding in enhanced)]
    numbered = [(f"{number:09d}", *row) for number, row in enumerate(rows)]
    some, token = page(numbered, lambda row: row[0], params, "DescribeImageScanFindings", repository, digest)
    content: dict[str, Any] = {
        "imageScanCompletedAt": result.completed_at,
        "vulnerabilitySourceUpdatedAt": result.completed_at,
        "findingSeverityCounts": result.counts,
        "findings": [finding for _, is_enhanced, finding in some if not is_enhanced],
    }
    if enhanced:
        content["enhancedFindings"] = [finding for _, is_enhanced, finding in some if is_enhanced]
    return {"imageScanFindings": content} | ({"nextToken": token} if token else {})
