"""What an advisory says to people, without what only stands for nothing."""

from __future__ import annotations

from ecr_rescan.core.changes.findings import Advisory
from ecr_rescan.core.text import clean

_NOTHING = frozenset(
    {"none", "none provided", "not provided", "n/a", "null", "unknown", "-", "no description available"}
)
_LONGEST = 128


def description_of(advisory: Advisory, limit: int) -> str:
    """The description, cleaned; "" where there is none, or a word for none."""
    return "" if _is_nothing(advisory.description) else clean(advisory.description, limit)


def cvss_of(advisory: Advisory) -> str:
    """``CVSS 9.8 CVSS:3.1/AV:N``, cleaned; "" where nobody gave a score: sources write 0.0 then."""
    score = clean(advisory.score or "", _LONGEST)
    if _is_nothing(score) or not score.strip("0."):
        return ""
    vector = clean(advisory.vector or "", _LONGEST)
    return f"CVSS {score}" if _is_nothing(vector) else f"CVSS {score} {vector}"


def _is_nothing(text: str) -> bool:
    text = text.strip().rstrip(".").lower()
    return not text or text in _NOTHING
