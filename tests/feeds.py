"""Renders feeds for tests, and reads them as a reader does and as they are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import feedparser
from lxml import etree

from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.coverage import coverage
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.telling.feed import FeedSource, render_feed
from ecr_rescan.core.telling.feed_filters import FeedFilters
from tests.builders import AT, CONFIG_ID, configuration

ATOM = "{http://www.w3.org/2005/Atom}"
COMPLETE = "{http://purl.org/syndication/history/1.0}complete"
SELF = f"https://api.example.com/v1/findings/{CONFIG_ID}"


def render(
    documents: Sequence[FindingsDocument],
    asked: ScanConfiguration | None = None,
    filters: FeedFilters | None = None,
    *,
    unreadable: int = 0,
    shuffled: int | None = None,
) -> str:
    """The feed of a configuration over these documents."""
    asked = asked or configuration(["team/*"])
    filters = filters or FeedFilters()
    wanted = alerts(asked, documents, on=AT.date(), resolved=filters.resolved)
    if shuffled is not None:
        chance = random.Random(shuffled)
        documents = chance.sample(documents, len(documents))
        chance.shuffle(wanted)
    source = FeedSource(asked, documents, coverage(asked, documents), filters, SELF, unreadable)
    return render_feed(source, wanted)


def parse(text: str) -> Any:
    """The feed as a reader parses it; nothing may be wrong with it."""
    parsed = feedparser.parse(text.encode(), response_headers={"content-type": "application/atom+xml; charset=utf-8"})
    assert not parsed.bozo, parsed.get("bozo_exception")
    return parsed


def raw_entries(text: str) -> list[Any]:
    """The entries as they are, before a reader has cleaned them."""
    return etree.fromstring(text.encode()).findall(f"{ATOM}entry")


def is_complete(text: str) -> bool:
    """Whether the feed says that nothing was left out."""
    return etree.fromstring(text.encode()).find(COMPLETE) is not None
