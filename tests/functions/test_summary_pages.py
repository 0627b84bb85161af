"""The Summary function's other routes: the dashboard, the metrics, vulnerabilities, and the contract."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ecr_rescan.core import keys
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.summary.history import Snapshot
from ecr_rescan.core.tokens import TokenSet
from ecr_rescan.runtime import wiring
from ecr_rescan.runtime.refusals import MOST_REFUSALS
from tests.functions.summary_calls import NOW, deployment, get, put, token
from tests.rest import Reply
from tests.summary_records import HIGH, LOW, REGION, REGISTRY, complete, configuration, findings, ledger

ONE, OTHER = configuration(1, description="First"), configuration(2, repository=("team/web",))
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'


@pytest.fixture
def s3() -> Iterator[Any]:
    """Two configurations with a repository each, and a vulnerability in both."""
    with deployment() as client:
        for one in (ONE, OTHER):
            (repository,) = one.repository
            put(client, keys.config_key(one.id), one.to_document())
            held = ledger({"1": complete(), "2": None}, repository=repository)
            document = findings(("1", "2"), {("CVE-2026-1", "openssl"): {"3": {HIGH: 1}}}, repository=repository)
            put(client, keys.images_key(REGISTRY, REGION, repository), held.to_json())
            put(client, keys.findings_key(REGISTRY, REGION, repository), document.to_json())
        yield client


@pytest.fixture
def calls(s3: Any) -> list[str]:
    """S3 calls of the function, by operation."""
    made: list[str] = []
    events = wiring.documents()._s3.meta.events
    events.register("before-call.s3", lambda model, **_: made.append(model.name), unique_id="count")
    return made


class Elements(HTMLParser):
    """Every element with its attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page(s3: Any, **query: str) -> Elements:
    reply = get("/dashboard", query={"token": token(s3), **query})
    assert reply.status == 200, reply.body
    return Elements(reply.body)


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["error"]["code"]


@pytest.mark.parametrize("resource", ["/dashboard", "/metrics"])
def test_without_the_dashboards_token_nobody_gets_in(s3: Any, calls: list[str], resource: str) -> None:
    """401 for none, a malformed one, a wrong one and a configuration's; what can be none never reaches the bucket."""
    for query in (None, {"token": "x"}, {"token": ""}):
        assert code(get(resource, query=query)) == (401, "Unauthorized")
    assert calls == []
    own = token(s3, keys.tokens_key(ONE.id))
    assert code(get(resource, query={"token": own})) == (401, "Unauthorized")
    right = token(s3)
    assert code(get(resource, query={"token": right[:-1] + ("A" if right[-1] != "A" else "B")})) == (
        401,
        "Unauthorized",
    )
    assert get(resource, query={"token": right}).status == 200
    basic = base64.b64encode(f"prometheus:{right}".encode()).decode()
    assert get(resource, headers={"Authorization": f"Basic {basic}"}).status == 200


def test_a_configurations_page_opens_with_its_own_token_and_the_dashboards(s3: Any) -> None:
    """Another configuration's does not; an unknown one is 404 whatever the token."""
    own, other, everything = (
        token(s3, keys.tokens_key(ONE.id)),
        token(s3, keys.tokens_key(OTHER.id)),
        token(s3),
    )

    def opened(configuration_id: str, with_token: str | None) -> int:
        query = {"token": with_token} if with_token else None
        return get("/dashboard/{id}", parameters={"id": configuration_id}, query=query).status

    assert [opened(ONE.id, each) for each in (own, everything, other, None)] == [200, 200, 401, 401]
    unknown = configuration(9).id
    assert [opened(unknown, each) for each in (own, everything)] == [404, 404]
    assert opened("not-an-id", everything) == 404


def test_a_configurations_page_tells_of_nothing_else(s3: Any) -> None:
    """Not in its tables, nor when a vulnerability is looked for."""
    own = token(s3, keys.tokens_key(ONE.id))
    query = {"token": own, "cve": "cve-2026-1"}
    reply = get("/dashboard/{id}", parameters={"id": ONE.id}, query=query)
    assert "team/app" in reply.body
    assert "team/web" not in reply.body
    assert 'href="/v1/dashboard?' not in reply.body


