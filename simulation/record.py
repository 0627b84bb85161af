"""Promises 4, 6 and 8: what was announced, what is shown, and what is recorded in the end, against what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.keys import findings_key, images_key
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.summary.image_state import ImageState, statuses
from simulation.content import Key
from simulation.gate import START
from simulation.plan import CALM_START, OWN, within
from simulation.scans import LISTED, Broken
from simulation.scene import REGIONS
from simulation.truth import RANK, WINDOW, Place, Scanned, Wish
from simulation.world import World

SETTLED = timedelta(minutes=45)
"""What completed so shortly before the end may not be recorded yet."""
JITTER = timedelta(minutes=30)
"""How much later than a completion it may be recorded in calm; without events it is asked for after 15 minutes."""
DISTURBED = timedelta(hours=16)
"""The same with trouble: an event that was lost while the queue was behind is made up for after hours."""


@dataclass(slots=True)
class Opening:
    """Something that a configuration should be told of: it opened in a repository, or (``rise``) became more severe.

    ``doubtful``: it was open a day ago, so that it may count as the same opening. ``until``: when it closed again.
    """

    at: datetime
    place: Place
    severity: str
    rise: bool
    doubtful: bool
    until: datetime | None = None


@dataclass(slots=True)
class Expected:
    """What a configuration is to be told of one (vulnerability, package)."""

    openings: list[Opening] = field(default_factory=list)


def check_record(world: World) -> list[Broken]:
    """Promises 4, 6 and 8."""
    return [*_check_changes(world), *_check_open(world), *_check_states(world)]


def _document(world: World, key: str) -> bytes | None:
    documents = world.documents()
    stored = documents.get(key)
    return stored.body if stored else None


def _check_open(world: World) -> list[Broken]:
    """What is open in the record is what the last results of the selected images say."""
    broken = []
    end = world.size.end
    for place in world.truth.histories:
        key = findings_key(place[0], REGIONS[place[0]], place[1])
        body = _document(world, key)
        document = FindingsDocument.from_json(key, body) if body else None
        recorded = {key for key, finding in document.findings.items() if finding.current} if document else set()
        settled = end - SETTLED - (timedelta() if place[0] == OWN else LISTED)
        lately = [settled, *(slots.at for slots in world.truth.slots_over_time(place) if slots.at > settled)]
        opened = [world.truth.open_at(place, moment) for moment in lately]
        inspected = _packages_inspected(world, place)
        few = set.intersection(*opened) - recorded
        many = {key for key in recorded.difference(*opened) if key[1] not in inspected}
        for name, keys in (("missing", few), ("too many", many)):
            if keys:
                what = f"{name}: {len(keys)}, such as {sorted(keys)[0]}"
                broken.append(Broken("the record converges", what, end, place[1]))
        if document and document.outbox:
            what = f"{len(document.outbox)} changes never announced"
            broken.append(Broken("no message is lost", what, end, place[1]))
    return broken


def _check_states(world: World) -> list[Broken]:
    """Nothing is shown as complete that has no recent complete result."""
    broken = []
    for place, history in world.truth.histories.items():
        body = _document(world, images_key(place[0], REGIONS[place[0]], place[1]))
        if body is None:
            continue
        ledger = Ledger.from_json(place[1], body)
        last: dict[str, Scanned] = {}
        for step in history.steps:
            if isinstance(step, Scanned):
                last[step.digest] = step
        for digest in ledger.images:
            for status in statuses(ledger, digest, at=world.size.end):
                if status.state is not ImageState.COMPLETE or world.troubles.enhanced:
                    continue
                scan = last.get(status.manifest or "")
                if scan is None or (scan.found is None and scan.at < world.size.end - SETTLED):
                    broken.append(
                        Broken("nothing is silently clean", "shown as complete", world.size.end, place[1], digest)
                    )
    return broken


def _check_changes(world: World) -> list[Broken]:
    """The alerts sent are the changes that happened, each once."""
    broken = []
    told: Counter[tuple[str, Key, bool]] = Counter()
    spare: Counter[tuple[str, Key, bool]] = Counter()
    inspected: Counter[tuple[str, Key, bool]] = Counter()
    first: dict[tuple[str, Key, bool], datetime] = {}
    died = {worker.number for worker in world.workers if worker.died}
    # The scan type is asked for every hour, and what could not be sent then is sent later.
    hidden = [(begin, end + timedelta(hours=3)) for begin, end in world.troubles.enhanced]
    for message in world.topic.published:
        for alert in message.body["alerts"]:
            key = (alert["vulnerability"], alert["package"])
            what = (message.body["configuration"]["id"], key, alert["kind"] == "escalated")
            told[what] += 1
            first.setdefault(what, message.at)
            # Only who sent it knew, or did not even know: it is sent again.
            spare[what] += message.lost or message.worker in died
            inspected[what] += within(hidden, message.at)
    for wish in world.truth.wishes:
        if wish.edited:
            # The script says what such a one must show at each moment, and not what was news to it.
            continue
        if wish.newest is not None:
            # Whether what an image left behind counts until its successor has a result, this truth can't tell.
            continue
        expected = dict(_expected(world, wish))
        unknown = _packages_pushed(world, wish, hidden)
        unheard = _packages_unheard(world, wish)
        keys = {key for config_id, key, _ in told if config_id == wish.id} | expected.keys()
        for key in sorted(keys):
            for rise, (least, most) in enumerate(_numbers(world, wish, expected.get(key, Expected()).openings)):
                number = told[wish.id, key, bool(rise)]
                # What Inspector found in the meantime is not in this truth; nor what counted until a push was heard of.
                if most or key[1] in unknown:
                    most += inspected[wish.id, key, bool(rise)]
                if key[1] in unheard:
                    most += 1
                if least <= number <= most + spare[wish.id, key, bool(rise)]:
                    continue
                times = [one.at for one in expected.get(key, Expected()).openings]
                at = first.get((wish.id, key, bool(rise))) or min(times, default=START)
                verb = "rose, told" if rise else "told"
                what_happened = f"{wish.id[-1]}: {key[0]} in {key[1]} {verb} {number} times, not {least}-{most}"
                name = "every change is told" if number < least else "only changes are told, once"
                broken.append(Broken(name, what_happened, at))
    return broken


def _packages_inspected(world: World, place: Place) -> set[str]:
    """The packages in images of which Inspector had the last word: all basic scans since have failed."""
    if place[0] != OWN or not world.troubles.enhanced:
        return set()
    truth = world.truth
    last = {
        step.digest: step.at
        for step in truth.histories[place].steps
        if isinstance(step, Scanned) and step.found is not None
    }
    # The scan type is asked for every hour.
    ended = max(end for _, end in world.troubles.enhanced) + timedelta(hours=1)
    return {
        package
        for made in (truth.builds[digest] for digest in truth.histories[place].pushed)
        if any(last.get(manifest, ended) <= ended for manifest in made.manifests)
        for package in made.packages
    }


def _packages_pushed(world: World, wish: Wish, windows: list[tuple[datetime, datetime]]) -> set[str]:
    """The packages in images that were pushed, or tagged, in these times."""
    truth = world.truth
    return {
        package
        for place, history in truth.histories.items()
        if wish.names(place)
        for digest, at in history.pushed.items()
        if within(windows, at)
        for package in truth.builds[digest].packages
    }


def _packages_unheard(world: World, wish: Wish) -> set[str]:
    """The packages in images whose push event was lost or late: for a while, an earlier image counted."""
    truth = world.truth
    about = {(at, name, digest) for at, name, digest, *_ in [*world.lost, *world.late]}
    return {
        package
        for place, history in truth.histories.items()
        if wish.names(place)
        for digest, at in history.pushed.items()
        if (at, place[1], digest) in about
        for package in truth.builds[digest].packages
    }


def _numbers(world: World, wish: Wish, openings: list[Opening]) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many alerts of something new, and how many of a rise, there may be at least and at most."""
    new = _bounds(world, wish, [one for one in openings if not one.rise])
    rises = _bounds(world, wish, [one for one in openings if one.rise])
    # Each wave rises by itself, whether it was severe enough to be told or not; and so does the baseline.
    rising = _waves([one for one in openings if not one.rise], WINDOW - _slack(world)) + 1
    return new, (min(rises[0], 1), rises[1] and max(rises[1], rising))


