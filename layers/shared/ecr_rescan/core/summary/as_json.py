"""The summary as JSON has it: version 1 of its schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime

from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.wire import signals_to_wire
from ecr_rescan.core.summary import others
from ecr_rescan.core.summary.ages import Age
from ecr_rescan.core.summary.pages import Row, carried
from ecr_rescan.core.summary.summary import (
    COVERAGE,
    ConfigurationSummary,
    ExploitedCount,
    ImageSummary,
    StateCounts,
    Summary,
)
from ecr_rescan.core.times import to_text
from ecr_rescan.core.version import VERSION

SCHEMA = 1

_text = functools.lru_cache(maxsize=4096)(to_text)


def to_wire(summary: Summary) -> dict[str, object]:
    """The summary as JSON has it."""
    totals = summary.totals
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "at": to_text(summary.at),
        "totals": {
            "configurations": totals.configurations,
            "repositories": totals.repositories,
            "images": totals.images,
            "counts": totals.counts,
            "fixable": totals.fixable,
            "exploited": _exploited_to_wire(totals.exploited),
            "ages": _ages_to_wire(totals.ages, summary.at),
            "changes": totals.changes,
            "coverage": coverage_to_wire(totals.coverage),
            "not_images": sum(totals.not_images.values()),
        },
        "configurations": [_configuration_to_wire(item, summary.at) for item in summary.configurations],
        "problems": [{"key": problem.key, "problem": problem.problem} for problem in summary.problems],
        "signals": signals_to_wire(summary.signals),
    }


def _configuration_to_wire(item: ConfigurationSummary, at: datetime) -> dict[str, object]:
    configuration = item.configuration.to_wire()
    named = ("id", "description", "owner", "registry", "region", "repository", "tags", "newest", "severity")
    return {
        **{name: configuration[name] for name in named},
        "coverage": coverage_to_wire(item.coverage),
        "counts": item.counts,
        "fixable": item.fixable,
        "exploited": _exploited_to_wire(item.exploited),
        "suppressed": item.suppressed,
        "ages": _ages_to_wire(item.ages, at),
        "changes": item.changes,
        "resolved": item.resolved,
        "ignore": [suppression.to_wire() | {"findings": hidden} for suppression, hidden in item.ignoring],
        "problems": item.problems,
        "not_images": others.to_wire(item.not_images),
        "images": [_image_to_wire(image) for image in item.images],
    }


def _exploited_to_wire(count: ExploitedCount | None) -> dict[str, object] | None:
    if count is None:
        return None
    return {"findings": count.findings, "days_allowed": count.days_allowed, "beyond": count.beyond}


def _ages_to_wire(ages: Mapping[Severity, Age], at: datetime) -> dict[str, object]:
    return {
        severity: {
            "oldest_since": _text(age.oldest_since),
            "oldest_days": (at - age.oldest_since).days,
            "days_allowed": age.days_allowed,
            "beyond": age.beyond,
        }
        for severity, age in ages.items()
    }


def coverage_to_wire(coverage: StateCounts) -> dict[str, int]:
    """How many images are selected, and how many of them are in each state."""
    return {"selected": coverage.selected} | {name: coverage.states.get(state, 0) for name, state in COVERAGE.items()}


def _image_to_wire(image: ImageSummary) -> dict[str, object]:
    status = image.status
    return {
        "repository": image.repository,
        "digest": image.digest,
        "tags": image.tags,
        "platform": status.platform,
        "manifest": status.manifest,
        "state": status.state,
        "reason": status.reason,
        "scanned_at": status.scanned_at and _text(status.scanned_at),
        "next_due": status.next_due and _text(status.next_due),
        "pushed_at": _text(image.pushed_at),
        "counts": image.counts,
        "suppressed": image.suppressed,
        "exploited": image.exploited,
        "upgrades": image.upgrades and {"packages": image.upgrades.packages, "findings": image.upgrades.findings},
        "release": image.release,
    }


def size(row: Row) -> int:
    """What a configuration or an image takes, at most."""
    item, image = row
    if image is not None:
        # Everything but these is short, or bounded.
        return 760 + len(image.repository) + carried(image.status.reason) + sum(len(tag) + 5 for tag in image.tags)
    one = item.configuration
    listed = (*one.repository, *one.tags, *item.problems)
    told = (
        4_000
        + others.size(item.not_images)
        + carried(one.description or "")
        + carried(one.owner or "")
        + sum(carried(text) + 5 for text in listed)
    )
    return told + sum(
        200
        + carried(entry.reason)
        + carried(entry.vulnerability)
        + carried(entry.package or "")
        + sum(map(len, entry.tags))
        for entry, _ in item.ignoring
    )
