"""Where a vulnerability is: in which repositories and images, in which version, since when, and where it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.closing import TOLD
from ecr_rescan.core.changes.findings import Advisory, Closing, Finding, FindingKey, FindingsDocument, Opening
from ecr_rescan.core.changes.has_fix import DocumentFixes
from ecr_rescan.core.changes.masks import bits
from ecr_rescan.core.changes.suppressions import Suppressions, hidden
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.fixes.known import Fixes, fixable
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.fixes.words import MOST_FIXES, WIRE_BYTES, fixed_in, fixes_to_wire
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.known import NO_SIGNALS, Signal, Signals
from ecr_rescan.core.signals.wire import signal_to_wire
from ecr_rescan.core.summary.pages import Cursor, carried
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.core.text import clean, safe_link
from ecr_rescan.core.times import to_text

SCHEMA = 1
CURSOR = "ssssss"


@dataclass(frozen=True, slots=True)
class Place:
    """An image that has the vulnerability, for one package.

    ``digest`` is what the tags name, ``manifest`` what was scanned; ``stands_in``: the result is that of an earlier
    image, until this one has its own. ``since``: the repository has it without a break. ``configurations`` that select
    the image, by id, and ``suppressed_by``, those of them that don't want to hear of it. ``fixes``: whether it can be
    mended there, and how.
    """

    registry: str
    region: str
    repository: str
    digest: str
    tags: tuple[str, ...]
    platform: str | None
    manifest: str
    package: str
    version: str
    severity: Severity
    fixes: tuple[Fix, ...]
    since: datetime
    first_seen: datetime
    stands_in: bool
    configurations: tuple[str, ...]
    suppressed_by: tuple[str, ...]

    @property
    def fixed_in(self) -> str | None:
        """The version that mends it."""
        return fixed_in(self.fixes)

    @property
    def cursor(self) -> Cursor:
        """Its place in the order of all."""
        return self.registry, self.region, self.repository, self.digest, self.manifest, self.package


@dataclass(frozen=True, slots=True)
class Past:
    """A repository that had it. ``reason``: one of ``core.changes.closing.TOLD``."""

    registry: str
    region: str
    repository: str
    package: str
    severity: Severity
    tags: tuple[str, ...]
    opened: datetime
    closed: datetime
    reason: str
    configurations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Everything recorded of a vulnerability.

    ``signal``: what public lists say of it. ``searched``: repositories with a result that the configurations name;
    found nowhere in none of them says nothing.
    """

    vulnerability: str
    at: datetime
    uri: str | None
    score: str | None
    searched: int
    places: tuple[Place, ...]
    past: tuple[Past, ...]
    problems: tuple[Problem, ...]
    signal: Signal


def where(
    vulnerability: str,
    configurations: Sequence[ScanConfiguration],
    documents: Iterable[FindingsDocument],
    problems: Iterable[Problem],
    *,
    at: datetime,
    signals: Signals = NO_SIGNALS,
    only_fixable: bool = False,
) -> Whereabouts:
    """Look for a vulnerability, whatever the letter case of its id, in all that the configurations select.

    ``only_fixable``: leave out the images in which no upgrade mends it, as far as anybody knows.
    """
    wanted = vulnerability.upper()
    places: list[Place] = []
    past: list[Past] = []
    searched = 0
    naming = Naming(configurations)
    name, told = vulnerability, None
    for document in documents:
        searched += document.with_result != 0
        concerned = naming.of(_place(document))
        for key, finding in document.findings.items():
            if key[0].upper() != wanted:
                continue
            name = key[0]
            told = told or document.advisories.get(name)
            places += _places(document, key, finding, concerned, at, signals.fixes)
            past += _past(document, key, finding, concerned)
    if only_fixable:
        places = [place for place in places if fixable(place.fixes)]
    places.sort(key=lambda place: place.cursor)
    past.sort(key=lambda one: (-one.closed.timestamp(), one.registry, one.region, one.repository, one.package))
    found = told or Advisory("", "", None, None, "")
    return Whereabouts(
        vulnerability=name,
        at=at,
        uri=safe_link(found.uri),
        score=found.score,
        searched=searched,
        places=tuple(places),
        past=tuple(past),
        problems=tuple(sorted(problems, key=lambda problem: problem.key)),
        signal=signals.of(wanted),
    )


def _place(document: FindingsDocument) -> tuple[str, str, str]:
    return document.registry, document.region, document.repository


