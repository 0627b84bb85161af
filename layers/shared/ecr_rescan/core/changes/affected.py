"""Who is affected by a finding: version of the package → severity → mask of manifests. None of these change it."""

from __future__ import annotations

from ecr_rescan.core.severity import Severity

Affected = dict[str, dict[Severity, int]]


def everybody(affected: Affected) -> int:
    """All affected manifests."""
    mask = 0
    for parts in affected.values():
        for part in parts.values():
            mask |= part
    return mask


def at_least(affected: Affected, severity: Severity) -> int:
    """The manifests affected with that severity or a higher one."""
    mask = 0
    for parts in affected.values():
        for own, part in parts.items():
            if own.rank >= severity.rank:
                mask |= part
    return mask


def without(affected: Affected, mask: int) -> Affected:
    """A copy without some manifests, and without what is empty then."""
    kept: Affected = {}
    for version, parts in affected.items():
        left = {severity: part & ~mask for severity, part in parts.items() if part & ~mask}
        if left:
            kept[version] = left
    return kept


def difference(before: Affected, after: Affected) -> int:
    """The manifests whose part in a finding changed."""
    mask = 0
    for version in {*before, *after}:
        old, new = before.get(version, {}), after.get(version, {})
        for severity in {*old, *new}:
            mask |= old.get(severity, 0) ^ new.get(severity, 0)
    return mask
