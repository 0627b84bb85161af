"""The summary as a table: a line for each image and platform, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.pages import Row, carried
from ecr_rescan.core.summary.summary import ConfigurationSummary, ImageSummary, Summary
from ecr_rescan.core.text import clean
from ecr_rescan.core.times import to_text

COLUMNS = (
    *("configuration", "owner", "registry", "region", "repository", "tags", "digest", "platform", "manifest"),
    *("state", "reason", "pushed_at", "scanned_at", "next_due"),
    *(severity.value.lower() for severity in Severity),
    *("suppressed", "exploited", "upgrades", "fixable", "release"),
)

_LONGEST_CELL = 32_000
# OWASP, CSV Injection: what a spreadsheet takes for the beginning of a formula, in full width, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def to_csv(summary: Summary) -> str:
    """RFC 4180 with a heading; a cell is empty where there is no such thing, never 0."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in summary.configurations:
        writer.writerows(_line(item, image) for image in item.images)
    return written.getvalue()


def _line(item: ConfigurationSummary, image: ImageSummary) -> list[str]:
    configuration, status = item.configuration, image.status
    moments = (image.pushed_at, status.scanned_at, status.next_due)
    texts = (
        *(configuration.id, configuration.owner, configuration.registry, configuration.region),
        *(image.repository, " ".join(image.tags), image.digest, status.platform, status.manifest),
        *(status.state, status.reason),
    )
    counts = image.counts or {}
    return [
        *(cell(text) for text in texts),
        *("" if moment is None else to_text(moment) for moment in moments),
        *(str(counts.get(severity, "")) for severity in Severity),
        "" if image.suppressed is None else str(image.suppressed),
        "" if image.exploited is None else str(image.exploited),
        "" if image.upgrades is None else str(image.upgrades.packages),
        "" if image.upgrades is None else str(image.upgrades.findings),
        cell(image.release),
    ]


def size(row: Row) -> int:
    """What a line takes, at most; a configuration has none of its own."""
    item, image = row
    if image is None:
        return 0
    texts = (item.configuration.owner or "", image.repository, image.status.reason, image.status.platform or "")
    return 440 + sum(map(carried, texts)) + sum(len(tag) + 1 for tag in image.tags)


def cell(text: str | None) -> str:
    """Text as a cell that no spreadsheet takes for a formula."""
    shown = clean(text or "", _LONGEST_CELL)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
