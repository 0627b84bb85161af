"""The summary as a table that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from ecr_rescan.core.summary.as_csv import COLUMNS, to_csv
from ecr_rescan.core.summary.summary import Summary
from tests.summary_records import HIGH, complete, configuration, digest, everything, findings, ledger


def summary() -> Summary:
    document = findings(("1",), {("CVE-1", "openssl"): {"3": {HIGH: 1}}})
    return everything([configuration(owner="team")], ledger({"1": complete(), "2": None}), document)


def rows(of: Summary) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(of), newline="")))


def test_a_line_for_each_image() -> None:
    """With the heading; numbers as they are, and nothing where nothing is known."""
    text = to_csv(summary())
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert text.endswith("\r\n")
    scanned, waiting = rows(summary())
    assert (scanned["repository"], scanned["tags"], scanned["digest"]) == ("team/app", "1", digest("1"))
    assert (scanned["state"], scanned["high"], scanned["critical"], scanned["suppressed"]) == (
        "COMPLETE",
        "1",
        "0",
        "0",
    )
    assert (scanned["scanned_at"], scanned["pushed_at"]) == ("2026-11-23T15:00:00Z", "2026-11-22T18:00:00Z")
    assert (waiting["state"], waiting["high"], waiting["suppressed"]) == ("NEVER_SCANNED", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "\t=", "\r\n=", " ="])
def test_no_cell_is_a_formula(start: str) -> None:
    """Whatever stands in a name, a platform or a reason is text, on one line."""
    hostile = f'{start}HYPERLINK("http://evil.example","x")'
    made = summary()
    item = made.configurations[0]
    image = item.images[0]
    status = replace(image.status, platform=hostile, reason=hostile)
    image = replace(image, repository=hostile, tags=(hostile, "a,b"), status=status)
    owned = replace(item.configuration, owner=hostile)
    table = replace(made, configurations=(replace(item, configuration=owned, images=(image,)),))
    (row,) = rows(table)
    for name in ("repository", "tags", "platform", "reason", "owner"):
        assert row[name].startswith("'")
        assert "\n" not in row[name]
    assert set(row) == set(COLUMNS)
    assert row["state"] == "COMPLETE"
