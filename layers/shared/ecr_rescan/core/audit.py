"""Who changed what: one record for each change that a signed request made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ecr_rescan.core.configuration import ScanConfiguration

SCHEMA = 1

_MOST_IN_A_LINE = 50


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        id: the request's, as API Gateway gave it.
        principal: the ARN of who signed; "" where API Gateway didn't say.
        address: where the request came from.
        action: such as ``configuration.change`` or ``token.revoke``.
        subject: the key of the document that was changed.
        before, after: its ETags, None where there was or is none, or where the document holds secrets.
        detail: what else tells what was done; never a secret.
        ignored, unignored: suppressions that came and went, with their reasons.
    """

    id: str
    at: datetime
    principal: str
    address: str
    action: str
    subject: str
    before: str | None = None
    after: str | None = None
    detail: str = ""
    ignored: tuple[dict[str, object], ...] = ()
    unignored: tuple[dict[str, object], ...] = ()

    @property
    def key(self) -> str:
        """``audit/{date}/{time}-{id}.json``: in the order of time, and no other change's."""
        moment = self.at.astimezone(UTC)
        return f"audit/{moment:%Y-%m-%d}/{moment:%H%M%S}-{self.id}.json"

    def to_log(self) -> dict[str, Any]:
        """For a line of the log, in which long lists of suppressions are counted on."""
        wire = self._wire()
        for name in ("ignored", "unignored"):
            wire[f"{name}_in_all"] = len(wire[name])
            wire[name] = wire[name][:_MOST_IN_A_LINE]
        return wire

    def to_document(self) -> bytes:
        """The copy in the bucket, with everything."""
        return json.dumps({"schema": SCHEMA, "at": self.at.isoformat(), **self._wire()}, indent=1).encode()

    def _wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "principal": self.principal,
            "address": self.address,
            "action": self.action,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "detail": self.detail,
            "ignored": list(self.ignored),
            "unignored": list(self.unignored),
        }


def suppressions_changed(
    before: ScanConfiguration | None, after: ScanConfiguration | None
) -> tuple[tuple[dict[str, object], ...], tuple[dict[str, object], ...]]:
    """The suppressions that came, and those that went."""
    old = dict.fromkeys(before.ignore if before else ())
    new = dict.fromkeys(after.ignore if after else ())
    came = tuple(one.to_wire() for one in new if one not in old)
    went = tuple(one.to_wire() for one in old if one not in new)
    return came, went