def _places(
    document: FindingsDocument,
    key: FindingKey,
    finding: Finding,
    naming: Sequence[ScanConfiguration],
    at: datetime,
    fixes: Fixes,
) -> Iterator[Place]:
    opening = finding.current
    if opening is None:
        return
    seen_by: dict[tuple[str, int], tuple[list[str], list[str], bool]] = {}
    for configuration in naming:
        seen = view(configuration, document)
        shown = as_seen(seen, document)
        matching = Suppressions(configuration, at.date()).matching(*key)
        hide = hidden(matching, shown) if matching else 0
        for digest, image in shown.images.items():
            for position in bits(image.manifests & opening.mask & seen.effective):
                stands_in = not document.images[digest].manifests >> position & 1
                selecting, suppressing, _ = seen_by.setdefault((digest, position), ([], [], stands_in))
                selecting.append(configuration.id)
                if hide >> position & 1:
                    suppressing.append(configuration.id)
    affected = dict(_affected(opening))
    known = DocumentFixes(document, fixes)
    for (digest, position), (selecting, suppressing, stands_in) in seen_by.items():
        manifest = document.manifests[position]
        if manifest is None:
            continue
        version, severity = affected[position]
        yield Place(
            *_place(document),
            digest=digest,
            tags=document.images[digest].tags,
            platform=manifest.platform,
            manifest=manifest.digest,
            package=key[1],
            version=version,
            severity=severity,
            fixes=known.of(key, finding, version, 1 << position),
            since=opening.at,
            first_seen=finding.first_seen,
            stands_in=stands_in,
            configurations=tuple(sorted(selecting)),
            suppressed_by=tuple(sorted(suppressing)),
        )


def _affected(opening: Opening) -> Iterator[tuple[int, tuple[str, Severity]]]:
    """Position of each manifest → version and severity; of several versions in one image the most severe."""
    graded: list[tuple[Severity, str, int]] = [
        (severity, version, mask) for version, parts in opening.affected.items() for severity, mask in parts.items()
    ]
    # The last one given for a position is kept.
    graded.sort(key=lambda part: (-ORDER[part[0]], part[1]))
    for severity, version, mask in graded:
        for position in bits(mask):
            yield position, (version, severity)


def _past(
    document: FindingsDocument, key: FindingKey, finding: Finding, naming: Sequence[ScanConfiguration]
) -> Iterator[Past]:
    for opening in finding.openings:
        closed: Closing | None = opening.closed
        if closed is None or closed.reason not in TOLD:
            continue
        concerned = tuple(sorted(one.id for one in naming if any(matches(tag, one.tags) for tag in closed.tags)))
        if concerned:
            yield Past(
                *_place(document),
                package=key[1],
                severity=closed.severity,
                tags=closed.tags,
                opened=opening.at,
                closed=closed.at,
                reason=closed.reason,
                configurations=concerned,
            )


def to_wire(found: Whereabouts, places: Sequence[Place], *, first: bool) -> dict[str, object]:
    """As JSON has it: a part of the places, and, on the ``first`` page, the past."""
    return {
        "schema": SCHEMA,
        "at": to_text(found.at),
        "vulnerability": found.vulnerability,
        "uri": found.uri,
        "score": None if found.score is None else clean(found.score, 20),
        **signal_to_wire(found.signal),
        "repositories_searched": found.searched,
        "repositories_affected": len({(place.registry, place.region, place.repository) for place in found.places}),
        "images_affected": len(
            {(place.registry, place.region, place.repository, place.digest) for place in found.places}
        ),
        "places": [_place_to_wire(place) for place in places],
        "past": [_past_to_wire(one) for one in found.past] if first else [],
        "problems": [{"key": problem.key, "problem": problem.problem} for problem in found.problems],
    }


def _place_to_wire(place: Place) -> Mapping[str, object]:
    return {
        "registry": place.registry,
        "region": place.region,
        "repository": place.repository,
        "digest": place.digest,
        "tags": place.tags,
        "platform": place.platform,
        "manifest": place.manifest,
        "package": clean(place.package, 256),
        "version": clean(place.version, 256),
        "severity": place.severity,
        "fixed_in": None if place.fixed_in is None else clean(place.fixed_in, 256),
        **fixes_to_wire(place.fixes),
        "since": to_text(place.since),
        "first_seen": to_text(place.first_seen),
        "stands_in": place.stands_in,
        "configurations": place.configurations,
        "suppressed_by": place.suppressed_by,
    }


def _past_to_wire(one: Past) -> Mapping[str, object]:
    return {
        "registry": one.registry,
        "region": one.region,
        "repository": one.repository,
        "package": clean(one.package, 256),
        "severity": one.severity,
        "tags": one.tags,
        "opened": to_text(one.opened),
        "closed": to_text(one.closed),
        "reason": one.reason,
        "configurations": one.configurations,
    }


def size(place: Place) -> int:
    """What a place takes in JSON, at most."""
    names_of = (place.repository, place.package[:256], place.version[:256], (place.fixed_in or "")[:256])
    text = sum(map(carried, names_of)) + carried(place.platform or "") + sum(len(tag) + 5 for tag in place.tags)
    return (
        800
        + WIRE_BYTES
        + text
        + sum(carried(fix.version[:256]) for fix in place.fixes[:MOST_FIXES])
        + 50 * (len(place.configurations) + len(place.suppressed_by))
    )
