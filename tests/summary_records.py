"""Records for the tests of the summary: ledgers and findings documents of the same images, and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ecr_rescan.core.changes.findings import Finding, FindingsDocument, Image, Manifest, Opening
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.core.summary.summary import ConfigurationSummary, ImageSummary, Problem, Summary, summarise

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
REGISTRY, REGION, REPOSITORY = "123456789012", "us-east-1", "team/app"
PLACE = (REGISTRY, REGION, REPOSITORY)
INDEX = "application/vnd.oci.image.index.v1+json"
CRITICAL, HIGH, MEDIUM, LOW, UNDEFINED = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.MEDIUM,
    Severity.LOW,
    Severity.UNDEFINED,
)


def digest(name: object) -> str:
    return f"sha256:{name!s:0>64}"


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def configuration(number: int = 1, **members: Any) -> ScanConfiguration:
    defaults: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "created": NOW,
        "updated": NOW,
        "selected_since": NOW,
        "region": REGION,
        "registry": REGISTRY,
        "repository": (REPOSITORY,),
    }
    return ScanConfiguration(**(defaults | members))


def complete(ago: timedelta = timedelta(hours=3), **members: Any) -> ManifestRecord:
    return ManifestRecord(state=ScanState.COMPLETE, looked_up=True, completed_at=NOW - ago, **members)


def ledger(records: dict[str, ManifestRecord | None], *, repository: str = REPOSITORY, **members: Any) -> Ledger:
    """One single-platform image for each tag, the first the most recently pushed."""
    made = Ledger(REGISTRY, REGION, repository, since=NOW, listed_at=NOW)
    for position, (tag, record) in enumerate(records.items()):
        made.images[digest(tag)] = LedgerImage(NOW - timedelta(days=1 + position), tags={tag: NOW}, **members)
        if record is not None:
            made.manifests[digest(tag)] = record
    return made


def findings(
    tags: tuple[str, ...], found: dict[tuple[str, str], dict[str, dict[Severity, int]]], *, repository: str = REPOSITORY
) -> FindingsDocument:
    """A document of the same images, all with results; ``found`` is the affected manifests by version and severity."""
    document = FindingsDocument(REGISTRY, REGION, repository, since=NOW, changed_at=NOW)
    for position, tag in enumerate(tags):
        document.manifests.append(Manifest(digest(tag), result_at=NOW - hours(3)))
        pushed = NOW - timedelta(days=1 + position)
        document.images[digest(tag)] = Image(digest(tag), (tag,), pushed, 1 << position, pushed, NOW)
    for key, affected in found.items():
        document.findings[key] = Finding(NOW, NOW, openings=[Opening(NOW, affected)])
    return document


def one(
    held: Ledger | None,
    document: FindingsDocument | None = None,
    *problems: Problem,
    of: ScanConfiguration | None = None,
) -> ConfigurationSummary:
    summary = everything([of or configuration()], held, document, *problems)
    return summary.configurations[0]


def everything(
    configurations: list[ScanConfiguration],
    held: Ledger | None,
    document: FindingsDocument | None = None,
    *problems: Problem,
) -> Summary:
    return summarise(
        configurations,
        {} if held is None else {(held.registry, held.region, held.repository): held},
        {} if document is None else {(document.registry, document.region, document.repository): document},
        problems,
        at=NOW,
        days_allowed=DaysAllowed({HIGH: 30}),
    )


def only(item: ConfigurationSummary) -> ImageSummary:
    (image,) = item.images
    return image


def nonzero(counts: Any) -> dict[Severity, int]:
    return {severity: count for severity, count in counts.items() if count}
