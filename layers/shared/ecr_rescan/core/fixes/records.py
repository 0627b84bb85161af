"""What public fix data says of one vulnerability, in one form whatever the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """Versions of a package in a release that are vulnerable: from ``introduced`` until below ``fixed``.

    ``introduced`` "" is the beginning; ``fixed`` "" means that nothing is fixed, and ``ended`` that nothing will be:
    the distribution itself calls the package's support ended. ``fixed_at``: when this service first read of the fix.
    """

    fixed: str = ""
    introduced: str = ""
    ended: bool = False
    fixed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """``packages``: name → release → its spans. ``binaries``: the same by binary packages, of which few are asked for.

    A package without releases was looked for, and is not in the record.
    """

    packages: Mapping[str, Mapping[str, tuple[Span, ...]]] = field(default_factory=dict)
    binaries: Mapping[str, Mapping[str, tuple[Span, ...]]] = field(default_factory=dict)
    withdrawn: bool = False
