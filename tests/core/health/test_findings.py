"""What is wrong with a deployment: each broken one is named rightly, and of a healthy one there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ecr_rescan.core.health.findings import ERROR, Patient, deaf, examine, mute
from ecr_rescan.core.health.vitals import MOST_REFUSALS, Refusal, Vitals
from ecr_rescan.core.health.wire import to_wire
from ecr_rescan.core.scanning.account import SILENT, SILENT_FOR, Account
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.core.version import VERSION

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
REGISTRY, REGION = "123456789012", "us-east-1"
ROLE = "arn:aws:iam::210987654321:role/ecr-rescan-member"
VITALS = Vitals(tick_at=NOW, version=VERSION, looked_at=NOW, confirmed=1, pending=0, waiting=0, dead=0)


def ago(**step: float) -> datetime:
    return NOW - timedelta(**step)


def account(**more: object) -> Account:
    made = Account(REGISTRY, REGION, events_at=ago(hours=3), scans_at=ago(hours=3), pushed_at=ago(hours=4))
    return replace(made, **more)  # type: ignore[arg-type]


def patient(vitals: Vitals | None = VITALS, *accounts: Account, **more: object) -> Patient:
    return replace(Patient(vitals, accounts or (account(),), (), 1), **more)  # type: ignore[arg-type]


def vitals(**more: object) -> Vitals:
    return replace(VITALS, **more)  # type: ignore[arg-type]


def silent() -> Account:
    made = account()
    made.rest(SILENT, SILENT_FOR, "the Region does not answer: EndpointConnectionError", NOW)
    return made


REFUSED = Refusal("DescribeRepositories", "", REGISTRY, REGION, "", NOW)
BROKEN: dict[str, Callable[[], Patient]] = {
    "tick-missing": lambda: patient(vitals(tick_at=ago(minutes=61))),
    "paused": lambda: patient(vitals(tick_at=ago(days=2)), is_paused=True),
    "version-mixed": lambda: patient(vitals(version="0.9.0")),
    "topic-unreachable": lambda: patient(vitals(confirmed=None, topic_problem="AuthorizationError")),
    "nobody-told": lambda: patient(vitals(confirmed=0)),
    "subscription-pending": lambda: patient(vitals(pending=2)),
    "queue-unreachable": lambda: patient(vitals(waiting=None, queue_problem="AccessDenied")),
    "dead-letters": lambda: patient(vitals(dead=3)),
    "queue-behind": lambda: patient(vitals(late_at=ago(hours=1), late_seconds=4000)),
    "permission-refused": lambda: patient(vitals(refusals=(REFUSED,))),
    "role-unusable": lambda: patient(VITALS, account(problems={ROLE: "AccessDenied: not authorized"})),
    "region-silent": lambda: patient(VITALS, silent()),
    "account-troubled": lambda: patient(VITALS, account(problem="accounts/…: is no account document")),
    "quota-spent": lambda: patient(VITALS, account(paused_until=NOW)),
    "quota-nearly-spent": lambda: patient(VITALS, account(starts={ago(hours=2): 95_000})),
    "events-missing": lambda: patient(VITALS, account(events_at=ago(days=2), pushed_at=ago(days=1))),
    "document-unreadable": lambda: patient(problems=(Problem("images/a", "is no image ledger"),)),
    "schema-newer": lambda: patient(problems=(Problem("images/a", "schema 9 is not known to this version"),)),
    "nothing-configured": lambda: Patient(VITALS, (), (), 0),
}


def test_of_a_healthy_deployment_there_is_nothing_to_say() -> None:
    """Nor of one that was just deployed, whose first tick came."""
    assert examine(patient(), NOW) == []
    assert examine(patient(VITALS, Account(REGISTRY, REGION)), NOW) == []


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_deployment_is_named_rightly(code: str) -> None:
    """By this one finding alone, which says what to do."""
    (found,) = examine(BROKEN[code](), NOW)
    assert found.code == code
    assert found.what.endswith(".")
    assert len(found.do) > 10


def test_errors_come_first() -> None:
    """Who reads only the first line reads of the worst."""
    found = examine(patient(vitals(pending=1, dead=1)), NOW)
    assert [one.severity == ERROR for one in found] == [True, False]


def test_a_refusal_names_the_action_the_role_and_the_resource() -> None:
    """A listing is asked about all repositories of the registry: a narrower permission is refused."""
    (own,) = examine(patient(vitals(refusals=(REFUSED,))), NOW)
    assert "ecr:DescribeRepositories" in own.what
    assert f"arn:aws:ecr:{REGION}:{REGISTRY}:repository/*" in own.do
    theirs = [replace(REFUSED, action="DescribeImages", role=ROLE, repository=f"a/{n}") for n in range(7)]
    (found,) = examine(patient(vitals(refusals=tuple(theirs))), NOW)
    assert ROLE in found.what
    assert "a/4 and more" in found.what


def test_refusals_are_forgotten_and_bounded() -> None:
    """One of a day ago was tried again since, and many say no more than the newest."""
    old = vitals(refusals=(replace(REFUSED, at=ago(hours=26)),))
    assert old.refused([], NOW).refusals == ()
    many = [replace(REFUSED, repository=str(n), at=ago(minutes=n)) for n in range(2 * MOST_REFUSALS)]
    kept = VITALS.refused(many, NOW).refusals
    assert [one.repository for one in kept] == [str(n) for n in range(MOST_REFUSALS)]


def test_unknown_is_not_no() -> None:
    """Where nobody could look, or has looked, nobody is said to be told nothing."""
    assert mute(None) == mute(Vitals()) == mute(vitals(confirmed=None)) == ""
    assert "to be confirmed" in mute(vitals(confirmed=0, pending=1))


@pytest.mark.parametrize(
    ("heard", "pushed", "is_deaf"),
    [
        (None, None, False),
        (None, timedelta(hours=23), False),
        (None, timedelta(hours=24), True),
        (timedelta(hours=25), timedelta(hours=20), False),
        (timedelta(hours=27), timedelta(hours=20), True),
        (timedelta(hours=23), timedelta(hours=1), False),
        (timedelta(days=9), timedelta(days=10), False),
    ],
)
def test_deaf_is_who_hears_of_no_push_for_a_day_though_there_was_one(
    heard: timedelta | None, pushed: timedelta | None, is_deaf: bool
) -> None:
    """Arrivals are noted every six hours: a push so soon after the last note may have been heard."""
    known = Account(REGISTRY, REGION, events_at=heard and NOW - heard, pushed_at=pushed and NOW - pushed)
    assert bool(deaf(known, NOW)) is is_deaf


def test_what_was_there_before_shows_nothing() -> None:
    """The first listing of a repository shows pushes of which no event was to come."""
    known = Account(REGISTRY, REGION)
    known.note_pushes([ago(days=3), ago(days=2)], since=ago(days=1))
    assert known.pushed_at is None
    known.note_pushes([ago(hours=5), ago(hours=9)], since=ago(days=1))
    known.note_pushes([ago(hours=7)], since=ago(days=1))
    assert known.pushed_at == ago(hours=5)
    assert Account.from_json("", known.to_json()) == known


def test_the_note_is_read_as_it_was_written() -> None:
    """Whatever is in it."""
    full = vitals(late_at=NOW, late_seconds=9, topic_problem="x", queue_problem="y", refusals=(REFUSED,))
    assert Vitals.from_json("", full.to_json()) == full
    assert Vitals.from_json("", Vitals().to_json()) == Vitals()


def test_the_answer_tells_the_time_for_clocks_to_be_compared() -> None:
    """And how much of a day's quota is used."""
    told = to_wire(patient(VITALS, account(starts={ago(hours=2): 7, ago(hours=25): 9})), [], NOW)
    assert told["at"] == "2026-03-05T12:00:00Z"
    assert told["accounts"][0]["quota"] == {"started": 7, "of": 100_000}  # type: ignore[index]
