"""Promises 1, 2 and 5: each image is scanned in time, no start is refused in vain, and every push is found."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulation.gate import START, Worker
from simulation.plan import OWN, THIRD
from simulation.truth import Place, Scanned, Tagged, Truth
from simulation.workers import LONGEST
from simulation.world import World

LATEST = timedelta(hours=24, minutes=10)
"""Promise 1, from one completion to the next."""
SLOWEST = timedelta(seconds=80)
"""A scan that ECR takes longer for is judged by its start."""
RECOVERY = timedelta(hours=1)
"""After trouble has ended, so long may it take until nothing is overdue (the design, targets)."""
REFUSED = timedelta(hours=6, minutes=30)
"""What ECR refused for hours rests for 6 hours."""
GUESSED = timedelta(minutes=45)
SLOW, SLOW_TICK = timedelta(seconds=30), timedelta(minutes=15)
"""A tick that waited so long for its calls may leave what it claimed to the next one: so long after it began."""
FIRST = timedelta(minutes=10)
"""A new image is looked at by the tick after its event, in calm."""
DEPLOYED = timedelta(hours=1)
"""At first everything is new: looking at it takes a few ticks."""
UNHEARD = timedelta(hours=25)
"""A new image of which no event came is found by the next complete listing, and scanned."""
LISTED = timedelta(hours=6)
"""How soon a complete listing shows what happens where no events come from."""
AFTER_FAILURES = (timedelta(days=1, hours=2), timedelta(days=3, hours=2), timedelta(days=7, hours=2))
"""The cool-downs of failed scans, counted from when the failure is seen: with its event lost, after an hour."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken invariant: its name, what happened, and what the trace is about."""

    invariant: str
    what: str
    at: datetime
    repository: str = ""
    digest: str = ""


@dataclass(slots=True)
class Span:
    """A manifest that somebody selected for a while; ``existed``: since when it was pushed."""

    place: Place
    digest: str
    begin: datetime
    end: datetime
    pushed: datetime


@dataclass(slots=True)
class ScanFigures:
    """``excused``: scans that were late after trouble. ``image_days``: selected scannable images × days.

    After the first day: ``steady_calls`` of ECR, and ``steady_images``, the selected scannable images of each day.
    """

    overdue: int = 0
    excused: int = 0
    starts: int = 0
    refused: int = 0
    vanished: int = 0
    image_days: float = 0.0
    steady_calls: int = 0
    steady_images: int = 0
    images_seen: int = 0
    slowest_find: timedelta = field(default_factory=timedelta)


def spans(truth: Truth, end: datetime) -> Iterator[Span]:
    """Every scannable manifest that is tagged and selected, for as long as it is."""
    for place, history in truth.histories.items():
        wishes = [wish for wish in truth.wishes if wish.names(place)]
        running: dict[str, Span] = {}
        changes = [step for step in history.steps if isinstance(step, Tagged)]
        times = sorted(
            {max(step.at, START) for step in changes}
            | {wish.since for wish in wishes}
            | {wish.until for wish in wishes if wish.until}
        )
        position, tags = 0, {}
        for moment in [*times, end]:
            while position < len(changes) and changes[position].at <= moment:
                tags = dict(changes[position].tags)
                position += 1
            chosen: dict[str, str] = {}
            for wish in wishes:
                if wish.stands(moment) and moment < end:
                    for digest in wish.slots(tags, history.pushed).values():
                        chosen.update(dict.fromkeys(_scannable(truth, digest), digest))
            for digest in [digest for digest in running if digest not in chosen]:
                span = running.pop(digest)
                span.end = moment
                yield span
            for digest, image in chosen.items():
                if digest not in running:
                    running[digest] = Span(place, digest, moment, end, history.pushed[image])


def _scannable(truth: Truth, digest: str) -> tuple[str, ...]:
    made = truth.builds[digest]
    if made.kind not in ("image", "index"):
        return ()
    return tuple(digest for digest in made.manifests if truth.builds[digest].kind != "scratch")


