"""Merging what ECR says into a findings document, and telling what that changed for each configuration.

The rules are in ``docs/changes.md``. A change is the difference between what a configuration saw of the repository
before and what it sees after, under the configuration as it is now: so a changed configuration is no change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ecr_rescan.core.changes.affected import Affected, at_least, difference, everybody, without
from ecr_rescan.core.changes.closing import SCAN_TYPE, WITHDRAWN, believed
from ecr_rescan.core.changes.findings import (
    Announcement,
    Closing,
    Finding,
    FindingKey,
    FindingsDocument,
    News,
    Opening,
)
from ecr_rescan.core.changes.image_list import (
    ImageFact,
    drop_unseen,
    forget_predecessors,
    list_images,
    tags_by_position,
    wanted_images,
)
from ecr_rescan.core.changes.masks import bits, mask_of
from ecr_rescan.core.changes.newsworthy import baseline, displacing, had_findings, rises, shown
from ecr_rescan.core.changes.texts import update_texts
from ecr_rescan.core.changes.view import View, view
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.releases import release_of
from ecr_rescan.core.scan_result import ScanResult, ScanType
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.times import whole_seconds

WAVE = timedelta(hours=25)
"""Openings within this time of the first are one alert: every image is scanned once in it."""

KEEP_CLOSED = timedelta(days=90)
"""How long a closed opening, and with it the first-seen date, is remembered."""


@dataclass(frozen=True, slots=True)
class Update:
    """What is newly known of a repository.

    ``images``: all images that a configuration may select, as they are now (None: no news of them). ``results``: by
    digest of the manifest. ``unconfirmed``: by digest, why the newest scan gave no result.
    """

    images: Sequence[ImageFact] | None = None
    results: Mapping[str, ScanResult] = field(default_factory=dict)
    unconfirmed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What an update changed, by configuration id: alerts that began or joined a wave, and alerts that rose.

    ``lacking``: the selected manifests of which no result is recorded.
    """

    opened: dict[str, list[FindingKey]] = field(default_factory=dict)
    raised: dict[str, list[FindingKey]] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()


