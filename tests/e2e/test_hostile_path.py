"""Hostile findings from ECR's reply through the handlers to the feed, the messages and the log: nothing of it lives."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ecr_rescan.core.keys import findings_key
from local.template import ACCOUNT, REGION
from tests.atom import faults
from tests.feeds import parse
from tests.service import Service, service

HOSTILE = {
    "controls": "a\x00b\x08c\x1b[2Jd\x7fe\x9f",
    "lone surrogate": "a\ud800b\udfff",
    "end of CDATA": "]]><entry/>",
    "markup": '</title><script>alert(1)</script><a href="javascript:alert(1)">x</a>',
    "bidirectional": "\u202egpj.exe\u2066",
    "200 kB": "long text " * 20_000,
    "mention": "<!channel> @here `code` *bold*",
    "noncharacters": "a\ufffe\uffff\U0001fffeb",
}
URLS = [
    "javascript:alert(1)",
    "data:text/html,<script>",
    "https://user:pass@evil.example/",
    "https://evil.example/\u202e",
    "//evil.example",
    "https://[",
    " ",
    None,
    7,
    "http://exa mple/",
]


def finding(name: Any, text: Any, uri: Any) -> dict[str, Any]:
    """As ECR might send it, with a text in every place."""
    return {
        "name": name,
        "severity": "HIGH",
        "description": text,
        "uri": uri,
        "attributes": [{"key": "package_name", "value": text}, {"key": "package_version", "value": text}],
    }


def battery() -> list[Any]:
    """Everything at once, with members that are empty, missing or not what they should be, and duplicates."""
    found: list[Any] = [
        finding(f"CVE-2026-{place}{text}", text, uri)
        for place, (text, uri) in enumerate(zip([*HOSTILE.values()] * 2, URLS * 2, strict=False))
    ]
    found += [finding("CVE-2026-900", "same", "https://example.com/") for _ in range(3)]
    found += [
        {},
        {"name": "CVE-2026-901"},
        {"name": ""},
        {"name": None, "severity": None},
        {"name": "CVE-2026-902", "severity": "AWFUL"},
    ]
    found += [
        {"name": "CVE-2026-903", "attributes": None},
        {"name": "CVE-2026-904", "attributes": [None, {}, {"key": "package_name"}]},
    ]
    return found


def recorded(order: int) -> tuple[str, bytes, list[dict[str, str]], str]:
    """The feed, the document and the messages of an image with all that, sent in some order; and the token."""
    with service() as aws:
        aws.push("team/app", "1")
        added = aws.add("team/app")
        aws.post("team/app", "1", [])
        aws.cycle(3)
        shuffled = random.Random(order).sample(battery(), len(battery()))
        aws.post("team/app", "1", shuffled)
        aws.cycle(9, minutes=180)
        aws.cycle(1)
        reply = aws.feed(added)
        assert reply.status == 200
        document = aws.read(findings_key(ACCOUNT, REGION, "team/app")).replace(added["id"].encode(), b"configuration")
        return reply.body, document, [forms for _, forms, _ in aws.published], _token(aws, added)


def _token(aws: Service, added: dict[str, Any]) -> str:
    token: str = added["feed_url"].partition("token=")[2]
    assert token.startswith("ecrr_")
    return token


def test_hostile_findings_reach_the_feed_and_do_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """One entry for each, valid, with no link but safe ones, in whatever order ECR sends them."""
    feed, document, messages, token = recorded(1)
    assert faults(feed) == []
    entries = parse(feed).entries
    numbers = {entry.title.split()[1].rstrip(":") for entry in entries}
    assert {f"CVE-2026-90{number}" for number in (0, 1, 2, 3, 4)} <= numbers
    assert len(entries) >= 2 * len(HOSTILE) + 5
    for entry in entries:
        assert all(word not in entry.link for word in ("evil.example", "javascript", "data:"))
    changes = [forms for forms in messages if json.loads(forms["default"])["type"] == "changes"]
    assert len(changes) == 1
    assert len(json.dumps(changes[0], ensure_ascii=False).encode()) < 256 * 1024
    assert all("\x1b" not in form and "\u202e" not in form for form in changes[0].values())
    for where in (feed, *(form for forms in messages for form in forms.values()), caplog.text):
        assert token not in where
    again, same, _, _ = recorded(2)
    assert document == same
    assert sorted((entry.title, entry.summary) for entry in entries) == sorted(
        (entry.title, entry.summary) for entry in parse(again).entries
    )
