"""Thirty scripted days through the handlers into feed readers: what shows as new is what the script changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecr_rescan.runtime import wiring
from functions.findings.app import lambda_handler as findings_handler
from local.samples.images import image, multi_platform
from local.template import ACCOUNT, REGION
from simulation.gate import Gate
from simulation.s3 import Bucket
from tests.e2e.readers import FeedparserSubscriber, ReaderSubscriber, served
from tests.e2e.registry_script import (
    ENDED,
    FAILING,
    SCRIPT,
    WIDENED,
    WISHES,
    Registry,
    Shown,
    Stage,
    Subscription,
    Wish,
    copied,
    first_day,
)
from tests.rest import Reply
from tests.service import START, Service, basic, service

DAYS = 30
MORNING = (5, 5, 10, 40, 5 * 60, 6 * 60, 12 * 60 + 10)
"""Minutes between the ticks of a day: those that matter are right after changes, and after 24 hours."""


class Deployment:
    """The service under test, and the script's stage in front of it."""

    def __init__(self, running: Service) -> None:
        self.running = running
        self.stage = Stage(self._push)
        self._digests: dict[tuple[str, str], dict[str, str]] = {}
        self.configurations: dict[str, dict[str, Any]] = {}

    def add(self, name: str, wish: Wish) -> dict[str, Any]:
        """Make a configuration."""
        self.configurations[name] = self.running.add(list(wish.repository), **self._fields(wish))
        return self.configurations[name]

    def change(self, name: str, wish: Wish) -> None:
        """Change a configuration."""
        body = {"region": REGION, "registry": ACCOUNT, "repository": list(wish.repository), **self._fields(wish)}
        parameters = {"id": self.configurations[name]["id"]}
        reply = self.running.config("PUT", "/configs/{id}", parameters=parameters, body=body)
        assert reply.status == 200, reply.body

    def live(self, day: int) -> None:
        """Let a day go by."""
        for repository, tags in self.stage.registry.items():
            for tag, named in tags.items():
                for platform, findings in named.platforms.items():
                    fails = FAILING.get(day) == (repository, tag)
                    found = (
                        None if fails else [basic(cve, package, rated) for (cve, package), rated in findings.items()]
                    )
                    self.running.post(repository, self._digests[repository, tag][platform], found)
        for minutes in MORNING:
            self.running.tick()
            self.running.advance(minutes=2)
            self.running.drain()
            self.running.advance(minutes=minutes - 2)

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Reply:
        """A request for a feed."""
        parameters = {"id": path.rpartition("/")[2]}
        return self.running.api(
            findings_handler, "GET", "/findings/{id}", parameters=parameters, query=query, headers=headers
        )

    def _fields(self, wish: Wish) -> dict[str, Any]:
        ignore = [
            {
                "vulnerability": one.vulnerability,
                "reason": "not reachable",
                "until": str((START + timedelta(one.until)).date()),
            }
            for one in wish.ignore
        ]
        return {"tags": list(wish.tags), "newest": wish.newest, "notify": wish.notify, "ignore": ignore}

    def _push(self, repository: str, tag: str, number: int, platforms: list[str]) -> None:
        self.running.advance(seconds=1)
        if not platforms:
            digest = self.running.put(repository, image(f"build {number}", tag))
            self._digests[repository, tag] = {"": digest}
            return
        *parts, attestation, index = multi_platform(f"build {number}", tag)
        for part in (*parts, attestation, index):
            self.running.put(repository, part)
        self._digests[repository, tag] = dict(zip(("amd64", "arm64"), (part.digest for part in parts), strict=True))


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A fresh one, on the simulation's bucket: moto's, to which a test holds it, would take most of the time."""
    with service() as running:
        gate = cast(Gate, SimpleNamespace(clock=running.clock, enter=lambda *_, **__: None, answer=lambda *_: None))
        bucket, client = Bucket(gate), wiring.client
        monkeypatch.setattr(wiring, "client", lambda name: bucket if name == "s3" else client(name))
        running.restart()
        yield Deployment(running)


def shown(entry: Any) -> Shown:
    """An entry as a person reads it: by its title and its categories."""
    terms = {tag.scheme.rpartition(":")[2]: tag.term for tag in entry.tags}
    severity, vulnerability = entry.title.removeprefix("Resolved: ").split()[:2]
    assert severity == terms["severity"]
    return Shown(vulnerability, terms["package"], severity, terms["kind"])


def machine(forms: dict[str, str]) -> dict[str, Any]:
    """A message as a machine reads it."""
    read: dict[str, Any] = json.loads(forms["default"])
    return read


def is_quiet(name: str, day: int, wish: Wish, before: Registry, now: Registry) -> bool:
    """Whether nothing at all happened on a day in what a configuration names."""

    def named(registry: Registry) -> Registry:
        return {repository: tags for repository, tags in registry.items() if wish.seen({repository: tags})}

    failures = {FAILING[one][0] for one in (day, day - 1) if one in FAILING}
    changed = WIDENED.get(day, ("",))[0] == name or (wish.ignore and day == ENDED + 1)
    return day > 1 and not changed and not failures & named(now).keys() and named(before) == named(now)


def test_thirty_days(deployment: Deployment) -> None:
    """What shows as new, and what is sent, day by day, equals the script's true changes; other days are 304."""
    first_day(deployment.stage)
    wishes = dict(WISHES)
    truths = {name: Subscription(wish) for name, wish in wishes.items()}
    ids = {deployment.add(name, wish)["id"]: name for name, wish in wishes.items()}
    told: Counter[str] = Counter()
    baselines: Counter[str] = Counter()
    reminders: dict[str, list[list[str]]] = {name: [] for name in wishes}
    quiet_days = 0
    first_dates: dict[str, str] = {}
    with served(deployment.answer) as url:
        subscribers = {}
        for name, configuration in deployment.configurations.items():
            feed = f"{url}/findings/{configuration['id']}?{configuration['feed_url'].partition('?')[2]}"
            subscribers[name] = (FeedparserSubscriber(feed), ReaderSubscriber(feed))
        bodies: dict[str, str] = {}
        for day in range(1, DAYS + 1):
            before = copied(deployment.stage.registry)
            if day in WIDENED:
                name, wish = WIDENED[day]
                deployment.change(name, wish)
                wishes[name] = truths[name].wish = wish
            if act := SCRIPT.get(day):
                act(deployment.stage)
            sent_before = len(deployment.running.published)
            deployment.live(day)
            sent: dict[str, set[Shown]] = {name: set() for name in wishes}
            for _, forms, _ in deployment.running.published[sent_before:]:
                read = machine(forms)
                name = ids[read["configuration"]["id"]]
                if read["type"] == "baseline":
                    baselines[name] += 1
                elif read["type"] == "suppressions":
                    reminders[name].append([f"{one['kind']} day {day}" for one in read["suppressions"]])
                else:
                    for alert in read["alerts"]:
                        told[alert["id"]] += 1
                        sent[name].add(
                            Shown(alert["vulnerability"], alert["package"], alert["severity"], alert["kind"])
                        )
            for name, (plain, library) in subscribers.items():
                truth = truths[name].day(day, deployment.stage.registry)
                new = plain.read()
                where = f"{name} on day {day}"
                assert {shown(entry) for entry in new} == truth.entries, where
                assert len(new) == len(truth.entries), where
                assert sorted(library.read()) == sorted(entry.id for entry in new), where
                assert len(plain.entries) == len(truth.shown), where
                assert sent[name] == truth.messages, where
                for entry in plain.entries:
                    assert first_dates.setdefault(entry.id, entry.published) == entry.published
                body = deployment.running.feed(deployment.configurations[name]).body
                if is_quiet(name, day, wishes[name], before, deployment.stage.registry):
                    quiet_days += 1
                    # An edited configuration gives the documents of its repositories another version.
                    assert plain.status == 304 or day in WIDENED, where
                    assert body == bodies[name], where
                bodies[name] = body
        for _, library in subscribers.values():
            library.close()
    assert set(told.values()) == {1}
    assert baselines == {"all": 2, "glob": 2, "tags": 2, "newest": 1}
    assert reminders == {"all": [], "glob": [], "tags": [], "newest": [["ending day 5"], ["ended day 13"]]}
    assert quiet_days >= 40
    assert deployment.running.refused() == 0


