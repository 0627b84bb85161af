"""Announcing: no change is lost, and none is sent twice beyond what a death between sending and noting it forces."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.core.errors import MessageError, StoreError
from ecr_rescan.core.keys import findings_key, notices_key
from ecr_rescan.core.severity import Severity
from tests.builders import AT, REGION, REGISTRY, document, found, image, result
from tests.runtime.telling import NEWS_AT, Death, Telling, teams, telling

MINUTE = timedelta(minutes=1)
OTHER_ID = "00000000-0000-4000-8000-000000000001"
TEAMS = teams()


@pytest.fixture
def stage() -> Iterator[Telling]:
    """With two repositories, and nothing to tell."""
    with telling() as made:
        made.begin("team/app", "team/lib", by=TEAMS)
        yield made


def later_ticks(stage: Telling) -> None:
    """What the ticks of the next hours make up for."""
    for minutes in (5, 31, 36, 62, 67, 98):
        stage.announcer().drain_leftovers([TEAMS], NEWS_AT + minutes * MINUTE)


def test_a_batch_is_one_message_and_is_told_once(stage: Telling) -> None:
    """Of all repositories; then nothing is left to tell, nor is anything expected."""
    app = stage.happen("team/app", found(), found("CVE-2026-2", "zlib"), to=[TEAMS])
    lib = stage.happen("team/lib", found(), to=[TEAMS])
    assert stage.announcer().drain({app, lib}, [TEAMS], NEWS_AT) == 1
    (message,) = stage.sent
    assert [alert["vulnerability"] for alert in message["alerts"]] == ["CVE-2026-1", "CVE-2026-2"]
    assert message["alerts"][0]["repositories"] == ["team/app", "team/lib"]
    assert stage.outbox("team/app") == stage.outbox("team/lib") == 0
    assert stage.notices(TEAMS).pending == {}
    later_ticks(stage)
    assert stage.announcer().drain({app, lib}, [TEAMS], NEWS_AT) == 0
    assert len(stage.sent) == 1


def test_a_repository_that_joins_a_wave_is_not_told_again(stage: Telling) -> None:
    """It is the same alert."""
    app = stage.happen("team/app", found(), to=[TEAMS])
    stage.announcer().drain({app}, [TEAMS], NEWS_AT)
    lib = stage.happen("team/lib", found(), to=[TEAMS], at=NEWS_AT + timedelta(hours=20))
    stage.announcer().drain({lib}, [TEAMS], NEWS_AT + timedelta(hours=20))
    assert len(stage.told) == 1
    assert stage.outbox("team/lib") == 0


def test_a_rise_that_was_told_is_not_told_again(stage: Telling) -> None:
    """In another repository, after what was told is forgotten: it is the same alert."""
    keys = {stage.happen(name, found(severity=Severity.MEDIUM), to=[TEAMS]) for name in ("team/app", "team/lib")}
    assert stage.announcer().drain(keys, [TEAMS], NEWS_AT) == 0, "below notify"
    for days, name in ((2, "team/app"), (12, "team/lib")):
        at = NEWS_AT + timedelta(days=days)
        stage.announcer().drain({stage.happen(name, found(), to=[TEAMS], at=at)}, [TEAMS], at)
    assert len(stage.told) == 1
    assert stage.outbox("team/lib") == 0


def test_a_rise_to_what_is_baseline_elsewhere_is_not_told(stage: Telling) -> None:
    """The alert was that severe from the beginning."""
    for name, severity in (("team/app", Severity.MEDIUM), ("team/lib", Severity.CRITICAL)):
        made = document(name, [image(name)], [result(name, found(severity=severity))], seen_by=TEAMS)
        stage.documents.put(findings_key(REGISTRY, REGION, name), made.to_json())
    next_day = AT + timedelta(hours=24)
    app = stage.happen("team/app", found(), to=[TEAMS], at=next_day)
    assert stage.outbox("team/app") == 1
    assert stage.announcer().drain({app}, [TEAMS], next_day) == 0
    assert stage.outbox("team/app") == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_call_loses_nothing(stage: Telling, when: str) -> None:
    """And repeats only what was sent and not noted, as the same message."""
    for number in itertools.count(1):
        stage.restart(f"{when}-{number}")
        stage.begin("team/app", "team/lib", by=TEAMS)
        keys = {stage.happen(name, found(), to=[TEAMS]) for name in ("team/app", "team/lib")}
        stage.gate.calls.clear()

        def die(call: int, operation: str, at: int = number) -> None:
            if call == at:
                raise Death

        setattr(stage.gate, when, die)
        with suppress(Death):
            stage.announcer().drain(keys, [TEAMS], NEWS_AT)
        calls = list(stage.gate.calls)
        stage.gate.open()
        later_ticks(stage)
        done = calls[: number if when == "after" else number - 1]
        after_publishing = done[done.index("publish") + 1 :] if "publish" in done else ["put_object"]
        noted = "put_object" in after_publishing
        assert list(Counter(stage.told).values()) == [1 if noted else 2], (number, calls)
        assert len({message["id"] for message in stage.sent}) == 1
        assert stage.outbox("team/app") == stage.outbox("team/lib") == 0
        assert stage.notices(TEAMS).pending == {}
        if number > len(calls):
            break
    assert number > 9


def test_two_workers_at_once_tell_everything_once(stage: Telling) -> None:
    """Wherever the second one cuts in, with a change of its own in the same outbox."""
    for number in itertools.count(1):
        stage.restart(f"both-{number}")
        stage.begin("team/app", by=TEAMS)
        key = stage.happen("team/app", found(), to=[TEAMS])
        stage.gate.calls.clear()

        def cut_in(call: int, operation: str, at: int = number, key: str = key) -> None:
            if call == at:
                stage.gate.open()
                stage.happen("team/app", found(), found("CVE-2026-2"), to=[TEAMS], at=NEWS_AT + MINUTE)
                stage.announcer().drain({key}, [TEAMS], NEWS_AT + MINUTE)

        stage.gate.before = cut_in
        first_calls = 0
        stage.announcer().drain({key}, [TEAMS], NEWS_AT)
        first_calls = len(stage.gate.calls)
        later_ticks(stage)
        assert sorted(Counter(stage.told).values()) in ([1], [1, 1]), number
        if number > first_calls:
            break
        assert len(set(stage.told)) == 2, number
        assert stage.outbox("team/app") == 0
        assert stage.notices(TEAMS).pending == {}
    assert number > 8


def test_what_another_worker_is_sending_is_left_in_the_outbox(stage: Telling) -> None:
    """That worker may die, wherever it is."""
    for number in itertools.count(1):
        stage.restart(f"left-{number}")
        stage.begin("team/app", by=TEAMS)
        key = stage.happen("team/app", found(), to=[TEAMS])
        stage.gate.calls.clear()

        def cut_in(call: int, operation: str, at: int = number, key: str = key) -> None:
            if call == at:
                stage.gate.open()
                stage.announcer().drain({key}, [TEAMS], NEWS_AT + MINUTE)
                raise Death

        stage.gate.before = cut_in
        with suppress(Death):
            stage.announcer().drain({key}, [TEAMS], NEWS_AT)
            break
        later_ticks(stage)
        assert len(set(stage.told)) == 1, number
    assert number > 8


def test_a_change_that_comes_while_an_outbox_is_emptied_outlives_its_bringer(stage: Telling) -> None:
    """Wherever it comes, and its bringer dies."""
    for number in itertools.count(1):
        stage.restart(f"race-{number}")
        stage.begin("team/app", by=TEAMS)
        key = stage.happen("team/app", found(), to=[TEAMS])
        stage.gate.calls.clear()

        def bring(call: int, operation: str, at: int = number) -> None:
            if call == at:
                stage.gate.open()
                stage.happen("team/app", found(), found("CVE-2026-2"), to=[TEAMS], at=NEWS_AT + MINUTE)

        stage.gate.before = bring
        stage.announcer().drain({key}, [TEAMS], NEWS_AT)
        if number > len(stage.gate.calls):
            break
        later_ticks(stage)
        assert sorted(Counter(stage.told).values()) == [1, 1], number
    assert number > 8


def test_a_document_that_can_not_be_read_for_now_holds_everything_back(stage: Telling) -> None:
    """What it has to say of the same alert would be missing for good."""
    app = stage.happen("team/app", found(), to=[TEAMS])
    stage.gate.calls.clear()

    def fail(call: int, operation: str) -> None:
        if operation == "get_object" and "list_objects_v2" in stage.gate.calls[-3:]:
            raise StoreError("findings/", "SlowDown")

    stage.gate.before = fail
    with pytest.raises(StoreError):
        stage.announcer().drain({app}, [TEAMS], NEWS_AT)
    stage.gate.open()
    assert (stage.sent, stage.outbox("team/app")) == ([], 1)
    later_ticks(stage)
    assert len(stage.told) == 1


def test_a_damaged_document_elsewhere_stops_nothing(stage: Telling) -> None:
    """It can't get better by waiting."""
    app = stage.happen("team/app", found(), to=[TEAMS])
    lib = findings_key(REGISTRY, REGION, "team/lib")
    stage.documents.put(lib, b"{")
    assert stage.announcer().drain({app, lib}, [TEAMS], NEWS_AT) == 1