def check_scans(world: World) -> tuple[list[Broken], ScanFigures]:
    """Promises 1 and 2, from ECR's log and the script."""
    figures = ScanFigures()
    broken: list[Broken] = []
    scans: dict[tuple[Place, str], list[Scanned]] = {}
    for place, history in world.truth.histories.items():
        for step in history.steps:
            if isinstance(step, Scanned):
                scans.setdefault((place, step.digest), []).append(step)
    accepted: dict[tuple[str, str, str], list[datetime]] = {}
    for sent in world.sent:
        if sent.operation == "StartImageScan" and sent.outcome == "ok":
            accepted.setdefault((sent.registry, sent.repository, sent.digest), []).append(sent.at)
    excuses = _Excuses(world)
    end = world.size.end
    for span in spans(world.truth, end):
        figures.image_days += (span.end - span.begin) / timedelta(days=1)
        figures.images_seen += 1
        figures.steady_images += len(_days(span))
        started = accepted.get((*span.place, span.digest), [])
        # One that hangs was begun by its push.
        if (on_push := world.scene.scans_on_push.get((span.place, span.digest))) is not None:
            started = sorted([*started, on_push])
        for due, done in _deadlines(world, span, scans.get((span.place, span.digest), []), started, excuses):
            if done <= due:
                continue
            if excuses.cover(span, due, done):
                figures.excused += not excuses.is_archived(span, due)
            else:
                figures.overdue += 1
                late = f"due until {due:%d %H:%M:%S}, " + (
                    f"scanned {done:%d %H:%M:%S}" if done < end else "never scanned"
                )
                broken.append(Broken("on time", late, due, span.place[1], span.digest))
    figures.steady_calls = sum(sent.at >= START + timedelta(days=1) for sent in world.sent)
    broken += _check_starts(world, figures, excuses)
    broken += _check_finds(world, figures)
    return broken, figures


def _days(span: Span) -> range:
    """The days after the first on which an image was selected, be it for a while."""
    first, last = (
        (span.begin - START) // timedelta(days=1),
        (span.end - START - timedelta.resolution) // timedelta(days=1),
    )
    return range(max(first, 1), last + 1)


def _deadlines(
    world: World, span: Span, done: list[Scanned], started: list[datetime], excuses: _Excuses
) -> Iterator[tuple[datetime, datetime]]:
    """(until when a scan must end, when one did) for as long as the image was selected."""
    before = [scan for scan in done if scan.at <= span.begin]
    failures = 0
    heard = span.place[0] == OWN and not any(
        name == span.place[1] and at <= span.begin + timedelta(minutes=1) for at, name, _ in world.lost
    )
    last = before[-1].at if before else None
    due = span.begin + (FIRST if heard and not world.size.faults else UNHEARD)
    if span.begin < START + DEPLOYED:
        due = max(due, span.begin + DEPLOYED)
    if last is not None:
        due = max(due, last + LATEST)
    index = len(before)
    while due < span.end:
        following = done[index] if index < len(done) else None
        if following is None or following.at > span.end:
            # One that was running still is judged by its start, as other slow ones are.
            running = (at for at in started if last is None or at > last)
            yield due, min(span.end, next(running, span.end))
            return
        ended = following.at if following.at - following.began <= SLOWEST else following.began
        yield due, ended
        failures = failures + 1 if following.found is None else 0
        last, due = following.at, following.at + LATEST
        if failures:
            due = following.at + AFTER_FAILURES[min(failures, len(AFTER_FAILURES)) - 1]
            # A claim whose start was not sent ends with the same failure again, and another day of rest.
            due += timedelta(days=1) if excuses.is_rough(due - timedelta(minutes=110)) else timedelta()
        index += 1