def test_the_script_says_what_the_rules_say() -> None:
    """The truth itself, for the situations that matter, spelled out."""
    stage = Stage(lambda *_: None)
    first_day(stage)
    following = Subscription(WISHES["all"])
    days = {1: following.day(1, stage.registry)}
    for day in range(2, DAYS + 1):
        if act := SCRIPT.get(day):
            act(stage)
        days[day] = following.day(day, stage.registry)
    assert {one.kind for one in days[1].entries} == {"baseline"}
    assert not days[1].messages
    assert days[3].entries == days[3].messages == {Shown("CVE-2026-100", "openssl", "CRITICAL", "new")}
    assert days[5].messages == {Shown("CVE-2026-100", "openssl", "CRITICAL", "spread")}
    assert not days[7].entries
    assert days[8].entries == {Shown("CVE-2026-150", "git", "HIGH", "new")}
    assert days[10].entries == {Shown("CVE-1999-1", "bash", "HIGH", "escalated")}
    assert not days[11].entries | days[12].entries
    assert days[14].entries == {Shown("CVE-2026-300", "tar", "UNDEFINED", "new")}
    assert not days[14].messages
    assert days[15].messages == {Shown("CVE-2026-300", "tar", "CRITICAL", "escalated")}
    assert days[17].entries == {Shown("CVE-1999-9", "vim", "CRITICAL", "baseline")}
    assert not days[17].messages
    assert days[28].messages == {Shown("CVE-2026-100", "openssl", "CRITICAL", "reopened")}
    assert days[29].messages == {Shown("CVE-2026-500", "musl", "CRITICAL", "escalated")}
