"""Enhanced scanning goes by Amazon Inspector's clock and the registry's filters, not by the 24 hours of basic scanning.

Facts: Amazon ECR User Guide, "Enhanced scanning" and "Filters": Inspector scans an image when it is pushed and when a
vulnerability becomes known that concerns it, as long as the image is in its window; a repository that no filter matches
is not scanned. A filter without ``*`` matches any part of a name, one with it the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult, ScanType
from ecr_rescan.core.scanning.ledger import ManifestRecord

LEFT_OUT = "the registry's scanning filters leave its repository out, so Amazon Inspector does not scan it"


def confirmed_at(record: ManifestRecord) -> datetime | None:
    """As of when the newest complete result is known to hold.

    A basic result holds as of its scan. An enhanced one is Inspector's to renew: it holds as of when it was last read.
    """
    if record.scan_type is ScanType.ENHANCED and record.completed_at is not None:
        return max(record.completed_at, record.read_at or record.completed_at)
    return record.completed_at


def leaves_out(scan_type: ScanType, filters: Sequence[str], repository: str) -> bool:
    """Whether the registry's filters keep Inspector from scanning a repository; not where none are known."""
    return (
        scan_type is ScanType.ENHANCED
        and bool(filters)
        and not any(_compiled(text).fullmatch(repository) for text in filters)
    )


def explained(answers: Iterable[ScanResult | NoResult], *, left_out: bool) -> list[ScanResult | NoResult]:
    """The answers; those that there is no scan of images whose repository is left out say so."""
    return [
        replace(answer, detail=LEFT_OUT)
        if left_out and isinstance(answer, NoResult) and answer.reason is NoResultReason.NEVER_SCANNED
        else answer
        for answer in answers
    ]


@lru_cache(maxsize=1024)
def _compiled(text: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in text.split("*")]
    return re.compile(".*".join(parts if len(parts) > 1 else ["", *parts, ""]), re.DOTALL)