def test_the_page_keeps_to_itself(s3: Any) -> None:
    """No script, nothing from elsewhere, not stored, not indexed, not framed; the style is the one of the policy."""
    reply = get("/dashboard", query={"token": token(s3)})
    headers = reply.headers
    (style,) = re.findall(r"<style>(.*?)</style>", reply.body, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["x-robots-tag"] == "noindex, nofollow"
    made = Elements(reply.body)
    assert not {name for name, _ in made.found} & {"script", "iframe", "object", "img", "base"}
    assert not [
        attributes for _, attributes in made.found if any(name.startswith(("on", "style")) for name in attributes)
    ]
    for _, attributes in made.found:
        for name in ("href", "action", "src"):
            value = attributes.get(name) or "/"
            assert re.match("/v1/dashboard|#|data:image/svg|/$", value), value


def test_what_the_page_says(s3: Any) -> None:
    """The three questions, every image, and the configurations."""
    made = page(s3)
    for text in (
        "1 high finding is open",
        "50 %",
        "of 4 images scanned within 24 h",
        "First",
        "team/web:1",
        "never scanned",
    ):
        assert text in made.text
    ids = {attributes["id"] for _, attributes in made.found if attributes.get("id")}
    assert {"content", "images", "plot-heading"} <= ids
    assert [attributes.get("lang") for attributes in made.of("html")] == ["en"]
    labelled = [attributes for attributes in made.of("svg") if attributes.get("role") == "img"]
    assert all(attributes.get("aria-label") or attributes.get("aria-labelledby") for attributes in labelled)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"q": "web"}, ["team/web:1", "team/web:2"]),
        ({"state": "never"}, ["team/app:2", "team/web:2"]),
        ({"severity": "HIGH", "q": "app"}, ["team/app:1"]),
        ({"severity": "critical"}, []),
        ({"sort": "repository", "q": "", "state": ""}, ["team/app:1", "team/app:2", "team/web:1", "team/web:2"]),
    ],
)
def test_images_are_filtered_and_sorted_without_scripts(s3: Any, query: dict[str, str], shown: list[str]) -> None:
    """By the query alone; an empty field of the form is none."""
    reply = get("/dashboard", query={"token": token(s3), **query})
    images = reply.body.partition('id="images"')[2]
    assert sorted(set(re.findall(r"team/(?:app|web):[12]", images))) == shown


def test_bad_queries_of_the_page_are_400(s3: Any) -> None:
    """With every field that is wrong."""
    query = {"token": token(s3), "state": "x", "sort": "x", "page": "0", "severity": "x"}
    reply = get("/dashboard", query=query)
    assert code(reply) == (400, "InvalidRequest")
    assert {fault["field"] for fault in reply.json()["error"]["details"]} == {"state", "sort", "page", "severity"}


def test_no_link_carries_the_token(s3: Any) -> None:
    """The browser keeps it: for the stage's dashboard alone, out of reach of scripts, other sites and plain http."""
    secret = token(s3)
    reply = get("/dashboard", query={"token": secret})
    assert secret not in reply.body
    assert reply.headers["set-cookie"] == (
        f"ecr-rescan={secret}; Path=/v1/dashboard; Max-Age=15552000; HttpOnly; Secure; SameSite=Lax"
    )
    plain = get("/dashboard", query={"token": secret}, headers={"X-Forwarded-Proto": "http"})
    assert "Secure" not in plain.headers["set-cookie"]
    assert reply.headers["vary"] == "Accept, Cookie"
    again = get("/dashboard", headers={"Cookie": f"theme=dark; ecr-rescan={secret}"})
    assert again.status == 200
    assert "set-cookie" not in again.headers
    basic = base64.b64encode(f":{secret}".encode()).decode()
    assert "set-cookie" not in get("/dashboard", headers={"Authorization": f"Basic {basic}"}).headers


def test_a_configurations_cookie_opens_its_page_alone(s3: Any) -> None:
    """Beside one that ended; and the wider of two opens the way to all configurations."""
    own, everything = token(s3, keys.tokens_key(ONE.id)), token(s3)
    first = get("/dashboard/{id}", parameters={"id": ONE.id}, query={"token": own})
    assert f"Path=/v1/dashboard/{ONE.id};" in first.headers["set-cookie"]

    def opened(*kept: str, of: str = ONE.id) -> Reply:
        cookie = "; ".join(f"ecr-rescan={one}" for one in kept)
        return get("/dashboard/{id}", parameters={"id": of}, headers={"Cookie": cookie})

    ended = TokenSet().add("x", random_bytes=b"x" * 32, now=NOW)[1]
    assert [opened(own).status, opened(own, of=OTHER.id).status] == [200, 401]
    assert [opened(own, ended).status, opened(ended, own).status, opened(ended).status] == [200, 200, 401]
    assert "All configurations" in opened(own, everything).body
    assert "All configurations" not in opened(own).body
    assert get("/metrics", headers={"Cookie": f"ecr-rescan={everything}"}).status == 401


