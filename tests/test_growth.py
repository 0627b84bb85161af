"""No work grows faster than its input: counted calls, and seconds of the processor at one size against twice as much.

What is twice as much may take three times as long, which is between n log n and n²; the least of several runs counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core.changes.findings import Announcement, FindingsDocument, News
from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.recording import Update, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import findings_key, notices_key
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.scanning.events import ImageDeleted, ImagePushed
from ecr_rescan.core.scanning.facts import Facts, apply_images
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord
from tests.builders import AT, REGION, REGISTRY, configuration, digest, document, found, image, result
from tests.runtime.telling import NEWS_AT, Telling, telling
from tests.service import basic, service
from tests.test_budgets import S3, counted

LIMIT = 3.0


def many(number: int, repository: Callable[[int], str], **wire: object) -> list[ScanConfiguration]:
    """Configurations, told apart by their ids."""
    return [
        replace(configuration(repository(one), **wire), id=f"00000000-0000-4000-8000-{one:012}")
        for one in range(number)
    ]


def ratio(prepare: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times as long the work takes at twice the size, in seconds of the processor."""
    least = {size: float("inf"), 2 * size: float("inf")}
    for _ in range(3):
        for of in least:
            work = prepare(of)
            began = time.process_time()
            work()
            least[of] = min(least[of], time.process_time() - began)
    return least[2 * size] / least[size]


def ledger(images: int) -> Ledger:
    """A repository of so many images, each with a tag of its own."""
    made = Ledger(REGISTRY, REGION, "team/app", since=AT, listed_at=AT)
    for number in range(images):
        made.images[f"sha256:{number:064x}"] = LedgerImage(AT, {f"v{number}": AT})
        made.manifests[f"sha256:{number:064x}"] = ManifestRecord()
    return made


def deletions(number: int) -> list[ImageDeleted]:
    """Of the first images of a ``ledger``."""
    at = AT + timedelta(hours=1)
    return [ImageDeleted(REGISTRY, REGION, "team/app", f"sha256:{one:064x}", f"v{one}", at) for one in range(number)]


def pushes(number: int) -> list[ImagePushed]:
    """New images that take the tags of the first of a ``ledger``."""
    at = AT + timedelta(hours=1)
    return [ImagePushed(REGISTRY, REGION, "team/app", digest(str(one)), f"v{one}", "", "", at) for one in range(number)]


@pytest.mark.parametrize("events", [deletions, pushes])
def test_events_take_time_by_the_images_plus_the_events(
    events: Callable[[int], list[ImageDeleted]] | Callable[[int], list[ImagePushed]],
) -> None:
    """500 in a repository of 20,000 images cost what a few do: they are tidied up after once."""

    def seconds(number: int) -> float:
        least = float("inf")
        for _ in range(2):
            made = ledger(20_000)
            told = Facts(began=AT, events=list(events(number)))
            began = time.process_time()
            apply_images(made, told, AT)
            least = min(least, time.process_time() - began)
        return least

    assert seconds(500) <= LIMIT * seconds(5)