class _Excuses:
    """Trouble that is known to delay scans, by the time until which it may."""

    def __init__(self, world: World) -> None:
        self._windows = [
            (begin, end + RECOVERY, registry, repository)
            for begin, end, registry, repository in world.troubles.windows()
        ]
        self._windows += [
            (one.begin, one.end + REFUSED, one.registry, one.repository)
            for one in world.troubles.episodes
            if one.kind == "denied"
        ]
        # What a worker that died had claimed is looked at after a quarter of an hour, and started at the next tick.
        self._windows += [(worker.began, worker.began + RECOVERY, "", "") for worker in world.workers if worker.died]
        # Calls that take minutes use up a tick's share of the time: what it claimed is put back for the next tick.
        self._windows += [
            (worker.began, worker.began + SLOW_TICK, "", "") for worker in world.workers if _is_slow(worker)
        ]
        # A registry of which a refusal seems to say that it is ENHANCED is tried again after 25 minutes.
        self._windows += [
            (sent.at, sent.at + GUESSED, sent.registry, "")
            for sent in world.sent
            if sent.operation == "StartImageScan" and sent.outcome == "ValidationException" and sent.registry == THIRD
        ]
        self._windows.sort()
        self._archived = _archived(world)
        self._unheard = _unheard(world)
        self._rough = [(worker.began, worker.began + RECOVERY) for worker in world.workers if worker.died]
        self._rough += [(one.begin, one.end + RECOVERY) for one in world.troubles.episodes if one.service == "s3"]

    def is_rough(self, at: datetime) -> bool:
        """Whether there was trouble, so that what a tick learned may not have been kept."""
        return any(begin <= at <= end for begin, end in self._rough)

    def is_archived(self, span: Span, due: datetime) -> bool:
        """Whether the image could not be scanned at that time."""
        return any(begin <= due <= end for begin, end in self._archived.get((span.place, span.digest), []))

    def cover(self, span: Span, due: datetime, done: datetime) -> bool:
        """Whether trouble, or one after the other, explains that a scan was so late."""
        limit = due
        image = span.place, span.digest
        own = [(*window, "", "") for known in (self._archived, self._unheard) for window in known.get(image, [])]
        for begin, end, registry, repository in sorted(self._windows + own):
            if begin <= limit and registry in ("", span.place[0]) and repository in ("", span.place[1]):
                limit = max(limit, end)
        return done <= limit


def _is_slow(worker: Worker) -> bool:
    return worker.pace is not None and LONGEST - worker.pace.left > SLOW.total_seconds()


def _known(world: World, place: Place, digest: str, at: datetime) -> datetime:
    """Until when the service knows of what happened to an image: by its event, or by the next complete listing."""
    if place[0] != OWN:
        return at + LISTED
    about = (at, place[1], digest)
    if about in world.lost:
        return at + UNHEARD
    return next((arrived for *late, arrived in world.late if tuple(late) == about), at)


def _archived(world: World) -> dict[tuple[Place, str], list[tuple[datetime, datetime]]]:
    """From when to when each manifest was in archive storage, and could not be scanned."""
    found: dict[tuple[Place, str], list[tuple[datetime, datetime]]] = {}
    for (place, digest), moves in world.scene.archivals.items():
        windows: list[tuple[datetime, datetime]] = []
        since: datetime | None = None
        for at, is_archived in moves:
            if is_archived:
                since = since or at
            elif since is not None:
                windows.append((since, _known(world, place, digest, at) + RECOVERY))
                since = None
        if since is not None:
            windows.append((since, world.size.end))
        for manifest in _scannable(world.truth, digest):
            found.setdefault((place, manifest), []).extend(windows)
    return found


def _unheard(world: World) -> dict[tuple[Place, str], list[tuple[datetime, datetime]]]:
    """When an image may be unseen to the service, which saw a tag leave it and did not hear of one that came back."""
    found: dict[tuple[Place, str], list[tuple[datetime, datetime]]] = {}
    for missed in world.unheard:
        if not missed.is_scan:
            for manifest in _scannable(world.truth, missed.digest):
                window = missed.at, missed.arrived or missed.at + UNHEARD
                found.setdefault(((OWN, missed.repository), manifest), []).append(window)
    return found


