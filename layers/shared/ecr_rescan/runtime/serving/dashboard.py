"""The dashboard's style sheet, and the headers that keep the page to itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

HTML = "text/html; charset=utf-8"

_SHEET = Path(__file__).with_name("dashboard.css")


@cache
def style() -> str:
    """The style sheet."""
    return _SHEET.read_text(encoding="utf-8")


@cache
def headers() -> dict[str, str]:
    """Nothing may run, nothing may be fetched, nobody may frame it, and no address of it leaves with a link."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
