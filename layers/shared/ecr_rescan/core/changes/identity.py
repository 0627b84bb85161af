"""The permanent identity of an alert, by which feed readers and ticket systems go."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

from ecr_rescan.core.severity import Severity
from ecr_rescan.core.times import to_text

_NAMESPACE = uuid.UUID("6a1f3d0e-52a5-5c39-9d8e-8f0f6a2f7c11")


def alert_id(
    config_id: str,
    vulnerability: str,
    package: str,
    wave: datetime | None,
    raised_to: Severity | None,
    *,
    was_exploited: bool = False,
    was_fixable: bool = False,
) -> str:
    """The permanent identity of an alert (RFC 9562, UUID version 5)."""
    name = "\x1f".join((config_id, vulnerability, package, to_text(wave) if wave else "", raised_to or ""))
    if was_exploited:
        name += "\x1fexploited"
    if was_fixable:
        name += "\x1ffixable"
    # What uuid.uuid5 does, without making a UUID of what is wanted as text: a feed may join 50,000 findings.
    made = hashlib.sha1(_NAMESPACE.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"
