"""The truth at every moment: after each tick and batch, what the readers show against what ECR has.

What ECR has is read from the fake ECR, and what is selected from the script; our record is only read through what
serves it. What ECR has had for 30 minutes of an image that has been selected for as long must be shown exactly; what
was shown must stay for as long as it is so. ``exemptions`` has every case in which it may be late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError
from ecr_rescan.core.keys import CONFIGS, parse_config_key
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.image_state import ImageState
from local.ecr.scanning import BASIC, ENHANCED
from simulation.content import Key
from simulation.exemptions import Exemptions
from simulation.scans import Broken
from simulation.shown import Reader, Row, Shown
from simulation.told import Told
from simulation.truth import Place, Scanned, Tagged, Wish
from simulation.world import World

SHOWN = timedelta(minutes=30)
"""What ECR has known for so long of an image that has been selected for so long is shown (the design, promise 1)."""

MISSING = "what ECR has known for 30 minutes is shown"
FIXED = "nothing is shown as fixed that is there"
CLEAN = "nothing is silently clean"
EXTRA = "nothing is shown that is not there"
STAYS = "what is shown stays"
ALIKE = "all readers say the same"
READABLE = "the record can be read"
GATE = "the gate passes nothing that ECR contradicted 30 minutes before"
_SEVERE = (Severity.CRITICAL, Severity.HIGH)
_TELLING = (ImageState.COMPLETE, ImageState.STALE)


@dataclass(frozen=True, slots=True)
class Held:
    """What ECR has of a manifest: a result, from when on; ``found`` is None where the scan failed."""

    at: datetime
    found: Mapping[Key, str] | None


@dataclass(slots=True)
class Watch:
    """What is known of one repository.

    ``selected``: by configuration, each scannable manifest with since when. ``waits``: the configurations that select
    something without a result. ``good``: what was seen to be shown of (configuration, manifest). ``told``: broken ones
    already reported. ``again``: when to look again though nothing changes. ``changed_at``: when its tags, results or
    selections last changed.
    """

    place: Place
    reader: Reader
    read: int = 0
    wishes: tuple[Wish, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    selected: dict[str, dict[str, datetime]] = field(default_factory=dict)
    held: dict[str, list[Held]] = field(default_factory=dict)
    good: dict[tuple[str, str], Held] = field(default_factory=dict)
    told: set[tuple[str, str, str]] = field(default_factory=set)
    again: datetime | None = None
    on: date | None = None
    changed_at: datetime = datetime.min
    wanted: dict[tuple[str, str], tuple[Held, Wish, Set[Key], dict[Severity, int]]] = field(default_factory=dict)
    asked: dict[str, frozenset[Key]] = field(default_factory=dict)
    turn: int = 0


class Oracle:
    """Looks at a world; ``check`` is its ``after``. ``excused``: by exemption, how often something was late for it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._exemptions = Exemptions(world)
        self._watches: dict[Place, Watch] = {}
        self._etags: dict[str, str] = {}
        self._configurations: dict[str, ScanConfiguration] = {}
        self._wishes: tuple[Wish, ...] = ()
        self._told = Told(world)
        self.broken: list[Broken] = []
        self._messages = 0
        self.excused: Counter[str] = Counter()
        self.looks = 0

    def check(self) -> None:
        """Look at everything that changed since the last time."""
        world, now = self._world, self._world.clock.now()
        wishes = tuple(wish for wish in world.truth.wishes if wish.stands(now))
        edited = self._read_configurations()
        rewished = wishes != self._wishes
        self._wishes = wishes
        for place, history in world.truth.histories.items():
            watch = self._watches.get(place)
            if watch is None:
                watch = self._watches[place] = Watch(place, Reader(place))
            news = len(history.steps) != watch.read
            wished = (rewished or not watch.on) and self._wish(watch, now)
            if news:
                self._replay(watch)
            try:
                findings, ledger = watch.reader.refresh(world.bucket.objects)
            except DocumentError as error:
                self._tell(watch, READABLE, str(error), "", "")
                continue
            if ledger:
                # Claims and results of one scan are two writes soon after each other: one look sees both.
                self._again(watch, now + SHOWN)
            news |= wished or findings or edited or watch.on != now.date()
            if news or (watch.again is not None and watch.again <= now):
                watch.on = now.date()
                watch.again = None
                self._look(watch, now)
        if len(world.topic.published) > self._messages:
            self._messages = len(world.topic.published)
            self.broken += self._told.check(self._known(now))

    def _known(self, now: datetime) -> dict[str, set[Key]]:
        """What ECR has had for half an hour in what each configuration has selected for as long."""
        known = dict[str, set[Key]]()
        for watch in self._watches.values():
            for wish in watch.wishes:
                for manifest, since in watch.selected.get(wish.id, {}).items():
                    for newest in watch.held.get(manifest, [])[-1:]:
                        if newest.found and max(newest.at, since) + SHOWN <= now:
                            wanted = {key for key, severity in newest.found.items() if wish.wants(key, severity)}
                            known.setdefault(wish.id, set()).update(wanted)
        return known

    def _read_configurations(self) -> bool:
        """The configurations as they are in the bucket; whether any changed."""
        objects = self._world.bucket.objects
        etags = {key: stored.etag for key, stored in objects.items() if key.startswith(CONFIGS)}
        if etags == self._etags:
            return False
        self._etags = etags
        self._configurations = {}
        for key in etags:
            config_id, stored = parse_config_key(key), objects[key]
            if config_id is not None:
                try:
                    self._configurations[config_id] = ScanConfiguration.from_document(
                        stored.body, id=config_id, modified=stored.modified
                    )
                except DocumentError:
                    continue
        return True

    def _wish(self, watch: Watch, now: datetime) -> bool:
        """Take on the configurations that name the repository; whether they are others than before."""
        wishes = tuple(wish for wish in self._wishes if wish.names(watch.place))
        if wishes == watch.wishes:
            return False
        before = {wish.id: wish for wish in watch.wishes}
        watch.wishes = wishes
        for gone in before.keys() - {wish.id for wish in wishes}:
            watch.selected.pop(gone, None)
        for wish in wishes:
            if before.get(wish.id) != wish:
                self._select(watch, [wish], wish.since)
        watch.changed_at = now
        return True

    def _select(self, watch: Watch, wishes: Iterable[Wish], at: datetime) -> None:
        builds, pushed = self._world.truth.builds, self._world.truth.histories[watch.place].pushed
        for wish in wishes:
            before = watch.selected.get(wish.id, {})
            manifests = {
                manifest for digest in wish.slots(watch.tags, pushed).values() for manifest in builds[digest].manifests
            }
            watch.selected[wish.id] = {manifest: before.get(manifest, at) for manifest in manifests}
            for left in before.keys() - manifests:
                watch.good.pop((wish.id, left), None)

    def _replay(self, watch: Watch) -> None:
        """What happened in the repository since the last time."""
        steps = self._world.truth.histories[watch.place].steps
        for step in steps[watch.read :]:
            if isinstance(step, Tagged):
                watch.tags = step.tags
                self._select(watch, watch.wishes, step.at)
            else:
                self._scanned(watch, step)
            watch.changed_at = step.at
        watch.read = len(steps)
        registry = self._world.scene.registries[watch.place[0]]
        repository = registry.repositories.get(watch.place[1])
        images = repository.images if repository else {}
        # A result is ECR's for as long as the image is there: one that is pushed again has none.
        for digest in list(watch.held):
            image = images.get(digest)
            scan = image and image.scans.get(BASIC)
            if not scan or scan.result is None or scan.result.completed_at != watch.held[digest][-1].at:
                del watch.held[digest]

    def _scanned(self, watch: Watch, step: Scanned) -> None:
        self._told.ever.setdefault(watch.place, set()).update(step.found or ())
        watch.held[step.digest] = [*watch.held.get(step.digest, [])[-1:], Held(step.at, step.found)]

    def _look(self, watch: Watch, now: datetime) -> None:
        """Compare one repository."""
        if self._world.scene.scan_type(watch.place[0]) == ENHANCED:
            watch.good.clear()
            return
        wishes = [wish for wish in watch.wishes if wish.id in self._configurations]
        if not wishes:
            return
        self.looks += 1
        configurations = [self._configurations[wish.id] for wish in wishes]
        shown = watch.reader.show(configurations, now)
        exact: dict[str, dict[str, Mapping[Key, str]]] = {}
        for wish in wishes:
            exact[wish.id] = {}
            for manifest, since in watch.selected.get(wish.id, {}).items():
                self._gate(watch, wish, manifest, since, now)
                held = self._manifest(watch, wish, manifest, since, shown[wish.id], now)
                if held is not None:
                    exact[wish.id][manifest] = held
            self._others(watch, wish, shown[wish.id], now)
        self._where(watch, configurations, exact, now)

    def _manifest(
        self, watch: Watch, wish: Wish, manifest: str, since: datetime, shown: Shown, now: datetime
    ) -> Mapping[Key, str] | None:
        """Compare one manifest for one configuration; what ECR has of it, where it is shown exactly."""
        results = watch.held.get(manifest, [])
        rows = shown.rows.get(manifest, [])
        newest = results[-1] if results else None
        start = max(newest.at, since) if newest else since
        if newest is None or newest.found is None:
            if any(row.state is ImageState.COMPLETE for row in rows):
                what = (
                    "shown as complete, and its newest scan failed" if newest else "shown as complete without a result"
                )
                self._wrong(watch, wish, manifest, start, CLEAN, what, now, is_result=True)
            return None
        if self._fits(watch, wish, manifest, newest, shown, rows):
            watch.good[wish.id, manifest] = newest
            return newest.found
        before = watch.good.get((wish.id, manifest))
        older = results[0] if len(results) > 1 else None
        what = self._difference(wish, manifest, newest.found, shown, rows)
        if before is newest:
            self._wrong(watch, wish, manifest, now, STAYS, what, now, is_result=True, grace=timedelta())
            return None
        if now < start + SHOWN:
            self._again(watch, start + SHOWN)
            if older is not None and before is older and not self._fits(watch, wish, manifest, older, shown, rows):
                self._wrong(watch, wish, manifest, now, STAYS, what, now, is_result=True, grace=timedelta())
            return None
        wanted = {key for key, severity in newest.found.items() if wish.wants(key, severity)}
        lacking = wanted - shown.feed.get(manifest, set())
        name = FIXED if lacking & shown.resolved else MISSING
        if not lacking:
            name = EXTRA if shown.feed.get(manifest, set()) - newest.found.keys() else ALIKE
            if not rows or any(row.counts is None for row in rows):
                name = MISSING
        self._wrong(watch, wish, manifest, start, name, what, now, is_result=newest.at >= since)
        return None

    def _gate(self, watch: Watch, wish: Wish, manifest: str, since: datetime, now: datetime) -> None:
        """What ECR can't scan, or has something severe of that the configuration wants to see, must not pass."""
        results = watch.held.get(manifest, [])
        newest = results[-1] if results else None
        found = newest.found if newest else None
        severe = [key for key, severity in (found or {}).items() if severity in _SEVERE and wish.wants(key, severity)]
        if found is not None and not severe:
            return
        if watch.reader.passes(manifest, self._configurations[wish.id], now):
            start = max(newest.at, since) if newest else since
            what = f"{wish.id[-2:]}: the gate passes it with {len(severe)} severe findings" if severe else "no result"
            self._wrong(watch, wish, manifest, start, GATE, what, now, is_result=newest is not None)

    @staticmethod
    def _fits(watch: Watch, wish: Wish, manifest: str, held: Held, shown: Shown, rows: Iterable[Row]) -> bool:
        """Whether the feed names exactly these findings, and each row of the summary counts them."""
        known = watch.wanted.get((wish.id, manifest))
        if known is None or known[0] is not held or known[1] is not wish:
            found = held.found or {}
            wanted = {key: severity for key, severity in found.items() if wish.wants(key, severity)}
            counts = Counter(wanted.values())
            known = (held, wish, wanted.keys(), {one: counts[one.value] for one in Severity})
            watch.wanted[wish.id, manifest] = known
        wanted_keys, wanted_counts = known[2:]
        named = shown.feed.get(manifest, set())
        # A rarer severity is shown with the highest of its kind.
        if named != wanted_keys and (
            wish.severity is None or not (wanted_keys <= named and named <= (held.found or {}).keys())
        ):
            return False
        some = False
        for row in rows:
            some = True
            if row.state is not ImageState.ARCHIVED and (row.state not in _TELLING or row.counts != wanted_counts):
                return False
        return some

    @staticmethod
    def _difference(wish: Wish, manifest: str, found: Mapping[Key, str], shown: Shown, rows: Iterable[Row]) -> str:
        wanted = {key for key, severity in found.items() if wish.wants(key, severity)}
        named = shown.feed.get(manifest, set())
        parts = []
        for verb, keys in (("lacks", wanted - named), ("has beside it", named - found.keys())):
            if keys:
                example = " in ".join(sorted(keys)[0])
                as_fixed = " (shown as fixed)" if keys & shown.resolved and verb == "lacks" else ""
                parts.append(f"the feed {verb} {len(keys)} of {len(wanted)}, such as {example}{as_fixed}")
        rows = list(rows)
        for row in rows:
            total = "no counts" if row.counts is None else f"{sum(row.counts.values())} findings"
            parts.append(f"the summary says {row.state.value} with {total}, of {len(wanted)}")
        if not rows:
            parts.append("the summary does not have it")
        return f"{wish.id[-2:]}: " + "; ".join(parts)

    def _others(self, watch: Watch, wish: Wish, shown: Shown, now: datetime) -> None:
        """What is shown for manifests that are not selected: only until a selected image has its first result."""
        selected = watch.selected.get(wish.id, {})
        others = shown.feed.keys() - selected.keys()
        if not others or self._waits(watch, wish):
            return
        if now < watch.changed_at + SHOWN:
            self._again(watch, watch.changed_at + SHOWN)
            return
        digest = min(others)
        what = f"{wish.id[-2:]}: {len(shown.feed[digest])} findings of an image that is not selected"
        self._wrong(watch, wish, digest, watch.changed_at, EXTRA, what, now, is_result=False)

    def _waits(self, watch: Watch, wish: Wish) -> bool:
        """Whether something that the configuration selects has no result, so that an earlier image stands in."""
        truth = self._world.truth
        for digest in wish.slots(watch.tags, truth.histories[watch.place].pushed).values():
            manifests = truth.builds[digest].manifests
            if not manifests:
                return True
            for manifest in manifests:
                results = watch.held.get(manifest)
                if not results or results[-1].found is None:
                    return True
        return False

    def _where(
        self,
        watch: Watch,
        configurations: list[ScanConfiguration],
        exact: Mapping[str, Mapping[str, Mapping[Key, str]]],
        now: datetime,
    ) -> None:
        """The list of places of each vulnerability that came or went, and of one more in turn."""
        # What is suppressed is in no feed, so that a result may fit there which is not recorded yet.
        present = {
            manifest: frozenset(found)
            for manifests in exact.values()
            for manifest, found in manifests.items()
            if now - watch.held[manifest][-1].at >= SHOWN
        }
        ids = {key[0] for manifest, keys in present.items() for key in keys ^ watch.asked.get(manifest, frozenset())}
        every = sorted({key[0] for keys in present.values() for key in keys}) if watch.asked != present else []
        if every:
            watch.turn += 1
            ids.add(every[watch.turn % len(every)])
        watch.asked = present
        for vulnerability in sorted(ids):
            found = watch.reader.where(vulnerability, configurations, now)
            for config_id, manifests in exact.items():
                for manifest, findings in manifests.items():
                    if manifest not in present:
                        continue
                    wanted = {key: severity for key, severity in findings.items() if key[0] == vulnerability}
                    if found.get(config_id, {}).get(manifest, {}) != wanted:
                        what = f"{config_id[-2:]}: {vulnerability} is said to be elsewhere than in the feed"
                        self._tell(watch, ALIKE, what, config_id, manifest)

    def _again(self, watch: Watch, at: datetime) -> None:
        watch.again = at if watch.again is None else min(watch.again, at)

    def _wrong(
        self,
        watch: Watch,
        wish: Wish,
        manifest: str,
        since: datetime,
        name: str,
        what: str,
        now: datetime,
        *,
        is_result: bool,
        grace: timedelta = SHOWN,
    ) -> None:
        """Something is not as it must be since then: excused for a while, or broken."""
        if now < since + grace:
            self._again(watch, since + grace)
            return
        names = self._names(watch, manifest)
        limit, why = self._exemptions.until(watch.place, names, since, now, is_result=is_result, grace=grace)
        if now < limit:
            self.excused.update(why)
            self._again(watch, limit)
            return
        self._tell(watch, name, f"{what}, since {since:%d %H:%M:%S}", wish.id, manifest)

    def _names(self, watch: Watch, manifest: str) -> tuple[str, ...]:
        """A manifest, and the images that it is part of; of one that none is, what took its place may be."""
        builds = self._world.truth.builds
        parts = {digest: builds[digest].manifests for digest in watch.tags.values()}
        images = {digest for digest, manifests in parts.items() if manifest in manifests}
        if images:
            return (manifest, *images)
        return (manifest, *parts, *(part for manifests in parts.values() for part in manifests))

    def _tell(self, watch: Watch, name: str, what: str, config_id: str, digest: str) -> None:
        if (name, config_id, digest) in watch.told:
            return
        watch.told.add((name, config_id, digest))
        self.broken.append(Broken(name, what, self._world.clock.now(), watch.place[1], digest))