def test_a_ledger_takes_events_in_time_that_grows_with_it() -> None:
    """Twice the images and twice the events."""

    def prepare(images: int) -> Callable[[], object]:
        made, told = ledger(images), Facts(began=AT, events=list(deletions(images // 8)))
        return lambda: apply_images(made, told, AT)

    assert ratio(prepare, 4000) <= LIMIT


def test_recording_deletions_takes_time_that_grows_with_the_images() -> None:
    """What is left of a repository is not gone through for each image that went."""

    def prepare(images: int) -> Callable[[], object]:
        facts = [ImageFact(f"{one:08}", (f"v{one}",), AT, {f"{one:08}": None}) for one in range(images)]
        made = FindingsDocument(REGISTRY, REGION, "team/app", AT, AT)
        selecting = [configuration()]
        record(made, Update(facts), selecting, AT)
        return lambda: record(made, Update(facts[images // 4 :]), selecting, AT + timedelta(hours=1))

    assert ratio(prepare, 1000) <= LIMIT


@pytest.mark.parametrize("pattern", ["team-{}/*", "team-{}/app-1", "*/app-{}", "*"])
def test_names_are_tried_only_where_they_can_match(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 configurations and 5,000 repositories: few more tries than there are answers, and none twice."""
    tries: Counter[str] = Counter()

    def counting(name: str, patterns: tuple[str, ...]) -> bool:
        tries["all"] += 1
        return matches(name, patterns)

    monkeypatch.setattr("ecr_rescan.core.naming.matches", counting)
    naming = Naming(many(1000, pattern.format))
    places = [(REGISTRY, REGION, f"team-{number // 5}/app-{number % 5}") for number in range(5000)]
    answers = sum(len(naming.of(place)) for place in [*places, *places])
    assert answers > 0
    assert tries["all"] <= 20_000


def test_a_thousand_configurations_are_matched_in_time_that_grows_with_them() -> None:
    """Twice as many, over twice as many repositories."""

    def prepare(size: int) -> Callable[[], object]:
        asked = many(size, lambda number: f"team-{number}/*")
        places = [(REGISTRY, REGION, f"team-{number // 5}/app-{number % 5}") for number in range(5 * size)]

        def work() -> None:
            naming = Naming(asked)
            for place in places:
                naming.of(place)

        return work

    assert ratio(prepare, 500) <= LIMIT


def of_ticks(configurations: int) -> tuple[Counter[str], Counter[str]]:
    """The calls of the tick after the first results, and of a quiet one later, warm."""
    with service() as running:
        running.push("team/app", "v1")
        running.post("team/app", "v1", [basic("CVE-2026-1")])
        for one in many(configurations, lambda number: "team/*", at=running.now):
            key = f"configs/{one.id}.json"
            running.s3.put_object(Bucket=running.bucket, Key=key, Body=one.to_document())
        running.cycle()
        after_results = counted(running.tick)
        assert len(running.messages) == configurations
        running.cycle()
        return after_results, counted(running.tick)


def test_a_quiet_tick_makes_the_same_calls_with_any_number_of_configurations() -> None:
    """The notices are listed, and none is read that has not changed; each message costs two writes, and no read."""
    (few_after, few_quiet), (many_after, many_quiet) = of_ticks(2), of_ticks(12)
    assert few_quiet == many_quiet
    assert set(many_quiet) <= S3
    assert sum(many_quiet.values()) <= 8
    assert many_after - few_after == Counter(PutObject=2 * 10, Publish=10)


def told(stage: Telling, repositories: int, configurations: int) -> Counter[str]:
    """The calls of announcing one vulnerability that is new to so many configurations in so many repositories."""
    stage.restart(f"of-{repositories}-{configurations}")
    asked = many(configurations, lambda number: "team/*")
    store = DocumentStore(stage.s3, stage.bucket)
    keys = set()
    for number in range(repositories):
        name = f"team/{number:03}"
        made = document(name, [image(name)], [result(name, found(), at=AT)])
        opening = made.findings["CVE-2026-1", "openssl"].openings[0]
        for one in asked:
            opening.news[one.id] = News(NEWS_AT, opening.severity(1))
            made.outbox.append(Announcement(one.id, "CVE-2026-1", "openssl", NEWS_AT, NEWS_AT))
        keys.add(findings_key(REGISTRY, REGION, name))
        store.put(findings_key(REGISTRY, REGION, name), made.to_json())
    stage.gate.calls.clear()
    assert stage.announcer().drain(keys, asked, NEWS_AT) == configurations
    assert {len(message["alerts"][0]["repositories"]) for message in stage.sent} == {repositories}
    return Counter(stage.gate.calls)


def test_announcing_reads_each_document_once_for_all_configurations() -> None:
    """And clears its outbox once: calls grow by configurations plus repositories, never by their product."""
    with telling() as stage:
        small, wide, tall = told(stage, 4, 3), told(stage, 12, 3), told(stage, 4, 9)
    assert wide - small == Counter(get_object=8, put_object=8)
    # Its notices are read, the alert is claimed, and noted as sent.
    assert tall - small == Counter(get_object=6, put_object=12, publish=6)


def test_a_broken_ledger_silences_no_other_repository() -> None:
    """What a widened configuration has to be told of the others is told, and so are its suppressions."""
    with service() as running:
        for name in ("team/app", "team/lib"):
            running.push(name, "1")
            running.push(name, "2")
            running.post(name, "1", [basic("CVE-2026-1")])
            running.post(name, "2", [basic(f"CVE-2026-{name[-3:]}")])
        added = running.add("team/*", tags=["1"])
        running.cycle(4)
        assert len(running.messages) == 1
        running.s3.put_object(Bucket=running.bucket, Key=f"images/{REGISTRY}/{REGION}/team%2Flib.json", Body=b"{")
        widened = {name: added[name] for name in ("region", "registry", "repository")}
        widened["ignore"] = [{"vulnerability": "CVE-1999-*", "reason": "never there"}]
        reply = running.config("PUT", "/configs/{id}", parameters={"id": added["id"]}, body=widened)
        assert reply.status == 200, reply.body
        running.cycle(8)
        subjects = [forms["default"] for _, forms, _ in running.published[1:]]
        assert ["baseline" in subject for subject in subjects].count(True) == 1
        assert any("CVE-1999-*" in subject for subject in subjects)


def test_damaged_notices_hold_up_their_configuration_alone() -> None:
    """Its repository is recorded, and others are told, at no more calls than without."""
    with service() as running:
        running.push("team/app", "v1")
        running.post("team/app", "v1", [])
        first, second = running.add("team/app"), running.add("team/app")
        running.cycle(4)
        running.s3.put_object(Bucket=running.bucket, Key=notices_key(first["id"]), Body=b"{")
        running.post("team/app", "v1", [basic("CVE-2026-1")])
        before = len(running.messages)
        running.advance(hours=24)
        running.cycle(3)
        assert ("CVE-2026-1", "openssl") in running.findings("team/app").findings
        news = [attributes for _, _, attributes in running.published[before:]]
        assert len(news) == 1
        assert second["id"] in running.published[-1][1]["default"]
        quiet = counted(running.tick)
        running.advance(minutes=5)
        assert counted(running.tick) == quiet
        assert sum(quiet.values()) <= 7


def test_what_is_pending_for_who_names_it_no_longer_is_forgotten() -> None:
    """It was read at every tick for ever."""
    with telling() as stage:
        asked = configuration(["team/*"])
        stage.begin("team/app", by=asked)
        stage.happen("team/app", found(), to=[asked])
        narrowed = configuration(["other/*"])
        later = NEWS_AT + timedelta(hours=1)
        assert stage.announcer().drain_leftovers([narrowed], later) == 0
        assert stage.notices(narrowed).pending == {}
        assert stage.outbox("team/app") == 0
        stage.gate.calls.clear()
        stage.announcer().drain_leftovers([narrowed], later)
        assert Counter(stage.gate.calls) == Counter(get_object=1)


def test_suppressions_that_were_put_back_are_looked_at_once() -> None:
    """A, B, and A again on one day: the documents are not read at every tick for the rest of it."""
    with service() as running:
        running.push("team/app", "v1")
        running.post("team/app", "v1", [basic("CVE-2026-1")])
        one = [{"vulnerability": "CVE-1999-1", "reason": "never there"}]
        other = [{"vulnerability": "CVE-1999-2", "reason": "never there"}]
        added = running.add("team/app", ignore=one)
        running.cycle(4)
        for ignore in (other, one):
            body = {name: added[name] for name in ("region", "registry", "repository")} | {"ignore": ignore}
            running.config("PUT", "/configs/{id}", parameters={"id": added["id"]}, body=body)
            running.cycle(2)
        assert counted(running.tick)["GetObject"] <= 2
