"""Patterns that select repositories and tags: names, globs, and exclusions with a leading ``!``."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

MOST_WILDCARDS = 10
"""``*`` and ``?`` in one pattern that a person may send: nobody needs more, and each costs time."""


def is_exact(pattern: str) -> bool:
    """Whether the pattern names just one thing."""
    return not pattern.startswith("!") and "*" not in pattern and "?" not in pattern


def wildcards(pattern: str) -> int:
    """How many ``*`` and ``?`` there are in it."""
    return pattern.count("*") + pattern.count("?")


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
    """A pattern that takes at most as many steps as the product of its length and the text's.

    Only ``*`` and ``?`` are special: fnmatch would also read ``[...]`` as a class, and fold case on some systems.
    """
    first, *rest = [re.escape(part).replace(r"\?", ".") for part in pattern.split("*")]
    if not rest:
        return re.compile(first, re.DOTALL)
    *between, last = rest
    # What stands between two asterisks is best found where it comes first. The atomic group keeps that place: tried
    # again from every later one, ten asterisks in a name of 300 characters take longer than anybody lives.
    found = "".join(f"(?>.*?{part})" for part in between if part)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)
