"""What has a fix, through the whole service: six cases of the sources' real records; a fix that appears; trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from feedparser import parse

from ecr_rescan.core.fixes.known import Fixes
from ecr_rescan.core.keys import KNOWN_FIXES, KNOWN_SIGNALS
from ecr_rescan.core.signals.known import Signals
from ecr_rescan.runtime import wiring
from ecr_rescan.runtime.scanning import scan_wiring
from functions.summary.app import lambda_handler as summary_handler
from local.web import Response
from tests.fix_records import DATA, osv_bodies
from tests.service import START, Service, basic, service
from tests.signal_sources import Sources, epss, euvd, kev, sources

DEBIAN, UBUNTU = "https://security-tracker.debian.org/tracker/", "http://people.ubuntu.com/~ubuntu-security/cve/"
CHANGED = START - timedelta(days=3)


@pytest.fixture
def public() -> Iterator[Sources]:
    with sources() as made:
        made.say("kev", kev(["CVE-2021-44228"], START))
        made.say("euvd", euvd(["CVE-2021-44228"]))
        made.say("epss", epss({"CVE-2026-1": 0.02}, "2026-03-01"))
        for file, body in osv_bodies().items():
            if file.startswith(("Debian/DEBIAN", "Ubuntu/UBUNTU", "Alpine/ALPINE")):
                made.has(file.split("/")[0], file.split("/")[1].removesuffix(".json"), body, CHANGED)
        made.advises("2", (DATA / "al2-core.updateinfo.xml").read_bytes())
        made.advises("2023", (DATA / "al2023-core.updateinfo.xml").read_bytes())
        yield made


@pytest.fixture
def running(public: Sources) -> Iterator[Service]:
    with service(signals=public.url) as made:
        yield made


def found(vulnerability: str, package: str, version: str, link: str = "", severity: str = "HIGH") -> dict[str, Any]:
    one = basic(vulnerability, package, severity=severity, version=version)
    return one | {"uri": f"{link}{vulnerability}"} if link else one


RELEASE = found("CVE-2026-9", "base-files", "12.4+deb12u5", DEBIAN, "LOW")
IMAGES = {
    "fixed": [found("CVE-2022-0778", "openssl", "1.1.1k-1+deb11u1", DEBIAN)],
    "newer": [found("CVE-2025-6141", "ncurses", "6.4-4", DEBIAN), RELEASE],
    "none": [found("CVE-2010-4756", "glibc", "2.36-9+deb12u10", DEBIAN)],
    "pro": [
        found("CVE-2022-24823", "netty", "4.1.48-4+deb11u2build0.22.04.1", UBUNTU),
    ],
    "alpine": [found("CVE-2021-3711", "openssl", "1.1.1k-r0", "https://cve.mitre.org/cgi-bin/cvename.cgi?name=")],
    "amazon": [found("CVE-2022-24903", "rsyslog", "8.2204.0-3.amzn2023", "https://alas.aws.amazon.com/")],
}
STATES = {
    "fixed": ("fixed", "1.1.1k-1+deb11u2", None),
    "newer": ("newer_release", "6.5+20251115-2", "Debian 14"),
    "none": ("no_fix", None, None),
    "pro": ("extended_support", "1:4.1.48-4+deb11u2ubuntu0.1~esm1", None),
    "alpine": ("fixed", "1.1.1l-r0", None),
    "amazon": ("fixed", "8.2204.0-3.amzn2023.0.2", None),
}


def begin(running: Service, images: dict[str, list[dict[str, Any]]], **fields: Any) -> dict[str, Any]:
    """A repository for each, with its baseline told and its fixes read, a day later."""
    for name, findings in images.items():
        running.push(f"team/{name}", "1")
        running.post(f"team/{name}", "1", findings)
    added = running.add("team/*", **fields)
    running.cycle(3, minutes=480)
    running.tick()
    return added


def ask(running: Service, path: str, **query: str) -> Any:
    reply = running.api(summary_handler, "GET", path, query=query)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def whereabouts(running: Service, vulnerability: str, **query: str) -> Any:
    path, parameters = "/vulnerabilities/{id}", {"id": vulnerability}
    return running.api(summary_handler, "GET", path, parameters=parameters, query=query).json()


def subjects(running: Service) -> list[str]:
    return [subject for subject, _ in running.messages if not subject.startswith("Baseline")]


def unfixed(identifier: str, package: str, fixed: str | None = None) -> bytes:
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    entry = {
        "package": {"ecosystem": "Debian:12", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return json.dumps({"id": identifier, "affected": [entry]}).encode()


def test_six_cases_through_the_whole_service(running: Service) -> None:
    """The list, where it is, the gate, the summary and the feed say the same."""
    added = begin(running, IMAGES)
    rows = {
        row["repositories"][0].removeprefix("team/"): row
        for row in ask(running, "/vulnerabilities")["vulnerabilities"]
        if row["severity"] == "HIGH"
    }
    assert {
        name: (row["fixes"][0]["state"], row["fixes"][0]["version"], row["fixes"][0]["release"])
        for name, row in rows.items()
    } == STATES
    assert {name: row["fixable"] for name, row in rows.items()} == {
        **dict.fromkeys(("fixed", "alpine", "amazon"), True),
        **dict.fromkeys(("newer", "none", "pro"), False),
    }
    left = ask(running, "/vulnerabilities", fixable="true")["vulnerabilities"]
    assert {row["repositories"][0] for row in left} == {"team/fixed", "team/alpine", "team/amazon"}
    (place,) = whereabouts(running, "CVE-2022-0778")["places"]
    assert (place["fixed_in"], place["fixable"]) == ("1.1.1k-1+deb11u2", True)
    assert whereabouts(running, "CVE-2010-4756", fixable="true")["places"] == []
    gate = {name: ask(running, "/gate", image=f"team/{name}:1", fixable="true")["verdict"] for name in IMAGES}
    assert gate == {name: "fail" if STATES[name][0] == "fixed" else "pass" for name in IMAGES}
    summary = ask(running, "/summary")
    assert summary["totals"]["fixable"]["HIGH"] == 3
    images = {one["repository"].removeprefix("team/"): one for one in summary["configurations"][0]["images"]}
    assert images["fixed"]["upgrades"] == {"packages": 1, "findings": 1}
    assert images["none"]["upgrades"] == {"packages": 0, "findings": 0}
    assert {name: one["release"] for name, one in images.items()} == {
        "fixed": "Debian 11",
        "newer": "Debian 12",
        "none": "Debian 12",
        "pro": "Ubuntu 22.04",
        "alpine": "Alpine",
        "amazon": "Amazon Linux 2023",
    }
    text = running.feed(added).body
    assert "Fix: upgrade openssl to 1.1.1k-1+deb11u2." in text
    assert "Fix: only in Debian 14 (6.5+20251115-2)." in text
    assert "Fix: none yet." in text
    assert "Fix: only with extended support (1:4.1.48-4+deb11u2ubuntu0.1~esm1)." in text
    assert len(parse(running.feed(added, fixable="true").body).entries) == 3
    assert "Fixes by OSV (Alpine), ALAS (Amazon Linux 2), ALAS (Amazon Linux 2023), OSV (Debian), OSV (Ubuntu)" in text
    assert running.feed(added).body == text


def test_only_what_is_on_record_is_asked_for_and_once(running: Service, public: Sources) -> None:
    """One object for each pair; then the lists of changes once an hour, as far as they are new."""
    begin(running, IMAGES)
    objects = [path for path in public.paths if path.endswith(".json")]
    assert sorted(objects) == [
        "Alpine/ALPINE-CVE-2021-3711.json",
        "Debian/DEBIAN-CVE-2010-4756.json",
        "Debian/DEBIAN-CVE-2022-0778.json",
        "Debian/DEBIAN-CVE-2025-6141.json",
        "Debian/DEBIAN-CVE-2026-9.json",
        "Ubuntu/UBUNTU-CVE-2022-24823.json",
    ]
    public.paths.clear()
    for _ in range(24):
        running.advance(minutes=5)
        running.tick()
    assert not [path for path in public.paths if path.endswith(".json") or path.endswith(".gz")]
    assert 3 <= len([path for path in public.paths if path.endswith("modified_id.csv")]) <= 9


def test_a_fix_that_appears_is_one_change(running: Service, public: Sources) -> None:
    """In the feed always; in messages where the configuration asks for it; and never a second time."""
    public.has("Debian", "DEBIAN-CVE-2026-7", unfixed("DEBIAN-CVE-2026-7", "curl"), CHANGED)
    image = {"app": [found("CVE-2026-7", "curl", "7.88.1-10+deb12u5", DEBIAN)]}
    asking = begin(running, image, notify={"severity": "HIGH", "fixable": True})
    quiet = running.add("team/*")
    running.advance(hours=1)
    running.tick()
    (before,) = parse(running.feed(asking).body).entries
    assert subjects(running) == []
    fixed = unfixed("DEBIAN-CVE-2026-7", "curl", "7.88.1-10+deb12u6")
    running.advance(hours=1)
    public.has("Debian", "DEBIAN-CVE-2026-7", fixed, running.now)
    for _ in range(30):
        running.advance(minutes=5)
        running.tick()
    assert subjects(running) == ["HIGH CVE-2026-7 curl in team/app (has a fix now)"]
    (after,) = parse(running.feed(asking).body).entries
    assert after.id != before.id
    assert after.title == "HIGH CVE-2026-7 in curl, has a fix now: team/app"
    assert "Fix: upgrade curl to 7.88.1-10+deb12u6." in after.summary
    (entry,) = parse(running.feed(quiet).body).entries
    assert ", has a fix now: " in entry.title
    summary = ask(running, "/summary")
    assert [one["changes"]["last_24h"]["fixable"] for one in summary["configurations"]] == [1, 1]
    text = running.feed(asking).body
    running.advance(hours=2)
    running.tick()
    assert running.feed(asking).body == text
    assert len(subjects(running)) == 1


def test_what_has_no_fix_waits_and_what_is_new_is_told_when_its_fix_was_looked_up(
    running: Service, public: Sources
) -> None:
    """With ``fixable``, a new finding waits for the look-up: one without a fix stays silent, one with is told once."""
    public.has("Debian", "DEBIAN-CVE-2026-7", unfixed("DEBIAN-CVE-2026-7", "curl"), CHANGED)
    public.has("Debian", "DEBIAN-CVE-2026-8", unfixed("DEBIAN-CVE-2026-8", "curl", "7.88.1-10+deb12u6"), CHANGED)
    begin(running, {"app": [RELEASE]}, notify={"severity": "HIGH", "fixable": True})
    new = [found(f"CVE-2026-{number}", "curl", "7.88.1-10+deb12u5", DEBIAN) for number in (7, 8)]
    running.post("team/app", "1", [RELEASE, *new])
    running.cycle(3, minutes=480)
    for _ in range(4):
        running.advance(minutes=20)
        running.tick()
    assert subjects(running) == ["HIGH CVE-2026-8 curl in team/app (new)"]
    assert "CVE-2026-8" in running.messages[-1][1]


def test_sources_that_are_down_or_lie_change_nothing(running: Service, public: Sources) -> None:
    """What was known stays, with its age; what was not is unknown; no scan is late; and it goes on by itself."""
    begin(running, IMAGES)
    before = running.read(KNOWN_FIXES)
    for answer in (Response(500), Response(200, [], b"<html>"), Response(200, [], b"")):
        public.answers["fixes"] = answer
        running.advance(hours=13)
        running.tick()
        running.drain()
        assert running.read(KNOWN_FIXES) == before
    known = Signals.from_json(KNOWN_SIGNALS, running.read(KNOWN_SIGNALS))
    assert known.sources["debian"].failures > 0
    assert known.sources["amazon-2"].failures > 0
    running.advance(hours=60)
    assert "OSV (Debian) not read since" in known.line(running.now.date())
    del public.answers["fixes"]
    running.tick()
    known = Signals.from_json(KNOWN_SIGNALS, running.read(KNOWN_SIGNALS))
    assert (known.sources["debian"].failures, known.sources["amazon-2"].failures) == (0, 0)


def test_a_first_fill_goes_on_over_ticks_and_no_tick_takes_longer_than_its_share(
    running: Service, public: Sources
) -> None:
    """A hundred pairs at five a second take twenty seconds: one tick's share; the rest is the next one's."""
    spent = [0.0]
    environment = scan_wiring.environment()
    keeper = environment.fixes
    fetcher = keeper._fetcher
    assert fetcher is not None
    fetcher._pace, fetcher._clock = 0.2, lambda: spent[0]
    fetcher._sleep = lambda seconds: spent.__setitem__(0, spent[0] + seconds)
    keeper._clock = lambda: spent[0]
    for number in range(250):
        public.has(
            "Debian", f"DEBIAN-CVE-2026-{1000 + number}", unfixed(f"DEBIAN-CVE-2026-{1000 + number}", "curl"), CHANGED
        )
    running.push("team/app", "1")
    running.post(
        "team/app",
        "1",
        [found(f"CVE-2026-{1000 + number}", "curl", "7.88.1-10+deb12u5", DEBIAN) for number in range(250)],
    )
    running.add("team/*")
    running.cycle(1)
    known = []
    while not known or known[-1] < 250:
        started = spent[0]
        running.advance(minutes=5)
        running.tick()
        assert spent[0] - started <= 20.3
        stored = wiring.documents().get(KNOWN_FIXES)
        known.append(len(Fixes.from_json(KNOWN_FIXES, stored.body).records["debian"]) if stored else 0)
        assert len(known) < 10
    # The first looks find nothing on record yet.
    parts = [after - before for before, after in pairwise([0, *(number for number in known if number)])]
    assert len(parts) == 3
    assert max(parts) <= 5 * 20 + 1
