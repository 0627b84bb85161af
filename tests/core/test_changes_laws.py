"""Laws of recording and alerting, over random histories of a repository."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.scan_result import ScanResult
from tests.core.changes_oracle import Oracle
from tests.core.changes_steps import (
    PLATFORMS,
    Delete,
    Findings,
    Scan,
    Step,
    finding_sets,
    histories,
    manifests,
    outcome,
    take,
)
from tests.core.worlds import World, configuration, open_set, scan_result

EVERYTHING = configuration("everything")
PROD = configuration("prod", tags=("prod-*",))
NEWEST = configuration("newest", newest=1)
TWO_NEWEST_WITHOUT_DEV = configuration("two newest", newest=2, tags=("!dev-*",))

selections = st.lists(
    st.sampled_from([EVERYTHING, PROD, NEWEST, TWO_NEWEST_WITHOUT_DEV]), min_size=1, max_size=3, unique=True
)

law = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def lived(configurations: Sequence[ScanConfiguration], history: Sequence[Step]) -> World:
    """A world after a history."""
    world = World(*configurations)
    for step in history:
        take(world, step)
    return world


def check(document: FindingsDocument) -> None:
    """What is true of every document that is written."""
    held = 0
    for image in document.images.values():
        held |= image.manifests
    present = 0
    for position, manifest in enumerate(document.manifests):
        present |= (manifest is not None) << position
    assert held == present
    assert not document.manifests or document.manifests[-1] is not None
    for finding in document.findings.values():
        assert finding.openings
        for opening in finding.openings:
            assert (opening.closed is None) == bool(opening.mask)
            assert opening.mask & ~document.with_result == 0
            assert all(part and not part & ~opening.mask for part in opening.peaks.values())
            assert all(part for parts in opening.affected.values() for part in parts.values())
        assert all(opening.closed is not None for opening in finding.openings[:-1])
    assert {vulnerability for vulnerability, _ in document.findings} == set(document.advisories)


@law
@given(selections, histories)
def test_every_document_is_sound_and_survives_writing(
    configurations: list[ScanConfiguration], history: list[Step]
) -> None:
    """No mask points at nothing, nothing is kept that nobody holds, and reading gives back what was written."""
    world = World(*configurations)
    for step in history:
        take(world, step)
        for document in world.all_documents():
            check(document)
            body = document.to_json()
            again = FindingsDocument.from_json("findings", body)
            assert again == document
            assert again.to_json() == body


@law
@given(selections, histories)
def test_the_same_again_changes_no_byte(configurations: list[ScanConfiguration], history: list[Step]) -> None:
    """Every step's own results a second time, later, give identical bytes and no news: duplicates, lost answers."""
    world = World(*configurations)
    for step in history:
        take(world, step)
        if not world.images:
            continue
        world.record()
        before = dict(world.documents)
        if isinstance(step, Scan):
            at = world.now
            told, failed = outcome(world, step)
            results = {digest: scan_result(digest, at, said) for digest, said in told.items()}
            world.wait(2)
            changes = world.record("app", results, dict.fromkeys(failed, "FAILED"))
        else:
            changes = world.record()
        assert world.documents == before
        assert not changes.opened
        assert not changes.raised


@law
@given(selections, histories, st.lists(finding_sets, min_size=1, max_size=8))
def test_unchanged_daily_scans_change_no_byte_ever_again(
    configurations: list[ScanConfiguration], history: list[Step], sets: list[Findings]
) -> None:
    """Once every manifest has been scanned twice with the same findings, every further day gives identical bytes."""
    world = lived(configurations, history)
    assume(world.images)
    results = {manifest: sets[index % len(sets)] for index, manifest in enumerate(manifests(world))}
    for _ in range(2):
        world.scan(results)
        world.wait(24)
    before = dict(world.documents)
    for _ in range(3):
        world.scan(results)
        world.wait(24)
    assert world.documents == before


@law
@given(selections, histories)
def test_stale_results_change_nothing(configurations: list[ScanConfiguration], history: list[Step]) -> None:
    """A result that completed before the recorded one, whatever it says, gives identical bytes."""
    world = lived(configurations, history)
    assume(world.images)
    world.scan(dict.fromkeys(manifests(world), ["CVE-1"]))
    world.wait(1)
    before = dict(world.documents)
    changes = world.scan(dict.fromkeys(manifests(world), ["CVE-2", "CVE-3"]), hours_ago=30)
    assert world.documents == before
    assert not changes.opened


