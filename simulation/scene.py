"""The registries of a run, what the script does to them, and what really happened there."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from local.ecr.calls import CallLog
from local.ecr.errors import EcrError
from local.ecr.registry import Registry
from local.ecr.scanning import BASIC, ENHANCED, ScanRules
from simulation.content import Build, Knowledge, basic_findings, enhanced_findings
from simulation.gate import VirtualClock
from simulation.plan import OTHER, OTHER_REGION, OWN, OWN_REGION, THIRD, Size, Troubles, within
from simulation.truth import RANK, History, Place, Scanned, Tagged, Truth

REGIONS = {OWN: OWN_REGION, OTHER: OTHER_REGION, THIRD: OWN_REGION}
QUOTA = 100_000


class _Rules:
    """How scans run: how long they take, and the account's quota as the run has it."""

    def __init__(self, chance: Random, size: Size, quota: Callable[[], int]) -> None:
        self._chance = chance
        self._slow = size.faults
        self._quota = quota
        self.from_completion = size.from_completion
        self.hanging = timedelta()

    @property
    def scan_seconds(self) -> float:
        if self.hanging:
            hanging, self.hanging = self.hanging, timedelta()
            return hanging.total_seconds()
        if self._slow and self._chance.random() < 0.003:
            return self._chance.uniform(600, 3000)
        return self._chance.uniform(15, 75)

    @property
    def quota(self) -> int:
        return self._quota()


