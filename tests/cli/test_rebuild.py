"""Rebuilding: what ECR has is recorded again, and what only the record knows is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cli.rebuild import main
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.keys import findings_key, images_key
from local.template import ACCOUNT, REGION
from tests.service import Service, basic, service

KEY = findings_key(ACCOUNT, REGION, "team/app")
CVE = "CVE-2026-1"


@pytest.fixture
def aws() -> Iterator[Service]:
    """A repository with results of two days: a baseline finding, and one that was news."""
    with service() as running:
        running.push("team/app", "1")
        running.push("team/app", "2")
        running.post("team/app", "1", [basic(CVE)])
        running.config_added = running.add("team/*")  # type: ignore[attr-defined]
        running.cycle(3)
        running.post("team/app", "1", [basic(CVE), basic("CVE-2026-2", "zlib")])
        running.cycle(9, minutes=180)
        running.cycle(2)
        yield running


def run(aws: Service, *more: str) -> int:
    """The command, on team/app."""
    place = ["--bucket", aws.bucket, "--registry", ACCOUNT, "--region", REGION, "--repository", "team/app"]
    return main([*place, *more])


def put(aws: Service, key: str, body: bytes) -> None:
    """Write an object by hand."""
    aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=body)


def test_a_record_that_is_right_stays_the_same_to_the_byte(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it is written or not."""
    before = aws.read(KEY)
    assert run(aws) == 0
    assert capsys.readouterr().out == "Nothing differs.\n"
    assert run(aws, "--apply") == 0
    assert aws.read(KEY) == before


def test_what_differs_is_shown_first_and_written_on_request(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """First-seen dates and alert ids of what was right are kept."""
    right = aws.read(KEY)
    feed = aws.feed(aws.config_added).body  # type: ignore[attr-defined]
    wrong = FindingsDocument.from_json(KEY, right)
    gone = wrong.findings.pop((CVE, "openssl"))
    invented = ("CVE-1999-9", "bash")
    wrong.findings[invented] = gone
    put(aws, KEY, wrong.to_json())
    assert run(aws) == 1
    assert capsys.readouterr().out.splitlines() == [
        "- CVE-1999-9 in bash 1.0 HIGH: 1 image",
        f"+ {CVE} in openssl 1.0 HIGH: 1 image",
        "Not written: give --apply to.",
    ]
    assert aws.read(KEY) == wrong.to_json()
    assert run(aws, "--apply") == 0
    after = aws.findings("team/app")
    kept = FindingsDocument.from_json(KEY, right).findings["CVE-2026-2", "zlib"]
    assert after.findings["CVE-2026-2", "zlib"] == kept
    assert after.findings[CVE, "openssl"].current is not None
    assert after.findings[invented].current is None
    entry = feed.partition("CVE-2026-2")[0].rpartition("urn:uuid:")[2][:36]
    assert entry in aws.feed(aws.config_added).body  # type: ignore[attr-defined]
    assert run(aws) == 0
    aws.cycle(3, minutes=30)
    alerts = json.loads(aws.published[-1][1]["default"])["alerts"]
    assert [alert["vulnerability"] for alert in alerts] == [CVE], "what was missing is announced, and nothing else"


@pytest.mark.parametrize("damage", [b"{", b"\x1f\x8bnot gzip", None], ids=["no JSON", "no gzip", "missing"])
def test_what_can_not_be_read_is_rebuilt_and_what_is_lost_is_said(
    aws: Service, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    """A missing or damaged findings document becomes a baseline."""
    if damage is None:
        aws.s3.delete_object(Bucket=aws.bucket, Key=KEY)
    else:
        put(aws, KEY, damage)
    assert run(aws) == 1
    out = capsys.readouterr().out
    assert "first-seen dates" in out
    assert f"+ {CVE} in openssl 1.0 HIGH: 1 image" in out
    assert run(aws, "--apply") == 0
    sent = len(aws.published)
    assert {key for key, finding in aws.findings("team/app").findings.items() if finding.current} == {
        (CVE, "openssl"),
        ("CVE-2026-2", "zlib"),
    }
    aws.cycle(3, minutes=30)
    assert len(aws.published) == sent, "baseline is no news"


def test_a_lost_ledger_begins_anew(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """And leads to no refused start, for the results are looked up."""
    put(aws, images_key(ACCOUNT, REGION, "team/app"), b"{")
    assert run(aws, "--apply") == 0
    assert "the image ledger" in capsys.readouterr().out
    aws.restart()
    aws.cycle(2)
    assert aws.refused() == 0
    assert aws.states() == {("team/app", None): "COMPLETE"}


def test_another_versions_document_is_left_alone(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is asked."""
    put(aws, KEY, json.dumps({"schema": 99}).encode())
    assert run(aws, "--apply") == 1
    assert "schema 99" in capsys.readouterr().err
    assert json.loads(aws.read(KEY)) == {"schema": 99}


def test_a_repository_that_no_configuration_names(aws: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Has no record to rebuild."""
    place = ["--bucket", aws.bucket, "--registry", ACCOUNT, "--region", REGION, "--repository", "other"]
    assert main(place) == 3
    assert "No configuration names" in capsys.readouterr().err
