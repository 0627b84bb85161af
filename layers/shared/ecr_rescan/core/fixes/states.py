"""Whether a finding can be fixed: one state for each (release, package, installed version, vulnerability).

Nothing is guessed: where the data contradicts the finding, or says nothing of it, the answer is ``unknown`` and why.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ecr_rescan.core.fixes.distributions import ALPINE, PRO, Distribution, distribution_of, release_order
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.fixes.versions import below


class FixState(enum.StrEnum):
    """In the words of the wire."""

    FIXED = "fixed"
    EXTENDED = "extended_support"
    NEWER = "newer_release"
    NONE = "no_fix"
    ENDED = "end_of_life"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fix:
    """``version`` mends it: in this release (fixed), for subscribers (extended support), or in ``release`` (newer).

    ``since``: when this service first read of the fix; None where it did in its first reading, or ECR said it.
    ``known_at``: since when the state is known as it is; None where nobody had to look it up. ``pending``: it will be
    looked up. ``why``: of unknown alone, as the end of a sentence.
    """

    state: FixState
    version: str = ""
    release: str = ""
    since: datetime | None = None
    why: str = ""
    known_at: datetime | None = None
    pending: bool = False

    @property
    def fixable(self) -> bool:
        """Whether an upgrade within the image's release mends it."""
        return self.state is FixState.FIXED


def unknown(why: str) -> Fix:
    """Nobody knows, and why."""
    return Fix(FixState.UNKNOWN, why=why)


NO_DISTRIBUTION = unknown("the image's distribution is not known")
NO_SOURCE = unknown("there is no public fix data for its distribution")
NOT_READ = replace(unknown("the public fix data was not read yet"), pending=True)
NO_RECORD = unknown("the distribution has no record of it")
_WITHDRAWN = unknown("the distribution withdrew its record")
_NO_PACKAGE = unknown("the distribution's record does not name the package")
_NO_RELEASE = unknown("the distribution's record does not name the release")
_REACHED = unknown("by the distribution's record the installed version is not affected")
_ODD_VERSION = unknown("the installed version can't be compared")
_MIXED = unknown("the distribution's record contradicts itself")
_RELEASES_DIFFER = unknown("the release is not known, and releases differ")


def fix_of(release: str | None, package: str, installed: str, record: Record | None) -> Fix:
    """The state of a finding.

    Args:
        release: of the image, such as ``Debian 12``; ``Alpine`` where only the distribution is known.
        record: what the distribution's data says of the vulnerability; None where it has none.
    """
    found = distribution_of(release)
    if found is None:
        return NO_SOURCE if release else NO_DISTRIBUTION
    distribution, number = found
    if record is None:
        return NO_RECORD
    if record.withdrawn:
        return _WITHDRAWN
    releases = record.packages.get(package) or record.binaries.get(package)
    if not releases:
        return _NO_PACKAGE
    if number:
        return _in_release(distribution, number, installed, releases)
    return _in_some_release(distribution, installed, releases)


def _in_release(
    distribution: Distribution, number: str, installed: str, releases: Mapping[str, tuple[Span, ...]]
) -> Fix:
    own = _by_spans(distribution, number, installed, releases)
    if own is None or own.state is FixState.NONE:
        paid = _by_spans(distribution, f"{number}{PRO}", installed, releases)
        if paid is not None and paid.fixable:
            return Fix(FixState.EXTENDED, paid.version, since=paid.since)
        if paid is not None and paid.state is FixState.UNKNOWN:
            return paid
        # Where there is no entry of its own, the release is past its free support, or the package never had any.
        own = own or paid
    if own is None:
        return _NO_RELEASE
    return (_newer(distribution, number, installed, releases) or own) if own.state is FixState.NONE else own


def _by_spans(
    distribution: Distribution, release: str, installed: str, releases: Mapping[str, tuple[Span, ...]]
) -> Fix | None:
    """What one release's entries say; None where there are none."""
    spans = releases.get(release)
    if not spans:
        return None
    contains = [(span, _contains(distribution, span, installed)) for span in spans]
    if any(inside is None for _, inside in contains):
        return _ODD_VERSION
    inside = [span for span, is_inside in contains if is_inside]
    if not inside:
        return _REACHED
    fixed = [span for span in inside if span.fixed]
    if fixed and len(fixed) < len(inside):
        return _MIXED
    if not fixed:
        return Fix(FixState.ENDED if all(span.ended for span in inside) else FixState.NONE)
    # Several advisories may have mended the same package, one after the other: the next one is what closes it.
    lowest = min(fixed, key=lambda span: distribution.order(span.fixed) or ())
    return Fix(FixState.FIXED, lowest.fixed, since=lowest.fixed_at)


def _contains(distribution: Distribution, span: Span, installed: str) -> bool | None:
    after = not below(distribution.order, installed, span.introduced) if span.introduced else True
    if not span.fixed:
        return after if distribution.order(installed) is not None else None
    before = below(distribution.order, installed, span.fixed)
    return None if before is None else before and after


def _newer(
    distribution: Distribution, number: str, installed: str, releases: Mapping[str, tuple[Span, ...]]
) -> Fix | None:
    """The nearest newer release with a fix that everybody gets; None where there is none."""
    for release in sorted(releases, key=release_order):
        if release.endswith(PRO) or release_order(release) <= release_order(number):
            continue
        fixed = [span for span in releases[release] if span.fixed and span.fixed != "0"]
        if fixed and len(fixed) == len(releases[release]):
            highest = max(fixed, key=lambda span: distribution.order(span.fixed) or ())
            if not below(distribution.order, installed, highest.fixed):
                # A package of the newer release in the older one: whether it is affected, nobody says.
                return _REACHED
            return Fix(FixState.NEWER, highest.fixed, f"{distribution.name} {release}", since=highest.fixed_at)
    return None


def _in_some_release(distribution: Distribution, installed: str, releases: Mapping[str, tuple[Span, ...]]) -> Fix:
    """Where only the distribution is known: what all releases say that can be meant."""
    numbers = dict.fromkeys(release.removesuffix(PRO) for release in sorted(releases, key=release_order))
    said = [_in_release(distribution, number, installed, releases) for number in numbers]
    possible = [fix for fix in said if fix is not _REACHED]
    if not possible:
        return _REACHED
    if distribution is ALPINE and all(fix.fixable for fix in possible):
        # Older releases are at lower versions: the lowest fix above the installed version is its own release's.
        return min(possible, key=lambda fix: distribution.order(fix.version) or ())
    if len({(fix.state, fix.version if fix.fixable else "") for fix in possible}) == 1:
        return possible[0]
    return _RELEASES_DIFFER
