"""Public signals through the whole service: what becomes exploited is told once; sources that fail change nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from feedparser import parse

from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.keys import KNOWN_SIGNALS
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.telling.message_forms import Message
from ecr_rescan.runtime.scanning import scan_wiring
from functions.summary.app import lambda_handler as summary_handler
from local.web import Response
from tests.service import START, Service, basic, service
from tests.signal_sources import Sources, epss, euvd, kev, sources

DAY = timedelta(days=1)


@pytest.fixture
def public() -> Iterator[Sources]:
    with sources() as made:
        made.say("kev", kev(["CVE-2021-44228"], START))
        made.say("euvd", euvd(["CVE-2021-44228"]))
        made.say("epss", epss({"CVE-2026-1": 0.02}, "2026-03-01"))
        yield made


@pytest.fixture
def running(public: Sources) -> Iterator[Service]:
    with service(signals=public.url) as made:
        yield made


def begin(running: Service, *findings: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One repository with its baseline told, a day later."""
    running.push("team/app", "1")
    running.post("team/app", "1", findings or [basic("CVE-2026-1", severity="UNDEFINED")])
    added = running.add("team/*", **fields)
    running.cycle(3, minutes=480)
    return added


def subjects(running: Service) -> list[str]:
    return [subject for subject, _ in running.messages if not subject.startswith("Baseline")]


def machine(running: Service) -> dict[str, Any]:
    """The last message, for machines."""
    read: dict[str, Any] = json.loads(running.published[-1][1]["default"])
    return read


def entries(running: Service, added: dict[str, Any], **query: str) -> list[Any]:
    reply = running.feed(added, **query)
    assert reply.status == 200, reply.body
    return list(parse(reply.body).entries)


def known(running: Service) -> Signals:
    return Signals.from_json(KNOWN_SIGNALS, running.read(KNOWN_SIGNALS))


def test_an_open_finding_that_becomes_exploited_is_told_once(running: Service, public: Sources) -> None:
    """Nobody has rated it. One tick later: one message, a new entry; and then the same bytes."""
    added = begin(running)
    assert subjects(running) == []
    (before,) = entries(running, added)
    public.say("kev", kev({"CVE-2021-44228": "Known", "CVE-2026-1": "Known"}, running.now))
    running.advance(hours=1)
    running.tick()
    assert len(subjects(running)) == 1
    told = machine(running)
    (alert,) = told["alerts"]
    assert (told["changes"], alert["kind"], alert["severity"]) == (["exploited"], "exploited", "UNDEFINED")
    assert alert["exploited"] == {"since": "2026-03-01", "lists": {"CISA KEV": "2026-03-01"}, "ransomware": True}
    (entry,) = entries(running, added)
    assert entry.id != before.id
    assert entry.id.endswith(alert["id"])
    assert entry.title == "UNDEFINED CVE-2026-1 in openssl, now exploited: team/app"
    assert "Exploited since 2026-03-01 by CISA KEV, ransomware." in entry.summary
    assert "EPSS 2 % (92nd)." in entry.summary
    body = running.feed(added).body
    running.cycle(3, minutes=480)
    assert running.feed(added).body == body
    running.cycle(3, minutes=480)
    assert running.feed(added).body == body
    assert len(subjects(running)) == 1


def test_what_was_listed_before_is_no_news(running: Service, public: Sources) -> None:
    """Not when a source is read for the first time, nor when a repository is; but it is said."""
    added = begin(running, basic("CVE-2021-44228", severity="LOW"))
    assert subjects(running) == []
    (entry,) = entries(running, added, exploited="true")
    assert "Exploited since 2026-03-01" in entry.summary
    assert {tag.term for tag in entry.tags} >= {"baseline", "true"}


def test_a_new_finding_that_is_exploited_is_told_whatever_its_severity(running: Service, public: Sources) -> None:
    """As new; nobody would hear of it as exploited ever again."""
    begin(running, basic("CVE-2026-1", severity="LOW"))
    running.post("team/app", "1", [basic("CVE-2026-1", severity="LOW"), basic("CVE-2021-44228", severity="LOW")])
    running.cycle(4, minutes=480)
    assert len(subjects(running)) == 1
    assert machine(running)["changes"] == ["new"]
    assert machine(running)["alerts"][0]["exploited"]["since"] == "2026-03-01"


@pytest.mark.parametrize(
    "fields",
    [
        {"exploited": False},
        {"ignore": [{"vulnerability": "CVE-2026-1", "reason": "not reachable"}]},
    ],
)
def test_a_configuration_may_not_want_to_be_told(running: Service, public: Sources, fields: dict[str, Any]) -> None:
    """By its own field, or because it ignores the finding; also not later on."""
    begin(running, basic("CVE-2026-1", severity="LOW"), **fields)
    public.say("kev", kev(["CVE-2021-44228", "CVE-2026-1"], running.now))
    running.cycle(3, minutes=480)
    assert subjects(running) == []