class _Merge:
    """One update of one document."""

    def __init__(
        self,
        document: FindingsDocument,
        update: Update,
        configurations: Sequence[ScanConfiguration],
        now: datetime,
        *,
        keep_all: bool,
    ) -> None:
        self.keep_all = keep_all
        self.document = document
        self.update = update
        self.configurations = configurations
        self.now = now
        self.views_before = self._views()
        self.known_to = {
            configuration.id
            for configuration in configurations
            if self.views_before[configuration.id].effective or had_findings(document, configuration)
        }
        # Findings that changed, with the opening as it was before: the open one, or one that was closed and continues.
        self.touched: dict[FindingKey, Opening | None] = {}
        self.fresh: dict[int, ScanResult] = {}
        self.changed = 0
        self.first = 0
        self.other_scan_type = 0
        self.tags_of = tags_by_position(document)

    def run(self) -> Changes:
        if self.update.images is not None:
            list_images(self.document, self.update.images, self.now)
        self.views_listed = self._views()
        self.displacing = {
            configuration.id: displacing(self.document, configuration, self.views_listed[configuration.id])
            for configuration in self.configurations
        }
        self._take_results()
        self._merge_findings()
        self.views_after = self._views()
        removed = drop_unseen(
            self.document,
            wanted_images(self.document, list(self.views_after.values()), keep_all=self.keep_all),
            list(self.views_after.values()),
            [(configuration, self.views_before[configuration.id]) for configuration in self.configurations],
            self.update.images,
        )
        if removed:
            self._forget(removed)
        update_texts(self.document, self.fresh.values(), self.touched, self.now)
        changes = self._compare()
        changes.lacking = self._lacking()
        self._prune()
        return changes

    def _views(self) -> dict[str, View]:
        return {configuration.id: view(configuration, self.document) for configuration in self.configurations}

    def _lacking(self) -> frozenset[str]:
        selected = 0
        for seen in self._views().values():
            selected |= seen.selected
        without_result = selected & ~self.document.with_result
        return frozenset(manifest.digest for manifest in self.document.manifests_of(without_result))

    def _take_results(self) -> None:
        wanted = wanted_images(self.document, list(self.views_listed.values()), keep_all=self.keep_all)
        places = 0
        for digest in wanted:
            places |= self.document.images[digest].manifests
        for position in bits(places):
            manifest = self.document.manifests[position]
            assert manifest is not None
            result = self.update.results.get(manifest.digest)
            if result is not None and not _is_old(result, manifest.result_at):
                self.fresh[position] = result
                if manifest.result_at is None:
                    self.first |= 1 << position
                    manifest.result_at = result.completed_at
                elif manifest.scan_type is not result.scan_type:
                    self.other_scan_type |= 1 << position
                manifest.scan_type = result.scan_type
                manifest.unconfirmed = None
                # Remembered: once its findings are gone, nothing tells any more.
                manifest.release = release_of(result.findings) or manifest.release
            elif result is None and manifest.digest in self.update.unconfirmed:
                manifest.unconfirmed = self.update.unconfirmed[manifest.digest]
        self._compare_scan_types()
        forget_predecessors(self.document)

    def _compare_scan_types(self) -> None:
        """First results that differ from their stand-ins' in scan type differ in everything else, too."""
        for seen in self.views_listed.values():
            for digest, standing in seen.stand_ins.items():
                first = self.document.images[digest].manifests & self.first
                types = {self.fresh[position].scan_type for position in bits(first)}
                if types.isdisjoint(manifest.scan_type for manifest in self.document.manifests_of(standing)):
                    self.other_scan_type |= first | (standing if first else 0)

    def _merge_findings(self) -> None:
        present: dict[FindingKey, Affected] = {}
        for position, result in self.fresh.items():
            for found in result.findings:
                by_severity = present.setdefault((found.vulnerability, found.package), {}).setdefault(found.version, {})
                by_severity[found.severity] = by_severity.get(found.severity, 0) | 1 << position
        fresh = mask_of(self.fresh)
        reported = {key: everybody(affected) for key, affected in present.items()}
        sure = believed(self.document, reported, fresh, self.other_scan_type, self.now)
        for key, finding in self.document.findings.items():
            opening = finding.current
            if opening is None or not opening.mask & fresh:
                continue
            unreported = opening.unreported & ~fresh | opening.mask & fresh & ~sure & ~reported.get(key, 0)
            if unreported != opening.unreported:
                self._touch(key, opening)
                self.changed |= unreported ^ opening.unreported
                opening.unreported = unreported
            if key not in present and opening.mask & sure:
                self.changed |= opening.mask & sure
                self._without(key, finding, opening, sure, WITHDRAWN)
        for key, affected in sorted(present.items()):
            self._affect(key, affected, sure | reported[key])
        for position in bits(self.changed):
            manifest = self.document.manifests[position]
            assert manifest is not None
            manifest.result_at = self.fresh[position].completed_at

    def _affect(self, key: FindingKey, affected: Affected, fresh: int) -> None:
        finding = self.document.findings.get(key)
        if finding is None:
            finding = self.document.findings[key] = Finding(first_seen=self.now, updated_at=self.now)
        opening = finding.current
        if opening is None and finding.openings and self._came_straight_back(finding.openings[-1]):
            opening = finding.openings[-1]
            self._touch(key, opening)
            opening.closed = None
        if opening is None:
            self.touched.setdefault(key, None)
            opening = Opening(at=self.now)
            finding.openings.append(opening)
        merged = without(opening.affected, fresh)
        for version, parts in affected.items():
            into = merged.setdefault(version, {})
            for severity, mask in parts.items():
                into[severity] = into.get(severity, 0) | mask
        peaks = self._peaks(opening, merged)
        if merged != opening.affected or peaks != opening.peaks:
            self._touch(key, opening)
            self.changed |= difference(opening.affected, merged)
            opening.affected, opening.peaks = merged, peaks

    def _came_straight_back(self, opening: Opening) -> bool:
        closed = opening.closed
        return closed is not None and closed.reason == "gone" and self.now - closed.at <= WAVE

    def _peaks(self, opening: Opening, merged: Affected) -> dict[Severity, int]:
        """Higher severities that the affected manifests, or those they stand for, had earlier in this opening."""
        earlier = dict(opening.peaks)
        for parts in opening.affected.values():
            for severity, mask in parts.items():
                earlier[severity] = earlier.get(severity, 0) | mask
        for seen in self.views_listed.values():
            for digest, standing in seen.stand_ins.items():
                heirs = self.document.images[digest].manifests
                for severity, mask in earlier.items():
                    if mask & standing:
                        earlier[severity] = mask | heirs
        peaks = {}
        everyone = everybody(merged)
        for severity, mask in earlier.items():
            above = mask & everyone & ~at_least(merged, severity)
            if above and severity.rated:
                peaks[severity] = above
        return peaks

    def _touch(self, key: FindingKey, opening: Opening) -> None:
        if key not in self.touched:
            self.touched[key] = replace(opening, news=dict(opening.news))

    def _without(self, key: FindingKey, finding: Finding, opening: Opening, mask: int, reason: str) -> None:
        """Take manifests out of an opening, and close it if nothing is left."""
        self._touch(key, opening)
        gone = opening.mask & mask
        severity = opening.severity(gone)
        opening.affected = without(opening.affected, mask)
        opening.unreported &= ~mask
        opening.peaks = {severity: part & ~mask for severity, part in opening.peaks.items() if part & ~mask}
        if not opening.affected and self.touched[key] is None:
            # Opened and closed by one update: nobody saw it.
            finding.openings.remove(opening)
        elif not opening.affected:
            if gone & self.other_scan_type:
                reason = SCAN_TYPE
            tags = sorted({tag for position in bits(gone) for tag in self.tags_of.get(position, ())})
            opening.closed = Closing(self.now, reason, severity, tuple(tags[:20]))

    def _forget(self, removed: Mapping[int, str]) -> None:
        """Manifests that left the document: position → reason."""
        by_reason: dict[str, int] = {}
        for position, reason in removed.items():
            by_reason[reason] = by_reason.get(reason, 0) | 1 << position
        for key, finding in self.document.findings.items():
            # "fixed" last: where one image was deleted and another displaced, the displaced one tells.
            for reason in sorted(by_reason, key=("unselected", "gone", "fixed").index):
                opening = finding.current
                if opening is not None and opening.mask & by_reason[reason]:
                    self._without(key, finding, opening, by_reason[reason], reason)

    def _compare(self) -> Changes:
        """What each configuration sees now that it did not see before."""
        changes = Changes()
        for configuration in self.configurations:
            before, after = self.views_before[configuration.id], self.views_after[configuration.id]
            loud = after.effective & ~self._quiet(configuration, before, after)
            keys = self.touched if before.effective == after.effective else self.document.findings
            for key in sorted(keys):
                opening = self.document.findings[key].current
                if opening is None or not opening.mask & loud:
                    continue
                was = self.touched.get(key) if key in self.touched else opening
                seen = shown(configuration, was, before) if was else None
                severity = opening.severity(loud)
                if seen is None:
                    opening.news[configuration.id] = News(self.now, opening.severity(after.effective))
                    changes.opened.setdefault(configuration.id, []).append(key)
                elif rises(configuration, opening.news.get(configuration.id), seen, severity):
                    self._raise(configuration.id, opening, seen, severity)
                    changes.raised.setdefault(configuration.id, []).append(key)
        return changes

    def _raise(self, config_id: str, opening: Opening, peak: Severity, severity: Severity) -> None:
        news = opening.news.get(config_id) or News(None, peak)
        opening.news[config_id] = News(news.wave, news.severity, (*news.raised, (self.now, severity)))

    def _quiet(self, configuration: ScanConfiguration, before: View, after: View) -> int:
        """The manifests whose findings are recorded without alerting anybody."""
        if configuration.id not in self.known_to:
            return after.effective
        displaced_by = self.displacing[configuration.id]
        return self.other_scan_type | baseline(self.document, configuration, before, after, displaced_by)

    def _prune(self) -> None:
        for key, finding in list(self.document.findings.items()):
            finding.openings = [
                opening
                for opening in finding.openings
                if opening.closed is None or self.now - opening.closed.at < KEEP_CLOSED
            ]
            if not finding.openings:
                del self.document.findings[key]
        named = {vulnerability for vulnerability, _ in self.document.findings}
        for vulnerability in [name for name in self.document.advisories if name not in named]:
            del self.document.advisories[vulnerability]


