"""Where an alert's package is, as HTML for a feed: repositories and versions, and the images that have them.

The findings of a repository mostly share a few sets of images, so each set, and each image in it, is rendered once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape

from ecr_rescan.core.changes.alert_parts import Occurrence
from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.changes.findings import FindingsDocument, Image
from ecr_rescan.core.changes.view import view
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.fixes.known import joined
from ecr_rescan.core.fixes.words import fixed_in
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import most_severe
from ecr_rescan.core.text import clean, console_url, enumerated

# Every image listed takes room from entries that are cut.
_IMAGES_SHOWN = 20
_TAGS_SHOWN = 10
_PLATFORMS_SHOWN = 10
_NAME_CHARACTERS = 256
_SHORT_DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Places:
    """Where an alert is: the number of images, the versions (cleaned, not escaped), and all of it as HTML."""

    images: int
    versions: str
    html: str


class ImageLists:
    """Renders where alerts are, for one configuration and one rendering of its feed."""

    def __init__(self, configuration: ScanConfiguration, documents: Iterable[FindingsDocument]) -> None:
        self._repositories = {document.repository: _Repository(configuration, document) for document in documents}

    def places(self, alert: Alert) -> Places:
        """Where an alert is; at most twenty images are listed."""
        rows = []
        listed = 0
        room = _IMAGES_SHOWN
        masks: dict[str, int] = {}
        unreported = self._unreported(alert)
        for occurrence in alert.occurrences:
            name = occurrence.document.repository
            repository = self._repositories[name]
            masks[name] = masks.get(name, 0) | occurrence.mask
            listed += repository.count(occurrence.mask)
            if room:
                items = repository.items(occurrence.mask)[:room]
                room -= len(items)
                version = escape(clean(occurrence.version, _NAME_CHARACTERS))
                head = f"{repository.html} {version} {occurrence.severity.value}"
                rows.append(f"<li>{head}\n<ul>{''.join(items)}</ul></li>\n")
        html = f"<ul>{''.join(rows)}</ul>{unreported}" if rows else ""
        more = listed - (_IMAGES_SHOWN - room)
        if more:
            html += f"<p>and {more} more</p>"
        images = listed
        if len(masks) < len(alert.occurrences):
            # An image with two versions of a package is listed under both, and is one image.
            images = sum(self._repositories[name].count(mask) for name, mask in masks.items())
        versions = dict.fromkeys(occurrence.version for occurrence in alert.occurrences if occurrence.version)
        return Places(images, enumerated(list(versions)), html)

    def _unreported(self, alert: Alert) -> str:
        """That results of unchanged images no longer list it, where they lack most of what they had."""
        since = []
        for occurrence in alert.occurrences:
            document = occurrence.document
            finding = document.findings.get((alert.vulnerability, alert.package))
            opening = finding.current if finding else None
            if opening is not None and (mask := opening.unreported & occurrence.mask):
                since += [one.vanished_at for one in document.manifests_of(mask) if one.vanished_at is not None]
        return f"<p>No longer reported since {min(since).date().isoformat()}.</p>" if since else ""

    def console_url(self, alert: Alert) -> str | None:
        """ECR's page of the first image that has it; None where none has it any more."""
        for occurrence in alert.occurrences:
            document = occurrence.document
            for manifest in document.manifests_of(occurrence.mask):
                return console_url(document.region, document.registry, document.repository, manifest.digest)
        return None

    def narrow(self, alert: Alert, tag: str) -> Alert | None:
        """The alert as far as images go that carry a matching tag; None where it doesn't concern them.

        An alert that is resolved concerns the tags that the images had then.
        """
        if alert.resolved_at is not None:
            concerned = any(self._repositories[name].had_tag(alert, tag) for name in alert.repositories)
            return alert if concerned else None
        occurrences = [
            narrowed
            for occurrence in alert.occurrences
            if (narrowed := self._repositories[occurrence.document.repository].narrow(alert, occurrence, tag))
        ]
        if not occurrences:
            return None
        fixes = joined(fix for occurrence in occurrences for fix in occurrence.fixes)
        return replace(
            alert,
            severity=most_severe([occurrence.severity for occurrence in occurrences]),
            fixes=fixes,
            fixed_in=fixed_in(fixes),
            occurrences=tuple(occurrences),
            repositories=tuple(dict.fromkeys(occurrence.document.repository for occurrence in occurrences)),
        )


