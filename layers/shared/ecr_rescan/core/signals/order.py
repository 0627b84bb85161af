"""What matters first: the one order of findings, wherever people see several of them."""

from __future__ import annotations

from datetime import datetime

from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.known import Signal

Urgency = tuple[bool, int, bool, bool, float]


def urgency(severity: Severity, signal: Signal, *, fixable: bool, since: datetime) -> Urgency:
    """Smaller is more urgent: exploited; severity; likely exploited before others of it; fixable; the oldest."""
    return (signal.exploited is None, ORDER[severity], not signal.likely, not fixable, since.timestamp())