def _check_starts(world: World, figures: ScanFigures, excuses: _Excuses) -> list[Broken]:
    broken: list[Broken] = []
    unsure: dict[tuple[str, str], datetime] = {}
    probed: datetime | None = None
    twice = False
    in_a_row = 0
    quiet = {worker.number for worker in world.workers if worker.died}
    for sent in world.sent:
        if sent.operation != "StartImageScan":
            continue
        figures.starts += 1
        image = (sent.repository, sent.digest)
        if sent.outcome == "ok":
            in_a_row = 0 if sent.registry == OWN else in_a_row
            if sent.worker in quiet:
                unsure[image] = sent.at
            continue
        if sent.outcome in ("error, done", "lost, done", "died"):
            unsure[image] = sent.at
        if not sent.outcome.endswith("Exception"):
            continue
        if sent.outcome in ("ImageNotFoundException", "RepositoryNotFoundException", "ImageArchivedException"):
            figures.vanished += 1
            continue
        if _somebody_else(world, sent.registry, image, sent.at):
            continue
        if (
            sent.outcome == "LimitExceededException"
            and sent.registry == OWN
            and any(begin <= sent.at <= end for begin, end in world.troubles.quota)
        ):
            # Two ticks at once may both try; and a refusal of an image that failed before says nothing of the account.
            if probed is not None and sent.at - probed <= timedelta(minutes=2):
                continue
            in_a_row += 1
            # It takes three images in a row to tell a spent quota; two ticks at once may both try.
            again = probed is not None and sent.at - probed < timedelta(minutes=25) and in_a_row > 4
            if again and twice and not excuses.is_rough(sent.at - timedelta(minutes=10)):
                broken.append(Broken("no wasted call", "the spent quota was tried again", sent.at, *image))
            twice = again
            probed = sent.at
            continue
        if sent.outcome == "ValidationException" and sent.registry == THIRD:
            continue
        if sent.outcome == "ValidationException" and any(
            begin <= sent.at <= end for begin, end in world.troubles.enhanced
        ):
            continue
        if image in unsure and sent.at - unsure[image] < timedelta(hours=24, minutes=5):
            continue
        if sent.registry == OWN and _hung_unseen(world, image, sent.at):
            continue
        figures.refused += 1
        broken.append(Broken("no wasted call", f"refused: {sent.outcome}", sent.at, *image))
    return broken


def _somebody_else(world: World, registry: str, image: tuple[str, str], at: datetime) -> bool:
    """Whether a scan of somebody else explains a refusal: nobody could know of it yet, or its event was lost."""
    for began in world.scene.foreign_scans.get(((registry, image[0]), image[1]), []):
        if timedelta(0) <= at - began < timedelta(minutes=4):
            return True
        lost = any((name, digest) == image and when >= began for when, name, digest in world.lost)
        late = world.size.faults and at - began < timedelta(hours=24, minutes=5)
        if lost or late:
            return True
    return False


def _hung_unseen(world: World, image: tuple[str, str], at: datetime) -> bool:
    """Whether a scan that had begun days before still ran, and enhanced scanning's result has hidden it since."""
    return any(
        step.began < began and ended <= at < step.at
        for step in world.truth.histories[OWN, image[0]].steps
        if isinstance(step, Scanned) and step.digest == image[1] and step.at - step.began > timedelta(days=1)
        for began, ended in world.troubles.enhanced
    )


def _check_finds(world: World, figures: ScanFigures) -> list[Broken]:
    """In calm, each push is looked at within a tick of its event."""
    if world.size.faults or world.size.outage:
        return []
    touched: dict[tuple[str, str], list[datetime]] = {}
    for sent in world.sent:
        if sent.digest:
            touched.setdefault((sent.repository, sent.digest), []).append(sent.at)
    broken = []
    for span in spans(world.truth, world.size.end):
        if span.place[0] != OWN or span.begin != span.pushed or span.pushed <= START + DEPLOYED:
            continue
        times = touched.get((span.place[1], span.digest), [])
        first = next(iter(times[bisect_left(times, span.begin) :]), None)
        if first is None and world.size.end - span.begin < FIRST:
            continue
        took = (first or world.size.end) - span.begin
        if span.end - span.begin > FIRST:
            figures.slowest_find = max(figures.slowest_find, took)
            if took > timedelta(minutes=6, seconds=10):
                broken.append(Broken("found within a tick", f"took {took}", span.begin, span.place[1], span.digest))
    return broken
