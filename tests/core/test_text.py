"""Hostile text becomes one harmless line, and only harmless links are offered."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ecr_rescan.core.text import clean, console_url, number_of, safe_link

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)

HOSTILE = {
    "nul and escape": ("a\x00b\x1b[31mc", "ab[31mc"),
    "white space of all kinds": ("\ta\r\n\n b\u2028c\u00a0d\x0be ", "a b c d e"),
    "spaces only": ("a    b", "a b"),
    "c1 controls": ("a\u0080\u009fb\u0085c", "ab c"),
    "delete": ("a\x7fb", "ab"),
    "lone surrogate": ("a\ud800b\udfffc", "abc"),
    "noncharacters": ("a\ufffe\uffff\ufdd0\U0001ffff\U0010fffeb", "ab"),
    "bidirectional override": ("evil\u202egpj.exe\u2066x\u2069\u200f", "evilgpj.exex"),
    "zero width": ("CVE-\u200b2026\u2060-\ufeff1\u200d", "CVE-2026-1"),
    "invisible letters": ("a\u3164\u115f\u00adb", "ab"),
    "invisible tags": ("a\U000e0041\U000e007fb", "ab"),
    "replacement character": ("a\ufffdb", "ab"),
    "decomposed": ("e\u0301", "é"),
    "emptied between spaces": ("a \u200b b", "a b"),
    "markup stays, escaping is another's work": ("<b>&amp;]]>", "<b>&amp;]]>"),
    "other scripts and emoji stay": ("漢字 עברית 😀", "漢字 עברית 😀"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_clean_shows_only_visible_text_on_one_line(text: str, shown: str) -> None:
    """Each kind of hostile character is dropped or folded, and the rest is left alone."""
    assert clean(text, 100) == shown


@given(ANY_TEXT, st.integers(1, 40))
def test_clean_is_idempotent_bounded_and_fit_for_xml(text: str, limit: int) -> None:
    """Whatever comes in, the result fits the limit, is NFC, and XML takes it; cleaning again changes nothing."""
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert clean(shown, limit) == shown
    assert unicodedata.is_normalized("NFC", shown)
    element = etree.Element("x")
    element.text = shown
    assert etree.fromstring(etree.tostring(element)).text == (shown or None)


def test_clean_cuts_with_an_ellipsis() -> None:
    """What is too long ends in an ellipsis within the limit, without a space before it."""
    assert clean("abc defgh", 5) == "abc…"
    assert clean("abcde", 5) == "abcde"
    assert clean("x" * 200_000, 50) == "x" * 49 + "…"


LINKS = {
    "https": ("https://nvd.nist.gov/vuln/detail/CVE-2026-1", "https://nvd.nist.gov/vuln/detail/CVE-2026-1"),
    "http, as Ubuntu's": ("http://people.ubuntu.com/~x/CVE.html", "http://people.ubuntu.com/~x/CVE.html"),
    "space outside": (" https://example.com/a \n", "https://example.com/a"),
    "no path": ("https://example.com", "https://example.com"),
    "port, query, fragment": ("https://example.com:8443/a?b=c&d=%20#e", "https://example.com:8443/a?b=c&d=%20#e"),
    "not ASCII after the host": ("https://example.com/é?ü=\u6f22", "https://example.com/%C3%A9?%C3%BC=%E6%BC%A2"),
    "markup": ('https://example.com/"><script>', "https://example.com/%22%3E%3Cscript%3E"),
    "capital scheme": ("HTTPS://EXAMPLE.COM/a", "HTTPS://EXAMPLE.COM/a"),
    "backslash in the path": ("https://example.com/a\\b", "https://example.com/a%5Cb"),
    "IPv4": ("http://192.0.2.1/a", "http://192.0.2.1/a"),
    "percent without digits": ("https://example.com/100%", None),
    "two fragments": ("https://example.com/#a#b", None),
    "javascript": ("javascript:alert(1)", None),
    "data": ("data:text/html,<script>alert(1)</script>", None),
    "javascript behind a control": ("java\x00script:alert(1)", None),
    "scheme behind a space": (" \tjavascript:alert(1)", None),
    "relative": ("/a/b", None),
    "scheme-relative": ("//example.com/a", None),
    "file": ("file:///etc/passwd", None),
    "no host": ("https:///a", None),
    "empty": ("", None),
    "user name": ("https://nvd.nist.gov@example.com/a", None),
    "user name and password": ("https://a:b@example.com/", None),
    "backslash for a slash": ("https://example.com\\@evil.example/", None),
    "space inside": ("https://example.com/a b", None),
    "line break inside": ("https://example.com/a\nb", None),
    "bidirectional control": ("https://example.com/\u202egpj", None),
    "lone surrogate": ("https://example.com/\ud800", None),
    "host not ASCII": ("https://ex\u0430mple.com/", None),
    "host with markup": ("https://exa<mple.com/", None),
    "host ends in a hyphen": ("https://example-/", None),
    "IPv6": ("http://[::1]/", None),
    "too long": ("https://example.com/" + "a" * 2_000, None),
    "too long once encoded": ("https://example.com/" + "é" * 400, None),
}


@pytest.mark.parametrize(("uri", "link"), LINKS.values(), ids=LINKS)
def test_safe_link_offers_only_harmless_absolute_links(uri: str, link: str | None) -> None:
    """Nothing but an absolute http or https URI comes out, encoded where it must be."""
    assert safe_link(uri) == link


@given(st.one_of(ANY_TEXT, st.builds("https://example.com{}".format, ANY_TEXT)))
def test_safe_link_never_fails_and_is_idempotent(uri: str) -> None:
    """Any text is a link or None, and a link that was offered is offered again unchanged."""
    link = safe_link(uri)
    assert link is None or safe_link(link) == link


def test_a_number_agrees_with_its_noun() -> None:
    """One is the only singular."""
    assert [number_of(count, "image", "images") for count in (0, 1, 1_200)] == ["0 images", "1 image", "1,200 images"]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_console_url_is_of_the_regions_partition(region: str, host: str) -> None:
    """China and GovCloud have consoles of their own."""
    url = console_url(region, "123456789012", "team/app", "sha256:" + "a" * 64)
    path = f"/ecr/repositories/private/123456789012/team/app/_/image/sha256:{'a' * 64}/details?region={region}"
    assert url == f"https://{host}{path}"
    assert safe_link(url) == url
