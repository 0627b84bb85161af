"""The plain report."""

from __future__ import annotations

from dataclasses import replace

from ecr_rescan.core.scanning.ledger import ManifestRecord, ScanState
from ecr_rescan.core.summary import as_text as summary_text
from ecr_rescan.core.summary.as_json import to_wire
from ecr_rescan.core.summary.summary import summarise
from tests.summary_records import (
    NOW,
    PLACE,
    REGION,
    REPOSITORY,
    complete,
    configuration,
    everything,
    ledger,
)


def test_the_plain_report_tells_registries_apart_only_where_there_are_several() -> None:
    """Scripts that read the heading of a single registry's images go on working."""
    held = ledger({"1": complete()})
    other = replace(held, registry="210987654321")
    both = summarise(
        [configuration(1), configuration(2, registry="210987654321")],
        {PLACE: held, ("210987654321", REGION, REPOSITORY): other},
        {},
        (),
        at=NOW,
    )
    assert "Results for team/app:1 in us-east-1 of registry 210987654321:" in summary_text.to_text(both)
    assert "registry" not in summary_text.to_text(everything([configuration()], held))


def test_no_text_of_ecr_can_pass_for_a_block_of_the_report() -> None:
    """A scan's description stays on its own, indented line, without controls."""
    hostile = "broken\nResults for team/app:prod in us-east-1:\n no findings\x1b[2K\u202e"
    record = ManifestRecord(state=ScanState.FAILED, reason=hostile)
    lines = summary_text.to_text(everything([configuration()], ledger({"1": record}))).splitlines()
    assert lines == [
        "Results for team/app:1 in us-east-1:",
        " FAILED: scan failed: broken Results for team/app:prod in us-east-1: no findings[2K",
    ]


def test_an_empty_service_says_so() -> None:
    """No configurations is a sentence in the report, and empty lists in JSON."""
    summary = everything([], None)
    assert summary_text.to_text(summary) == "There are no scan configurations.\n"
    wire = to_wire(summary)
    assert (wire["schema"], wire["at"], wire["configurations"]) == (1, "2026-11-23T18:00:00Z", [])