def _bounds(world: World, wish: Wish, openings: list[Opening]) -> tuple[int, int]:
    """How many alerts these openings make: one for each wave, as far as delays leave that clear."""
    slack = _slack(world)
    certain = [one for one in openings if _is_certain(world, wish, one) and RANK[one.severity] >= RANK[wish.notify]]
    possible = [one for one in openings if RANK[one.severity] >= RANK[wish.notify]]
    return min(_waves(certain, WINDOW + slack), 1 if world.size.faults else 99), _waves(possible, WINDOW - slack)


def _is_certain(world: World, wish: Wish, opening: Opening) -> bool:
    """Whether it is clear that this opening is news, and was recorded as such."""
    slack = _slack(world)
    if opening.until is not None and opening.until - opening.at < slack:
        # Gone again before anybody looked.
        return False
    if (
        opening.doubtful
        or world.size.end - opening.at < SETTLED
        or opening.at < max(wish.since, START) + CALM_START - timedelta(hours=2)
    ):
        return False
    if opening.at < world.truth.histories[opening.place].known_at + timedelta(hours=26):
        return False
    # A severity that one of these first results shows is no rise in the others, which follow within the day.
    after = timedelta(hours=26) if opening.rise else timedelta()
    return not any(
        begin - slack <= opening.at <= _settled(world, end) + after for begin, end in world.troubles.enhanced
    )


