"""The whole service over HTTP, on the sample registry, as a subscriber with a real feed parser sees it day by day."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import feedparser
import pytest

from local.stack import LocalStack
from local.template import ACCOUNT, REGION

EVERYTHING = {"region": REGION, "registry": ACCOUNT, "repository": "*"}


def request(url: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of a request, as a plain client sees them."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    sent.method = method
    try:
        with urllib.request.urlopen(sent, timeout=30) as reply:
            return reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


class Subscriber:
    """Reads a feed once a day, and remembers which entries it has shown."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: set[str] = set()
        self.body = b""
        self.etag = ""

    def read(self) -> set[str]:
        """The titles of the entries that are new to it."""
        status, headers, body = request(self.url)
        assert status == 200, body
        feed = feedparser.parse(body)
        assert not feed.bozo, feed.get("bozo_exception")
        ids = [entry.id for entry in feed.entries]
        assert len(ids) == len(set(ids))
        new = {entry.title for entry in feed.entries if entry.id not in self.seen}
        self.seen.update(ids)
        self.body, self.etag = body, headers["etag"]
        return new


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """The samples, at the beginning of their first day."""
    with LocalStack(manual=True, samples=True) as running:
        yield running


def a_day(stack: LocalStack) -> None:
    """A day of the samples, with the ticks in which something happens and a few in which nothing does.

    It takes ten minutes more, because no image may be scanned again before its 24 hours are over.
    """
    for minutes in (5, 5, 10, 40, 5 * 60, 6 * 60, 12 * 60 + 10):
        stack.tick()
        stack.advance(minutes=2)
        stack.drain()
        stack.advance(minutes=minutes - 2)


def one(new: set[str], vulnerability: str) -> bool:
    """Whether exactly one entry is new, and about this vulnerability."""
    return len(new) == 1 and vulnerability in next(iter(new))


def test_a_subscriber_hears_of_every_change_once_and_of_nothing_else(stack: LocalStack) -> None:
    status, headers, body = request(f"{stack.url}/configs/", "POST", EVERYTHING)
    assert status == 201, body
    assert headers["location"]
    configuration: dict[str, Any] = json.loads(body)
    status, headers, _ = request(configuration["feed_url"])
    assert status == 503
    assert int(headers["retry-after"]) > 0
    subscriber = Subscriber(configuration["feed_url"])
    messages = []

    a_day(stack)
    assert len(subscriber.read()) > 400
    messages.append(len(stack.published))

    new_by_day = {}
    for day in range(1, 13):
        before = subscriber.body
        stack_etag = subscriber.etag
        a_day(stack)
        if day in (1, 3, 11):
            status, _, _ = request(subscriber.url, If_None_Match=stack_etag)
            assert status == 304, f"day {day}"
        new_by_day[day] = subscriber.read()
        messages.append(len(stack.published))
        if day in (1, 3, 11):
            assert subscriber.body == before, f"day {day}"

    assert new_by_day[1] == set()
    assert one(new_by_day[2], "CVE-2026-31337")
    assert new_by_day[3] == set()
    assert new_by_day[4] == set()
    assert one(new_by_day[5], "CVE-2025-26519")
    assert new_by_day[6] == set(), "a rebuilt image under the same tag"
    assert new_by_day[7] == set(), "a failed scan"
    assert new_by_day[8] == set()
    assert one(new_by_day[9], "CVE-2025-6021"), "the baseline of a new repository"
    assert one(new_by_day[10], "CVE-2026-31337"), "the finding spread to another repository"
    assert new_by_day[11] == set()
    assert one(new_by_day[12], "CVE-2026-40012")

    assert b"CVE-2025-48384" not in subscriber.body, "fixed on day 4"
    sent = [after - before for before, after in zip(messages, messages[1:], strict=False)]
    # On day 1 also what nobody has rated, and EPSS says is likely to be exploited.
    assert sent == [1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1]
    assert messages[0] == 1
    assert not [call for call in stack.calls.of("StartImageScan") if call.outcome != "ok"], "no start was refused"

    status, _, body = request(f"{stack.url}/summary")
    named = {image["repository"] for config in json.loads(body)["configurations"] for image in config["images"]}
    # One of the nine holds a chart alone, which is no image.
    assert len(named) == 8

    url = f"{stack.url}/configs/{configuration['id']}"
    assert request(url, "DELETE")[0] == 204
    assert request(configuration["feed_url"])[0] == 404