def record(
    document: FindingsDocument,
    update: Update,
    configurations: Sequence[ScanConfiguration],
    now: datetime,
    *,
    keep_all: bool = False,
    stored: bytes | None = None,
) -> Changes:
    """Merge an update into a document (which is changed in place) and tell what changed for each configuration.

    ``configurations`` are those that name the repository; without any, nothing is changed. ``keep_all``: images that
    none of them selects are kept, because not all configurations could be read. ``stored``: the document's form as it
    was read, if it was. Results that complete before what is recorded, and basic results recorded already, change
    nothing. News begins with a wave of its own; ``announce`` sets the wave that the configuration knows, and must be
    called before the document is written.
    """
    if not configurations:
        return Changes()
    now = whole_seconds(now)
    before = stored or document.to_json()
    changes = _Merge(document, update, configurations, now, keep_all=keep_all).run()
    if document.to_json() != before:
        document.changed_at = now
    return changes


def announce(
    document: FindingsDocument,
    changes: Changes,
    waves: Mapping[str, Mapping[FindingKey, datetime]],
    now: datetime,
) -> None:
    """Give opened alerts their waves (by configuration id and key) and put all changes in the outbox."""
    now = whole_seconds(now)
    for config_id, keys in changes.opened.items():
        for key in keys:
            news = document.findings[key].openings[-1].news[config_id]
            news.wave = whole_seconds(waves[config_id][key])
            document.outbox.append(Announcement(config_id, *key, news.wave, now))
    for config_id, keys in changes.raised.items():
        for key in keys:
            news = document.findings[key].openings[-1].news[config_id]
            document.outbox.append(Announcement(config_id, *key, news.wave, now))


def _is_old(result: ScanResult, recorded: datetime | None) -> bool:
    """Stale or recorded already. Enhanced findings change without a new scan, so the same time counts again there."""
    if recorded is None:
        return False
    if result.scan_type is ScanType.ENHANCED:
        return result.completed_at < recorded
    return result.completed_at <= recorded
