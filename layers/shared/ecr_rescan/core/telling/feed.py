"""A configuration's alerts as an Atom feed (RFC 4287): the same findings always give the same bytes.

The only importer of feedgen, which makes everything but the entries. Where it would lose or invent something, a comment
says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from ecr_rescan.core.changes.advisories import cvss_of, description_of
from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.changes.coverage import Coverage
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.fixes.words import fix_words
from ecr_rescan.core.signals.wire import epss_words, exploited_words
from ecr_rescan.core.telling.feed_filters import FORM, FeedFilters
from ecr_rescan.core.telling.feed_images import ImageLists
from ecr_rescan.core.text import clean, cut, enumerated, safe_link
from ecr_rescan.core.times import whole_seconds

LIMIT_BYTES = 4_500_000
"""The W3C validator and Microsoft's connector stop at 5 MB, Lambda's answer at 6 MB."""

_HEAD_BYTES = 16_384
_SCHEME = "tag:ecr-rescan,2026:"
_HISTORY = "http://purl.org/syndication/history/1.0"

_TITLE_CHARACTERS = 120
_NAME_CHARACTERS = 128
_DESCRIPTION_CHARACTERS = 4_000
_SUMMARY_CHARACTERS = 300
_SUBTITLE_CHARACTERS = 2_000

# Titles are plain text, but some readers take them for markup.
_NO_MARKUP = str.maketrans("", "", "<>&")

_TITLES = {
    "spread": "{}, spread to more repositories",
    "reopened": "{}, back again",
    "escalated": "{}, severity raised",
    "exploited": "{}, now exploited",
    "fixable": "{}, has a fix now",
    "resolved": "Resolved: {}",
}
_NEWS = {
    "spread": "It has spread to more repositories.",
    "reopened": "It was gone and is back.",
    "escalated": "Its severity was raised.",
    "exploited": "It is now known to be exploited.",
    "fixable": "It had no fix, and has one now.",
}
_RESOLVED = {
    "fixed": "an image without it took the place",
    "withdrawn": "a later result of the same image no longer lists it: nothing was mended, the advisory data changed",
    "gone": "the images that had it are gone",
}


@dataclass(frozen=True, slots=True)
class FeedSource:
    """What a feed is made from, beside its alerts.

    ``self_url`` is the feed's own address, filters included and without a token. ``unreadable`` counts the documents
    that could not be read. ``signals``: the sentence about public sources and their ages.
    """

    configuration: ScanConfiguration
    documents: Sequence[FindingsDocument]
    coverage: Coverage
    filters: FeedFilters
    self_url: str
    unreadable: int = 0
    signals: str = ""


class _CompleteFeed(BaseExtension):  # type: ignore[misc]
    """RFC 5005, section 2: what is not in this document is not in the feed any more."""

    def extend_ns(self) -> dict[str, str]:
        return {"fh": _HISTORY}

    def extend_atom(self, feed: Any) -> Any:
        etree.SubElement(feed, f"{{{_HISTORY}}}complete")
        return feed


def render_feed(source: FeedSource, alerts: Iterable[Alert]) -> str:
    """The feed of a configuration as Atom 1.0, at most 4.5 MB of it.

    What matters most first (``core.signals.order``); resolved alerts come last. What doesn't fit, and what exceeds
    ``limit``, is left out from the end, and the subtitle says so. Suppressed alerts are counted, not shown.

    Args:
        source: what the feed is of.
        alerts: of ``core.alerts``, in any order; ``severity`` has not been applied.
    """
    images = ImageLists(source.configuration, source.documents)
    threshold = source.filters.severity or source.configuration.severity
    tag = source.filters.tag
    concerned = alerts if tag is None else [one for alert in alerts if (one := images.narrow(alert, tag))]
    wanted = [alert for alert in concerned if alert.severity.passes(threshold)]
    if source.filters.exploited:
        wanted = [alert for alert in wanted if alert.signal.exploited]
    if source.filters.fixable:
        wanted = [alert for alert in wanted if alert.fixable]
    if source.filters.changes:
        wanted = [alert for alert in wanted if alert.kind != "baseline"]
    shown = sorted((alert for alert in wanted if not alert.suppressed), key=lambda alert: alert.urgency)
    body: list[str] = []
    room = LIMIT_BYTES - _HEAD_BYTES
    for alert in shown[: source.filters.limit]:
        entry = _entry(alert, images)
        # A backslash is two bytes in Lambda's answer, which is JSON of at most 6 MB.
        room -= (len(entry) if entry.isascii() else len(entry.encode())) + entry.count("\\")
        if room < 0:
            break
        body.append(entry)
    head = _feed(
        source,
        subtitle=_subtitle(source, shown=len(body), of=len(shown), suppressed=len(wanted) - len(shown)),
        updated=max(
            [max(alert.updated, _published(alert)) for alert in shown[: len(body)]]
            + [document.changed_at for document in source.documents],
            default=source.configuration.updated,
        ),
    )
    if len(body) == len(shown) and not source.unreadable and not source.coverage.waiting:
        head.register_extension("history", _CompleteFeed, rss=False)
    before, end, after = head.atom_str().decode().rpartition("</feed>")
    return "".join([before, *body, end, after])


def _feed(source: FeedSource, *, subtitle: str, updated: datetime) -> FeedGenerator:
    """Everything but the entries; whatever is not set here feedgen would take from the clock or from its version."""
    configuration = source.configuration
    feed = FeedGenerator()
    # Filters make a feed of its own: a reader may have several of one configuration.
    feed.id(f"urn:uuid:{uuid.uuid5(uuid.UUID(configuration.id), f'feed?{source.filters.query}')}")
    named = clean(configuration.description or "", _NAME_CHARACTERS) or enumerated(configuration.repository)
    what = "changes" if source.filters.changes else "findings"
    feed.title(cut(f"ECR {what}: {named} in {configuration.region}".translate(_NO_MARKUP), _TITLE_CHARACTERS))
    feed.subtitle(subtitle.translate(_NO_MARKUP))
    feed.updated(whole_seconds(updated))
    feed.author({"name": "ecr-rescan"})
    feed.generator("ecr-rescan", version=FORM)
    feed.language("en")
    feed.link({"href": source.self_url, "rel": "self", "type": "application/atom+xml"})
    return feed


def _subtitle(source: FeedSource, *, shown: int, of: int, suppressed: int) -> str:
    sentences = []
    if source.configuration.description:
        sentences.append(clean(source.configuration.description, _SUMMARY_CHARACTERS).rstrip(".") + ".")
    sentences.append(source.coverage.sentence())
    if source.unreadable:
        sentences.append(f"{_several(source.unreadable, 'repository', 'repositories')} could not be read.")
    if source.filters.query:
        sentences.append(f"Filtered by {source.filters.query.replace('&', ', ')}.")
    if source.signals:
        sentences.append(source.signals)
    if suppressed:
        sentences.append(f"{_several(suppressed, 'finding is', 'findings are')} suppressed.")
    if shown < of:
        narrower = "narrow it with severity or tag to see the rest"
        sentences.append(f"Cut: the {shown} most urgent of {of} entries are shown; {narrower}.")
    return cut(" ".join(sentences), _SUBTITLE_CHARACTERS)


def _entry(alert: Alert, images: ImageLists) -> str:
    """One entry, the very text that feedgen's FeedEntry makes of it, which takes three times as long (ADR 40).

    All that is put in has been cleaned, so that XML can hold it; here it is escaped.
    """
    severity = alert.severity.value
    package = clean(alert.package, _NAME_CHARACTERS)
    found = f"{severity} {clean(alert.vulnerability, _NAME_CHARACTERS)}{f' in {package}' if package else ''}"
    kind = alert.kind if alert.resolved_at is None else "resolved"
    named = f"{_TITLES.get(kind, '{}').format(found)}: {enumerated(alert.repositories, 2)}"
    title = cut(named.translate(_NO_MARKUP), _TITLE_CHARACTERS)
    published = _published(alert)
    places = images.places(alert)
    facts = _facts(alert, kind)
    description = description_of(alert.advisory, _DESCRIPTION_CHARACTERS)
    where = f"{_several(places.images, 'image', 'images')} of " if places.images else ""
    summary = f"{found} {places.versions}. {where}{enumerated(alert.repositories)}. {facts} {description}"
    paragraphs = (
        f"<p>{escape(description)}</p>\n<p>{escape(facts)}</p>\n" if description else f"<p>{escape(facts)}</p>\n"
    )
    # Just one: of two alternates readers take any.
    link = of_its_own(safe_link(alert.advisory.uri) or images.console_url(alert), alert.id)
    categories = [("severity", severity), ("kind", kind)] + ([("package", package)] if package else [])
    if alert.signal.exploited:
        categories.append(("exploited", "true"))
    if alert.fixable is not None:
        categories.append(("fixable", "true" if alert.fixable else "false"))
    return "".join(
        [
            f"<entry><id>urn:uuid:{alert.id}</id><title>{title}</title>",
            f"<updated>{max(whole_seconds(alert.updated), published).isoformat()}</updated>",
            f'<content type="html">{_text(paragraphs + places.html)}</content>',
            f'<link href="{_attribute(link)}"/>' if link else "",
            f'<summary type="html">{_text(escape(cut(summary, _SUMMARY_CHARACTERS)))}</summary>',
            *[f'<category term="{_attribute(term)}" scheme="{_SCHEME}{name}"/>' for name, term in categories],
            f"<published>{published.isoformat()}</published></entry>",
        ]
    )


def _published(alert: Alert) -> datetime:
    """When the alert began, and a second more for each degree of how severe it was then.

    Readers sort by it, and keep the newest: of what began at one instant, the most severe is the newest.
    """
    return whole_seconds(alert.published) + timedelta(seconds=alert.announced.rank)


def of_its_own(link: str | None, alert_id: str) -> str:
    """The link with a fragment that makes it this alert's alone, for readers that know entries by their link (ADR 61).

    Where it has a fragment, that still leads to its place: what follows ``:~:`` is no part of it to a browser
    (WICG, "URL Fragment Text Directives").
    """
    if not link:
        return ""
    return f"{link}{':~:' if '#' in link else '#'}ecr-rescan-{alert_id}"


def _text(text: str) -> str:
    return escape(text, quote=False)


def _attribute(text: str) -> str:
    return escape(text, quote=False).replace('"', "&quot;")


def _facts(alert: Alert, kind: str) -> str:
    """What there is to know in short sentences; cleaned, not escaped."""
    sentences = []
    if kind in _NEWS:
        sentences.append(_NEWS[kind])
    if alert.resolved_at is not None:
        why = _RESOLVED.get(alert.resolved_reason, alert.resolved_reason)
        sentences.append(f"Resolved {alert.resolved_at.date().isoformat()}: {why}.")
    if exploited := exploited_words(alert.signal):
        sentences.append(f"{exploited[0].upper()}{exploited[1:]}.")
    if epss := epss_words(alert.signal):
        sentences.append(f"EPSS {epss}{', likely to be exploited' if alert.signal.likely else ''}.")
    if fix := fix_words(alert.package, alert.fixes):
        sentences.append(f"Fix: {fix}.")
    if cvss := cvss_of(alert.advisory):
        sentences.append(f"{cvss}.")
    sentences.append(f"First seen {alert.first_seen.date().isoformat()}.")
    return " ".join(sentences)


def _several(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
