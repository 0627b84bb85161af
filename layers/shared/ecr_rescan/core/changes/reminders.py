"""What there is to tell people of suppressions, once: which ended, will end soon, or match nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta

from ecr_rescan.core.configuration import ScanConfiguration, Suppression

ENDING_WITHIN = timedelta(days=7)
"""How long before its end a suppression is said to end."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """What has not been told of a configuration's suppressions."""

    ended: tuple[Suppression, ...]
    ending: tuple[Suppression, ...]
    unused: tuple[Suppression, ...]


def ends_soon(suppression: Suppression, on: date) -> bool:
    """Whether it applies on that day (UTC), and ends within seven days of it."""
    until = suppression.until
    return until is not None and suppression.applies_on(on) and until - on <= ENDING_WITHIN


def just_ended(configuration: ScanConfiguration, noted: Mapping[str, Set[str]], on: date) -> tuple[Suppression, ...]:
    """Those that were noted as active, do not apply on that day (UTC), and were not told to have ended."""
    return tuple(
        one
        for one in dict.fromkeys(configuration.ignore)
        if not one.applies_on(on) and "active" in (flags := noted.get(fingerprint(one), ())) and "ended" not in flags
    )


def remind(
    configuration: ScanConfiguration, used: Set[Suppression], noted: Mapping[str, Set[str]], on: date
) -> tuple[Reminder, dict[str, frozenset[str]]]:
    """What has not been told yet, and what is noted once it is.

    Args:
        configuration: whose suppressions.
        used: those that hide something.
        noted: by fingerprint, as the last call answered it.
        on: the day, UTC.
    """
    ended, ending, unused = just_ended(configuration, noted, on), [], []
    after = {}
    for one in dict.fromkeys(configuration.ignore):
        flags = set(noted.get(fingerprint(one), ()))
        if one.applies_on(on):
            flags.add("active")
            if ends_soon(one, on) and "ending" not in flags:
                ending.append(one)
                flags.add("ending")
            if one not in used and "unused" not in flags:
                unused.append(one)
                flags.add("unused")
        elif one in ended:
            flags.add("ended")
        after[fingerprint(one)] = frozenset(flags)
    return Reminder(ended, tuple(ending), tuple(unused)), after


def fingerprint(suppression: Suppression) -> str:
    """The same for what suppresses the same, whatever its place in the configuration and the reason given."""
    wire = json.dumps({**suppression.to_wire(), "reason": None}, sort_keys=True)
    return hashlib.sha256(wire.encode()).hexdigest()[:16]
