"""No document ever goes back behind what a worker has recorded: asked at each write, of what ECR has at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.keys import parse_findings_key, parse_images_key
from ecr_rescan.core.scanning.ledger import Ledger
from simulation.exemptions import LOST_IMAGE, MANY, MOMENT
from simulation.gate import START
from simulation.s3 import Stored
from simulation.scans import Broken
from simulation.truth import Place, Tagged
from simulation.world import World

INVARIANT = "no document goes back"

_Recorded = tuple[set[str], dict[str, datetime]]
"""The tagged images, and the times of the manifests' results, in a document."""


class Backwards:
    """Watches every write of a world. ``broken``: what it found, in the order of time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._latest: dict[str, tuple[str, _Recorded]] = {}
        self.broken: list[Broken] = []
        world.bucket.written = self._written

    def _written(self, key: str, before: Stored | None, after: Stored | None) -> None:
        about, read, selected = parse_findings_key(key), _of_findings, True
        if about is None:
            about, read, selected = parse_images_key(key), _of_ledger, False
        if about is None or after is None:
            self._latest.pop(key, None)
            return
        images, results = read(key, after.document)
        etag, recorded = self._latest.get(key, ("", None))
        self._latest[key] = after.etag, (images, results)
        if before is None or recorded is None or before.etag != etag:
            return
        place = (about[0], about[2])
        for digest in sorted(recorded[0] - images):
            if self._was_there(place, digest, before.modified, selected=selected):
                self._break(key, place, digest, "an image is gone that ECR has")
        for digest, at in recorded[1].items():
            if digest in results and results[digest] < at:
                self._break(
                    key, place, digest, f"a result of {at:%d %H:%M:%S} gave way to {results[digest]:%d %H:%M:%S}"
                )

    def _break(self, key: str, place: Place, digest: str, what: str) -> None:
        self.broken.append(Broken(INVARIANT, f"{key}: {what}", self._world.clock.now(), place[1], digest))

    def _was_there(self, place: Place, digest: str, since: datetime, *, selected: bool) -> bool:
        """Whether ECR has had a tagged image without a break since then; ``selected``: by some configuration, too."""
        now = self._world.clock.now()
        if (place, digest) in self._world.scene.archivals or self._is_unheard(place, digest, now):
            return False
        if selected and self._world.truth.builds[digest].kind == "chart":
            # Until it is known to be no image, the findings list it.
            return False
        wishes = [wish for wish in self._world.truth.wishes if wish.names(place)]
        edits = {
            edit for wish in wishes for edit in (wish.since, wish.until) if edit is not None and since < edit < now
        }
        steps = [step for step in self._world.truth.histories[place].steps if isinstance(step, Tagged)]
        moments = sorted({max(since, START), *edits, *(step.at for step in steps if step.at > since), now})
        position, tags = 0, dict[str, str]()
        for moment in moments:
            while position < len(steps) and steps[position].at <= moment:
                tags = dict(steps[position].tags)
                position += 1
            if not self._is_among(place, digest, tags, moment, selected=selected):
                return False
        return True

    def _is_unheard(self, place: Place, digest: str, now: datetime) -> bool:
        """Whether the event of one of its tags was lost or late, or may come in another batch than others of then."""
        if any(
            (missed.repository, missed.digest) == (place[1], digest) and now - missed.at < LOST_IMAGE.bound
            for missed in self._world.unheard
            if not missed.is_scan
        ):
            return True
        lately = [
            step.at
            for step in self._world.truth.histories[place].steps[-MANY:]
            if isinstance(step, Tagged) and now - step.at < MOMENT.bound
        ]
        return len(set(lately)) < len(lately)

    def _is_among(self, place: Place, digest: str, tags: Mapping[str, str], at: datetime, *, selected: bool) -> bool:
        if not selected:
            return digest in tags.values()
        pushed = self._world.truth.histories[place].pushed
        wishes = [wish for wish in self._world.truth.wishes if wish.stands(at) and wish.names(place)]
        return any(digest in wish.slots(tags, pushed).values() for wish in wishes)


def _of_findings(key: str, body: bytes) -> _Recorded:
    document = FindingsDocument.from_json(key, body)
    results = {one.digest: one.result_at for one in document.manifests if one is not None and one.result_at is not None}
    return {digest for digest, image in document.images.items() if image.tags}, results


def _of_ledger(key: str, body: bytes) -> _Recorded:
    ledger = Ledger.from_json(key, body)
    results = {digest: one.completed_at for digest, one in ledger.manifests.items() if one.completed_at is not None}
    return {digest for digest, image in ledger.images.items() if image.tags}, results
