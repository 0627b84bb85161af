"""What a new reading of a source changes, and what is refused; laws of what nobody may ever unlearn."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.signals.known import Signals, Source
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV, Catalogue, Listed, Scores, read_kev
from ecr_rescan.core.signals.updating import due, failed, next_due, take_catalogue, take_scores, unchanged
from tests.core.signals.test_sources import DATA

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = date(2026, 3, 1)


def catalogue(*ids: str, version: str = "1", name: str = KEV, count: int | None = None) -> Catalogue:
    return Catalogue(version, len(ids) if count is None else count, {cve: {name: Listed(DAY)} for cve in ids})


def scores(version: str = "2026-03-01", model: str = "v1", count: int = 10, **given: float) -> Scores:
    return Scores(model, version, count, {cve: (score, 0.9) for cve, score in given.items()})


def test_a_first_reading_is_no_news_and_what_comes_later_is() -> None:
    """Of each source for itself; what another one has already is none, either."""
    signals = Signals()
    take_catalogue(signals, KEV, catalogue("CVE-A"), NOW)
    assert signals.of("CVE-B").exploited is None
    assert not signals.of("CVE-B").known, "the other list was not read yet"
    take_catalogue(signals, KEV, catalogue("CVE-A", "CVE-B", version="2"), NOW + HOUR)
    take_catalogue(signals, EUVD, catalogue("CVE-B", "CVE-C", name=EUVD), NOW + 2 * HOUR)
    take_catalogue(signals, EUVD, catalogue("CVE-A", "CVE-B", "CVE-C", name=EUVD, version="2"), NOW + 3 * HOUR)
    noticed = {cve: one.noticed_at for cve, one in signals.exploited.items()}
    assert noticed == {"CVE-A": None, "CVE-B": NOW + HOUR, "CVE-C": None}
    assert signals.newest() == NOW + HOUR
    assert signals.of("CVE-D").known
    assert signals.exploited["CVE-B"].lists.keys() == {KEV, EUVD}


def test_the_real_catalogue_s_history_brings_the_ids_that_were_added() -> None:
    """Between 21 and 25 August 2025 three; one that leaves the list stays exploited; ransomware may become known."""
    signals = Signals()
    for number, day in enumerate(("2025-05-22", "2025-08-21", "2025-08-25")):
        take_catalogue(signals, KEV, read_kev((DATA / f"kev-{day}.json").read_bytes()), NOW + number * HOUR)
    news = {cve for cve, one in signals.exploited.items() if one.noticed_at == NOW + 2 * HOUR}
    assert news == {"CVE-2025-48384", "CVE-2024-8068", "CVE-2024-8069"}
    assert sum(one.noticed_at == NOW + HOUR for one in signals.exploited.values()) == 50
    assert "CVE-2025-4664" in signals.exploited


@pytest.mark.parametrize(
    "worse",
    [
        catalogue(*(f"CVE-{number}" for number in range(100)), version="1"),
        catalogue(*(f"CVE-{number}" for number in range(89)), version="3"),
    ],
    ids=["older", "half"],
)
def test_a_source_that_goes_back_is_refused_and_changes_nothing(worse: Catalogue) -> None:
    """Back in time, or by more than a tenth of its entries."""
    signals = Signals()
    take_catalogue(signals, KEV, catalogue(*(f"CVE-{number}" for number in range(100)), version="2"), NOW)
    before = signals.to_json()
    with pytest.raises(SignalError):
        take_catalogue(signals, KEV, worse, NOW + HOUR)
    assert signals.to_json() == before
    take_catalogue(signals, KEV, catalogue(*(f"CVE-{number}" for number in range(90)), version="3"), NOW + HOUR)


def test_a_score_that_wobbles_around_the_threshold_is_no_change() -> None:
    """Likely from the threshold on, until well below; a first reading and a new model are no news."""
    signals = Signals()
    take_scores(signals, scores(A=0.05, B=0.2), 0.1, NOW)
    assert signals.likely == {"B": None}
    when = {}
    for step, score in enumerate((0.1, 0.085, 0.11, 0.079, 0.09, 0.1), start=1):
        take_scores(signals, scores(f"2026-03-{step + 1:02}", A=score), 0.1, NOW + step * HOUR)
        when[step] = signals.likely.get("A")
    first, second = NOW + HOUR, NOW + 6 * HOUR
    assert when == {1: first, 2: first, 3: first, 4: None, 5: None, 6: second}
    take_scores(signals, scores("2026-04-01", model="v2", A=0.2, C=0.9), 0.1, NOW + 9 * HOUR)
    assert signals.likely == {"A": second, "C": None}


def test_a_source_is_asked_in_its_time_and_more_seldom_where_it_fails() -> None:
    """With a wait that doubles; other sources go on."""
    signals = Signals()
    assert due(Source(), KEV, NOW)
    unchanged(signals, EUVD, NOW)
    waits = []
    at = NOW
    for _ in range(8):
        failed(signals, KEV, "answered 503", at)
        wait = next(step for step in range(1, 200) if due(signals.sources[KEV], KEV, at + step * timedelta(minutes=15)))
        waits.append(wait * 15)
        at += wait * timedelta(minutes=15)
    assert waits == [15, 30, 60, 120, 240, 480, 720, 720]
    assert signals.sources[EUVD].failures == 0
    assert next_due(signals, (KEV, EUVD), at - timedelta(hours=1)) == NOW + timedelta(hours=3) or due(
        signals.sources[EUVD], EUVD, at - timedelta(hours=1)
    )


def test_ages_are_said_only_when_they_matter() -> None:
    """The sentence is the same all day, so that a feed is; a source that was never read is said to be unknown."""
    signals = Signals()
    assert "not known" in signals.line(NOW.date())
    take_catalogue(signals, KEV, catalogue("CVE-A"), NOW)
    failed(signals, EUVD, "answered 503", NOW)
    assert signals.line(NOW.date()) == "Exploited and likely by CISA KEV; ENISA EUVD could not be read yet."
    later = NOW + timedelta(days=3)
    assert "CISA KEV not read since 2026-03-02" in signals.line(later.date())
    assert list(signals.went_stale(later.date())) == [datetime(2026, 3, 5, tzinfo=UTC)]


ids = st.sampled_from([f"CVE-{letter}" for letter in "ABCDEFGH"])
readings = st.lists(st.tuples(st.sampled_from([KEV, EUVD]), st.sets(ids, min_size=1)), max_size=12)


@given(readings)
def test_nothing_ever_stops_to_be_exploited_and_news_keep_their_time(
    said: list[tuple[str, set[str]]],
) -> None:
    """Whatever sources say in any order; and what is written is read back the same, byte for byte."""
    signals = Signals()
    known: dict[str, datetime | None] = {}
    for step, (name, listed) in enumerate(said):
        # A version that grows, and a count that doesn't: this is about what is taken, not what is refused.
        reading = catalogue(*sorted(listed), version=f"{step:03}", name=name, count=8)
        take_catalogue(signals, name, reading, NOW + step * HOUR)
        first = not any(name == earlier for earlier, _ in said[:step])
        for cve in listed - known.keys():
            known[cve] = None if first else NOW + step * HOUR
        assert {cve: one.noticed_at for cve, one in signals.exploited.items()} == known
        body = signals.to_json()
        assert Signals.from_json("", body).to_json() == body


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_likely_follows_the_scores_with_hysteresis(given_scores: list[float]) -> None:
    """Above the threshold always, below four fifths of it never; in between as it was."""
    signals = Signals()
    before = False
    for step, score in enumerate(given_scores):
        take_scores(signals, scores(f"{step:03}", A=score), 0.1, NOW + step * HOUR)
        expected = score >= 0.1 or (before and score >= 0.08)
        assert ("A" in signals.likely) == expected
        before = expected


def test_reading_again_changes_the_age_and_not_the_version() -> None:
    """Readers compare the version: a feed must not change with every reading."""
    signals = Signals()
    take_catalogue(signals, KEV, catalogue("CVE-A"), NOW)
    take_scores(signals, scores(A=0.2), 0.1, NOW)
    version, changed = signals.version, signals.changed_at
    unchanged(signals, KEV, NOW + HOUR)
    failed(signals, EPSS, "answered 503", NOW + HOUR)
    assert (signals.version, signals.changed_at) == (version, changed)
    assert signals.sources[KEV].read_at == NOW + HOUR
    take_catalogue(signals, KEV, catalogue("CVE-A", "CVE-B", version="2"), NOW + 2 * HOUR)
    assert (signals.version != version, signals.changed_at) == (True, NOW + 2 * HOUR)
