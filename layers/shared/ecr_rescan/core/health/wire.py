"""The answer of ``GET /health``: version 1 of its schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from ecr_rescan.core.health.findings import Finding, Patient
from ecr_rescan.core.scanning.account import DAILY_QUOTA, Account
from ecr_rescan.core.times import to_text, to_text_or_none, whole_seconds
from ecr_rescan.core.version import VERSION

SCHEMA = 1
MOST_ACCOUNTS = 1000
"""Accounts that one answer tells of; findings are told of all."""


def to_wire(patient: Patient, findings: Sequence[Finding], at: datetime) -> dict[str, object]:
    """As JSON has it. ``at`` tells whoever asks whether its own clock is right."""
    vitals = patient.vitals
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "at": to_text(whole_seconds(at)),
        "findings": [asdict(one) for one in findings],
        "configurations": patient.configurations,
        "tick_at": to_text_or_none(vitals.tick_at) if vitals else None,
        "looked_at": to_text_or_none(vitals.looked_at) if vitals else None,
        "subscriptions": {
            "confirmed": vitals.confirmed if vitals else None,
            "pending": vitals.pending if vitals else None,
        },
        "queue": {"waiting": vitals.waiting if vitals else None, "dead": vitals.dead if vitals else None},
        "accounts": [_account_to_wire(one, at) for one in patient.accounts[:MOST_ACCOUNTS]],
    }


def _account_to_wire(account: Account, at: datetime) -> dict[str, object]:
    # Only the last day's count; what was started before is no quota's.
    used = sum(count for begin, count in account.starts.items() if (at - begin).total_seconds() < 86_400)
    return {
        "registry": account.registry,
        "region": account.region,
        "scan_type": account.scan_type.value,
        "events": {
            "push": to_text_or_none(account.events_at),
            "scan": to_text_or_none(account.scans_at),
        },
        "quota": {"started": used, "of": DAILY_QUOTA},
    }
