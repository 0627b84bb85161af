"""Trouble on request: throttling, errors, latency and time-outs of AWS calls; lost, doubled and delayed events."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

REFUSALS = frozenset({"throttle", "error"})
DELAYS = frozenset({"timeout", "latency"})
EVENT_EFFECTS = frozenset({"lose", "double", "delay"})
ECR_REFUSALS = REFUSALS | {"refuse"}
EFFECTS = ECR_REFUSALS | DELAYS | EVENT_EFFECTS


@dataclass(slots=True)
class Fault:
    """One kind of trouble.

    Attributes:
        service: ``s3``, ``sqs``, ``sns``, ``ecr``, ``sts``, or ``events`` for what passes through EventBridge.
        operation: the API operation (``PutObject``) or the event's detail-type, may be a glob.
        effect: ``throttle``, ``error`` (a 500), ``timeout`` (the connection hangs for ``seconds`` and breaks),
            ``latency`` (answers after ``seconds``); of ECR also
            ``refuse`` (no policy allows it); of events: ``lose``, ``double``, ``delay`` (virtual ``seconds``).
        seconds: see ``effect``.
        times: how often it happens before it is over; None for always.
    """

    service: str
    operation: str = "*"
    effect: str = "error"
    seconds: float = 0.0
    times: int | None = None

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"effect: {self.effect!r} is none of {', '.join(sorted(EFFECTS))}")
        if (self.effect in EVENT_EFFECTS) != (self.service == "events"):
            raise ValueError(f"effect: {self.effect!r} does not apply to {self.service!r}")
        if self.effect == "refuse" and self.service != "ecr":
            raise ValueError(f"effect: {self.effect!r} does not apply to {self.service!r}")


class Faults:
    """The troubles that are switched on. Safe for threads.

    Attributes:
        hides_missing_keys: answer 403 and not 404 for a missing S3 key, as S3 does for a caller without s3:ListBucket.
    """

    def __init__(self) -> None:
        self.hides_missing_keys = False
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Switch troubles on."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._faults.clear()
            self.hides_missing_keys = False

    def take(self, service: str, operation: str, effects: frozenset[str]) -> list[Fault]:
        """The troubles of these effects that a call or event meets, each counted as having happened once more."""
        with self._lock:
            met = [
                fault
                for fault in self._faults
                if fault.service == service and fault.effect in effects and fnmatchcase(operation, fault.operation)
            ]
            for fault in met:
                if fault.times is not None:
                    fault.times -= 1
            self._faults = [fault for fault in self._faults if fault.times is None or fault.times > 0]
        return met

    def replace(self, wanted: dict[str, Any]) -> None:
        """Take the troubles from JSON, ``{"faults": [{"service", …}], "hides_missing_keys": false}``, or ValueError."""
        try:
            faults = [Fault(**fault) for fault in wanted.get("faults", [])]
        except TypeError as error:
            raise ValueError(str(error)) from error
        with self._lock:
            self._faults = faults
            self.hides_missing_keys = bool(wanted.get("hides_missing_keys", False))
