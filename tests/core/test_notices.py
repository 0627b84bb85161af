"""What a configuration was told: waves, claims, and how that is stored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from ecr_rescan.core.notices import REMEMBER, Notices
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


def test_an_alert_is_claimed_by_one_document_and_by_it_again() -> None:
    """Another one must not announce it; the one that died after its claim may."""
    notices = Notices()
    assert notices.claim(["one", "two"], "app", BEGAN) == ["one", "two"]
    assert notices.claim(["two", "three"], "lib", BEGAN + HOUR) == ["three"]
    assert notices.claim(["one", "three"], "app", BEGAN + HOUR) == ["one"]


def test_claims_are_forgotten_when_nothing_can_repeat_them() -> None:
    """After the time in which an outbox may be left over."""
    notices = Notices()
    notices.claim(["one"], "app", BEGAN)
    assert notices.claim(["one"], "lib", BEGAN + REMEMBER) == []
    assert notices.claim(["one"], "lib", BEGAN + REMEMBER + HOUR) == ["one"]


def test_notices_read_back_exactly() -> None:
    """Everything is stored, and the same content gives the same bytes."""
    notices = Notices(baseline_since=BEGAN, known={"b", "a"}, pending={"app": BEGAN})
    notices.join_waves([OTHER, KEY, ("CVE-1", "")], BEGAN)
    notices.claim(["one"], "app", BEGAN)
    again = Notices.from_json("notices", notices.to_json())
    assert again == notices
    assert again.to_json() == notices.to_json()


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