class _Repository:
    """One findings document, as the configuration sees it."""

    def __init__(self, configuration: ScanConfiguration, document: FindingsDocument) -> None:
        self.html = f"<b>{escape(clean(document.repository, _NAME_CHARACTERS))}</b>"
        self._document = document
        self._view = view(configuration, document)
        self._items: dict[int, list[str]] = {}
        self._parts: dict[tuple[str, int, int], str] = {}
        self._tagged: dict[str, int] = {}
        self._alone, self._scopes = self._counting()

    def count(self, mask: int) -> int:
        """How many images have any of these manifests."""
        images = (mask & self._alone).bit_count()
        for scope in self._scopes:
            if scope & mask:
                images += 1
        return images

    def items(self, mask: int) -> list[str]:
        """The first images that have any of these manifests, as list items."""
        known = self._items.get(mask)
        if known is None:
            known = self._items[mask] = self._render(mask)
        return known

    def had_tag(self, alert: Alert, tag: str) -> bool:
        finding = self._document.findings.get((alert.vulnerability, alert.package))
        closings = [opening.closed for opening in finding.openings if opening.closed] if finding else []
        return any(matches(had, (tag,)) for closing in closings for had in closing.tags)

    def narrow(self, alert: Alert, occurrence: Occurrence, tag: str) -> Occurrence | None:
        if tag not in self._tagged:
            self._tagged[tag] = self._with_tag(tag)
        mask = occurrence.mask & self._tagged[tag]
        opening = self._document.findings[alert.vulnerability, alert.package].current
        if not mask or opening is None:
            return None
        parts = opening.affected[occurrence.version].items()
        severity = most_severe([severity for severity, members in parts if members & mask])
        return replace(occurrence, mask=mask, severity=severity)

    def _with_tag(self, tag: str) -> int:
        mask = 0
        for digest in self._view.images:
            image = self._document.images[digest]
            if any(matches(name, (tag,)) for name in image.tags):
                mask |= image.manifests | self._view.stand_ins.get(digest, 0)
        return mask

    def _counting(self) -> tuple[int, list[int]]:
        """The manifests that are all of an image and of one only, so that counting bits counts images; other images."""
        scopes = [
            self._document.images[digest].manifests | self._view.stand_ins.get(digest, 0)
            for digest in self._view.images
        ]
        once = twice = 0
        for scope in scopes:
            twice |= once & scope
            once |= scope
        others = [scope for scope in scopes if scope & twice or scope.bit_count() > 1]
        alone = once
        for scope in others:
            alone &= ~scope
        return alone, others

    def _render(self, mask: int) -> list[str]:
        items: list[str] = []
        for digest in self._view.images:
            image = self._document.images[digest]
            own = image.manifests & mask
            standing_in = self._view.stand_ins.get(digest, 0) & mask
            if own or standing_in:
                part = (digest, own, standing_in)
                item = self._parts.get(part)
                if item is None:
                    item = self._parts[part] = self._item(image, own, standing_in)
                items.append(item)
                if len(items) == _IMAGES_SHOWN:
                    break
        return items

    def _item(self, image: Image, own: int, standing_in: int) -> str:
        platforms = [manifest.platform for manifest in self._document.manifests_of(own | standing_in)]
        known = sorted({platform for platform in platforms if platform})
        failed = {manifest.unconfirmed for manifest in self._document.manifests_of(image.manifests)}
        notes = [f"({enumerated(known, _PLATFORMS_SHOWN)})"] if known else []
        if standing_in and not own:
            notes.append("not scanned yet: as the image before it")
        reasons = sorted(reason for reason in failed if reason)
        if reasons:
            notes.append(f"unconfirmed: newest scan {enumerated(reasons)}")
        tags = escape(enumerated(image.tags, _TAGS_SHOWN))
        digest = escape(clean(image.digest, _NAME_CHARACTERS)[:_SHORT_DIGEST])
        return f"<li>{tags} <code>{digest}</code>{''.join(f' {escape(note)}' for note in notes)}</li>"
