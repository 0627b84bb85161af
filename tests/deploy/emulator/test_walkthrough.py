"""What a first user does, over HTTP, with the built functions: only their folders and the layer are importable."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import feedparser
import pytest

from local.functions import PROJECT
from local.template import ACCOUNT, REGION
from tests.deploy.emulator.conftest import Emulated

EVERYTHING = {"region": REGION, "registry": ACCOUNT, "repository": "*"}


def request(
    url: str, method: str = "GET", body: object = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(sent, timeout=60) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_a_first_user_s_steps(emulated: Emulated) -> None:
    """The README's: a configuration, its first scans, its feed, the summary, the dashboard, and its end."""
    stack = emulated.stack
    (asked,) = re.findall(r"/configs -d '({.*?})'", (PROJECT / "README.md").read_text(encoding="utf-8"))
    status, headers, body = request(f"{stack.url}/configs", "POST", json.loads(asked))
    assert status == 201, body
    added: dict[str, Any] = json.loads(body)
    assert headers["Location"].endswith(added["id"])
    assert request(added["feed_url"])[0] == 503, "no results yet"

    emulated.cycle(2)
    status, headers, body = request(added["feed_url"])
    assert status == 200, body
    feed = feedparser.parse(body)
    assert not feed.bozo
    assert feed.entries
    assert request(added["feed_url"], headers={"If-None-Match": headers["ETag"]})[0] == 304
    assert request(added["feed_url"], "HEAD")[2] == b""
    assert request(added["feed_url"].partition("?")[0])[0] == 401
    assert stack.published, "the baseline is announced"

    for path in ("/configs", f"/configs/{added['id']}", "/summary", f"/summary/{added['id']}", "/openapi.json"):
        assert request(stack.url + path)[0] == 200, path
    status, _, text = request(f"{stack.url}/summary", headers={"Accept": "text/plain"})
    assert status == 200
    assert text.startswith(b"Results for team-a/")
    status, _, body = request(f"{stack.url}/dashboard/tokens", "POST", {"name": "me"})
    assert status == 201, body
    page = json.loads(body)["dashboard_url"]
    status, _, html = request(page)
    assert status == 200, html
    assert b"<html" in html
    assert request(page.partition("?")[0])[0] == 401
    assert request(page.replace("/dashboard", "/metrics"))[0] == 200

    emulated.cycle()
    assert not [call for call in stack.calls.of("StartImageScan") if call.outcome != "ok"]
    assert request(f"{stack.url}/configs/{added['id']}", "DELETE")[0] == 204
    assert request(added["feed_url"])[0] == 404


def test_no_token_reaches_a_log(emulated: Emulated) -> None:
    """Neither the secret that a URL holds, nor one that somebody tries."""
    stack = emulated.stack
    _, _, body = request(f"{stack.url}/configs", "POST", EVERYTHING)
    url, _, token = json.loads(body)["feed_url"].partition("?token=")
    emulated.cycle()
    guess = "x" * len(token)
    statuses = [request(f"{url}?token={secret}")[0] for secret in (token, guess)]
    assert statuses == [200, 401]
    assert emulated.log(), "the log is read at all"
    assert not [line for line in emulated.log() if token in line or guess in line]


def test_a_line_of_the_log_tells_which_request_it_is_about(emulated: Emulated) -> None:
    """Lambda's request id is in every structured line, and API Gateway's in those about its requests."""
    _, headers, _ = request(f"{emulated.stack.url}/configs", "POST", EVERYTHING)
    request(f"{emulated.stack.url}/summary")
    request(f"{emulated.stack.url}/findings/{headers['Location'].rpartition('/')[2]}")
    emulated.stack.tick()
    lines = [json.loads(line) for line in emulated.log() if line.startswith("{") and '"level"' in line]
    assert {line["service"] for line in lines} == {"ecr-rescan"}
    assert all(line["function_request_id"] for line in lines)
    answered = [line for line in lines if line["message"] == "answered"]
    assert {line["route"] for line in answered} == {"/configs", "/summary", "/findings/{id}"}
    assert len({line["correlation_id"] for line in answered}) == 3


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_only_reading_is_open_to_the_world(emulated: Emulated, method: str) -> None:
    """API Gateway itself refuses other methods on the routes that open with a token."""
    assert request(f"{emulated.stack.url}/metrics", method)[0] == 403
