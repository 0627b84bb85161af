"""Fixes as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecr_rescan.core.fixes.known import fixable
from ecr_rescan.core.fixes.states import Fix, FixState
from ecr_rescan.core.text import clean
from ecr_rescan.core.times import to_text_or_none

MOST_FIXES = 5
"""So many states of one thing are told."""

_VERSION = 100


def fixed_in(fixes: Iterable[Fix]) -> str | None:
    """The versions that mend it within the images' releases; None where there are none."""
    return ", ".join(sorted({fix.version for fix in fixes if fix.fixable})) or None


def fix_words(package: str, fixes: Sequence[Fix]) -> str:
    """``upgrade openssl to 3.0.15-1~deb12u1``; several where images differ; "" where nothing was ever looked up.

    Cleaned, and without the full stop.
    """
    upgrades = [clean(fix.version, _VERSION) for fix in fixes if fix.fixable]
    said = [f"upgrade {clean(package, _VERSION)} to {' or '.join(upgrades[:MOST_FIXES])}"] if upgrades else []
    return "; ".join([*said, *(_words(fix) for fix in fixes[:MOST_FIXES] if not fix.fixable)])


def _words(fix: Fix) -> str:
    version = clean(fix.version, _VERSION)
    return {
        FixState.EXTENDED: f"only with extended support ({version})",
        FixState.NEWER: f"only in {fix.release} ({version})",
        FixState.NONE: "none yet",
        FixState.ENDED: "none, and there will be none: its support has ended",
        FixState.UNKNOWN: f"not known: {fix.why}",
    }[fix.state]


def fixes_to_wire(fixes: Sequence[Fix]) -> dict[str, object]:
    """``fixable`` is null where nobody knows."""
    return {
        "fixable": fixable(fixes),
        "fixes": [
            {
                "state": fix.state,
                "version": clean(fix.version, 256) or None,
                "release": fix.release or None,
                "since": to_text_or_none(fix.since),
                "why": fix.why or None,
            }
            for fix in fixes[:MOST_FIXES]
        ],
    }


WIRE_BYTES = 300 * MOST_FIXES
"""What ``fixes_to_wire`` takes at most, beside versions longer than 100 characters."""
