"""What a message says: readable in a mail, most severe first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecr_rescan.core.alerts import Alert
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.text import clean, safe_link
from ecr_rescan.core.times import to_text

_KINDS = {
    "new": "new",
    "spread": "in another repository",
    "reopened": "back again",
    "escalated": "more severe",
    "baseline": "found at first",
}
MAX_ALERTS = 500
"""Alerts named one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a topic: ``attributes`` are for subscribers' filters."""

    subject: str
    text: str
    attributes: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def name_of(configuration: ScanConfiguration) -> str:
    """What a configuration is called in a message: its description, else its repositories."""
    return clean(configuration.description or ", ".join(configuration.repository), 60)


def changes_message(configuration: ScanConfiguration, alerts: Sequence[Alert], base_url: str | None) -> Message:
    """One message for all alerts of a configuration in a batch."""
    ordered = sorted(alerts, key=lambda alert: (ORDER[alert.severity], alert.vulnerability, alert.package, alert.id))
    counts = Counter(alert.severity for alert in ordered)
    totals = ", ".join(f"{counts[severity]} {severity}" for severity in sorted(counts, key=ORDER.__getitem__))
    blocks = [_block(alert) for alert in ordered[:MAX_ALERTS]]
    if len(ordered) > MAX_ALERTS:
        blocks.append(f"… and {len(ordered) - MAX_ALERTS} more")
    return Message(
        subject=f"{totals}: {name_of(configuration)}",
        text="\n\n".join([f"Changes in {name_of(configuration)}: {totals}", *blocks, _footer(configuration, base_url)]),
        attributes={
            **_who(configuration),
            "severity": ordered[0].severity.value,
            "changes": sorted({alert.kind for alert in ordered}),
            "repositories": sorted({repository for alert in ordered for repository in alert.repositories})[:50],
        },
    )


def baseline_message(
    configuration: ScanConfiguration,
    repositories: Sequence[str],
    counts: Mapping[Severity, int],
    waiting: int,
    base_url: str | None,
) -> Message:
    """One message for everything that was there when a configuration, or a repository, was new.

    Args:
        configuration: whose.
        repositories: those that are new to it.
        counts: open findings in them by severity, suppressed ones left out.
        waiting: images that still have no result.
        base_url: the API's, where it is known.
    """
    totals = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts.get(severity))
    lines = [
        f"This is what {name_of(configuration)} starts from; from now on only changes are sent.",
        f"{len(repositories)} new to it: {', '.join(repositories[:20])}"
        + (f" and {len(repositories) - 20} more" if len(repositories) > 20 else ""),
        f"Open findings: {totals or 'none'}",
    ]
    if waiting:
        lines.append(f"{waiting} images have no result yet; what they bring later is not sent one by one either.")
    return Message(
        subject=f"Baseline: {name_of(configuration)}: {totals or 'no findings'}",
        text="\n\n".join([*lines, _footer(configuration, base_url)]),
        attributes={**_who(configuration), "changes": ["baseline"], "repositories": list(repositories)[:50]},
    )


def _who(configuration: ScanConfiguration) -> dict[str, str]:
    return {"configuration": configuration.id, "owner": configuration.owner or ""}


def _block(alert: Alert) -> str:
    package = f" in {clean(alert.package, 100)}" if alert.package else ""
    kind = _KINDS[alert.kind]
    lines = [f"{alert.severity} {clean(alert.vulnerability, 100)}{package} ({kind})"]
    for occurrence in alert.occurrences[:20]:
        version = f" {clean(occurrence.version, 100)}" if occurrence.version else ""
        document = occurrence.document
        tags = sorted(
            {tag for image in document.images.values() if image.manifests & occurrence.mask for tag in image.tags}
        )
        named = ", ".join(tags[:10]) + (f" and {len(tags) - 10} more tags" if len(tags) > 10 else "")
        lines.append(f"  {document.repository}: {named}{version}")
    if len(alert.occurrences) > 20:
        lines.append(f"  … and {len(alert.occurrences) - 20} more")
    if alert.fixed_in:
        lines.append(f"  fixed in {clean(alert.fixed_in, 200)}")
    lines.append(f"  first seen {to_text(alert.first_seen)}")
    link = safe_link(alert.advisory.uri)
    return "\n".join([*lines, f"  {link}"] if link else lines)


def _footer(configuration: ScanConfiguration, base_url: str | None) -> str:
    where = f"{base_url}/summary/{configuration.id}" if base_url else f"configuration {configuration.id}"
    return f"Everything: {where}"
