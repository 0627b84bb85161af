"""What a configuration was told: waves, claims, and how that is stored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.changes.notices import CLAIMED_FOR, REMEMBER, Claims, Notices, Selection
from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from ecr_rescan.core.scan_result import ScanType
from tests.core.worlds import BEGAN

HOUR = timedelta(hours=1)
KEY, OTHER = ("CVE-1", "pkg"), ("CVE-2", "pkg")


def test_openings_within_25_hours_of_the_first_are_one_wave() -> None:
    """The wave runs from the first opening, not from the last one that joined."""
    notices = Notices()
    starts = [notices.join_waves([KEY], BEGAN + hours * HOUR)[KEY] for hours in (0, 20, 25, 26, 51, 52)]
    assert starts == [BEGAN + hours * HOUR for hours in (0, 0, 0, 26, 26, 52)]


def test_each_finding_has_waves_of_its_own() -> None:
    """What opens together starts together; the next opening joins only its own wave."""
    notices = Notices()
    notices.join_waves([KEY], BEGAN)
    assert notices.join_waves([OTHER, KEY], BEGAN + HOUR) == {KEY: BEGAN, OTHER: BEGAN + HOUR}


def test_a_late_worker_joins_the_wave_that_began_after_its_clock() -> None:
    """Of two workers the one with the earlier clock may write last."""
    notices = Notices()
    notices.join_waves([KEY], BEGAN)
    assert notices.join_waves([KEY], BEGAN - HOUR) == {KEY: BEGAN}


def test_waves_start_at_whole_seconds() -> None:
    """As stored, so that what is in memory and what is read agree."""
    assert Notices().join_waves([KEY], BEGAN + timedelta(microseconds=7)) == {KEY: BEGAN}


def test_of_two_workers_one_claims_an_alert() -> None:
    """The other one must neither send it nor forget it: who claimed it may die."""
    notices = Notices()
    assert notices.claim(["two", "one"], BEGAN) == Claims(("one", "two"), ())
    assert notices.claim(["two", "three"], BEGAN + CLAIMED_FOR / 2) == Claims(("three",), ("two",))


def test_what_was_sent_is_nobodys_to_send() -> None:
    """Nor is it waited for."""
    notices = Notices()
    notices.claim(["one"], BEGAN)
    notices.sent(["one"], BEGAN)
    assert notices.claim(["one"], BEGAN + 2 * CLAIMED_FOR) == Claims((), ())


def test_who_claimed_and_did_not_send_is_dead_after_a_while() -> None:
    """Then the next one sends."""
    notices = Notices()
    notices.claim(["one"], BEGAN)
    assert notices.claim(["one"], BEGAN + CLAIMED_FOR) == Claims(("one",), ())
    assert notices.claim(["one"], BEGAN + CLAIMED_FOR) == Claims((), ("one",))


def test_claims_are_forgotten_when_nothing_can_repeat_them() -> None:
    """After the time in which an outbox may be left over."""
    notices = Notices()
    notices.claim(["one"], BEGAN)
    notices.sent(["one"], BEGAN)
    assert notices.claim(["one"], BEGAN + REMEMBER) == Claims((), ())
    assert notices.claim(["one"], BEGAN + REMEMBER + HOUR) == Claims(("one",), ())


def test_changes_that_come_while_an_outbox_is_emptied_stay_pending() -> None:
    """Or they would be lost, should the one who brought them die."""
    notices = Notices()
    notices.expect_changes("app", BEGAN)
    notices.expect_changes("lib", BEGAN)
    seen = dict(notices.pending)
    notices.expect_changes("app", BEGAN + HOUR)
    notices.drained(seen)
    assert notices.pending == {"app": (BEGAN, 2)}


def test_notices_read_back_exactly() -> None:
    """Everything is stored, and the same content gives the same bytes."""
    notices = Notices(
        known={"b", "a"},
        selection=Selection(("team/*", "!team/old"), ("v*",), 3),
        scan_type=ScanType.ENHANCED,
        baseline_since=BEGAN,
        selection_before=Selection(("team/app",), (), None),
        scan_type_changed=True,
        suppressions={"f1": frozenset({"active", "ending"}), "f2": frozenset()},
        checked="2026-01-05 f1",
    )
    notices.join_waves([OTHER, KEY, ("CVE-1", "")], BEGAN)
    notices.expect_changes("app", BEGAN)
    notices.claim(["one", "two"], BEGAN)
    notices.sent(["one"], BEGAN)
    again = Notices.from_json("notices", notices.to_json())
    assert again == notices
    assert again.to_json() == notices.to_json()
    assert Notices.from_json("notices", Notices().to_json()) == Notices()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"schema":1}', b"\xff", b"[" * 100_000, b'{"schema":1,"waves":[]}']
)
def test_what_is_no_notices_document_says_so(body: bytes) -> None:
    """The error names the key."""
    with pytest.raises(DocumentError, match="notices/x"):
        Notices.from_json("notices/x", body)


def test_an_unknown_schema_is_refused() -> None:
    """So that it is never overwritten."""
    with pytest.raises(UnknownSchemaError):
        Notices.from_json("notices/x", b'{"schema":2}')
