"""Which findings a configuration doesn't want to hear about, on a given day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.patterns import is_exact, matches


class Suppressions:
    """The suppressions of a configuration that apply on a day (UTC): ``active``, in the order given."""

    def __init__(self, configuration: ScanConfiguration, on: date) -> None:
        self.active = tuple(suppression for suppression in configuration.ignore if suppression.applies_on(on))
        # Most name one vulnerability: they cost the other findings of a large repository nothing.
        self._named: dict[str, list[Suppression]] = {}
        self._globs: list[Suppression] = []
        for suppression in self.active:
            if is_exact(suppression.vulnerability):
                self._named.setdefault(suppression.vulnerability.upper(), []).append(suppression)
            else:
                self._globs.append(suppression)

    def matching(self, vulnerability: str, package: str) -> tuple[Suppression, ...]:
        """Those that a finding falls under in at least some images."""
        # In any letter case, as the search for an id: a person who writes cve-2026-1 means that one.
        wanted = vulnerability.upper()
        if not self._globs and wanted not in self._named:
            return ()
        named = self._named.get(wanted, [])
        globs = [one for one in self._globs if matches(wanted, (one.vulnerability.upper(),))]
        return tuple(one for one in (*named, *globs) if one.package is None or matches(package, (one.package,)))

    def used(self, hidden: Iterable[FindingKey]) -> tuple[tuple[Suppression, int], ...]:
        """The suppressions with how many of the hidden findings fall under each."""
        counts = dict.fromkeys(self.active, 0)
        for key in hidden:
            for suppression in self.matching(*key):
                counts[suppression] += 1
        return tuple(counts.items())


def hidden(suppressions: Iterable[Suppression], document: FindingsDocument) -> int:
    """The manifests in which a finding that falls under these is hidden: all, or those of images with their tags.

    One tag that no suppression names keeps an image, and one such image keeps its manifests, in sight.
    """
    tagged = []
    for suppression in suppressions:
        if not suppression.tags:
            return -1
        tagged.append(suppression)
    out_of_sight = in_sight = 0
    for image in document.images.values():
        if image.tags and all(any(matches(tag, one.tags) for one in tagged) for tag in image.tags):
            out_of_sight |= image.manifests
        else:
            in_sight |= image.manifests
    return out_of_sight & ~in_sight
