"""Takes a new reading of a source into the document of signals, or refuses it; and tells when to read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.signals.known import Exploited, Signals, Source, merge_listed
from ecr_rescan.core.signals.sources import EPSS, EUVD, FIX_SOURCES, KEV, Catalogue, Scores
from ecr_rescan.core.times import whole_seconds

EVERY = {
    **dict.fromkeys(FIX_SOURCES, timedelta(hours=1)),
    **{KEV: timedelta(hours=1), EUVD: timedelta(hours=3), EPSS: timedelta(hours=12)},
}
"""How old the last good reading may become. All of them change at most a few times a day."""

_LONGEST_WAIT = timedelta(hours=12)
_FIRST_WAIT = timedelta(minutes=15)
_PROBLEM_CHARACTERS = 200

WOBBLE = 0.8
"""What is likely stays so until its score falls below this share of the threshold: a wobble around it is no change."""


def due(source: Source, name: str, now: datetime) -> bool:
    """Whether a source is to be asked: after its time, or, where it fails, after a wait that doubles each time."""
    if source.checked_at is None:
        return True
    return now - source.checked_at >= _wait(source, name)


def _wait(source: Source, name: str) -> timedelta:
    if not source.failures:
        return EVERY[name]
    doubled: int = 2 ** min(source.failures - 1, 10)
    return min(_LONGEST_WAIT, _FIRST_WAIT * doubled)


def next_due(signals: Signals, names: tuple[str, ...], now: datetime) -> datetime:
    """The earliest time at which one of the sources is due; now where one is."""
    moments = []
    for name in names:
        source = signals.sources.get(name, Source())
        if due(source, name, now) or source.checked_at is None:
            return now
        moments.append(source.checked_at + _wait(source, name))
    return min(moments, default=now + _LONGEST_WAIT)


def failed(signals: Signals, name: str, problem: str, now: datetime) -> None:
    """Note an attempt that gave nothing; what was known stays."""
    source = signals.sources.setdefault(name, Source())
    source.checked_at = whole_seconds(now)
    source.failures += 1
    source.problem = problem[:_PROBLEM_CHARACTERS]
    signals.settle(whole_seconds(now))


def unchanged(signals: Signals, name: str, now: datetime) -> None:
    """Note that the source has nothing newer."""
    source = signals.sources.setdefault(name, Source())
    source.checked_at = source.read_at = whole_seconds(now)
    source.failures, source.problem = 0, ""
    signals.settle(whole_seconds(now))


def take_catalogue(signals: Signals, name: str, catalogue: Catalogue, now: datetime) -> None:
    """Take in a reading of a list of exploited vulnerabilities.

    What it names for the first time becomes known as exploited now; all of a first reading was so before. Nothing ever
    stops to be exploited because a list no longer names it.

    Raises:
        SignalError: it is older than the one before, or has shrunk by more than a tenth.
    """
    moment = whole_seconds(now)
    source = signals.sources.setdefault(name, Source())
    _refuse_worse(source, name, catalogue.version, catalogue.count)
    first = source.read_at is None
    for cve, lists in catalogue.entries.items():
        known = signals.exploited.get(cve)
        said = any(listed.ransomware for listed in lists.values())
        if known is None:
            dates = {listing: listed.since for listing, listed in lists.items()}
            signals.exploited[cve] = Exploited(dates, None if first else moment, said)
        else:
            ransomware = known.ransomware or said
            signals.exploited[cve] = replace(known, lists=merge_listed(known.lists, lists), ransomware=ransomware)
    _good(source, catalogue.version, catalogue.count)
    unchanged(signals, name, now)


def take_scores(signals: Signals, scores: Scores, threshold: float, now: datetime) -> None:
    """Take in a day's EPSS.

    An id that reaches the threshold is likely from now on, until it falls well below. What a new model moves, and a
    first reading, is no news.

    Raises:
        SignalError: it is older than the one before, or has shrunk by more than a tenth.
    """
    source = signals.sources.setdefault(EPSS, Source())
    _refuse_worse(source, EPSS, scores.version, scores.count)
    quiet = source.read_at is None or scores.model != signals.model
    likely: dict[str, datetime | None] = {}
    for cve, (score, _) in scores.scores.items():
        if cve in signals.likely:
            if score >= threshold * WOBBLE:
                likely[cve] = signals.likely[cve]
        elif score >= threshold:
            likely[cve] = None if quiet else whole_seconds(now)
    signals.model, signals.scores, signals.likely = scores.model, dict(scores.scores), likely
    _good(source, scores.version, scores.count)
    unchanged(signals, EPSS, now)


def _refuse_worse(source: Source, name: str, version: str, count: int) -> None:
    if source.read_at is None:
        return
    if version < source.version:
        raise SignalError(name, f"is of {version}, older than {source.version}, which was read before")
    if count * 10 < source.count * 9:
        raise SignalError(name, f"has {count} entries, and had {source.count}: more than a tenth is missing")


def _good(source: Source, version: str, count: int) -> None:
    source.version, source.count = version, count
