"""Starts that are not sent any more, because the account is found to be scanned by Inspector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, cast

from ecr_rescan.core.scan_result import ScanType, SkippedScan, SkipReason
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.runtime.scanning.report import Report
from ecr_rescan.runtime.scanning.starting import Starter

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class EnhancedRegistry:
    """Refuses every start, and says why when it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start(self, repository: str, digest: str) -> SkippedScan:
        """What ECR's ValidationException becomes."""
        self.asked.append(digest)
        return SkippedScan(digest, SkipReason.ENHANCED, "This feature is disabled")

    def may_ask(self) -> bool:
        """There is time, and it answers."""
        return True

    def scan_type(self) -> ScanType:
        """The registry's own word."""
        return ScanType.ENHANCED


def test_one_refusal_tells_for_all_that_the_registry_is_enhanced() -> None:
    """Whoever was not asked about has its basic scans hidden, too, and is looked at when that ends."""
    registry, account, report = EnhancedRegistry(), Account("123456789012", "us-east-1"), Report()
    starter = Starter(account, report, lambda: 100.0, NOW)
    starter.open(NOW)
    with ThreadPoolExecutor(1) as calls:
        facts = starter.start(cast(Any, registry), "team/app", ["sha256:a", "sha256:b", "sha256:c"], calls)
    assert registry.asked == ["sha256:a"]
    assert [skip.reason for skip in facts.skips] == [SkipReason.ENHANCED] * 3
    assert (account.scan_type, report.unsent) == (ScanType.ENHANCED, 2)
