"""What holds for a while and is told when it begins: releases that end, and data that vanished at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ecr_rescan.core.changes.closing import HELD_FOR
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.view import Selector, view
from ecr_rescan.core.releases import SOON, release


@dataclass(frozen=True, slots=True)
class State:
    """``name`` is what makes it the same the next day; ``sentence`` tells a person, without foreign text but names."""

    name: str
    sentence: str
    repositories: tuple[str, ...]


def has_states(document: FindingsDocument, on: date) -> bool:
    """Whether there may be any in a document: most have none."""
    return any(
        manifest is not None and (manifest.vanished_at is not None or _stage(manifest.release, on))
        for manifest in document.manifests
    )


def states(selector: Selector, documents: Iterable[FindingsDocument], on: date) -> list[State]:
    """Those of a configuration's images on a day (UTC), by name."""
    ending: dict[tuple[str, str], dict[str, int]] = {}
    found = []
    for document in documents:
        for manifest in document.manifests_of(view(selector, document).selected):
            stage = _stage(manifest.release, on)
            if stage and manifest.release:
                images = ending.setdefault((manifest.release, stage), {})
                images[document.repository] = images.get(document.repository, 0) + 1
            if manifest.vanished_at is not None:
                found.append(_vanished(document.repository, manifest.digest, manifest.vanished_at.date()))
    found += [_ending(name, stage, images) for (name, stage), images in ending.items()]
    return sorted(found, key=lambda state: state.name)


def _stage(name: str | None, on: date) -> str:
    known = release(name) if name else None
    if known is None or known.ends is None:
        return ""
    return "ended" if known.ended_on(on) else "ending" if known.ends - on <= SOON else ""


def _ending(name: str, stage: str, images: dict[str, int]) -> State:
    known = release(name)
    assert known is not None
    number = sum(images.values())
    of = f"{number} image{'' if number == 1 else 's'}"
    if stage == "ended":
        said = f"{name} has had no security support since {known.ends}: nobody reports what is found in {of}."
    else:
        said = f"The security support of {name} ends on {known.ends}: then nobody reports what is found in {of}."
    return State(f"{stage} {name}", said, tuple(sorted(images)))


def _vanished(repository: str, digest: str, since: date) -> State:
    lacking = f"Since {since} results of an unchanged image of {repository} lack most of what they had."
    kept = f"Its findings stay open for {HELD_FOR.days} days, and are withdrawn where they do not come back."
    return State(f"vanished {repository} {digest}", f"{lacking} {kept}", (repository,))