class Scene:
    """The stage of the script. ``emit`` takes ECR's events; ``truth`` knows what happened."""

    def __init__(self, size: Size, seed: int, clock: VirtualClock, emit: Callable[[dict[str, Any]], None]) -> None:
        self.clock = clock
        self.truth = Truth()
        self.knowledge = Knowledge()
        self.troubles = Troubles(Random(seed))
        self.foreign_scans: dict[tuple[Place, str], list[datetime]] = {}
        self.deleted: dict[Place, datetime] = {}
        self.scans_on_push: dict[tuple[Place, str], datetime] = {}
        self.archivals: dict[tuple[Place, str], list[tuple[datetime, bool]]] = {}
        self._emit = emit
        self._scan_type = BASIC
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._steps = 0
        self.refusing: set[str] = set()
        quotas = {OWN: self._quota, OTHER: lambda: QUOTA, THIRD: lambda: QUOTA}
        self._rules = {account: _Rules(Random(f"scans {seed} {account}"), size, quotas[account]) for account in REGIONS}
        self.registries = {
            account: Registry(
                account,
                region,
                clock,
                rules=cast(ScanRules, self._rules[account]),
                emit=self._emitted,
                calls=CallLog(keep=1),
            )
            for account, region in REGIONS.items()
        }

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now()

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        """Put a step on the agenda."""
        self._steps += 1
        heapq.heappush(self._agenda, (moment, self._steps, action))

    @property
    def next_at(self) -> datetime | None:
        """When the next step on the agenda is due."""
        return self._agenda[0][0] if self._agenda else None

    def play(self, until: datetime) -> None:
        """Do everything on the agenda, in its order."""
        while self._agenda and self._agenda[0][0] <= until:
            moment, _, action = heapq.heappop(self._agenda)
            self.clock.reach(moment)
            action()

    def create_repository(self, place: Place, *, scan_on_push: bool) -> None:
        """Somebody makes a repository."""
        self.registries[place[0]].create_repository(place[1], scan_on_push=scan_on_push)
        self.truth.histories[place] = History(self.now)

    def delete_repository(self, place: Place) -> None:
        """Somebody deletes a repository; ECR sends no event."""
        self.registries[place[0]].delete_repository(place[1])
        self.deleted[place] = self.now
        self.truth.histories[place].steps.append(Tagged(self.now, {}, gone=True))

    def push(self, place: Place, tag: str, made: Build) -> None:
        """Somebody pushes."""
        self.truth.builds[made.digest] = made
        for manifest in made.manifests:
            part = made.members.get(manifest) or Build("part", made.pushed, manifest, made.packages)
            self.truth.builds.setdefault(manifest, part)
            self.post(place, manifest)
        there = self.registries[place[0]].repositories[place[1]].images
        for pushed in (*(part for part in made.parts if part.digest not in there), made.pushed):
            tagged = {"imageTag": pushed.tag} if pushed.tag else {}
            self._call(place, "PutImage", imageManifest=pushed.manifest, **tagged)
            scan = there[pushed.digest].scans.get(BASIC)
            if scan is not None and scan.started_at == self.now:
                self.scans_on_push[place, pushed.digest] = self.now
        self.truth.histories[place].pushed[made.digest] = self.now
        self._tags_changed(place)
        self._settle_later(place[0])

    def retag(self, place: Place, tag: str, digest: str) -> None:
        """Somebody gives an image that is there one more tag, or moves one to it."""
        manifest = self.truth.builds[digest].pushed.manifest
        self._call(place, "PutImage", imageManifest=manifest, imageTag=tag)
        self._tags_changed(place)
        scan = self.registries[place[0]].repositories[place[1]].images[digest].scans.get(BASIC)
        if scan is not None and scan.started_at == self.now:
            # Where it is scanned on push, it is so again.
            self.foreign_scans.setdefault((place, digest), []).append(self.now)
            self._settle_later(place[0])

    def hang(self, registry: str, time: timedelta) -> None:
        """The next scan that starts in a registry takes so long."""
        self._rules[registry].hanging = time

    def refuse_once(self, registry: str) -> None:
        """The next start of a scan in a registry is answered with ValidationException."""
        self.refusing.add(registry)

    def delete_many(self, place: Place, tags: Sequence[str]) -> None:
        """A lifecycle policy deletes what these tags name, all at once."""
        there = self.tags(place)
        for tag in tags:
            if tag in there:
                self._call(place, "BatchDeleteImage", imageIds=[{"imageTag": tag}])
        self._tags_changed(place)

    def delete(self, place: Place, tag: str) -> None:
        """Somebody deletes a tag, and with its last one the image."""
        self._call(place, "BatchDeleteImage", imageIds=[{"imageTag": tag}])
        self._tags_changed(place)

    def archive(self, place: Place, digest: str, *, archived: bool) -> None:
        """Somebody archives an image, or brings it back, if it is still there."""
        with contextlib.suppress(EcrError):
            self._call(
                place,
                "UpdateImageStorageClass",
                imageId={"imageDigest": digest},
                targetStorageClass="ARCHIVE" if archived else "STANDARD",
            )
            self.archivals.setdefault((place, digest), []).append((self.now, archived))

    def scan(self, place: Place, digest: str) -> None:
        """Somebody starts a scan, if ECR lets them."""
        with contextlib.suppress(EcrError):
            self._call(place, "StartImageScan", imageId={"imageDigest": digest})
            self.foreign_scans.setdefault((place, digest), []).append(self.now)
            self._settle_later(place[0])

    def post(self, place: Place, digest: str, *, fails: bool = False) -> None:
        """What scans of a manifest find from now on."""
        made = self.truth.builds[digest]
        found = self.knowledge.found_in(made.packages, self.now)
        enhanced = self.scan_type(place[0]) == ENHANCED
        result: dict[str, Any] = {
            "repositoryName": place[1],
            "imageId": {"imageDigest": digest},
            "imageScanStatus": {"status": "ACTIVE" if enhanced else "COMPLETE"},
            "imageScanFindings": enhanced_findings(found) if enhanced else basic_findings(found),
        }
        if made.kind == "scratch" or fails:
            detail = "UnsupportedImageError: none" if made.kind == "scratch" else "broken"
            result["imageScanStatus"] = {"status": "FAILED", "description": detail}
            result["imageScanFindings"] = None
        self.registries[place[0]].post(result)

    def publish(self, package: str) -> None:
        """Something about a package became known: scans of all images with it find it from now on."""
        for place, digest in list(self._manifests()):
            if package in self.truth.builds[digest].packages:
                self.post(place, digest)

    def tags(self, place: Place) -> dict[str, str]:
        """Tag → digest."""
        repository = self.registries[place[0]].repositories.get(place[1])
        return dict(repository.tags) if repository else {}

    def build_of(self, digest: str) -> Build:
        """What is behind a digest."""
        return self.truth.builds[digest]

    def scan_type(self, account: str) -> str:
        """How an account's registry is scanned."""
        return self._scan_type if account == OWN else BASIC

    def switch(self, scan_type: str) -> None:
        """The own registry is scanned otherwise from now on."""
        self._scan_type = scan_type
        self.registries[OWN].configure_scanning(scan_type, [])
        for place, digest in list(self._manifests()):
            if place[0] == OWN:
                self.post(place, digest)

    def settle(self) -> None:
        """Scans that are due end."""
        for registry in self.registries.values():
            registry.settle()

    def _settle_later(self, account: str) -> None:
        registry = self.registries[account]
        for seconds in (20, 40, 60, 80):
            self.at(self.now + timedelta(seconds=seconds), registry.settle)

    def _manifests(self) -> Iterator[tuple[Place, str]]:
        """Everything that can be scanned and is there."""
        for account, registry in self.registries.items():
            for repository in registry.repositories.values():
                for digest in repository.images:
                    made = self.truth.builds.get(digest)
                    if made is not None and made.kind in ("image", "scratch", "part"):
                        yield (account, repository.name), digest

    def _call(self, place: Place, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.registries[place[0]].call(operation, {"repositoryName": place[1], **parameters})

    def _tags_changed(self, place: Place) -> None:
        self.truth.histories[place].steps.append(Tagged(self.now, self.tags(place)))

    def _quota(self) -> int:
        return 0 if within(self.troubles.quota, self.now) else QUOTA

    def _emitted(self, event: dict[str, Any]) -> None:
        if event["detail-type"] == "ECR Image Scan":
            self._scanned((event["account"], event["detail"]["repository-name"]), event["detail"]["image-digest"])
        self._emit(event)

    def _scanned(self, place: Place, digest: str) -> None:
        scan = self.registries[place[0]].repositories[place[1]].images[digest].scans[BASIC]
        assert scan.result is not None
        found: dict[tuple[str, str], str] | None = None
        if scan.result.findings is not None:
            found = {}
            for finding in scan.result.findings:
                key = (finding["name"], finding["attributes"][0]["value"])
                if RANK[finding["severity"]] > RANK.get(found.get(key, ""), 0):
                    found[key] = finding["severity"]
        self.truth.histories[place].steps.append(Scanned(scan.result.completed_at, scan.started_at, digest, found))