def test_a_browser_is_told_how_to_get_in(s3: Any) -> None:
    """By a page with a field for the token, which leads on to what was asked for; not by a box for a password."""
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    reply = get("/dashboard", query={"cve": "CVE-2026-1", "token": "x"}, headers=html)
    assert reply.status == 401
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "Basic" not in reply.headers["www-authenticate"]
    made = Elements(reply.body)
    assert "This page opens with a token" in made.text
    fields = {attributes["name"]: attributes.get("value") for attributes in made.of("input")}
    assert fields == {"cve": "CVE-2026-1", "token": None}
    assert made.of("form")[0]["action"] == "/v1/dashboard"


def test_refusals_in_a_browser_count(s3: Any) -> None:
    """Guessing by a browser's headers is bounded as any other."""
    html = {"Accept": "text/html"}
    wrong = token(s3, keys.tokens_key(ONE.id))
    statuses = [
        get("/dashboard", query={"token": wrong}, headers=html, address="192.0.2.7").status
        for _ in range(MOST_REFUSALS + 1)
    ]
    assert (statuses[0], statuses[-1]) == (401, 429)


def test_hostile_text_is_only_text(s3: Any) -> None:
    """In names, reasons, packages, descriptions and the search field."""
    hostile = replace(ONE, description=HOSTILE, owner=HOSTILE)
    put(s3, keys.config_key(ONE.id), hostile.to_document())
    held = ledger({"1": complete()})
    held.problem = HOSTILE
    document = findings(("1",), {("CVE-2026-1", HOSTILE): {HOSTILE: {HIGH: 1}}})
    document.manifests[0].platform = HOSTILE  # type: ignore[union-attr]
    put(s3, keys.images_key(REGISTRY, REGION, "team/app"), held.to_json())
    put(s3, keys.findings_key(REGISTRY, REGION, "team/app"), document.to_json())
    for query in ({"cve": HOSTILE[:40]}, {"cve": "CVE-2026-1", "q": "<b>'\""}):
        reply = get("/dashboard", query={"token": token(s3), **query})
        if reply.status == 400:
            continue
        made = Elements(reply.body)
        assert not made.of("script")
        assert not made.of("img")
        assert "\u202e" not in reply.body


def test_the_plot_has_gaps_where_nothing_was_recorded(s3: Any) -> None:
    """A day without a document is none with zero findings; a damaged one is left out."""
    days = {1: {"team/app": {HIGH: 3}, "elsewhere": {HIGH: 50}}, 3: {"team/app": {HIGH: 1, LOW: 1}}}
    for ago, recorded in days.items():
        day = (NOW - timedelta(days=ago)).date()
        snapshot = Snapshot(REGISTRY, REGION, day, NOW, recorded)
        put(s3, keys.history_key(REGISTRY, REGION, day), snapshot.to_json())
    put(s3, keys.history_key(REGISTRY, REGION, (NOW - timedelta(days=2)).date()), b"{")
    text = page(s3).text
    assert "2026-11-22: 3 high" in text
    assert "2026-11-21: not recorded" in text
    assert "2026-11-20: 1 high, 1 low" in text


def test_past_days_are_read_once(s3: Any, calls: list[str]) -> None:
    """What is over does not change: the next page reads only today's, and whether signals changed."""
    page(s3)
    calls.clear()
    page(s3)
    assert calls.count("GetObject") == 5
    assert calls.count("ListObjectsV2") == 3


def test_the_page_as_csv(s3: Any) -> None:
    """For whoever has the link and no AWS credentials."""
    reply = get("/dashboard", query={"token": token(s3), "format": "csv"})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="ecr-rescan.csv"'
    assert [row["tags"] for row in csv.DictReader(io.StringIO(reply.body))] == ["1", "2", "1", "2"]
    assert get("/dashboard", query={"token": token(s3)}, headers={"Accept": "image/png"}).status == 406


