"""The dashboard of the local stack with its samples, in a real browser."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.stack import LocalStack
from tests.browser.chromium import Tab, tab

DAYS = 24
STEPS = (0.1, 11.9, 0.1, 11.9)
"""Hours between the ticks of a day: few, because a day only needs to start its scans and see their results."""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"width": 1280, "height": 900},
    "dark": {"width": 1280, "height": 900, "dark": True},
    "phone": {"width": 390, "height": 844, "phone": True},
    "phone-dark": {"width": 390, "height": 844, "phone": True, "dark": True},
}


def post(stack: LocalStack, path: str, body: object) -> dict[str, Any]:
    request = urllib.request.Request(stack.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        made: dict[str, Any] = json.load(answer)
        return made


@contextmanager
def weeks() -> Iterator[str]:
    """The dashboard's URL, after the samples' first weeks."""
    with LocalStack(manual=True, samples=True) as stack:
        everything = {"region": "us-east-1", "registry": "123456789012", "repository": "*"}
        accepted = {"vulnerability": "CVE-2024-*", "reason": "Accepted until the base image is replaced"}
        post(stack, "/configs", everything | {"description": "All images", "ignore": [accepted]})
        for _ in range(DAYS):
            for hours in STEPS:
                stack.tick()
                stack.advance(hours=hours)
                stack.drain()
        post(stack, "/configs", everything | {"repository": "team-a/*", "description": "Team A", "owner": "team-a"})
        stack.tick()
        stack.advance(minutes=10)
        stack.drain()
        yield str(post(stack, "/dashboard/tokens", {"name": "browser"})["dashboard_url"])


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """One deployment for all."""
    with weeks() as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Tab]:
    """One browser for all; NoChromiumError, which fails the tests, where there is none."""
    with tab() as opened:
        yield opened


@pytest.fixture(params=LOOKS)
def page(request: pytest.FixtureRequest, browser: Tab, url: str) -> Tab:
    """The dashboard, opened with each look."""
    browser.look(**LOOKS[request.param])
    browser.open(url)
    return browser


def text(page: Tab) -> str:
    return str(page.value("document.body.innerText"))


def test_the_page_says_what_there_is(page: Tab) -> None:
    """The three questions, the plot, the repositories and the images of the samples."""
    said = text(page)
    for expected in ("All configurations", "Is anything on fire?", "Newest changes", "platform/base", "Team A"):
        assert expected in said
    assert page.value("document.querySelectorAll('svg.plot g').length") == 30
    assert page.value("document.querySelectorAll('svg.plot g rect:not(.hole)').length") > 20
    assert page.value("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"


def test_nothing_is_complained_of_and_nothing_leaves_the_machine(page: Tab, url: str) -> None:
    """The console shows no error, and the page itself is the only request."""
    assert page.complaints == []
    assert page.requests == [url]
    assert urlsplit(url).hostname == "127.0.0.1"


def test_it_fits_the_width(page: Tab) -> None:
    """Nothing sticks out sideways, on a phone neither."""
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_plots_texts_are_whole_and_apart(page: Tab) -> None:
    """Within the card, none over another, and large enough to be read, on a phone too."""
    boxes = page.value(
        "[...document.querySelectorAll('svg.plot text')].map(each => each.getBoundingClientRect())"
        ".map(box => [box.left, box.top, box.right, box.bottom])"
    )
    left, right = page.value(
        "(() => { const card = document.querySelector('svg.plot').closest('.card').getBoundingClientRect();"
        "return [card.left, card.right]; })()"
    )
    assert len(boxes) == 10
    for one in boxes:
        assert left < one[0] < one[2] < right
        assert one[3] - one[1] >= 10
        others = [other for other in boxes if other is not one]
        assert not [
            other
            for other in others
            if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
        ]


def test_a_table_is_one_on_a_phone_too(page: Tab) -> None:
    """Stacked rows keep their roles, their headings and their captions."""
    roles = [role for role, _ in page.accessible()]
    assert roles.count("table") == roles.count("caption") == 3
    assert roles.count("rowheader") >= 10
    assert roles.count("columnheader") == 15


def test_what_is_seen_is_told_from_its_ground(page: Tab) -> None:
    """A contrast of at least 4.5 for every text, and of 3 for fields and charts, by WCAG 2's formula."""
    script = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
    assert page.value(script) == []


def test_links_and_forms_lead_within_the_page(browser: Tab, url: str) -> None:
    """A filter, a sorting link, a search and a configuration's page, without a script of the page's own."""
    browser.look(**LOOKS["light"])
    browser.open(url)
    browser.act("document.querySelector('[name=q]').value='team-a';document.querySelector('.filter').requestSubmit()")
    images = str(browser.value("document.querySelector('#images table').innerText"))
    assert "team-a/" in images
    assert "platform/" not in images
    browser.act("[...document.querySelectorAll('#images th a')].find(a => a.innerText === 'Scanned').click()")
    assert browser.value("document.querySelector('#images th[aria-sort]').innerText") == "Scanned"
    browser.open(url)
    browser.act(
        "document.querySelector('[name=search]').value='cve-2026-21441';document.querySelector('[role=search]').requestSubmit()"
    )
    assert re.search(r"In \d+ images of \d+ repositories", text(browser))
    browser.open(url)
    browser.act("[...document.querySelectorAll('a')].find(a => a.innerText === 'Team A').click()")
    assert browser.value("document.querySelector('h1').innerText") == "Team A"
    assert browser.complaints == []


def test_from_the_first_number_to_the_command_that_ignores_it(browser: Tab, url: str) -> None:
    """By clicks alone, with the token in no address; a link without it opens, too."""
    browser.look(**LOOKS["light"])
    browser.open(url)
    script = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
    for link in (".big a", "#findings tbody a"):
        browser.act(f"document.querySelector({link!r}).click()")
        assert "token" not in str(browser.value("location.href"))
        assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.value(script) == []
    assert str(browser.value("document.querySelector('#ignore pre').innerText")).startswith("ecr-rescan ignore CVE-")
    browser.open(f"{url.partition('?')[0]}?view=findings")
    assert browser.value("document.querySelector('h1').innerText") == "Open findings"
    assert browser.complaints == []


def test_the_keyboard_reaches_everything(browser: Tab, url: str) -> None:
    """The first key offers to skip to the content; every further one moves on, and shows where."""
    browser.look(**LOOKS["light"])
    browser.open(url)
    browser.press("Tab", 9)
    assert browser.value("document.activeElement.innerText") == "Skip to the content"
    reached = set()
    number = browser.value(
        "document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary').length"
    )
    for _ in range(number - 1):
        browser.press("Tab", 9)
        reached.add(browser.value("document.activeElement.outerHTML"))
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert browser.value("document.activeElement.tagName") != "BODY"
    assert len(reached) > 20


def test_a_screen_reader_is_told_the_same(browser: Tab, url: str) -> None:
    """Headings, landmarks, tables with captions, named fields, and charts in words."""
    browser.look(**LOOKS["light"])
    browser.open(url)
    told = browser.accessible()
    roles = {role for role, _ in told}
    assert {"banner", "main", "contentinfo", "search", "heading", "table", "image"} <= {
        {"img": "image"}.get(role, role) for role in roles
    }
    assert not [
        role
        for role, name in told
        if role in ("textbox", "searchbox", "combobox", "button", "link", "image") and not name
    ]
    assert any("high" in name for role, name in told if role in ("image", "img"))
