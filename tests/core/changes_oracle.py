"""What is news, read naively from the rules in ``docs/changes.md``: sets of names, one step at a time."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecr_rescan.core.configuration import ScanConfiguration
from tests.core.changes_steps import Scan, Step, outcome
from tests.core.worlds import World

Key = tuple[str, str]


@dataclass
class OracleImage:
    """An image: its manifests with their platforms, when it appeared, and per tag whom it took it from."""

    manifests: dict[str, str | None]
    appeared: datetime
    tags: set[str] = field(default_factory=set)
    before: dict[str, str] = field(default_factory=dict)


class Oracle:
    """Follows one configuration without ``newest``."""

    def __init__(self, selection: ScanConfiguration) -> None:
        self.selection = selection
        self.images: dict[str, OracleImage] = {}
        self.results: dict[str, set[Key]] = {}
        self.since: datetime | None = None
        self.gone: dict[Key, datetime] = {}
        self.had_findings = False

    def take(self, step: Step, world: World) -> set[Key]:
        """The news of a step that the world has just taken."""
        if "app" not in world.images:
            return set()
        self.since = self.since or world.now
        seen_before = self.manifests_seen()
        keys_before = self.keys(seen_before)
        counting = {digest for digest in self.images if self.selected(digest)}
        holders = {tag: digest for digest in counting for tag in self.images[digest].tags if self.named(tag)}
        standing = {digest: self.stand_ins(digest) for digest in counting}
        everything_before = self.keys(set(self.results))
        first_ever = not seen_before and not self.had_findings
        self.read(world)
        waiting = {digest for digest in self.images if self.stand_ins(digest)}
        if isinstance(step, Scan):
            results, _ = outcome(world, step)
            for manifest, said in results.items():
                if any(manifest in self.images[digest].manifests for digest in self.kept()):
                    self.results[manifest] = {(one.vulnerability, one.package) for one in said}
        kept = self.kept()
        reasons: dict[Key, set[str]] = {}
        for digest in set(self.images) - kept:
            own = self.images[digest].manifests.keys()
            names = {tag for tag, holder in holders.items() if holder == digest or standing[holder] & own}
            why = self.why(digest, names, kept, world)
            for key in self.keys(set(own)):
                reasons.setdefault(key, set()).add(why)
        self.images = {digest: image for digest, image in self.images.items() if digest in kept}
        held = {manifest for image in self.images.values() for manifest in image.manifests}
        self.results = {manifest: keys for manifest, keys in self.results.items() if manifest in held}
        everything = self.keys(set(self.results))
        quiet = set()
        for digest, image in self.images.items():
            displaced = digest in waiting or any(holders.get(tag, digest) != digest for tag in image.tags)
            old = image.appeared <= max(self.since, self.selection.selected_since)
            if self.selected(digest) and old and not displaced:
                quiet |= image.manifests.keys() - seen_before
        news = set() if first_ever else self.keys(self.manifests_seen() - quiet) - keys_before
        news = {key for key in news if key not in self.gone or world.now - self.gone[key] > timedelta(hours=25)}
        for key in everything_before - everything:
            self.had_findings = True
            if "gone" in reasons.get(key, ()) and "fixed" not in reasons[key]:
                self.gone[key] = world.now
        for key in everything:
            self.gone.pop(key, None)
        return news

    def read(self, world: World) -> None:
        """What the repository holds now."""
        listed = {digest: fact for digest, fact in world.images["app"].items() if fact.tags}
        holders = {tag: digest for digest, image in self.images.items() for tag in image.tags}
        appeared = {digest: image.appeared for digest, image in self.images.items()}
        before = {digest: dict(image.before) for digest, image in self.images.items()}
        for digest, fact in listed.items():
            image = self.images.setdefault(digest, OracleImage(dict(fact.manifests), fact.pushed_at))
            image.tags = set(fact.tags)
            for tag in fact.tags if not self.complete(digest) else ():
                holder = holders.get(tag, digest)
                if holder == digest:
                    continue
                if self.results.keys() & self.images[holder].manifests.keys():
                    image.before[tag] = holder
                else:
                    image.appeared = min(image.appeared, appeared[holder])
                    if tag in before[holder]:
                        image.before[tag] = before[holder][tag]
        for digest, image in self.images.items():
            if digest not in listed:
                image.tags = set()

    def selected(self, digest: str) -> bool:
        return any(self.named(tag) for tag in self.images[digest].tags)

    def named(self, tag: str) -> bool:
        return any(fnmatch.fnmatchcase(tag, pattern) for pattern in self.selection.tags or ("*",))

    def complete(self, digest: str) -> bool:
        return self.images[digest].manifests.keys() <= self.results.keys()

    def chain(self, digest: str, tag: str) -> list[str]:
        found = [digest]
        while not self.complete(found[-1]):
            following = self.images[found[-1]].before.get(tag)
            if following is None or following not in self.images or following in found:
                break
            found.append(following)
        return found[1:]

    def stand_ins(self, digest: str) -> set[str]:
        """The manifests that count for what an image lacks: with each earlier image, those that are still lacking."""
        if self.complete(digest):
            return set()
        standing: set[str] = set()
        for tag in self.images[digest].tags:
            if not self.named(tag):
                continue
            followers = [digest]
            for earlier in self.chain(digest, tag):
                for manifest, platform in self.images[earlier].manifests.items():
                    if manifest in self.results and all(self.lacks(one, manifest, platform) for one in followers):
                        standing.add(manifest)
                followers.append(earlier)
        return standing

    def lacks(self, digest: str, manifest: str, platform: str | None) -> bool:
        own = self.images[digest].manifests
        missing = {own[one] for one in own if one not in self.results}
        if missing == set(own.values()) and not own.keys() & self.results.keys():
            return True
        return bool(missing) and manifest not in own and (platform is None or platform in missing or None in missing)

    def manifests_seen(self) -> set[str]:
        """The manifests that count for the configuration."""
        seen: set[str] = set()
        for digest, image in self.images.items():
            if self.selected(digest):
                seen |= {manifest for manifest in image.manifests if manifest in self.results}
                seen |= self.stand_ins(digest)
        return seen

    def keys(self, manifests: set[str]) -> set[Key]:
        return {key for manifest in manifests for key in self.results.get(manifest, ())}

    def kept(self) -> set[str]:
        """The images that are remembered: selected ones, and those that these took tags from and still need."""
        selected = {digest for digest in self.images if self.selected(digest)}
        chains = {one for digest in selected for tag in self.images[digest].tags for one in self.chain(digest, tag)}
        return selected | chains

    def why(self, digest: str, names: set[str], kept: set[str], world: World) -> str:
        """Why an image went that counted under these tags."""
        if not names:
            return "unselected"
        if names & {tag for other in kept for tag in self.images[other].tags}:
            return "fixed"
        fact = world.images["app"].get(digest)
        return "unselected" if fact is not None and fact.tags else "gone"
