"""What every page of the dashboard has: its head, the search, and the way back. No script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from ecr_rescan.core.dashboard.query import Links
from ecr_rescan.core.html import Child, Html, raw, tag

_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='#0b5cad'/>"
    "<path d='M4 8.5l2.6 2.6L12 5.4' fill='none' stroke='#fff' stroke-width='2'/></svg>"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around a page. ``title``: what people call all that it may tell of; ``searched``: what was looked for."""

    title: str
    at: datetime
    links: Links
    searched: str = ""


def document(title: str, style: str, *body: Html) -> str:
    """An HTML document; ``style`` is the sheet that the page's security policy names by its hash."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex, nofollow"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} · ecr-rescan"),
        tag("link", rel="icon", href=f"data:image/svg+xml,{quote(_ICON)}"),
        raw(f"<style>{style}</style>"),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def framed(frame: Frame, heading: str, main: Iterable[Html | None], footer: Sequence[Child], style: str) -> str:
    """A page: the overview where its heading is the frame's title, else one below it."""
    links = frame.links
    above = [] if links.here == "/dashboard" or not links.everything else [("All configurations", "/dashboard")]
    above += [] if heading == frame.title else [(frame.title, links.here)]
    up: list[Child] = []
    for name, path in above:
        up += [tag("a", name, href=links.to(path)), " › "]
    content = [
        tag("nav", up, aria_label="Up", class_="up") if up else None,
        tag("h1", heading),
        *main,
    ]
    return document(
        heading if heading == frame.title else f"{heading} · {frame.title}",
        style,
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _header(frame),
        tag("main", content, id="content"),
        tag("footer", footer),
    )


def _header(frame: Frame) -> Html:
    links = frame.links
    search = tag(
        "form",
        tag(
            "input",
            type="search",
            name="search",
            value=frame.searched or None,
            placeholder="CVE-2026-1234, openssl, team/app",
            aria_label="Vulnerability, package or repository to look for",
        ),
        tag("button", "Search", type="submit"),
        action=f"{links.base}{links.here}",
        method="get",
        role="search",
    )
    home = "/dashboard" if links.everything else links.here
    return tag(
        "header",
        tag("div", tag("a", "ecr-rescan", href=links.to(home)), class_="brand"),
        tag("div", f"as of {frame.at:%Y-%m-%d %H:%M}Z", class_="asof"),
        search,
    )


def door(base: str, here: str, query: Mapping[str, str], style: str) -> str:
    """The page for whoever comes without a token, or with one that opens nothing here."""
    kept = [
        tag("input", type="hidden", name=name, value=value) for name, value in sorted(query.items()) if name != "token"
    ]
    form = tag(
        "form",
        kept,
        tag("label", "Token", tag("input", type="password", name="token", autocomplete="off", required=True)),
        tag("button", "Open", type="submit"),
        action=f"{base}{here}",
        method="get",
        class_="filter",
    )
    said = (
        "Open the link with the token once in this browser, or enter the token here. The browser then keeps it for half"
        " a year, and links from mails and chats open, too.",
        "Whoever runs this service makes such a link with: ecr-rescan dashboard new NAME",
        "If you have been in before, the token may have ended or been revoked, or may not open from this network.",
    )
    card = tag("section", [tag("p", text) for text in said], form, class_="card")
    return document("Sign in", style, tag("main", tag("h1", "This page opens with a token"), card, id="content"))
