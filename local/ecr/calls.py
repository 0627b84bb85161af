"""What was asked of the registry: counted here, at the fake, and not by the service's own record."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached ECR; ``outcome`` is ``ok`` or the name of ECR's error."""

    at: datetime
    operation: str
    repository: str | None
    digest: str | None
    outcome: str
    region: str
    account: str


class CallLog:
    """The calls in their order (the last ``keep`` of them; None for all), and their number for ever."""

    def __init__(self, keep: int | None = 100_000) -> None:
        self._calls: deque[Call] = deque(maxlen=keep)
        self.counts: Counter[tuple[str, str]] = Counter()

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls))

    def __len__(self) -> int:
        return self.counts.total()

    def add(self, call: Call) -> None:
        """Record a call."""
        self._calls.append(call)
        self.counts[call.operation, call.outcome] += 1

    def of(self, operation: str, *, repository: str | None = None, outcome: str | None = None) -> list[Call]:
        """The kept calls of an operation, of one repository and with one outcome when given."""
        return [
            call
            for call in self
            if call.operation == operation
            and (repository is None or call.repository == repository)
            and (outcome is None or call.outcome == outcome)
        ]

    def clear(self) -> None:
        """Forget everything, counts too."""
        self._calls.clear()
        self.counts.clear()