def test_trouble_of_one_configuration_stops_no_other(stage: Telling) -> None:
    """The first trouble is raised when everything else is done."""
    other = replace(TEAMS, id=OTHER_ID)
    app = stage.happen("team/app", found(), to=[TEAMS, other])
    noted = stage.notices(other)

    def damage(call: int, operation: str) -> None:
        if operation == "publish" or (operation == "list_objects_v2" and not stage.sent):
            stage.gate.open()
            stage.documents.put(notices_key(other.id), b"{")

    stage.gate.before = damage
    with pytest.raises(Exception, match="no notices document"):
        stage.announcer().drain({app}, [TEAMS, other], NEWS_AT)
    assert [message["configuration"]["id"] for message in stage.sent] == [TEAMS.id]
    assert stage.outbox("team/app") == 1
    stage.documents.put(notices_key(other.id), noted.to_json())
    stage.announcer().drain_leftovers([TEAMS, other], NEWS_AT + 31 * MINUTE)
    assert [message["configuration"]["id"] for message in stage.sent] == [TEAMS.id, other.id]


def test_a_configuration_that_became_unreadable_misses_nothing(stage: Telling) -> None:
    """Its changes wait, but not for ever: it may have been deleted."""
    app = stage.happen("team/app", found(), to=[TEAMS])
    stage.announcer().drain({app}, [], NEWS_AT)
    assert stage.outbox("team/app") == 1
    assert stage.announcer().drain_leftovers([TEAMS], NEWS_AT + timedelta(days=1)) == 1
    stage.happen("team/app", found(), found("CVE-2026-2"), to=[TEAMS])
    stage.announcer().drain({app}, [], NEWS_AT + timedelta(days=8))
    assert stage.outbox("team/app") == 0


@pytest.mark.parametrize("wire", [{"notify": "CRITICAL"}, {"ignore": [{"vulnerability": "CVE-*", "reason": "x"}]}])
def test_what_is_suppressed_or_below_notify_is_not_told(stage: Telling, wire: dict[str, Any]) -> None:
    """Nor later on, when that is changed: it is no change of the images."""
    quiet = teams(**wire)
    app = stage.happen("team/app", found(), found("CVE-2026-2"), to=[quiet])
    assert stage.announcer().drain({app}, [quiet], NEWS_AT) == 0
    assert stage.outbox("team/app") == 0
    stage.announcer().drain({app}, [TEAMS], NEWS_AT)
    assert stage.sent == []


def test_a_message_that_sns_refuses_stays_in_the_outbox(stage: Telling) -> None:
    """And is sent by a later tick."""
    app = stage.happen("team/app", found(), to=[TEAMS])

    def refuse(call: int, operation: str) -> None:
        if operation == "publish":
            raise MessageError("alerts", "Throttled")

    stage.gate.before = refuse
    with pytest.raises(MessageError):
        stage.announcer().drain({app}, [TEAMS], NEWS_AT)
    stage.gate.open()
    later_ticks(stage)
    assert len(stage.told) == 1
