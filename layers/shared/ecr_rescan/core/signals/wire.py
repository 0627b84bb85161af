"""Signals as people and programs read them: words, and members of JSON."""

from __future__ import annotations

from ecr_rescan.core.signals.known import Exploited, Signal, Signals
from ecr_rescan.core.signals.sources import NAMES
from ecr_rescan.core.times import to_text_or_none


def signal_to_wire(signal: Signal) -> dict[str, object]:
    """``exploited`` is null where nobody knows, and false only where every list was read and none names it."""
    exploited = signal.exploited
    return {
        "exploited": _exploited_to_wire(exploited) if exploited else (False if signal.known else None),
        "epss": None if signal.epss is None else {"score": signal.epss[0], "percentile": signal.epss[1]},
        "likely": None if signal.epss is None else signal.likely,
    }


def _exploited_to_wire(one: Exploited) -> dict[str, object]:
    return {
        "since": one.since.isoformat(),
        "lists": {NAMES[name]: since.isoformat() for name, since in sorted(one.lists.items())},
        "ransomware": one.ransomware,
    }


def signals_to_wire(signals: Signals) -> dict[str, object]:
    """Each source, with its version and when it was read."""
    return {
        name: {
            "name": NAMES[name],
            "version": source.version or None,
            "read_at": to_text_or_none(source.read_at),
            "checked_at": to_text_or_none(source.checked_at),
            "problem": source.problem or None,
        }
        for name, source in sorted(signals.sources.items())
    }


def exploited_words(signal: Signal) -> str:
    """``exploited since 2026-03-02 by CISA KEV, ransomware``; "" where it is not known to be."""
    one = signal.exploited
    if one is None:
        return ""
    lists = " and ".join(NAMES[name] for name in sorted(one.lists))
    return f"exploited since {one.since.isoformat()} by {lists}{', ransomware' if one.ransomware else ''}"


def epss_words(signal: Signal) -> str:
    """FIRST's own form: ``15 % (92nd)``; "" where there is no score."""
    if signal.epss is None:
        return ""
    score, percentile = signal.epss
    # Rounded down: nothing is at the 100th percentile.
    place = int(percentile * 100)
    share = "<1" if score < 0.01 else f"{score * 100:.0f}"
    return f"{share} % ({place}{_ending(place)})"


def _ending(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
