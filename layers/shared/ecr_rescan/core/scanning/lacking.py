"""Which images have no result, and why, in words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ecr_rescan.core.scan_result import NoResultReason
from ecr_rescan.core.scanning.enhanced import LEFT_OUT
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord, ScanState

_WORDS = {
    ScanState.FAILED: "failed",
    ScanState.UNSUPPORTED: "unsupported",
    ScanState.ARCHIVED: "archived",
    ScanState.EXPIRED: "out of Inspector's window",
    ScanState.UNAVAILABLE: "that ECR could not be asked about",
    ScanState.IN_PROGRESS: "with a scan in progress",
    ScanState.NEVER_SCANNED: "not scanned yet",
}
_UNRESOLVED = "with unknown platforms"
_LEFT_OUT = "left out by the registry's filters"
_QUOTA = "waiting for the account's quota"
_MAY_WAIT = frozenset({ScanState.NEVER_SCANNED, ScanState.UNAVAILABLE})
"""States in which the reason may name the account's quota: nothing was scanned, and whether a start was refused."""


def lacking_images(ledger: Ledger, selected: Iterable[str]) -> Iterator[tuple[str, ManifestRecord | None]]:
    """The selected images of which a platform has no result, with the first such; None where no platform is known."""
    for digest in selected:
        manifests = ledger.manifests_of(digest)
        if not manifests:
            yield digest, None
            continue
        for manifest in manifests:
            record = ledger.manifests.get(manifest) or ManifestRecord()
            if record.completed_at is None:
                yield digest, record
                break


def why_lacking(ledger: Ledger, selected: Iterable[str], *, paused: bool) -> Counter[str]:
    """How many of the selected images have no result, by reason. ``paused``: the account's daily quota is spent."""
    return Counter(_reason(record, paused) for _, record in lacking_images(ledger, selected))


def _reason(record: ManifestRecord | None, paused: bool) -> str:
    if record is None:
        return _UNRESOLVED
    if record.state is ScanState.NEVER_SCANNED and record.reason == LEFT_OUT:
        return _LEFT_OUT
    if record.state is ScanState.NEVER_SCANNED and paused:
        return _QUOTA
    if record.state in _MAY_WAIT and record.reason.startswith(NoResultReason.LIMIT_EXCEEDED):
        return _QUOTA
    return _WORDS[record.state]
