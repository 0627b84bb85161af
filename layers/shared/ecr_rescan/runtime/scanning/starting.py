"""Starting the scans of one account that were claimed, within its quota and the time that is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType, SkippedScan, SkipReason
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.facts import Facts
from ecr_rescan.core.scanning.schedule import INTERVAL, QUOTA_REST
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.looking import look_at
from ecr_rescan.runtime.scanning.report import Report

AT_ONCE = 2000
"""Starts of one repository in one tick, at most: what is claimed must be sent before the time is over."""


class Starter:
    """The starts of one account during one tick. Changes what the account knows of its quota and scan type."""

    def __init__(self, account: Account, report: Report, seconds_left: Callable[[], float], now: datetime) -> None:
        """``seconds_left``: how long starts may still be sent."""
        self.account = account
        self._report = report
        self._seconds_left = seconds_left
        self._now = now
        self._lock = threading.Lock()
        self._left = 0
        self.started = 0

    def open(self, now: datetime) -> None:
        """Begin a turn, with what the account has left."""
        with self._lock:
            left = self.account.starts_left(now) - self.started
            self._left = 0 if self.account.scan_type is ScanType.ENHANCED else max(0, left)

    def reserve(self, wanted: int) -> int:
        """How many of the wanted starts may be claimed; what is not claimed after all is to be given back."""
        with self._lock:
            granted = min(wanted, self._left, AT_ONCE) if self._seconds_left() > 0 else 0
            self._left -= granted
            return granted

    def give_back(self, unused: int) -> None:
        """Starts that were reserved and are not needed."""
        with self._lock:
            self._left += unused

    def start(self, registry: Registry, repository: str, digests: Sequence[str], calls: Executor) -> Facts:
        """Start claimed scans; tells what was refused, and why."""
        facts = Facts(began=self._now, scan_type=self.account.scan_type)
        for skip, answer in calls.map(lambda digest: self._start(registry, repository, digest), digests):
            if skip is not None:
                facts.skips.append(skip)
            if answer is not None:
                facts.answers.append(answer)
        return facts

    def _start(
        self, registry: Registry, repository: str, digest: str
    ) -> tuple[SkippedScan | None, ScanResult | NoResult | None]:
        if self._is_stopped(registry):
            self._note(unsent=1)
            is_basic = self.account.scan_type is ScanType.BASIC
            reason = SkipReason.LIMIT_EXCEEDED if is_basic else SkipReason.ENHANCED
            return SkippedScan(digest, reason, "not sent"), None
        outcome = registry.start(repository, digest)
        if not isinstance(outcome, SkippedScan):
            self._note(started=1)
            if self.account.paused_until is not None:
                # Whatever spent the account's quota is a day old by now.
                self.account.paused_until = None
                with self._lock:
                    self._left = self.account.starts_left(self._now)
            return None, None
        if outcome.reason is SkipReason.ENHANCED:
            outcome = _confirmed(registry, outcome)
        self._note(refused=outcome.reason)
        if outcome.reason is SkipReason.ENHANCED:
            self.account.scan_type, self.account.scan_type_at = ScanType.ENHANCED, self._now
        if outcome.reason is not SkipReason.LIMIT_EXCEEDED:
            return outcome, None
        # The code doesn't tell this image's 24 hours from the account's quota (aws/containers-roadmap#1226).
        answer = look_at(registry, repository, digest, self.account.scan_type)
        if explains_refusal(answer, self._now, paused=self.account.paused_until is not None):
            return outcome, answer
        if not (isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE):
            self.account.paused_until = self._now + QUOTA_REST
            logger.warning("The daily scan quota is spent", registry=self.account.registry, region=self.account.region)
        return outcome, None

    def _is_stopped(self, registry: Registry) -> bool:
        account = self.account
        if account.scan_type is ScanType.ENHANCED or self._seconds_left() <= 0 or not registry.may_ask():
            return True
        return account.paused_until is not None and self._now < account.paused_until

    def _note(self, *, started: int = 0, unsent: int = 0, refused: SkipReason | None = None) -> None:
        with self._report.lock:
            self.started += started
            self._report.started += started
            self._report.unsent += unsent
            if refused is not None:
                self._report.refused[refused.value] += 1


def _confirmed(registry: Registry, refused: SkippedScan) -> SkippedScan:
    """ValidationException is ECR's answer under enhanced scanning, and to a bad request about one image."""
    with suppress(RegistryError):
        if registry.scan_type() is ScanType.BASIC:
            return replace(refused, reason=SkipReason.UNAVAILABLE)
    return refused


_SAYS_NOTHING = frozenset({NoResultReason.NEVER_SCANNED, NoResultReason.UNAVAILABLE, NoResultReason.LIMIT_EXCEEDED})


def explains_refusal(answer: ScanResult | NoResult, now: datetime, *, paused: bool) -> bool:
    """Whether what ECR has on an image says, or may well say, that its own 24 hours are not over.

    A failure has no time: it is taken for an explanation unless the account's quota was spent a moment ago.
    """
    if isinstance(answer, ScanResult):
        return now - answer.completed_at < INTERVAL
    if answer.reason is NoResultReason.IN_PROGRESS:
        return True
    return answer.reason not in _SAYS_NOTHING and not paused
