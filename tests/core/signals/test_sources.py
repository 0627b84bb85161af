"""The public sources' own forms, and what is none of them: tried with real excerpts of each."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.signals.sources import EUVD, KEV, Listed, read_epss, read_euvd, read_kev

DATA = Path(__file__).parents[2] / "data" / "signals"
ROW = {"cveID": "CVE-2026-1234", "dateAdded": "2026-03-02", "knownRansomwareCampaignUse": "Known"}
WHOLE = {"dateReleased": "2026-03-02T10:00:00Z", "count": 1, "vulnerabilities": [ROW]}


def test_a_real_catalogue_is_read() -> None:
    """Every entry, with date and ransomware; its release in one form."""
    read = read_kev((DATA / "kev-2025-08-25.json").read_bytes())
    assert (read.version, read.count, len(read.entries)) == ("2025-08-25T17:04:19Z", 1404, 1404)
    assert read.entries["CVE-2025-48384"] == {KEV: Listed(date(2025, 8, 25), False)}
    assert sum(lists[KEV].ransomware is True for lists in read.entries.values()) > 200


@pytest.mark.parametrize(
    "change",
    [
        {"vulnerabilities": None},
        {"vulnerabilities": []},
        {"vulnerabilities": [1]},
        {"count": 2},
        {"count": None},
        {"dateReleased": "yesterday"},
        {"dateReleased": None},
        {"vulnerabilities": [ROW | {"cveID": "CVE-2026-X"}]},
        {"vulnerabilities": [ROW | {"cveID": None}]},
        {"vulnerabilities": [ROW | {"dateAdded": "2026-02-30"}]},
        {"vulnerabilities": [ROW | {"dateAdded": 5}]},
    ],
)
def test_anything_else_is_refused_whole(change: dict[str, Any]) -> None:
    """A part of it may be right: nobody knows which."""
    assert read_kev(json.dumps(WHOLE).encode()).count == 1
    with pytest.raises(SignalError):
        read_kev(json.dumps(WHOLE | change).encode())


@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html>", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_catalogue_at_all_is_refused(body: bytes) -> None:
    """Servers answer 200 with pages of their own."""
    for read in (read_kev, read_euvd):
        with pytest.raises(SignalError):
            read(body)


def test_a_file_cut_in_the_middle_is_refused() -> None:
    """CISA committed one on 25 February 2025; here are its last bytes, after the beginning of a whole one."""
    begun = (DATA / "kev-2025-08-25.json").read_bytes()[:5_000]
    with pytest.raises(SignalError, match="not JSON"):
        read_kev(begun + (DATA / "kev-2025-02-25.cut-short.json").read_bytes())


def test_enisa_s_oddities_are_read() -> None:
    """Either id may be missing, an id may come twice, sources and members may be unknown."""
    read = read_euvd((DATA / "euvd.json").read_bytes())
    assert (read.version, read.count, len(read.entries)) == ("2026-10-10", 10, 8)
    assert read.entries["CVE-2099-1000"] == {KEV: Listed(date(2026, 10, 1)), EUVD: Listed(date(2026, 10, 10))}
    assert read.entries["CVE-2099-1002"].keys() == {KEV, EUVD}
    assert read.entries["CVE-2099-1007"].keys() == {EUVD}


@pytest.mark.parametrize(
    ("name", "rows", "cve", "score"),
    [
        ("epss-2026-09-29.csv", 33, "CVE-1999-0003", (0.24565, 0.97812)),
        ("epss-2025-12-26.csv", 27, "CVE-2025-9999", (0.00044, 0.13444)),
        ("epss-2024-10-25.csv", None, "CVE-1999-0005", (0.91963, 0.99030)),
    ],
)
def test_real_scores_are_read(name: str, rows: int | None, cve: str, score: tuple[float, float]) -> None:
    """Those that are wanted; a final line without an end, and both forms of the date."""
    lines = (DATA / name).read_bytes().split(b"\n")
    read = read_epss([line for line in lines if line], {cve, "CVE-2000-9999"})
    assert read.scores == {cve: score}
    assert rows is None or read.count == rows
    assert read.version.endswith("Z")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"cve,epss,percentile"],
        [b"#model_version:v1,score_date:2026-09-29T00:00:00Z", b"cve,epss"],
        [b"#model_version:v1,score_date:soon", b"cve,epss,percentile"],
        [b"#model_version:v1,score_date:2026-09-29T00:00:00Z", b"cve,epss,percentile", b"CVE-2026-1234,0.5"],
        [b"#model_version:v1,score_date:2026-09-29T00:00:00Z", b"cve,epss,percentile", b"CVE-2026-1234,1.5,0.1"],
        [b"#model_version:v1,score_date:2026-09-29T00:00:00Z", b"cve,epss,percentile", b"CVE-2026-1234,nan,0.1"],
        [b"<!DOCTYPE html>", b"<p>"],
        (DATA / "epss-2021-09-01.csv").read_bytes().splitlines(),
    ],
)
def test_other_files_of_scores_are_refused(lines: list[bytes]) -> None:
    """Also those of years ago."""
    with pytest.raises(SignalError):
        read_epss(lines, {"CVE-2026-1234"})


def test_exponents_are_numbers() -> None:
    """FIRST writes them for the smallest."""
    head = [b"#model_version:v1,score_date:2026-09-29T00:00:00Z", b"cve,epss,percentile"]
    assert read_epss([*head, b"CVE-2026-1234,7e-05,0.1"], {"CVE-2026-1234"}).scores == {"CVE-2026-1234": (7e-05, 0.1)}


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(body: bytes) -> None:
    """They are refused, or read."""
    for read in (read_kev, read_euvd, lambda given: read_epss(given.split(b"\n"), ())):
        with suppress(SignalError):
            read(body)
