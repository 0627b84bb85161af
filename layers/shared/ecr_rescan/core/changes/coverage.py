"""How much of what a configuration selects the findings documents speak for: what is missing is said, not implied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.view import view
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.releases import release
from ecr_rescan.core.text import clean, enumerated

_REASON_LIMIT = 100
_REASONS_SHOWN = 8
LEFT_OUT = "left out by the registry's filters"
"""Of an image in whose repository Amazon Inspector scans nothing."""

_NO_RESULT_EVER = ("UNSUPPORTED", "ARCHIVED", "EXPIRED", LEFT_OUT)
"""States of a scan after which none is to be waited for."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Selected images, counted over repositories.

    ``with_results``: all their platforms have one. ``standing_in``: findings of an earlier image count for them until
    they have. ``waiting``: nothing speaks for them, or for a platform of theirs, and a result may come; ``unseen``:
    those of them of which no scan has said anything, not even that it failed. ``unconfirmed``: the reason why their
    newest scan gave no result → how many. ``answerable``: whether any findings count at all. ``ended``: releases of
    theirs whose security support has ended. ``nothing_matches``: a complete listing has no repository for them.
    """

    repositories: int
    selected: int
    with_results: int
    standing_in: int
    waiting: int
    unseen: int
    unconfirmed: tuple[tuple[str, int], ...]
    answerable: bool
    ended: tuple[str, ...] = ()
    nothing_matches: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether a feed of this can be read for what it is: results count, or all was looked at that there is.

        A repository that is known was listed; of one that is empty, or holds nothing to scan, the feed says so.
        """
        return self.answerable or self.nothing_matches or (self.repositories > 0 and not self.unseen)

    def sentence(self) -> str:
        """What a reader of the findings must know about what they don't cover."""
        if self.nothing_matches:
            return (
                "No repository matches, by a complete listing of the registry, so nothing is known of vulnerabilities."
            )
        if not self.selected:
            return "No image is selected, so nothing is known of vulnerabilities."
        parts = [f"{self.with_results} of {self.selected} selected images have results"]
        if not self.answerable:
            parts.append("nothing is known of vulnerabilities")
        if self.standing_in:
            parts.append(f"{self.standing_in} are shown with the findings of an earlier image until scanned")
        if self.unconfirmed:
            parts.append(f"newest scan without a result: {self._reasons()}")
        if self.ended:
            parts.append(f"end of life, so that nobody reports what is found in it: {enumerated(self.ended)}")
        return "; ".join(parts) + "."

    def why_not_ready(self, configuration: ScanConfiguration) -> str:
        """Why there is nothing to answer yet, for a person."""
        if not self.repositories:
            where = f"{enumerated(configuration.repository)} in {configuration.registry}/{configuration.region}"
            return f"No repository has been seen yet that matches {where}."
        failed = f" Without a result so far: {self._reasons()}." if self.unconfirmed else ""
        return f"{self.selected} selected images are waiting for their first result.{failed}"

    def _reasons(self) -> str:
        return enumerated([f"{count} {reason}" for reason, count in self.unconfirmed], _REASONS_SHOWN)


def coverage(
    configuration: ScanConfiguration,
    documents: Iterable[FindingsDocument],
    *,
    on: date | None = None,
    nothing_matches: bool = False,
) -> Coverage:
    """Count the images that a configuration selects by what is known of them.

    ``on``: the day for ends of support. ``nothing_matches``: whether a complete listing has no repository for it.
    """
    releases: set[str] = set()
    repositories = selected = with_results = standing_in = waiting = unseen = 0
    answerable = False
    unconfirmed: Counter[str] = Counter()
    for document in documents:
        seen = view(configuration, document)
        with_result = document.with_result
        repositories += 1
        selected += len(seen.images)
        standing_in += len(seen.stand_ins)
        answerable = answerable or seen.effective != 0
        told = {one.release for one in document.manifests_of(seen.selected) if one.release}
        releases |= {name for name in told if on and (found := release(name)) and found.ended_on(on)}
        for digest in seen.images:
            manifests = document.images[digest].manifests
            with_results += manifests != 0 and not manifests & ~with_result
            if digest not in seen.stand_ins:
                # Before its platforms are known, nothing is known of an image.
                lacking = [one.unconfirmed for one in document.manifests_of(manifests & ~with_result)]
                waiting += not manifests or any(_state(reason) not in _NO_RESULT_EVER for reason in lacking)
                unseen += not manifests or None in lacking
            reasons = {manifest.unconfirmed for manifest in document.manifests_of(manifests)} - {None}
            unconfirmed.update(clean(reason, _REASON_LIMIT) for reason in reasons if reason)
    return Coverage(
        repositories=repositories,
        selected=selected,
        with_results=with_results,
        standing_in=standing_in,
        waiting=waiting,
        unseen=unseen,
        unconfirmed=tuple(sorted(unconfirmed.items(), key=lambda item: (-item[1], item[0]))),
        answerable=answerable,
        ended=tuple(sorted(releases)),
        nothing_matches=nothing_matches,
    )


def _state(reason: str | None) -> str | None:
    """The state that a reason begins with; ECR's words may follow."""
    return reason and reason.partition(": ")[0]
