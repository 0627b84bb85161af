"""How an alert went: what it was announced as, which decides on its identity, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.alert_parts import Occurrence, Part
from ecr_rescan.core.changes.findings import FindingKey, Opening
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import Signal


@dataclass(slots=True)
class Story:
    """How an alert went: what it was announced as, and since when. ``announced``: how severe it was then.

    ``exploited_at``: it became known as exploited. ``fixable_at``: a fix appeared where there had been none.
    """

    published: datetime
    announced: Severity
    raised_to: Severity | None = None
    raised_from: Severity | None = None
    exploited_at: datetime | None = None
    fixable_at: datetime | None = None

    @property
    def kind(self) -> str | None:
        """What happened last; None where nothing has since the beginning."""
        if self.exploited_at is not None and self.exploited_at == self.published:
            return "exploited"
        if self.fixable_at is not None and self.fixable_at == self.published:
            return "fixable"
        return "escalated" if self.raised_to else None


def tell(
    wave: datetime | None, parts: Sequence[Part], exploited_at: datetime | None, fixable_at: datetime | None = None
) -> Story:
    """What an alert was announced as: the last of its rises, that it became known as exploited, or has a fix."""
    story = _rises(wave, parts)
    story.exploited_at, story.fixable_at = exploited_at, fixable_at
    story.published = max(filter(None, (story.published, exploited_at, fixable_at)))
    return story


def _rises(wave: datetime | None, parts: Sequence[Part]) -> Story:
    """Follow the severity through all repositories: only what exceeds everything announced before is a rise.

    Within a wave a repository that joins with a higher severity is a rise, too; a baseline repository never is.
    """
    if wave is None and not any(part.news for part in parts):
        earlier = max((_severity(part.opening, part.mask) for part in parts), key=lambda severity: severity.rank)
        return Story(min(part.finding.first_seen for part in parts), earlier)
    events: list[tuple[datetime, str, Severity, bool]] = []
    for part in parts:
        repository = part.document.repository
        start = part.news.severity if part.news else _severity(part.opening, part.mask)
        joined = part.opening.at if wave is None else max(wave, part.opening.at)
        events.append((joined, repository, start, wave is not None))
        events += [(at, repository, severity, True) for at, severity in (part.news.raised if part.news else ())]
    # The lowest first: of repositories that join at one instant, the highest must not go unsaid.
    events.sort(key=lambda event: (event[0], event[2].rank, event[1]))
    published = wave or min(part.finding.first_seen for part in parts)
    highest = events[0][2]
    story = Story(published, highest)
    for at, _, severity, counts in events[1:]:
        if severity.rank > highest.rank:
            if counts:
                story = Story(at, severity, severity, highest)
            highest = severity
    return story


def _severity(opening: Opening, mask: int) -> Severity:
    return opening.closed.severity if opening.closed else opening.peak(mask)


def became_exploited(configuration: ScanConfiguration, signal: Signal, parts: Sequence[Part]) -> datetime | None:
    """When an alert that was open became known as exploited: what opened since was known as such from its beginning.

    What was known before the configuration was made is its baseline.
    """
    noticed = signal.exploited.noticed_at if signal.exploited else None
    if noticed is None or noticed <= configuration.created:
        return None
    openings = [part.opening for part in parts]
    was_open = any(one.at < noticed and (one.closed is None or one.closed.at > noticed) for one in openings)
    return noticed if was_open else None


def became_fixable(
    configuration: ScanConfiguration, key: FindingKey, occurrences: Iterable[Occurrence]
) -> datetime | None:
    """When a fix appeared for an open alert that had none anywhere: what opened since had it from its beginning."""
    fixed = [(_opened(one, key), fix.since) for one in occurrences for fix in one.fixes if fix.fixable]
    appeared = min((since for _, since in fixed if since is not None), default=None)
    if appeared is None or appeared <= configuration.created:
        return None
    had_one = any(since is None and opened < appeared for opened, since in fixed)
    was_open = any(since is not None and opened < appeared for opened, since in fixed)
    return appeared if was_open and not had_one else None


def _opened(occurrence: Occurrence, key: FindingKey) -> datetime:
    opening = occurrence.document.findings[key[0], key[1]].current
    assert opening is not None
    return opening.at
