"""The oracle sees at once what is shown wrongly, and names it; what may be late is named, bounded and documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.core.changes.findings import Closing, FindingsDocument
from ecr_rescan.core.keys import findings_key, images_key
from ecr_rescan.core.scanning.ledger import Ledger, ScanState
from ecr_rescan.core.severity import Severity
from ecr_rescan.runtime.scanning import repositories
from local.functions import PROJECT
from simulation import exemptions, oracle, shown
from simulation.author import Author
from simulation.gate import START
from simulation.messaging import Published
from simulation.oracle import Oracle
from simulation.plan import OWN, OWN_REGION, Size
from simulation.told import BASELINE, UNTRUE, Told
from simulation.world import World

SMALL = Size(days=2, images=6, repositories=2, faults=False, pushes=0, habits=frozenset())
REPOSITORY = (OWN, OWN_REGION, "team-0/app-0")
FINDINGS, IMAGES = findings_key(*REPOSITORY), images_key(*REPOSITORY)
LATER = START + timedelta(hours=29)

Damage = Callable[[World], None]


def findings_of(world: World) -> FindingsDocument:
    return FindingsDocument.from_json(FINDINGS, world.bucket.objects[FINDINGS].body)


def store(world: World, key: str, body: bytes) -> None:
    world.bucket.put_object(Bucket="bucket", Key=key, Body=body)


def nothing(world: World) -> None:
    """All is well."""


def an_opening_closed(world: World) -> None:
    """Something is said to be fixed that every image still has."""
    document = findings_of(world)
    opening = next(finding.current for finding in document.findings.values() if finding.current)
    opening.closed = Closing(world.clock.now(), "fixed", Severity.CRITICAL, ("v1", "v2", "v3"))
    store(world, FINDINGS, document.to_json())


def an_image_more(world: World) -> None:
    """A finding is shown for images that don't have it."""
    document = findings_of(world)
    everybody = (1 << len(document.manifests)) - 1
    opening = next(finding.current for finding in document.findings.values() if finding.current)
    opening.affected = {"0.0": {Severity.CRITICAL: everybody}}
    store(world, FINDINGS, document.to_json())


def a_finding_lost(world: World) -> None:
    """A finding is gone from the record."""
    document = findings_of(world)
    del document.findings[next(iter(document.findings))]
    store(world, FINDINGS, document.to_json())


def a_failure_hidden(world: World) -> None:
    """A platform that ECR can't scan is said to be scanned."""
    key = images_key(OWN, OWN_REGION, "lab/odd_platform/app")
    ledger = Ledger.from_json(key, world.bucket.objects[key].body)
    signed = next(digest for digest in ledger.manifests if world.truth.builds[digest].kind == "scratch")
    ledger.manifests[signed].state, ledger.manifests[signed].completed_at = ScanState.COMPLETE, world.clock.now()
    store(world, key, ledger.to_json())


def garbage(world: World) -> None:
    """A document is no document."""
    store(world, FINDINGS, b"{}")


def look(damage: Damage, size: Size = SMALL, seed: int = 1) -> set[str]:
    """The invariants that the oracle finds broken where something is damaged after 29 hours."""
    world = World(size, seed)
    seer = Oracle(world)
    world.after = seer.check
    world.scene.at(LATER, lambda: damage(world))
    world.run()
    assert seer.looks > 5
    return {one.invariant for one in seer.broken}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (nothing, set()),
        (an_opening_closed, {oracle.STAYS}),
        (an_image_more, {oracle.STAYS}),
        (a_finding_lost, {oracle.STAYS}),
        (garbage, {oracle.READABLE}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_shown_wrongly_is_seen_at_once(damage: Damage, named: set[str]) -> None:
    """And nothing else is said to be wrong."""
    assert look(damage) == named


def test_a_result_that_is_noted_and_not_recorded_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger says that there is a result, and nobody is shown it."""
    monkeypatch.setattr(repositories, "news_of_results", lambda *_, **__: {})
    assert oracle.MISSING in look(nothing)


def test_a_failure_that_reads_as_a_result_is_seen() -> None:
    """Nothing is silently clean."""
    assert look(a_failure_hidden, replace(SMALL, habits=frozenset({"odd_platform"}))) == {oracle.CLEAN}


def test_a_reader_that_says_something_else_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """``GET /vulnerabilities/{id}`` finds nothing, the feed does."""
    original = shown.where

    def nowhere(vulnerability: str, configurations: Any, documents: Any, problems: Any, *, at: Any) -> Any:
        return original(vulnerability, configurations, [], problems, at=at)

    monkeypatch.setattr(shown, "where", nowhere)
    assert look(nothing) == {oracle.ALIKE}


def tell(world: World, kind: str, **members: Any) -> Told:
    """A message to the first configuration, read by nobody yet."""
    body = {"configuration": {"id": Author.identity(1)}, "type": kind, "alerts": [], **members}
    world.topic.published.append(Published(world.clock.now(), body, 0, lost=False))
    return Told(world)


def test_what_is_told_and_was_never_found_is_seen() -> None:
    """An alert of something that no scan has shown."""
    key = {"vulnerability": "CVE-2026-1", "package": "openssl"}
    told = tell(World(SMALL, 1), "changes", alerts=[key])
    told.ever = {(OWN, REPOSITORY[2]): {("CVE-2026-2", "openssl")}}
    assert [one.invariant for one in told.check({})] == [UNTRUE]
    told = tell(World(SMALL, 1), "changes", alerts=[key])
    told.ever = {(OWN, REPOSITORY[2]): {("CVE-2026-1", "openssl")}}
    assert not list(told.check({}))


@pytest.mark.parametrize(
    ("counts", "waiting", "named"), [({}, 0, [BASELINE]), ({"HIGH": 1}, 0, []), ({}, 1, [])], ids=str
)
def test_a_baseline_that_knows_nothing_yet_is_seen(counts: dict[str, int], waiting: int, named: list[str]) -> None:
    """It says none, though ECR has had something for half an hour, and nothing is said to be waited for."""
    told = tell(World(SMALL, 1), "baseline", counts=counts, waiting=waiting)
    known = {Author.identity(1): {("CVE-2026-1", "openssl")}}
    assert [one.invariant for one in told.check(known)] == named
    assert not list(told.check(known))


def test_every_exemption_has_a_reason_and_a_bound_that_people_can_read() -> None:
    """``docs/scanning.md`` lists them, and no others."""
    page = (PROJECT / "docs" / "scanning.md").read_text(encoding="utf-8")
    _, _, after = page.partition("## What is shown, and when")
    section = after.partition("\n## ")[0]
    rows = {row.split("|")[1].strip(): row for row in section.splitlines() if row.startswith("| ")}
    named = {one.name for one in exemptions.ALL}
    assert rows.keys() - {"exception"} == named
    for one in exemptions.ALL:
        assert one.reason
        assert timedelta() <= one.bound <= timedelta(hours=26)
        assert _text(one.bound) in rows[one.name], one.name


def _text(bound: timedelta) -> str:
    hours, seconds = divmod(int(bound.total_seconds()), 3600)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{seconds // 60} min"] if seconds else []
    return " ".join(parts) or "none"
