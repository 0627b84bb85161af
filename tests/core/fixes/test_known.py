"""The document of fixes: what is news, what is not, and what is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.fixes.known import Fixes, fixable, joined
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.fixes.states import Fix, FixState
from ecr_rescan.core.fixes.words import fix_words

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAIR = ("debian", "CVE-2026-1")
OPEN, MENDED = Record({"curl": {"12": (Span(),)}}), Record({"curl": {"12": (Span("1.1-1"),)}})


def of(fixes: Fixes, package: str = "curl", release: str = "Debian 12") -> Fix:
    fixes.settle(NOW)
    return fixes.of(release, "CVE-2026-1", package, "1.0-1")


def known(*records: Record | None) -> Fixes:
    """What is known after these readings, an hour apart."""
    fixes = Fixes()
    for number, record in enumerate(records):
        fixes.take(PAIR, {"curl"}, record, NOW + number * HOUR)
    return fixes


def test_a_fix_in_the_first_reading_is_no_news() -> None:
    """Nobody knows when it appeared."""
    fix = of(known(MENDED))
    assert (fix.state, fix.version, fix.since, fix.known_at) == (FixState.FIXED, "1.1-1", None, NOW)


def test_a_fix_that_was_not_there_is_news_once() -> None:
    """Also after no record at all; another version of it, and reading it again, changes nothing of that."""
    for before in (OPEN, None, Record(), Record(withdrawn=True)):
        assert of(known(before, MENDED)).since == NOW + HOUR
    assert of(known(OPEN, MENDED, MENDED)).since == NOW + HOUR
    other = Record({"curl": {"12": (Span("1.2-1"),)}})
    assert (of(known(OPEN, MENDED, other)).version, of(known(OPEN, MENDED, other)).since) == ("1.2-1", NOW + HOUR)
    assert of(known(MENDED, other)).since is None


def test_what_was_not_looked_up_is_pending_and_what_is_not_there_is_known_as_such() -> None:
    """A package that findings name for the first time is looked up anew."""
    fixes = known(MENDED)
    assert of(fixes, "wget").pending
    assert not fixes.knows(PAIR, {"curl", "wget"})
    fixes.take(PAIR, {"wget"}, MENDED, NOW + HOUR)
    assert (of(fixes, "wget").pending, of(fixes, "wget").state) == (False, FixState.UNKNOWN)
    assert fixes.knows(PAIR, {"curl", "wget"})
    assert (of(fixes).version, of(fixes).since) == ("1.1-1", None)
    assert of(fixes, release="Red Hat Enterprise Linux 9").state is FixState.UNKNOWN


def test_what_nothing_names_is_forgotten_after_its_time() -> None:
    """Not at once: a document that can't be read names nothing."""
    fixes = known(OPEN)
    fixes.forget(set(), NOW - HOUR)
    assert fixes.knows(PAIR, {"curl"})
    fixes.forget({PAIR}, NOW + HOUR)
    assert fixes.knows(PAIR, {"curl"})
    fixes.forget(set(), NOW + HOUR)
    assert not fixes.knows(PAIR, {"curl"})


def test_news_are_first_readings_and_fixes_that_appeared() -> None:
    """By what becomes known, not by what is read again."""
    fixes = known(OPEN, OPEN, MENDED)
    assert fixes.newest() == NOW + 2 * HOUR
    assert fixes.news(NOW + HOUR) == fixes.appeared(NOW + HOUR) == {"CVE-2026-1"}
    assert fixes.news(NOW + 2 * HOUR) == set()
    assert known(MENDED).appeared(NOW - HOUR) == set()


def test_the_version_changes_with_what_is_said() -> None:
    """The same again is the same document."""
    fixes = known(OPEN)
    assert fixes.settle(NOW)
    version = fixes.version
    fixes.take(PAIR, {"curl"}, OPEN, NOW + HOUR)
    assert not fixes.settle(NOW + HOUR)
    fixes.take(PAIR, {"curl"}, MENDED, NOW + HOUR)
    assert fixes.settle(NOW + HOUR)
    assert fixes.version != version


SPANS = st.builds(
    Span, st.sampled_from(["", "1.1-1", "2-1"]), st.sampled_from(["", "0.5"]), st.booleans(), st.just(None)
)
RECORDS = st.none() | st.builds(
    Record,
    st.dictionaries(
        st.sampled_from(["curl", "wget"]),
        st.dictionaries(st.sampled_from(["11", "12"]), st.lists(SPANS, min_size=1, max_size=3).map(tuple)),
    ),
    st.just({}),
    st.booleans(),
)


@given(st.lists(RECORDS, min_size=1, max_size=4))
def test_a_document_reads_back_as_it_was_written(records: list[Record | None]) -> None:
    """Whatever was taken in, in any order."""
    fixes = known(*records)
    fixes.settle(NOW)
    again = Fixes.from_json("k", fixes.to_json())
    assert again.to_json() == fixes.to_json()
    assert of(again) == of(fixes)


def test_several_states_are_said_together() -> None:
    """Where images differ; what can be done comes first, and unknown is never no."""
    mended, none, nobody = Fix(FixState.FIXED, "1.1-1"), Fix(FixState.NONE), Fix(FixState.UNKNOWN, why="x")
    assert fix_words("curl", joined([none, mended, mended])) == "upgrade curl to 1.1-1; none yet"
    assert (fixable([mended, none]), fixable([none]), fixable([none, nobody]), fixable([])) == (True, False, None, None)
    assert fix_words("curl", []) == ""
