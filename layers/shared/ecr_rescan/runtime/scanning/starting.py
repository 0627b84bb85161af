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
from ecr_rescan.core.scanning.account import GUESS, GUESS_FOR, IN_A_ROW, Account
from ecr_rescan.core.scanning.facts import Facts
from ecr_rescan.core.scanning.schedule import INTERVAL, QUOTA_REST, with_reason
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.scanning.looking import look_at
from ecr_rescan.runtime.scanning.report import Report

AT_ONCE = 2000
"""Starts of one repository in one tick, at most: what is claimed must be sent before the time is over."""


class Starter:
    """The starts of one account during one tick. Changes what the account knows of its quota and scan type.

    ``probing``: the repository in which one start is to show whether the account is still ENHANCED, as is believed.
    """

    def __init__(self, account: Account, report: Report, seconds_left: Callable[[], float], now: datetime) -> None:
        """``seconds_left``: how long starts may still be sent."""
        self.account = account
        self.probing: str | None = None
        self.started = 0
        self._report = report
        self._seconds_left = seconds_left
        self._now = now
        self._lock = threading.Lock()
        self._left = 0
        self._refusing: dict[str, SkippedScan] = {}

    def open(self, now: datetime) -> None:
        """Begin a turn, with what the account has left."""
        with self._lock:
            left = self.account.starts_left(now) - self.started
            self._left = max(0, left)

    def reserve(self, repository: str, wanted: int) -> int:
        """How many of the wanted starts may be claimed; what is not claimed after all is to be given back."""
        with self._lock:
            left = self._left
            if self.account.scan_type is ScanType.ENHANCED:
                left = min(left, 1 if repository == self.probing else 0)
            granted = min(wanted, left, AT_ONCE) if self._seconds_left() > 0 else 0
            self._left -= granted
            return granted

    def give_back(self, unused: int) -> None:
        """Starts that were reserved and are not needed."""
        with self._lock:
            self._left += unused

    def start(self, registry: Registry, repository: str, digests: Sequence[str], calls: Executor) -> Facts:
        """Start claimed scans; tells what was refused, and why."""
        facts = Facts(began=self._now, scan_type=self.account.scan_type)
        refused: list[SkippedScan] = []
        for skip, answer in calls.map(lambda digest: self._start(registry, repository, digest, refused), digests):
            if skip is not None:
                facts.skips.append(skip)
            if answer is not None:
                facts.answers.append(answer)
        return facts

    def _start(
        self, registry: Registry, repository: str, digest: str, refused: list[SkippedScan]
    ) -> tuple[SkippedScan | None, ScanResult | NoResult | None]:
        """One start. ``refused``: what ECR refused in this repository since it last accepted one, for good."""
        for_all = self._refused_for_all(refused)
        if for_all is not None:
            # What is true of so many is true of this one: it rests with them, and takes no call.
            self._note(unsent=1)
            return replace(for_all, digest=digest), None
        if self._is_stopped(registry, repository):
            self._note(unsent=1)
            is_basic = self.account.scan_type is ScanType.BASIC
            reason = SkipReason.LIMIT_EXCEEDED if is_basic else SkipReason.ENHANCED
            return SkippedScan(digest, reason, "not sent"), None
        outcome = registry.start(repository, digest)
        if not isinstance(outcome, SkippedScan):
            self._accepted(repository, refused)
            return None, None
        if outcome.reason is SkipReason.ENHANCED:
            outcome = self._enhanced(registry, outcome)
        self._note(refused=outcome.reason)
        if outcome.refused:
            with self._lock:
                refused.append(outcome)
                if len(refused) == IN_A_ROW:
                    self._refusing[repository] = outcome
        if outcome.reason is not SkipReason.LIMIT_EXCEEDED:
            return outcome, None
        # Only basic scanning has this limit.
        self._is_basic()
        # The code doesn't tell this image's 24 hours from the account's quota (aws/containers-roadmap#1226).
        answer = look_at(registry, repository, digest, self.account.scan_type)
        if explains_refusal(answer, self._now, paused=self.account.paused_until is not None):
            return outcome, answer
        if isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE:
            return replace(outcome, refused=True), None
        if isinstance(answer, NoResult) and answer.reason is NoResultReason.LIMIT_EXCEEDED:
            # Here ECR does tell: the baseline then names the quota, and not a refusal.
            outcome = replace(outcome, detail=with_reason(answer.reason, outcome.detail))
        return self._unexplained(outcome), None

    def _accepted(self, repository: str, refused: list[SkippedScan]) -> None:
        self._note(started=1)
        account = self.account
        with self._lock:
            refused.clear()
            self._refusing.clear()
            account.unexplained = ()
            if account.paused_until is not None:
                # Whatever spent the account's quota is a day old by now.
                account.paused_until = None
                self._left = account.starts_left(self._now)
        self._is_basic()

    def _is_basic(self) -> None:
        """An answer that only basic scanning gives ends the belief that the account is ENHANCED."""
        if self.account.rests.pop(GUESS, None) is not None:
            self.account.scan_type = ScanType.BASIC

    def _enhanced(self, registry: Registry, refused: SkippedScan) -> SkippedScan:
        """ValidationException is ECR's answer under enhanced scanning, and to a bad request about one image.

        Where the registry can't be asked which of them it is, enhanced scanning is believed for some hours.
        """
        account, scan_type = self.account, None
        with suppress(RegistryError):
            scan_type = registry.scan_type()
        if scan_type is ScanType.BASIC:
            return replace(refused, reason=SkipReason.UNAVAILABLE, refused=True)
        with self._lock:
            guess = account.rests.get(GUESS)
            if scan_type is ScanType.ENHANCED:
                account.scan_type_at = self._now
            elif guess is None or guess.until <= self._now:
                reason = f"it seems that Amazon Inspector scans this registry: {refused.detail}"
                account.rest(GUESS, GUESS_FOR, reason, self._now)
            account.scan_type = ScanType.ENHANCED
        return refused

    def _unexplained(self, outcome: SkippedScan) -> SkippedScan:
        """The image rests, and after several of them in a row the account: then it is not about the image."""
        account = self.account
        with self._lock:
            if outcome.digest not in account.unexplained:
                account.unexplained = (*account.unexplained, outcome.digest)[:IN_A_ROW]
            if len(account.unexplained) < IN_A_ROW:
                return replace(outcome, refused=True)
            account.paused_until = self._now + QUOTA_REST
        logger.warning("The daily scan quota is spent", registry=account.registry, region=account.region)
        return replace(outcome, reason=SkipReason.UNAVAILABLE)

    def _refused_for_all(self, refused: Sequence[SkippedScan]) -> SkippedScan | None:
        with self._lock:
            if len(refused) >= IN_A_ROW:
                return refused[0]
            # Where starts were accepted within the day, some repositories' refusals say nothing of the others.
            if len(self._refusing) >= IN_A_ROW and not self.account.starts:
                first = next(iter(self._refusing.values()))
                self.account.problem = f"starts are refused: {first.detail}"
                return first
        return None

    def _is_stopped(self, registry: Registry, repository: str) -> bool:
        account = self.account
        if account.scan_type is ScanType.ENHANCED and repository != self.probing:
            return True
        if self._seconds_left() <= 0 or not registry.may_ask():
            return True
        return account.paused_until is not None and self._now < account.paused_until

    def _note(self, *, started: int = 0, unsent: int = 0, refused: SkipReason | None = None) -> None:
        with self._report.lock:
            self.started += started
            self._report.started += started
            self._report.unsent += unsent
            if refused is not None:
                self._report.refused[refused.value] += 1


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
