"""What a tick did: the one line that it logs."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ecr_rescan.core.scanning.plan import Plan


@dataclass(slots=True)
class Report:
    """Counted over all accounts; to be changed by several threads under ``lock``.

    ``states``: selected manifests by state. ``due``: starts that were due. ``refused``: by reason. ``unsent``: starts
    that were claimed and put back, for time or the account's quota ran out. ``overdue``: results older than promised.
    ``oldest_hours``: the age of the oldest result that is to be kept current. ``left_for_next_tick``: repositories that
    there was no time for. ``paused``: accounts whose quota is spent.
    ``troubled``: accounts that can't be read, or of which something can't be asked, tried in this tick or before.
    ``fixes_left``: vulnerabilities of which it is still to be read whether they have a fix.
    """

    configurations: int = 0
    unreadable: int = 0
    accounts: int = 0
    paused: int = 0
    troubled: int = 0
    repositories: int = 0
    checked: int = 0
    listed: int = 0
    selected: int = 0
    states: Counter[str] = field(default_factory=Counter)
    looked_up: int = 0
    due: int = 0
    started: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    asked: int = 0
    overdue: int = 0
    oldest_hours: float | None = None
    left_for_next_tick: int = 0
    removed: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    fixes_left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, plan: Plan, now: datetime) -> None:
        """Add what is known of a repository."""
        self.states += plan.states
        self.selected += plan.states.total()
        self.overdue += plan.overdue(now)
        if plan.oldest is not None:
            hours = round((now - plan.oldest).total_seconds() / 3600, 2)
            self.oldest_hours = max(self.oldest_hours or -math.inf, hours)

    def to_log(self) -> dict[str, Any]:
        """For the log, without what is empty."""
        named = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "lock"}
        return {name: value for name, value in named.items() if value}
