"""Which alerts are worth a message, and when those are that nobody has rated."""

from __future__ import annotations

from datetime import datetime, timedelta

from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.configuration import ScanConfiguration

UNRATED_FOR = timedelta(days=7)
"""What is still unrated after this time is told once."""

UNKNOWN_FOR = timedelta(hours=24)
"""So long a message waits until it is known whether there is a fix."""


def reaches(alert: Alert, configuration: ScanConfiguration) -> bool:
    """Whether an alert is worth a message: by ``notify``, or because people exploit it or are likely to.

    Unrated ones are when exploited or likely: nobody judges most vulnerabilities any more. Whatever its severity, what
    is exploited is told once, when it becomes so or is new; where it spreads or comes back, ``notify`` decides again.
    """
    exploited = alert.signal.exploited is not None and configuration.exploited
    if not alert.severity.rated:
        return exploited or alert.signal.likely
    if alert.severity.reaches(configuration.notify) and (not configuration.notify_fixable or _may_be_fixed(alert)):
        return True
    return exploited and alert.kind in ("new", "exploited")


def _may_be_fixed(alert: Alert) -> bool:
    """Unknown is no reason to be silent, unless it is about to be looked up: then it is told when that was done."""
    if any(fix.pending for fix in alert.fixes):
        return alert.fixable is True
    return alert.fixable is not False


def fix_due(alert: Alert, configuration: ScanConfiguration, after: datetime, until: datetime) -> bool:
    """Whether an alert is to be told because between these times it got a fix, or that was looked up."""
    if not _asked(alert, configuration):
        return False
    if alert.kind == "fixable":
        return after < alert.published <= until
    known = max((fix.known_at for fix in alert.fixes if fix.known_at is not None), default=None)
    if alert.wave is None or known is None or alert.published >= known:
        return False
    return _may_be_fixed(alert) and after < known <= until


def fix_unknown_due(alert: Alert, configuration: ScanConfiguration, after: datetime, until: datetime) -> bool:
    """Whether an alert is to be told all the same, because for a day nobody could look up whether it has a fix."""
    waits = alert.wave is not None and any(fix.pending for fix in alert.fixes) and alert.fixable is None
    return waits and _asked(alert, configuration) and after < alert.published + UNKNOWN_FOR <= until


def _asked(alert: Alert, configuration: ScanConfiguration) -> bool:
    return configuration.notify_fixable and alert.severity.reaches(configuration.notify)


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
