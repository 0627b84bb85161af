"""What the readers show of one repository, by the very functions that serve them: summary, feed, list, gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.gate.question import ImageName, Question
from ecr_rescan.core.gate.verdict import Answer, Record, judge
from ecr_rescan.core.keys import findings_key, images_key
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.summary import summarise
from ecr_rescan.core.summary.where import where
from ecr_rescan.runtime.serving.summaries import Gatherings
from simulation.content import Key
from simulation.s3 import Stored
from simulation.scene import REGIONS
from simulation.truth import Place

Counts = Mapping[Severity, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the summary: where a manifest stands, and its findings by severity; None: not known."""

    state: ImageState
    counts: Counts | None


@dataclass(slots=True)
class Shown:
    """What one configuration shows of a repository.

    ``feed``: manifest → what the entries name it for. ``rows``: manifest → its rows in the summary, one for each image
    that has it. ``resolved``: what the feed says is fixed or gone.
    """

    feed: dict[str, set[Key]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    resolved: set[Key] = field(default_factory=set)


class Reader:
    """Reads one repository; parsed anew only where an ETag changed."""

    def __init__(self, place: Place) -> None:
        self._id = (place[0], REGIONS[place[0]], place[1])
        self._findings_key, self._images_key = findings_key(*self._id), images_key(*self._id)
        self._etags: tuple[str | None, str | None] = (None, None)
        self.document: FindingsDocument | None = None
        self.ledger: Ledger | None = None
        # The serving functions keep the same between their invocations.
        self._gatherings = Gatherings()
        self._fed: dict[str, tuple[tuple[ScanConfiguration, FindingsDocument | None, date], Shown]] = {}

    def refresh(self, objects: Mapping[str, Stored]) -> tuple[bool, bool]:
        """Read what changed; whether the findings did, and whether the ledger did."""
        findings, images = objects.get(self._findings_key), objects.get(self._images_key)
        etags = (findings.etag if findings else None, images.etag if images else None)
        if etags == self._etags:
            return False, False
        changed = (etags[0] != self._etags[0], etags[1] != self._etags[1])
        if changed[0]:
            self.document = FindingsDocument.from_json(self._findings_key, findings.document) if findings else None
        if changed[1]:
            self.ledger = Ledger.from_json(self._images_key, images.document) if images else None
        self._etags = etags
        return changed

    def show(self, configurations: Sequence[ScanConfiguration], now: datetime) -> dict[str, Shown]:
        """What each of these configurations shows."""
        found = {one.id: Shown() for one in configurations}
        if self.ledger is not None:
            documents = {self._id: self.document} if self.document else {}
            summary = summarise(
                configurations, {self._id: self.ledger}, documents, (), at=now, gathering=self._gatherings
            )
            for told in summary.configurations:
                rows = found[told.configuration.id].rows
                for image in told.images:
                    if image.status.manifest is not None:
                        rows.setdefault(image.status.manifest, []).append(Row(image.status.state, image.counts))
        for one in configurations:
            fed = self._feed(one, now)
            found[one.id].feed, found[one.id].resolved = fed.feed, fed.resolved
        return found

    def _feed(self, configuration: ScanConfiguration, now: datetime) -> Shown:
        """The feed's part, kept as long as the same goes into it."""
        asked = (configuration, self.document, now.date())
        known = self._fed.get(configuration.id)
        if known is None or known[0][0] is not asked[0] or known[0][1] is not asked[1] or known[0][2] != asked[2]:
            known = self._fed[configuration.id] = (asked, self._read_feed(configuration, now))
        return known[1]

    def _read_feed(self, configuration: ScanConfiguration, now: datetime) -> Shown:
        shown = Shown()
        if self.document is None:
            return shown
        digests = [manifest.digest if manifest else "" for manifest in self.document.manifests]
        for alert in alerts(configuration, [self.document], on=now.date(), resolved=True):
            key = (alert.vulnerability, alert.package)
            if alert.resolved_at is not None:
                shown.resolved.add(key)
            elif alert.suppressed is None and alert.severity.passes(configuration.severity):
                mask = 0
                for occurrence in alert.occurrences:
                    mask |= occurrence.mask
                while mask:
                    low = mask & -mask
                    shown.feed.setdefault(digests[low.bit_length() - 1], set()).add(key)
                    mask ^= low
        return shown

    def passes(self, manifest: str, configuration: ScanConfiguration, now: datetime) -> bool:
        """Whether the gate lets an image go on, asked by digest."""
        question = Question(ImageName(self._id[2], None, manifest), configuration=configuration.id)
        return judge(question, Record([configuration], self.ledger, self.document), at=now).answer is Answer.PASS

    def where(
        self, vulnerability: str, configurations: Sequence[ScanConfiguration], now: datetime
    ) -> dict[str, dict[str, dict[Key, str]]]:
        """Where ``GET /vulnerabilities/{id}`` says that one is: configuration → manifest → finding → severity."""
        found: dict[str, dict[str, dict[Key, str]]] = {}
        if self.document is not None:
            answer = where(vulnerability, configurations, [self.document], (), at=now)
            for place in answer.places:
                for config_id in place.configurations:
                    key = (answer.vulnerability, place.package)
                    found.setdefault(config_id, {}).setdefault(place.manifest, {})[key] = place.severity.value
        return found
