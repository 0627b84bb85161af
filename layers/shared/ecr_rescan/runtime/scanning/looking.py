"""Asking ECR about one repository: what it holds, what its indexes are made of, what the scans found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.scan_result import NoResult, ScanResult, ScanType
from ecr_rescan.core.scanning.facts import Facts
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import Holders


def list_repository(registry: Registry, ledger: Ledger, facts: Facts) -> None:
    """Add a complete listing to the facts, or why there is none. ``ledger``: as it was read before."""
    facts.listed_over = Holders.of(ledger)
    try:
        facts.details = registry.images(ledger.repository)
    except RegistryError as error:
        if error.code == "RepositoryNotFoundException":
            facts.missing = True
        else:
            facts.problem, facts.refused = f"{error.code}: {error.message}", error.refused


def resolve(registry: Registry, repository: str, indexes: Sequence[str], facts: Facts) -> None:
    """Add the children of indexes to the facts, or why they could not be told."""
    if not indexes:
        return
    for digest, resolved in registry.children(repository, indexes).items():
        if resolved.children is None:
            facts.unresolved[digest] = resolved.reason
        else:
            facts.children[digest] = resolved.children


def look_up(
    registry: Registry, repository: str, digests: Iterable[str], scan_type: ScanType, calls: Executor
) -> list[ScanResult | NoResult]:
    """What ECR has on each of these manifests; nothing is said of those that there is no time to ask about."""

    def look(digest: str) -> ScanResult | NoResult | None:
        return look_at(registry, repository, digest, scan_type) if registry.may_ask() else None

    return [answer for answer in calls.map(look, digests) if answer is not None]


def look_at(registry: Registry, repository: str, digest: str, scan_type: ScanType) -> ScanResult | NoResult:
    """What ECR has on a manifest.

    A registry may have gone over to enhanced scanning within the hour: then the reply shows it. That it is no longer
    enhanced, a clean reply does not show.
    """
    known = scan_type if scan_type is ScanType.ENHANCED else None
    return registry.findings(repository, digest, scan_type=known)
