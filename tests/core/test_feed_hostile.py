"""Hostile text from findings is shown in a feed, and nothing of it lives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.coverage import coverage
from ecr_rescan.core.telling.feed import FeedSource, render_feed
from ecr_rescan.core.telling.feed_filters import FeedFilters
from tests.atom import faults
from tests.builders import AT, configuration, document, found, image, result, update
from tests.feeds import ATOM, SELF, parse, raw_entries, render

HOSTILE = {
    "markup": '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "end of CDATA": "]]><entry><id>urn:x</id></entry><![CDATA[",
    "end of the feed": "</content></entry></feed>",
    "entities": "&lt;script&gt; &amp;amp; &#x3c;b&#x3e; &nbsp; &unknown;",
    "controls": "a\x00b\x08c\x1b[2Jd\x7fe\x85f\x9fg",
    "noncharacters": "a\ufffe\uffff\U0001fffeb",
    "bidirectional": "\u202egpj.exe\u2066",
    "huge": "long text, " * 20_000,
    "huge markup": "<b>&" * 50_000,
    "empty": "",
    "spaces": " \t\r\n\u2028",
    "decomposed": "e\u0301\u0323",
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_and_never_lives(hostile: str) -> None:
    """Any text, in any place that a finding has for text, leaves a well-formed feed with our own elements only."""
    finding = found(
        f"CVE{hostile}",
        f"package{hostile}",
        version=hostile,
        description=hostile,
        uri=f"https://example.com/{hostile}",
        fixed_in=hostile,
        score=hostile,
        vector=hostile,
    )
    made = document(
        images=[image("one", f"tag{hostile}", manifests={"one": f"os/{hostile}"})], results=[result("one", finding)]
    )
    update(made, None, unconfirmed={"one": f"FAILED {hostile}"})
    text = render([made])
    assert_harmless(text, entries=1)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), min_size=4, max_size=4))
def test_any_text_leaves_a_wellformed_feed(texts: list[str]) -> None:
    """Whatever characters ECR may send, one finding never costs the feed."""
    vulnerability, package, description, uri = texts
    finding = found(vulnerability, package, description=description, uri=uri)
    text = render([document(images=[image()], results=[result("one", finding)])])
    assert_harmless(text, entries=1)


def test_lone_surrogates_are_dropped() -> None:
    """A document can't hold them, being UTF-8; should one come by another way, the feed is there without it."""
    documents = [document(images=[image()], results=[result("one", found())])]
    asked = configuration(["team/*"])
    (alert,) = alerts(asked, documents, on=AT.date())
    advisory = replace(alert.advisory, description="a\ud800b", uri="https://example.com/\udfff")
    hostile = replace(alert, vulnerability="CVE\ud800", package="\udfffx", fixed_in="\ud8001", advisory=advisory)
    text = render_feed(FeedSource(asked, documents, coverage(asked, documents), FeedFilters(), SELF), [hostile])
    assert_harmless(text, entries=1)
    assert parse(text).entries[0].title == "HIGH CVE in x: team/app"


def assert_harmless(text: str, *, entries: int) -> None:
    """The feed parses, has as many entries as it should, and no markup or link but the service's own."""
    assert len(parse(text).entries) == entries
    assert faults(text) == []
    for entry in raw_entries(text):
        title = entry.findtext(f"{ATOM}title")
        assert title
        assert len(title) <= 120
        assert not set(title) & set("<>&\u202e\x00")
        assert len(entry.findtext(f"{ATOM}summary")) <= 300 * len("&quot;")
        assert len(entry.findtext(f"{ATOM}content")) <= 10_000 * len("&quot;")
        for link in entry.findall(f"{ATOM}link"):
            assert link.get("href").startswith("https://")