def _settled(world: World, end: datetime) -> datetime:
    """When the change back to basic scanning was over: the first basic results of all images are a baseline."""
    at = end + timedelta(hours=26)
    for place, history in world.truth.histories.items():
        if place[0] != OWN:
            continue
        before = {
            manifest
            for digest, pushed in history.pushed.items()
            if pushed <= end
            for manifest in world.truth.builds[digest].manifests
        }
        first: dict[str, datetime] = {}
        for step in history.steps:
            if isinstance(step, Scanned) and step.at > end and step.digest in before:
                first.setdefault(step.digest, step.at)
        at = max([at, *first.values()])
    return at


def _slack(world: World) -> timedelta:
    return DISTURBED if world.size.faults else JITTER


def _waves(openings: list[Opening], window: timedelta) -> int:
    waves, began = 0, None
    for opening in sorted(openings, key=lambda one: one.at):
        if began is None or opening.at - began > window:
            waves, began = waves + 1, opening.at
    return waves


def _expected(world: World, wish: Wish) -> Iterator[tuple[Key, Expected]]:
    """Replay every repository of a configuration: what opened, and what rose, while it was watching."""
    all_expected: dict[Key, Expected] = {}
    for place in world.truth.histories:
        if not wish.names(place):
            continue
        _replay(world, wish, place, all_expected)
    yield from all_expected.items()


def _replay(world: World, wish: Wish, place: Place, all_expected: dict[Key, Expected]) -> None:
    history = world.truth.histories[place]
    open_now: dict[Key, str] = {}
    peak: dict[Key, str] = {}
    closed: dict[Key, datetime] = {}
    seen: dict[str, datetime] = {}
    waited: set[str] = set()
    for slots in world.truth.slots_over_time(place):
        now_open: dict[Key, str] = {}
        loud: dict[Key, str] = {}
        for tag in wish.slots(slots.tags, history.pushed):
            first = tag in waited and tag not in slots.waiting
            quiet = first and seen.setdefault(tag, slots.at) <= max(history.known_at, wish.since)
            for key, severity in slots.findings[tag].items():
                _raise(now_open, key, severity)
                if not quiet:
                    _raise(loud, key, severity)
        for tag in slots.tags:
            seen.setdefault(tag, slots.at)
        waited = set(slots.waiting)
        if slots.at >= wish.since - _slack(world):
            for key, severity in now_open.items():
                found = all_expected.setdefault(key, Expected()).openings
                back = key in closed and slots.at - closed[key] <= timedelta(hours=26)
                if key not in open_now and key in loud:
                    found.append(Opening(slots.at, place, loud[key], rise=False, doubtful=back))
                elif key in open_now and RANK[severity] > RANK[peak[key]]:
                    found.append(Opening(slots.at, place, severity, rise=True, doubtful=False))
        for key, severity in now_open.items():
            if key not in open_now:
                peak.pop(key, None)
            _raise(peak, key, severity)
        for key in open_now.keys() - now_open.keys():
            closed[key] = slots.at
            for opening in all_expected.get(key, Expected()).openings:
                if opening.place == place and opening.until is None:
                    opening.until = slots.at
        open_now = now_open


def _raise(into: dict[Key, str], key: Key, severity: str) -> None:
    if RANK[severity] > RANK.get(into.get(key, ""), 0):
        into[key] = severity
