"""Text from findings is never trusted: it is cleaned here before it is shown, and links are checked.

Cleaning makes text safe to put into XML and onto one line; escaping markup is left to whoever writes markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote

_REMOVED = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls that are no white space
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: they reorder what people read
    "\u00ad\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"  # invisible
    "\ufff9-\ufffd"  # annotations; U+FFFC and U+FFFD, the marks of text that was lost before
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # lone surrogates and noncharacters
    + "".join(f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "\U000e0000-\U000e0fff"  # tags and supplementary selectors: invisible
    "]+"
)

_LINK = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?"
    r"(?:/(?:[a-z0-9._~!$&'()*+,;=:@/-]++|%[0-9a-f]{2})*+)?"
    r"(?:\?(?:[a-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9a-f]{2})*+)?"
    r"(?:\#(?:[a-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9a-f]{2})*+)?",
    re.IGNORECASE | re.ASCII,
)
"""http(s) URIs of RFC 3986 with a DNS name or an IPv4 address as their host, and without user information."""

# The dot before a top-level domain, which has two letters at least, of any script.
_HOST_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")

_LINK_LIMIT = 2_000
_NAME_LIMIT = 256

_CONSOLES = {
    "cn": "console.amazonaws.cn",
    "us-gov": "console.amazonaws-us-gov.com",
    "eusc": "console.amazonaws-eusc.eu",
}


def clean(text: str, limit: int) -> str:
    """One line of visible text in NFC, of at most ``limit`` characters; what is longer ends in an ellipsis.

    White space of every kind becomes single spaces. Controls, bidirectional and invisible characters, noncharacters
    and lone surrogates are dropped: XML 1.0 forbids some, and the others make text read as something it is not.
    """
    if not (text.isascii() and text.isprintable()):
        text = " ".join(text.split())
        if not (text.isascii() and text.isprintable()):
            text = unicodedata.normalize("NFC", _REMOVED.sub("", text))
    if "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as leaves room for an ellipsis within ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def enumerated(names: Sequence[str], shown: int = 3) -> str:
    """``a, b, c and 4 more``: names, cleaned, and how many are left out."""
    listed = ", ".join([clean(name, _NAME_LIMIT) for name in names[:shown]])
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed


def without_links(text: str) -> str:
    """The text with nothing that a mail program or a chat makes a link of by itself: no scheme, no name of a host.

    A bare host's name is letters after a dot; numbers of versions have none, and stay as they are.
    """
    return _HOST_DOT.sub("[.]", text.replace("://", "[:]//"))


def number_of(count: int, one: str, many: str) -> str:
    """``1 image`` or ``12,000 images``."""
    return f"{count:,} {one if count == 1 else many}"


def safe_link(uri: str) -> str | None:
    """A link that a person may be offered, or None: absolute http or https, with a host and without a user name.

    Characters that a URI can't hold (RFC 3986, section 2) are percent-encoded after the host, and refused elsewhere;
    so is white space inside, and everything over 2,000 characters.
    """
    uri = uri.strip()
    if len(uri) > _LINK_LIMIT or " " in uri or not uri.isprintable():
        return None
    if _LINK.fullmatch(uri):
        return uri
    encoded = quote(uri, safe=":/?#@!$&'()*+,;=%")
    return encoded if len(encoded) <= _LINK_LIMIT and _LINK.fullmatch(encoded) else None


def console_url(region: str, registry: str, repository: str, digest: str) -> str:
    """ECR's console page of an image, in the partition of its Region."""
    domain = next((name for part, name in _CONSOLES.items() if region.startswith(f"{part}-")), "console.aws.amazon.com")
    image = f"{registry}/{quote(repository)}/_/image/{quote(digest, safe=':')}"
    return f"https://{region}.{domain}/ecr/repositories/private/{image}/details?region={region}"
