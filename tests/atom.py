"""A validator of what this service may serve as Atom: RFC 4287, RFC 5005, and what feed validators warn of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

_ATOM = "{http://www.w3.org/2005/Atom}"
_ONCE = ("id", "title", "updated")
_FEED = ("id", "title", "updated", "author", "link", "generator", "subtitle", "entry")
_ENTRY = ("id", "title", "updated", "published", "link", "category", "summary", "content")
_COMPLETE = "{http://purl.org/syndication/history/1.0}complete"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_URN = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff]")
_SCHEME = re.compile(r"tag:[a-z0-9.-]+,\d{4}:[a-z]+")
_HTML = frozenset({"p", "ul", "li", "b", "code"})


class Elements(HTMLParser):
    """Collects the elements and the attributes of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [name for name, _ in attrs]


def faults(text: str) -> list[str]:
    """Everything that is wrong with a feed; nothing, for a valid one."""
    root = etree.fromstring(text.encode())
    if root.tag != f"{_ATOM}feed":
        return [f"the root is {root.tag}"]
    return [*_feed(root), *(fault for entry in root.findall(f"{_ATOM}entry") for fault in _entry(entry))]


def _feed(root: Any) -> Iterator[str]:
    yield from _common(root, _FEED, (_COMPLETE,))
    if len(root.findall(f"{_ATOM}author/{_ATOM}name")) != 1:
        yield "not one author with a name"
    links = root.findall(f"{_ATOM}link")
    if [(link.get("rel"), link.get("type")) for link in links] != [("self", "application/atom+xml")]:
        yield "not just one self link"
    if any("token" in link.get("href") for link in links):
        yield "a token in the self link"
    if len(root.findall(_COMPLETE)) > 1:
        yield "complete more than once"
    if not root.get("{http://www.w3.org/XML/1998/namespace}lang"):
        yield "no language"
    ids = [entry.findtext(f"{_ATOM}id") for entry in root.findall(f"{_ATOM}entry")]
    if len(ids) != len(set(ids)):
        yield "two entries of one id"
    children = [child.tag for child in root]
    dates = [entry.findtext(f"{_ATOM}updated") or "" for entry in root.findall(f"{_ATOM}entry")]
    if max(dates, default="") > (root.findtext(f"{_ATOM}updated") or ""):
        yield "an entry that is newer than its feed"
    if f"{_ATOM}entry" in children and set(children[children.index(f"{_ATOM}entry") :]) != {f"{_ATOM}entry"}:
        yield "something after the first entry"


def _entry(entry: Any) -> Iterator[str]:
    yield from _common(entry, _ENTRY, ())
    links = entry.findall(f"{_ATOM}link")
    if len(links) > 1 or any(link.get("rel", "alternate") != "alternate" for link in links):
        yield "more than one alternate link"
    for link in links:
        parts = urlsplit(link.get("href"))
        if re.search(r"[^\x21-\x7e]", link.get("href")):
            yield "a character in a link that no URI has"
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            yield f"the link {link.get('href')!r}"
    if not entry.findtext(f"{_ATOM}summary") or not entry.findtext(f"{_ATOM}content"):
        yield "no summary or no content"
    for name in ("summary", "content"):
        if [element.get("type") for element in entry.findall(f"{_ATOM}{name}")] != ["html"]:
            yield f"not one {name} of HTML"
        html = Elements(entry.findtext(f"{_ATOM}{name}") or "")
        if not html.names <= _HTML or html.attributes:
            yield f"foreign HTML in the {name}: {sorted(html.names)} {html.attributes}"
    for category in entry.findall(f"{_ATOM}category"):
        if not category.get("term") or not _SCHEME.fullmatch(category.get("scheme", "")):
            yield "a category without term or scheme"
    published, updated = entry.findtext(f"{_ATOM}published"), entry.findtext(f"{_ATOM}updated")
    if published is None or published > updated:
        yield f"published {published}, updated {updated}"


def _common(element: Any, allowed: tuple[str, ...], foreign: tuple[str, ...]) -> Iterator[str]:
    for name in _ONCE:
        if len(element.findall(f"{_ATOM}{name}")) != 1 or not element.findtext(f"{_ATOM}{name}"):
            yield f"not one {name}"
    for child in element:
        if child.tag not in foreign and child.tag.removeprefix(_ATOM) not in allowed:
            yield f"a {child.tag}"
    if not _URN.fullmatch(element.findtext(f"{_ATOM}id") or ""):
        yield f"the id {element.findtext(f'{_ATOM}id')}"
    for name in ("updated", "published"):
        for date in element.findall(f"{_ATOM}{name}"):
            if not _DATE.fullmatch(date.text or ""):
                yield f"the date {date.text}"
    for text in element.findall(f"{_ATOM}title") + element.findall(f"{_ATOM}subtitle"):
        if re.search("[<>&]", text.text or ""):
            yield "markup in a plain text"
    if any(_BAD.search(text) for child in element for text in (child.text or "", *child.attrib.values())):
        yield "a character that readers warn of"
