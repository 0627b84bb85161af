"""What is known of an account: its quota, its events, and the document that holds it."""

from __future__ import annotations

from datetime import timedelta

from ecr_rescan.core.scanning.account import DAILY_QUOTA, QUOTA_MARGIN, Account, Rest
from tests.builders import AT, REGION, REGISTRY

ALL = DAILY_QUOTA - QUOTA_MARGIN


def test_starts_count_for_a_day_and_no_longer_than_ten_minutes_more() -> None:
    account = Account(REGISTRY, REGION)
    account.count_starts(600, AT)
    assert account.starts_left(AT + timedelta(hours=23, minutes=59)) == ALL - 600
    assert account.starts_left(AT + timedelta(hours=24, minutes=11)) == ALL


def test_a_full_account_scanned_evenly_never_runs_out() -> None:
    account, now = Account(REGISTRY, REGION), AT
    for _ in range(3 * 288):
        assert account.starts_left(now) >= 340
        account.count_starts(340, now)
        now += timedelta(minutes=5)


def test_a_pause_lets_one_start_try_when_it_is_over() -> None:
    account = Account(REGISTRY, REGION, paused_until=AT)
    assert account.starts_left(AT - timedelta(seconds=1)) == 0
    assert account.starts_left(AT) == 1


def test_events_are_heard_for_a_day() -> None:
    account = Account(REGISTRY, REGION, events_at=AT)
    assert account.hears_events(AT + timedelta(hours=24))
    assert not account.hears_events(AT + timedelta(hours=26))
    assert not Account(REGISTRY, REGION).hears_events(AT)


def test_the_document_is_read_as_it_was_written() -> None:
    account = Account(
        REGISTRY,
        REGION,
        scan_type_at=AT,
        repositories=("a", "b"),
        repositories_at=AT,
        starts={AT: 5},
        paused_until=AT,
        events_at=AT,
        resume_at="b",
        problem="none",
        problems={"": "none"},
        unexplained=("sha256:a",),
        rests={"silent": Rest(AT, 2, "why")},
    )
    assert Account.from_json("key", account.to_json()) == account
