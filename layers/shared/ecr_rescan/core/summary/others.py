"""What a configuration's names and tags cover that is no image: listed apart, for it takes no image's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ecr_rescan.core.changes.view import ranked
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scanning.artifacts import by_kind, kind_of, other_artifacts, type_of
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.text import clean
from ecr_rescan.core.times import to_text

MOST_LISTED = 20
MOST_TAGS = 5
_LONGEST_TYPE = 255


@dataclass(frozen=True, slots=True)
class OtherArtifact:
    """A build cache, a Helm chart, a WebAssembly module …; ``media_type`` is what tells its kind, as ECR has it."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    kind: str
    media_type: str
    pushed_at: datetime


@dataclass(frozen=True, slots=True)
class OtherArtifacts:
    """``kinds``: how many there are of each, with signatures and the like, which are attached to images and have no
    tags of their own. ``first``: those with tags, the first 20."""

    kinds: Mapping[str, int]
    first: tuple[OtherArtifact, ...]


def find_others(configuration: ScanConfiguration, ledgers: Iterable[Ledger]) -> OtherArtifacts:
    """What there is beside images in the repositories that a configuration names, under the tags that it selects."""
    kinds: Counter[str] = Counter()
    first: list[OtherArtifact] = []
    for ledger in ledgers:
        others = other_artifacts(ledger.images)
        chosen = ranked(configuration, others)
        kinds += by_kind({digest: others[digest] for digest in chosen}, ledger.attached)
        for digest in islice(chosen, MOST_LISTED - len(first)):
            image = others[digest]
            tags = tuple(sorted(image.tags)[:MOST_TAGS])
            media_type = clean(type_of(image), _LONGEST_TYPE)
            first.append(OtherArtifact(ledger.repository, digest, tags, kind_of(image), media_type, image.pushed_at))
    return OtherArtifacts(dict(sorted(kinds.items())), tuple(first))


def count_others(named: Iterable[tuple[Ledger, Sequence[ScanConfiguration]]]) -> dict[str, int]:
    """How many there are of each kind, once however many configurations name them.

    ``named``: each ledger with the configurations that name it.
    """
    kinds: Counter[str] = Counter()
    for ledger, configurations in named:
        if configurations:
            others = other_artifacts(ledger.images)
            chosen = {digest for configuration in configurations for digest in ranked(configuration, others)}
            kinds += by_kind({digest: others[digest] for digest in chosen}, ledger.attached)
    return dict(sorted(kinds.items()))


def to_wire(found: OtherArtifacts) -> dict[str, object]:
    """As JSON has it."""
    return {
        "count": sum(found.kinds.values()),
        "kinds": found.kinds,
        "first": [
            {
                "repository": one.repository,
                "digest": one.digest,
                "tags": one.tags,
                "kind": one.kind,
                "media_type": one.media_type,
                "pushed_at": to_text(one.pushed_at),
            }
            for one in found.first
        ],
    }


def size(found: OtherArtifacts) -> int:
    """What it takes of an answer, at most."""
    listed = sum(600 + len(one.repository) + sum(len(tag) + 5 for tag in one.tags) for one in found.first)
    return 100 + 40 * len(found.kinds) + listed
