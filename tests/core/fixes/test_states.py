"""The state of a finding, by real records; the right values were worked out by hand and ``dpkg --compare-versions``."""

from __future__ import annotations

import csv

import pytest

from ecr_rescan.core.fixes.distributions import ALPINE, DEBIAN, distribution_of
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.fixes.states import FixState, fix_of
from tests.fix_records import DATA, records

ROWS = list(csv.reader((DATA / "states.csv").read_text().splitlines(), delimiter="|"))[1:]


def record_of(release: str, vulnerability: str) -> Record | None:
    found = distribution_of(release)
    return records().get((found[0].key, vulnerability)) if found else None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:4]))
def test_the_state_of_a_finding(row: list[str]) -> None:
    """As the table has it."""
    release, package, installed, vulnerability, state, version, newer = row
    fix = fix_of(release or None, package, installed, record_of(release, vulnerability))
    assert (fix.state, fix.version, fix.release) == (state, version, newer)
    assert bool(fix.why) is (fix.state is FixState.UNKNOWN)


def test_the_table_is_long_enough_and_has_every_state() -> None:
    """A hundred and twenty cases were asked for."""
    assert len(ROWS) >= 120
    assert {row[4] for row in ROWS} == set(FixState) - {FixState.ENDED}


def test_a_distribution_may_end_a_package() -> None:
    """Debian's urgency ``end-of-life``: nothing will be fixed, unless a newer release has done so."""
    record = Record({"pkg": {"11": (Span(ended=True),)}})
    assert fix_of("Debian 11", "pkg", "1.0-1", record).state is FixState.ENDED


def test_the_next_of_several_fixes_is_the_one() -> None:
    """Amazon Linux mends a package twice for one vulnerability; the first is not enough for who has it."""
    record = Record({"pkg": {"2023": (Span("1.0-2.amzn2023"), Span("1.0-5.amzn2023"))}})
    assert fix_of("Amazon Linux 2023", "pkg", "1.0-1.amzn2023", record).version == "1.0-2.amzn2023"
    assert fix_of("Amazon Linux 2023", "pkg", "1.0-3.amzn2023", record).version == "1.0-5.amzn2023"
    assert fix_of("Amazon Linux 2023", "pkg", "1.0-5.amzn2023", record).state is FixState.UNKNOWN


def test_a_record_that_contradicts_itself_tells_nothing() -> None:
    """Fixed and not fixed at once."""
    record = Record({"pkg": {"12": (Span("1.1-1"), Span())}})
    assert fix_of("Debian 12", "pkg", "1.0-1", record).state is FixState.UNKNOWN


def test_never_affected_is_a_contradiction() -> None:
    """A fix in version 0."""
    assert fix_of("Debian 12", "pkg", "1.0-1", Record({"pkg": {"12": (Span("0"),)}})).state is FixState.UNKNOWN


def test_a_fix_for_subscribers_alone_in_a_newer_release_is_none() -> None:
    """Nobody else gets it."""
    record = Record({"pkg": {"22.04": (Span(),), "24.04+pro": (Span("2-1"),), "25.10": (Span("3-1"),)}})
    fix = fix_of("Ubuntu 22.04", "pkg", "1-1", record)
    assert (fix.state, fix.release, fix.version) == (FixState.NEWER, "Ubuntu 25.10", "3-1")


def test_alpine_takes_the_lowest_fix_above_what_is_installed() -> None:
    """Busybox of 3.19, as Inspector says: in 3.18 it is mended already, and 3.20 began above it."""
    busybox = Record(
        {"busybox": {"3.18": (Span("1.36.1-r7"),), "3.19": (Span("1.36.1-r17"),), "3.20": (Span("1.36.1-r29"),)}}
    )
    assert fix_of("Alpine", "busybox", "1.36.1-r15", busybox).version == "1.36.1-r17"
    assert fix_of("Alpine 3.20", "busybox", "1.36.1-r15", busybox).version == "1.36.1-r29"
    assert fix_of("Alpine", "busybox", "1.36.1-r29", busybox).state is FixState.UNKNOWN


def test_distributions_are_told_by_the_names_of_releases() -> None:
    """What nobody has data for is no distribution here."""
    assert distribution_of("Debian 12") == (DEBIAN, "12")
    assert distribution_of("Alpine") == (ALPINE, "")
    assert distribution_of("Red Hat Enterprise Linux 9") is None
    assert distribution_of(None) is None
