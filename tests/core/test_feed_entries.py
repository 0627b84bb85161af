"""The entries of a feed, which are written as text, beside what feedgen makes of the same values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from feedgen.entry import FeedEntry
from lxml import etree

from ecr_rescan.core.telling.feed_filters import FeedFilters
from tests.builders import document, found, image, result
from tests.feeds import ATOM, raw_entries, render

HOSTILE = "a \" quote, an ' apostrophe, <b>&amp; ]]> <!-- \u2028 \U0001f600 é \x00 \x9f end"


def by_feedgen(raw: Any) -> str:
    """The same entry by feedgen."""
    entry = FeedEntry()
    entry.id(raw.findtext(f"{ATOM}id"))
    entry.title(raw.findtext(f"{ATOM}title"))
    entry.updated(datetime.fromisoformat(raw.findtext(f"{ATOM}updated")))
    entry.published(datetime.fromisoformat(raw.findtext(f"{ATOM}published")))
    entry.link({"href": raw.find(f"{ATOM}link").get("href")})
    entry.category([dict(category.attrib) for category in raw.findall(f"{ATOM}category")])
    entry.summary(raw.findtext(f"{ATOM}summary"), type="html")
    entry.content(raw.findtext(f"{ATOM}content"), type="html")
    text: str = etree.tostring(entry.atom_entry(), encoding="unicode")
    return text


@pytest.mark.parametrize("text", ["plain", HOSTILE])
@pytest.mark.parametrize("uri", ["https://example.com/a?b=1&c=2", "javascript:alert(1)"])
def test_an_entry_is_the_very_text_that_feedgen_makes(text: str, uri: str) -> None:
    """Every element, attribute and escape, whatever is in it: feed readers and ETags see no difference."""
    finding = found(f"CVE {text}", f"package {text}", version=text, description=text, uri=uri, fixed_in=text)
    feed = render(
        [document(images=[image("one", "latest")], results=[result("one", finding, found())])],
        filters=FeedFilters(),
    )
    entries = raw_entries(feed)
    assert len(entries) == 2
    for raw in entries:
        assert by_feedgen(raw) in feed
