"""Which of what a configuration sees is news to it, and which is recorded quietly: the baseline."""

from __future__ import annotations

from collections.abc import Collection

from ecr_rescan.core.changes.findings import Closing, FindingsDocument, News, Opening
from ecr_rescan.core.changes.view import View
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import Severity


def had_findings(document: FindingsDocument, configuration: ScanConfiguration) -> bool:
    """Whether the configuration saw findings here before, though nothing is left of what it saw."""
    return any(
        opening.closed is not None
        and opening.closed.at >= configuration.selected_since
        and _told_under(opening.closed, configuration)
        for finding in document.findings.values()
        for opening in finding.openings
    )


def displacing(document: FindingsDocument, configuration: ScanConfiguration, listed: View) -> set[str]:
    """The images that took a tag over, and not only a place under ``newest``, and have no results yet.

    ``listed``: what the configuration sees once the images are listed, and before their results are taken.
    """
    took = {digest: document.images[digest].took for digest in listed.stand_ins}
    return {digest for digest, tags in took.items() if any(matches(tag, configuration.tags) for tag in tags)}


def baseline(
    document: FindingsDocument,
    configuration: ScanConfiguration,
    before: View,
    after: View,
    displaced_by: Collection[str],
) -> int:
    """The manifests that came into sight without being new: their findings alert nobody.

    ``displaced_by``: the images that took a tag over from others.
    """
    quiet = 0
    since = max(document.since, configuration.selected_since)
    holders = {
        tag: digest for digest, tags in before.images.items() for tag in tags if matches(tag, configuration.tags)
    }
    for digest, tags in after.images.items():
        image = document.images[digest]
        took_over = any(holders.get(tag, digest) != digest for tag in tags)
        if image.appeared_at <= since and not took_over and digest not in displaced_by:
            quiet |= image.manifests & ~before.effective
    return quiet


def shown(configuration: ScanConfiguration, opening: Opening, before: View) -> Severity | None:
    """The highest severity that a configuration was shown in an opening; None where it did not see it."""
    if opening.closed is not None:
        return opening.closed.severity if _told_under(opening.closed, configuration) else None
    return opening.peak(before.effective) if opening.mask & before.effective else None


def rises(configuration: ScanConfiguration, told: News | None, seen: Severity, severity: Severity) -> bool:
    """Whether a severity is above all that a configuration was told, and ``seen``, in a way that is news."""
    known = [seen, *([told.severity, *(to for _, to in told.raised)] if told else [])]
    highest = max(known, key=lambda known_severity: known_severity.rank)
    if not severity.rated or severity.rank <= highest.rank:
        return False
    return highest.rated or severity.reaches(configuration.notify)


def _told_under(closing: Closing, configuration: ScanConfiguration) -> bool:
    return any(matches(tag, configuration.tags) for tag in closing.tags)
