"""What a feed is compared with: the same entries made with feedgen alone, and with lxml alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feedgen.feed import FeedGenerator
from lxml import etree

_ATOM = "http://www.w3.org/2005/Atom"
_A = f"{{{_ATOM}}}"


@dataclass(frozen=True, slots=True)
class Entry:
    """All that an entry of our feed holds."""

    id: str
    title: str
    updated: datetime
    published: datetime
    link: str
    categories: tuple[tuple[str, str], ...]
    summary: str
    content: str


def entries_of(feed: str) -> list[Entry]:
    """Read our own feed back."""
    return [
        Entry(
            id=_text(node, "id"),
            title=_text(node, "title"),
            updated=datetime.fromisoformat(_text(node, "updated")),
            published=datetime.fromisoformat(_text(node, "published")),
            link=node.find(f"{_A}link").get("href"),
            categories=tuple((item.get("term"), item.get("scheme")) for item in node.findall(f"{_A}category")),
            summary=_text(node, "summary"),
            content=_text(node, "content"),
        )
        for node in etree.fromstring(feed.encode()).findall(f"{_A}entry")
    ]


def by_feedgen(entries: list[Entry]) -> bytes:
    """The best bare use of feedgen: datetimes rather than texts, appended rather than prepended."""
    feed = FeedGenerator()
    feed.id("urn:uuid:00000000-0000-4000-8000-000000000000")
    feed.title("ECR findings")
    feed.updated(max(entry.updated for entry in entries))
    feed.author({"name": "ecr-rescan"})
    for entry in entries:
        made = feed.add_entry(order="append")
        made.id(entry.id)
        made.title(entry.title)
        made.updated(entry.updated)
        made.published(entry.published)
        made.link({"href": entry.link})
        made.category([{"term": term, "scheme": scheme} for term, scheme in entry.categories])
        made.summary(entry.summary, type="html")
        made.content(entry.content, type="html")
    text: bytes = feed.atom_str()
    return text


def by_lxml(entries: list[Entry]) -> bytes:
    """What writing the elements alone costs."""
    root = etree.Element(f"{_A}feed", nsmap={None: _ATOM})
    for entry in entries:
        node = etree.SubElement(root, f"{_A}entry")
        etree.SubElement(node, f"{_A}id").text = entry.id
        etree.SubElement(node, f"{_A}title").text = entry.title
        etree.SubElement(node, f"{_A}updated").text = entry.updated.isoformat()
        etree.SubElement(node, f"{_A}link", href=entry.link)
        for term, scheme in entry.categories:
            etree.SubElement(node, f"{_A}category", term=term, scheme=scheme)
        for name, value in (("summary", entry.summary), ("content", entry.content)):
            etree.SubElement(node, f"{_A}{name}", type="html").text = value
        etree.SubElement(node, f"{_A}published").text = entry.published.isoformat()
    text: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _text(node: Any, name: str) -> str:
    return str(node.findtext(f"{_A}{name}"))