@law
@given(
    selections,
    histories,
    st.lists(st.tuples(st.integers(0, 7), finding_sets), min_size=2, max_size=10),
    st.randoms(use_true_random=False),
)
def test_any_order_and_batching_of_results_converges(
    configurations: list[ScanConfiguration],
    history: list[Step],
    told: list[tuple[int, Findings]],
    chance: random.Random,
) -> None:
    """Results with distinct completion times, shuffled, doubled and batched, leave the same findings open."""
    base = lived(configurations, history)
    listed = manifests(base)
    assume(listed)
    told = [*told, *((position, ()) for position in range(len(listed)))]
    base.wait(24)
    results = []
    for minute, (position, findings) in enumerate(told):
        digest = listed[position % len(listed)]
        base.wait(1 / 60)
        results.append((minute, scan_result(digest, base.now, findings)))
    ends = []
    for order in ("in turn", "shuffled"):
        world = World(*configurations)
        world.now, world.images = base.now, base.images
        world.documents, world.notices, world.completed = dict(base.documents), dict(base.notices), dict(base.completed)
        queue = [result for _, result in results]
        if order == "shuffled":
            queue = [*queue, *chance.sample(queue, len(queue) // 2)]
            chance.shuffle(queue)
        while queue:
            size = 1 if order == "in turn" else chance.randint(1, 4)
            batch: dict[str, ScanResult] = {}
            for result in sorted(queue[:size], key=lambda result: result.completed_at):
                batch[result.digest] = result
            queue = queue[size:]
            world.record("app", batch)
        ends.append(open_set(world.document()))
    assert ends[0] == ends[1]


@law
@given(histories)
@pytest.mark.parametrize("selection", [EVERYTHING, PROD], ids=lambda selection: " ".join(selection.tags) or "all tags")
def test_news_is_what_the_rules_say(selection: ScanConfiguration, history: list[Step]) -> None:
    """After every step the news is what a naive reading of the rules, in sets, says it is."""
    world, oracle = World(selection), Oracle(selection)
    for step in history:
        take(world, step)
        expected = oracle.take(step, world)
        assert set(world.changes.opened.get(selection.id, ())) == expected


@law
@given(histories, st.lists(st.tuples(st.integers(0, 15), st.sampled_from([PROD, NEWEST, TWO_NEWEST_WITHOUT_DEV]))))
def test_other_configurations_never_touch_what_one_is_told(
    history: list[Step], changes: list[tuple[int, ScanConfiguration]]
) -> None:
    """Others that come, change and go leave the alerts of a configuration that sees every tag as they are."""
    alone, crowded = World(EVERYTHING), World(EVERYTHING)
    for index, step in enumerate(history):
        for when, other in changes:
            if when == index:
                known = {item.id: item for item in crowded.configurations}
                crowded.configurations = [
                    item for item in crowded.configurations if other.id != item.id or item is EVERYTHING
                ]
                if other.id not in known:
                    crowded.configurations.append(other)
        take(alone, step)
        take(crowded, step)
        assert alone.ids(EVERYTHING) == crowded.ids(EVERYTHING)
        assert alone.changes.opened.get(EVERYTHING.id) == crowded.changes.opened.get(EVERYTHING.id)
        assert alone.changes.raised.get(EVERYTHING.id) == crowded.changes.raised.get(EVERYTHING.id)


@law
@given(st.sampled_from([PROD, NEWEST, TWO_NEWEST_WITHOUT_DEV]), histories, selections)
def test_a_changed_set_of_configurations_is_no_news(
    selection: ScanConfiguration, history: list[Step], others: list[ScanConfiguration]
) -> None:
    """Adding, changing and removing others keeps the identities of what a configuration has, and tells it nothing."""
    world = lived([selection], history)
    assume(world.images)
    before = world.ids(selection)
    for configurations in ([selection, *others], [selection, EVERYTHING], [selection]):
        world.configurations = [item for item in configurations if item is selection or item.id != selection.id]
        world.wait(1)
        world.record()
        assert world.ids(selection) == before
        assert not world.changes.opened
        assert not world.changes.raised


@law
@given(selections, histories, st.sampled_from([EVERYTHING, PROD, NEWEST, TWO_NEWEST_WITHOUT_DEV]))
def test_a_changed_configuration_is_no_news(
    configurations: list[ScanConfiguration], history: list[Step], changed: ScanConfiguration
) -> None:
    """Whatever a configuration selects from now on, what is there already alerts nobody, nor do its first results."""
    world = lived(configurations, history)
    assume(world.images)
    world.wait(1)
    into = replace(configurations[0], tags=changed.tags, newest=changed.newest, selected_since=world.now)
    world.configurations[0] = into
    changes = world.record()
    assert into.id not in changes.opened
    assert into.id not in changes.raised
    known = {manifest.digest for manifest in world.document().manifests if manifest and manifest.result_at}
    world.wait(1)
    displaced = any(image.took for image in world.document().images.values())
    changes = world.scan({manifest: ["CVE-7"] for manifest in manifests(world) if manifest not in known})
    assert displaced or into.id not in changes.opened


@law
@given(histories, finding_sets, st.integers(0, 1))
def test_a_rebuilt_image_with_the_same_findings_is_no_news(history: list[Step], said: Findings, multi: int) -> None:
    """A tag that moves to a rebuilt image, of one platform or two, opens and closes nothing, and all ids stay."""
    world = lived([EVERYTHING], [step for step in history if not isinstance(step, Delete)])
    platforms = PLATFORMS if multi else ()
    world.push("old", "rebuilt", platforms=platforms)
    world.wait(1)
    world.scan(dict.fromkeys(world.images["app"]["old"].manifests, said))
    world.wait(1)
    before, ids, closed = open_keys(world), world.ids(), world.closings()
    world.push("new", "rebuilt", platforms=platforms)
    for manifest in world.images["app"]["new"].manifests:
        assert not world.changes.opened
        assert (open_keys(world), world.ids(), world.closings()) == (before, ids, closed)
        world.wait(1)
        world.scan({manifest: said})
    assert not world.changes.opened
    assert (open_keys(world), world.ids(), world.closings()) == (before, ids, closed)


def open_keys(world: World) -> set[tuple[str, str]]:
    """The findings that are open."""
    return {key for key, finding in world.document().findings.items() if finding.current}


@law
@given(
    st.lists(
        st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(0, 3)), min_size=1, max_size=6, unique=True
    )
)
def test_a_wave_is_the_same_in_whatever_order_repositories_join(pairs: list[tuple[str, int]]) -> None:
    """Repositories whose findings open within a wave share its alerts, whichever was recorded first in it."""
    ids = []
    for order in (pairs, pairs[::-1]):
        world = World()
        for repository in ("first", "one", "two", "three"):
            world.push("v1", "latest", repository=repository, hours_ago=100)
            world.scan({"v1": ["CVE-OLD"]}, repository=repository)
        world.wait(24)
        everything = [f"CVE-{number}" for number in range(4)]
        world.scan({"v1": ["CVE-OLD", *everything]}, repository="first")
        has: dict[str, list[str]] = {}
        for repository, number in order:
            world.wait(2)
            has.setdefault(repository, []).append(f"CVE-{number}")
            world.scan({"v1": ["CVE-OLD", *has[repository]]}, repository=repository)
        ids.append({alert.id: (alert.kind, sorted(alert.repositories)) for alert in world.alerts()})
    assert ids[0] == ids[1]


@law
@given(selections, histories)
def test_only_some_findings_give_the_same_alerts(configurations: list[ScanConfiguration], history: list[Step]) -> None:
    """Asking for some findings gives what the full answer has of them."""
    world = lived(configurations, history)
    for selection in configurations:
        everything = world.alerts(selection, resolved=True)
        for key in {(alert.vulnerability, alert.package) for alert in everything}:
            some = world.alerts(selection, resolved=True, only=[key])
            assert some == [alert for alert in everything if (alert.vulnerability, alert.package) == key]
        assert len({alert.id for alert in everything}) == len(everything)
