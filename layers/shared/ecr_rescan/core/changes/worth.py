"""Which alerts are worth a message, and when those are that nobody has rated."""

from __future__ import annotations

from datetime import datetime, timedelta

from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.configuration import ScanConfiguration

UNRATED_FOR = timedelta(days=7)
"""What is still unrated after this time is told once."""


def reaches(alert: Alert, configuration: ScanConfiguration) -> bool:
    """Whether an alert is worth a message: by ``notify``, or because people exploit it or are likely to.

    Unrated ones are when exploited or likely: nobody judges most vulnerabilities any more. Whatever its severity, what
    is exploited is told once, when it becomes so or is new; where it spreads or comes back, ``notify`` decides again.
    """
    if alert.severity.reaches(configuration.notify):
        return True
    exploited = alert.signal.exploited is not None and configuration.exploited
    if not alert.severity.rated:
        return exploited or alert.signal.likely
    return exploited and alert.kind in ("new", "exploited")


def unrated_due(alert: Alert, configuration: ScanConfiguration, after: datetime, until: datetime) -> bool:
    """Whether an unrated alert is to be told between these times because it has stayed so.

    What was there from the beginning was told with the baseline.
    """
    if alert.severity.rated or alert.wave is None or reaches(alert, configuration):
        return False
    return after < alert.published + UNRATED_FOR <= until


def likely_due(alert: Alert, after: datetime, until: datetime) -> bool:
    """Whether an unrated alert became likely to be exploited between these times; its severity would never tell."""
    since = alert.signal.likely_since
    if alert.severity.rated or since is None or alert.signal.exploited is not None:
        return False
    return after < since <= until and since > alert.published