GOOD = [f"CVE-2020-{1000 + number}" for number in range(40)]


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("kev", Response(503), "answered 503"),
        ("kev", Response(200, [], b"<!DOCTYPE html><p>Please wait</p>"), "is not JSON"),
        ("kev", Response(200, [], gzip.compress(kev(GOOD, START + DAY))[:-30]), "is cut off"),
        ("kev", Response(200, [], gzip.compress(bytes(20 * 1024 * 1024))), "expands to more than"),
        ("kev", Response(200, [], bytes(100 * 1024 * 1024)), "sends more than"),
        ("kev", Response(200, [], kev([*GOOD, "CVE-2026-1"], START - DAY)), "older than"),
        ("kev", Response(200, [], kev(["CVE-2026-1", *GOOD[:20]], START + DAY)), "more than a tenth is missing"),
        ("euvd", Response(200, [], b'{"error": "later"}'), "has no list of entries"),
        ("epss", Response(200, [], epss({"CVE-2026-1": 0.9}, "2026-02-01")), "older than"),
    ],
    ids=["503", "html", "cut", "bomb", "100 MB", "older", "half", "euvd", "old scores"],
)
def test_a_source_that_fails_changes_nothing_and_its_age_is_shown(
    running: Service, public: Sources, name: str, answer: Response, problem: str
) -> None:
    """No message, nothing turns false; the other sources go on; it is not asked at every tick."""
    public.say("kev", kev(GOOD, START))
    added = begin(running)
    feed = running.feed(added).body
    asked = dict(public.asked)
    public.answers[name] = answer
    running.cycle(12, minutes=120)
    source = known(running).sources[name]
    assert problem in source.problem
    assert source.read_at is not None
    assert running.now - source.read_at > DAY - timedelta(hours=13)
    assert running.feed(added).body == feed
    assert subjects(running) == []
    assert known(running).of(GOOD[0]).exploited is not None
    addresses = 2 if name == "kev" else 1
    assert 3 * addresses <= public.asked[name] - asked[name] <= 12 * addresses
    others = known(running).sources.keys() - {name}
    assert all(known(running).sources[other].failures == 0 for other in others)
    running.cycle(8, minutes=720)
    assert f"not read since 2026-03-0{source.read_at.day}" in parse(running.feed(added).body).feed.subtitle
    told = running.summary()["signals"][name]
    assert (told["problem"], told["read_at"]) == (source.problem, source.read_at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_before_every_list_was_read_nobody_is_told_no(running: Service, public: Sources) -> None:
    """In any form."""
    public.answers["euvd"] = Response(503)
    added = begin(running)
    summary = running.summary()
    assert summary["totals"]["exploited"] is None
    assert summary["configurations"][0]["images"][0]["exploited"] is None
    where = running.api(summary_handler, "GET", "/vulnerabilities/{id}", parameters={"id": "CVE-2026-1"}).json()
    assert where["exploited"] is None
    assert "ENISA EUVD could not be read yet" in parse(running.feed(added).body).feed.subtitle
    public.say("euvd", euvd(["CVE-2021-44228"]))
    running.cycle(3, minutes=480)
    assert running.summary()["totals"]["exploited"] == {"findings": 0, "days_allowed": 3, "beyond": 0}
    where = running.api(summary_handler, "GET", "/vulnerabilities/{id}", parameters={"id": "CVE-2026-1"}).json()
    assert (where["exploited"], where["epss"]) == (False, {"score": 0.02, "percentile": 0.925})


def test_what_nobody_rates_is_told_after_a_week_once(running: Service) -> None:
    """And at once where it becomes likely to be exploited; what was there from the beginning is not."""
    begin(running)
    both = [basic("CVE-2026-1", severity="UNDEFINED"), basic("CVE-2026-2", severity="UNDEFINED")]
    running.post("team/app", "1", both)
    running.cycle(3 * 6, minutes=480)
    assert subjects(running) == []
    running.cycle(3 * 3, minutes=480)
    assert subjects(running) == ["Nobody has rated these: 1 unrated finding: team/*"]
    assert [one["vulnerability"] for one in machine(running)["alerts"]] == ["CVE-2026-2"]
    running.cycle(3 * 10, minutes=480)
    assert len(subjects(running)) == 1


def test_an_unrated_finding_that_becomes_likely_is_told_once(running: Service, public: Sources) -> None:
    """It reaches notify then; a wobble afterwards is no change."""
    begin(running)
    for day, score in enumerate((0.2, 0.09, 0.11, 0.2), start=3):
        public.say("epss", epss({"CVE-2026-1": score}, f"2026-03-{day:02}"))
        running.cycle(3, minutes=480)
    assert subjects(running) == ["Nobody has rated these: 1 unrated finding: team/*"]
    assert machine(running)["alerts"][0]["likely"] is True


def test_a_new_unrated_finding_that_is_likely_reaches_notify(running: Service, public: Sources) -> None:
    """Its score was known when it came."""
    public.say("epss", epss({"CVE-2026-1": 0.02, "CVE-2026-2": 0.5}, "2026-03-01"))
    begin(running, basic("CVE-2026-1"), basic("CVE-2026-2", "zlib", severity="LOW"))
    more = [basic("CVE-2026-1"), basic("CVE-2026-2", "zlib", severity="LOW"), basic("CVE-2026-2", "lib", "UNDEFINED")]
    running.post("team/app", "1", more)
    running.cycle(4, minutes=480)
    assert [one["package"] for one in machine(running)["alerts"]] == ["lib"]


def test_a_failed_message_is_sent_by_a_later_tick(
    running: Service, public: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker moves on only after everything was sent."""
    begin(running)
    public.say("kev", kev(["CVE-2021-44228", "CVE-2026-1"], running.now))
    running.advance(hours=1)

    def refuse(topic: Topic, message: Message) -> None:
        raise MessageError("topic", "Throttled")

    monkeypatch.setattr(Topic, "publish", refuse)
    running.tick()
    monkeypatch.undo()
    assert subjects(running) == []
    running.restart()
    for _ in range(8):
        running.advance(minutes=5)
        running.tick()
    assert len(subjects(running)) == 1


def test_a_quiet_tick_asks_for_nothing_of_signals(running: Service, public: Sources) -> None:
    """Neither the sources nor the bucket; a cold one reads two documents."""
    begin(running)
    running.tick()
    asked = dict(public.asked)
    documents = scan_wiring.environment().documents
    keys: list[str] = []
    get = documents.get
    documents.get = lambda key: keys.append(key) or get(key)  # type: ignore[method-assign,func-returns-value]
    running.advance(minutes=5)
    running.tick()
    assert public.asked == asked
    assert [key for key in keys if key.startswith("signals/")] == []


OLD = [basic(f"CVE-2024-{number}", f"lib{number}", "LOW", f"1.0-{number}+deb11u1") for number in range(9)]


def test_an_image_of_a_release_that_has_ended_is_never_clean(running: Service) -> None:
    """A Debian 11 image that had findings, and has none any more: in every form, and told once."""
    running.advance(days=200)
    added = begin(running, *OLD)
    running.post("team/app", "1", [])
    running.cycle(4, minutes=480)
    (image,) = running.summary()["configurations"][0]["images"]
    assert (image["state"], image["counts"]) == ("END_OF_LIFE", None)
    assert image["reason"].startswith("Debian 11 has had no security support since 2026-08-31")
    assert running.summary()["totals"]["coverage"]["end_of_life"] == 1
    assert running.summary()["totals"]["coverage"]["scanned_24h"] == 0
    text = running.api(summary_handler, "GET", "/summary", query={"format": "text"}).body
    assert " END_OF_LIFE: Debian 11 has had no security support" in text
    assert "no findings" not in text
    assert "END_OF_LIFE" in running.api(summary_handler, "GET", "/summary", query={"format": "csv"}).body
    token = (
        running.config("POST", "/dashboard/tokens", body={"name": "b"}).json()["dashboard_url"].partition("token=")[2]
    )
    metrics = running.api(summary_handler, "GET", "/metrics", query={"token": token}).body
    assert 'ecr_rescan_all_images{state="end_of_life"} 1' in metrics
    page = running.api(summary_handler, "GET", "/dashboard", query={"token": token}).body
    assert "end of life" in page
    assert "end of life" in parse(running.feed(added).body).feed.subtitle
    running.days(1)
    assert subjects(running) == ["1 thing to know about results: team/*"]
    assert "Debian 11 has had no security support since 2026-08-31" in running.messages[-1][1]


FORTY = [basic(f"CVE-2024-{number}", f"lib{number}", "LOW") for number in range(40)]


def test_data_that_vanishes_at_once_is_told_and_withdrawn_after_a_week(running: Service) -> None:
    """One notice; the entries say since when it is no longer reported; nothing counts as fixed."""
    added = begin(running, *FORTY)
    running.post("team/app", "1", [])
    running.cycle(8, minutes=480)
    assert len(entries(running, added)) == 40
    assert all("No longer reported since 2026-03-0" in entry.content[0].value for entry in entries(running, added))
    assert subjects(running) == ["1 thing to know about results: team/*"]
    running.cycle(3 * 7, minutes=480)
    assert entries(running, added) == []
    assert running.summary()["configurations"][0]["resolved"]["last_7d"] == {"fixed": 0, "withdrawn": 40, "gone": 0}
    resolved = entries(running, added, resolved="true")
    assert {entry.title.partition(":")[0] for entry in resolved} == {"Resolved"}
    assert "nothing was mended" in resolved[0].summary
    assert len(subjects(running)) == 1
