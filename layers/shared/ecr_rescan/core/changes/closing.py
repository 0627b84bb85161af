"""Why a finding closes, and when it does not yet: data that vanishes at once from an image that never changed.

An image is its digest, so a later result of the same image that lacks a finding mends nothing: the advisory data
changed, or went away. Only another image that takes the place without the finding has it fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument, Manifest
from ecr_rescan.core.changes.masks import MaskCounter, bits

FIXED, WITHDRAWN, GONE, UNSELECTED, SCAN_TYPE = "fixed", "withdrawn", "gone", "unselected", "scan type"
"""Another image without it took the place; a later result of the same image lacks it; the images were deleted; nobody
selects them any more; the registry changed between basic and enhanced scanning."""

TOLD = (FIXED, WITHDRAWN, GONE)
"""The reasons that make a resolved alert."""

VANISHED_OF = 10
"""So many findings an image must have had before their vanishing is suspicious."""

HELD_FOR = timedelta(days=7)
"""How long findings that vanished at once are kept open, waiting to come back."""


def believed(
    document: FindingsDocument, reported: Mapping[FindingKey, int], fresh: int, other_scan_type: int, now: datetime
) -> int:
    """Decide which new results are believed, and note on the manifests since when the others lack most.

    A result that lacks more than half of ten or more open findings of the same image is not, for seven days; then it
    is. One of another scan type is believed: it names everything anew.

    Args:
        reported: finding → the manifests in whose new result it is.
        fresh: the manifests that have a new result.
        other_scan_type: those of them whose scan type changed.

    Returns:
        Those that are believed.
    """
    had, lost = MaskCounter(), MaskCounter()
    for key, finding in document.findings.items():
        opening = finding.current
        if opening is not None and (mask := opening.mask & fresh):
            had.add(mask)
            lost.add(mask & ~reported.get(key, 0))
    places = len(document.manifests)
    numbers = list(zip(had.counts(places), lost.counts(places), strict=True))
    for position in bits(fresh):
        manifest = document.manifests[position]
        assert manifest is not None
        before, missing = numbers[position]
        suspicious = before >= VANISHED_OF and missing * 2 > before and not other_scan_type >> position & 1
        if suspicious and _holds(manifest, now):
            fresh ^= 1 << position
        else:
            manifest.vanished_at = None
    return fresh


def _holds(manifest: Manifest, now: datetime) -> bool:
    if manifest.vanished_at is None:
        manifest.vanished_at = now
    return now - manifest.vanished_at < HELD_FOR
