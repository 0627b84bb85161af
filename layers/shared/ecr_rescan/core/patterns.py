"""Patterns that select repositories and tags: names, globs, and exclusions with a leading ``!``."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence


def is_exact(pattern: str) -> bool:
    """Whether the pattern names just one thing."""
    return not pattern.startswith("!") and "*" not in pattern and "?" not in pattern


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name is selected: by at least one including pattern (none given means all), and excluded by none."""
    if not patterns:
        return True
    excluding = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    including = [pattern for pattern in patterns if not pattern.startswith("!")]
    if any(_compiled(pattern).fullmatch(name) for pattern in excluding):
        return False
    return not including or any(_compiled(pattern).fullmatch(name) for pattern in including)


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Only * and ? are special: fnmatch would also read [...] as a class, and fold case on some systems.
    parts = re.split(r"([*?])", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), re.DOTALL)