def test_the_pages_csv_comes_in_parts_that_open(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page links to each of them, and each to the next; no part is cut off without a word."""
    monkeypatch.setattr("ecr_rescan.core.summary.pages._LARGEST_BYTES", 1_100)
    links = [attributes["href"] or "" for attributes in page(s3).of("a")]
    parts = [link for link in links if "format=csv" in link]
    kept = {"Cookie": f"ecr-rescan={token(s3)}"}
    assert len(parts) == 2
    seen = []
    for link in parts:
        reply = get("/dashboard", query=dict(parse_qsl(urlsplit(link).query)), headers=kept)
        seen += [row["repository"] + row["tags"] for row in csv.DictReader(io.StringIO(reply.body))]
    assert seen == ["team/app1", "team/app2", "team/web1", "team/web2"]
    first = get("/dashboard", query=dict(parse_qsl(urlsplit(parts[0]).query)), headers=kept)
    following = re.fullmatch(r'<https://[^/]*(/v1/dashboard\?[^>]*)>; rel="next"', first.headers["link"])
    assert following is not None
    assert sorted(parse_qsl(urlsplit(following[1]).query)) == sorted(parse_qsl(urlsplit(parts[1]).query))
    basic = base64.b64encode(f":{token(s3)}".encode()).decode()
    unasked = get("/dashboard", query={"format": "csv"}, headers={"Authorization": f"Basic {basic}"})
    assert "token" not in unasked.headers["link"]


def test_a_report_that_goes_on_says_so(s3: Any) -> None:
    """A person who reads it sees no headers."""
    first = get("/summary", query={"format": "text", "limit": "2"})
    link = re.fullmatch('<(.*)>; rel="next"', first.headers["link"])
    assert link is not None
    assert first.body.endswith(f"\n\nMore images follow: {link[1]}\n")
    assert "More images" not in get("/summary", query={"format": "text"}).body


def test_metrics(s3: Any) -> None:
    """As Prometheus takes them."""
    reply = get("/metrics", query={"token": token(s3)})
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {family.name: family for family in text_string_to_metric_families(reply.body)}
    assert {sample.labels["severity"]: sample.value for sample in found["ecr_rescan_all_findings"].samples}["HIGH"] == 1


def where(name: str, **more: Any) -> Reply:
    return get("/vulnerabilities/{id}", parameters={"id": name}, **more)


def test_where_a_vulnerability_is(s3: Any) -> None:
    """In both repositories."""
    body = where("cve-2026-1").json()
    assert (body["repositories_affected"], body["images_affected"], body["repositories_searched"]) == (2, 2, 2)
    assert [place["repository"] for place in body["places"]] == ["team/app", "team/web"]
    assert [place["configurations"] for place in body["places"]] == [[ONE.id], [OTHER.id]]
    nowhere = where("CVE-1999-1").json()
    assert nowhere["places"] == []
    # Half of the images were never scanned: nobody knows whether they have it.
    assert [nowhere["coverage"][name] for name in ("selected", "scanned_24h", "never")] == [4, 2, 2]


def test_places_are_paged(s3: Any) -> None:
    """The link leads to the rest."""
    first = where("CVE-2026-1", query={"limit": "1"})
    link = re.fullmatch(
        r'<https://[^?]*/v1/vulnerabilities/CVE-2026-1\?limit=1&after=([^>]*)>; rel="next"', first.headers["link"]
    )
    assert link is not None
    second = where("CVE-2026-1", query={"limit": "1", "after": link[1]})
    assert [reply.json()["places"][0]["repository"] for reply in (first, second)] == ["team/app", "team/web"]
    assert "link" not in second.headers


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("CVE-\u00e9", {}),
        ("x" * 257, {}),
        ("openssl", {}),
        ("CVE-1", {"limit": "0"}),
        ("CVE-1", {"fixable": ""}),
        ("CVE-1", {"after": "x"}),
        ("CVE-1", {"format": "csv"}),
    ],
)
def test_bad_questions_are_400_before_any_call(calls: list[str], name: str, query: dict[str, str]) -> None:
    """Nothing is read for them."""
    assert code(where(name, query=query)) == (400, "InvalidRequest")
    assert calls == []


def test_summary_pages_follow_each_other(s3: Any) -> None:
    """In every form; the link keeps the form."""
    query, seen = {"limit": "1", "format": "csv"}, []
    while True:
        reply = get("/summary", query=query)
        seen += [row["repository"] + row["tags"] for row in csv.DictReader(io.StringIO(reply.body))]
        link = re.search(r"after=([^>]*)>", reply.headers.get("link", ""))
        if link is None:
            break
        assert "format=csv" in reply.headers["link"]
        query["after"] = link[1]
    assert seen == ["team/app1", "team/app2", "team/web1", "team/web2"]


def test_trouble_with_a_whole_account_is_told(s3: Any) -> None:
    """With the configurations of that registry and Region; a damaged document is a problem of its own."""
    key = keys.account_key(REGISTRY, REGION)
    put(s3, key, Account(REGISTRY, REGION, problem="AccessDenied: not allowed").to_json())
    problems = [item["problems"] for item in get("/summary").json()["configurations"]]
    assert problems == [[f"registry {REGISTRY} in {REGION}: AccessDenied: not allowed"]] * 2
    put(s3, key, b"{")
    assert [problem["key"] for problem in get("/summary").json()["problems"]] == [key]


def test_the_contract_is_served_as_it_is_kept(calls: list[str]) -> None:
    """Without a call."""
    reply = get("/openapi.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert json.loads(reply.body)["openapi"].startswith("3.1")
    assert calls == []
