"""What people are told, as it is told: nothing that ECR never said, and no baseline that knows too little.

Which changes are told, and that each is told once, is seen at the end of the run (``record``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulation.content import Key
from simulation.messaging import Published
from simulation.plan import OWN
from simulation.scans import Broken
from simulation.truth import Place, Truth, Wish
from simulation.world import World

UNTRUE = "nothing is told that ECR never said"
BASELINE = "no baseline says none before it knows"


class Told:
    """Reads each message once. ``ever``: what a scan of a repository has found, at any time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read = 0
        self._begun: set[str] = set()
        self.ever: dict[Place, set[Key]] = {}

    def check(self, known: Mapping[str, set[Key]]) -> Iterator[Broken]:
        """What is wrong with the messages since the last time.

        ``known``: what ECR has had for half an hour in what each configuration has selected for as long.
        """
        published = self._world.topic.published
        for message in published[self._read :]:
            config_id = message.body["configuration"]["id"]
            wishes = [wish for wish in self._world.truth.wishes if wish.id == config_id]
            yield from self._alerts(message, wishes)
            if message.body["type"] == "baseline" and config_id not in self._begun:
                self._begun.add(config_id)
                lacking = known.get(config_id, set())
                if lacking and not message.body["waiting"] and not message.body["counts"]:
                    yield Broken(BASELINE, f"{config_id[-2:]}: none, of {len(lacking)}", message.at)
        self._read = len(published)

    def _alerts(self, message: Published, wishes: list[Wish]) -> Iterator[Broken]:
        if not message.body["alerts"] or not wishes:
            return
        if wishes[0].registry == OWN and self._world.troubles.enhanced:
            # What Inspector finds is not a scan of this truth.
            return
        ever = _ever(self._world.truth, self.ever, wishes)
        for alert in message.body["alerts"]:
            key = (alert["vulnerability"], alert["package"])
            if key not in ever:
                yield Broken(UNTRUE, f"{wishes[0].id[-2:]}: {key[0]} in {key[1]}", message.at)


def _ever(truth: Truth, ever: Mapping[Place, set[Key]], wishes: list[Wish]) -> set[Key]:
    places = [place for place in truth.histories if any(wish.names(place) for wish in wishes)]
    return {key for place in places for key in ever.get(place, ())}
