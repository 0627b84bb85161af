"""Messages of the events queue: what each says, and that none can do harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.scanning.events import (
    Ignored,
    ImageDeleted,
    ImagePushed,
    ResultAsked,
    ScanCompleted,
    StorageClassChanged,
    ask_message,
    is_schedule,
    parse,
    tells_of_arrivals,
)
from tests.core.scanning.test_normalise import JUNK
from tests.core.test_shapes import ACCEPTED

DIGEST = "sha256:" + "1" * 64
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
PLACE = ("123456789012", "us-east-1", "team-a/api")
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
EVENTS = Path(__file__).parents[3] / "events"


def event(detail_type: str = "ECR Image Scan", *, source: str = "aws.ecr", **detail: object) -> dict[str, Any]:
    """An event as EventBridge sends it."""
    return {
        "version": "0",
        "id": "85fc3613-e913-7fc4-a80c-a3753e4aa9ae",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2026-03-02T08:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"repository-name": "team-a/api", "image-digest": DIGEST} | _dashed(detail),
    }


def _dashed(detail: dict[str, object]) -> dict[str, object]:
    return {name.replace("_", "-"): value for name, value in detail.items()}


def action(kind: str, **detail: object) -> dict[str, Any]:
    """An image action that succeeded, unless the detail says otherwise."""
    made = event("ECR Image Action", result="SUCCESS", action_type=kind)
    made["detail"] |= _dashed(detail)
    return made


@pytest.mark.parametrize("detail_type", ["ECR Image Scan", "ECR Image Scan Status Notification"])
@pytest.mark.parametrize("tags", [[], ["a", "b"], None])
@pytest.mark.parametrize("status", ["COMPLETE", "FAILED", "SOMETHING"])
def test_a_scan_ended(detail_type: str, tags: object, status: str) -> None:
    """Whichever way, with tags and counts or without: ECR is asked what came of it."""
    message = event(detail_type, scan_status=status, image_tags=tags)
    assert parse(json.dumps(message)) == ScanCompleted(*PLACE, DIGEST, AT, is_tagged=bool(tags))


def test_an_initial_scan_of_inspector() -> None:
    """Its repository-name is an ARN, which says where the image is."""
    message = event(
        "Inspector2 Scan",
        source="aws.inspector2",
        repository_name="arn:aws:ecr:eu-west-1:210987654321:repository/data/etl",
        finding_severity_counts={"CRITICAL": 7, "TOTAL": 158},
    )
    assert parse(json.dumps(message)) == ScanCompleted("210987654321", "eu-west-1", "data/etl", DIGEST, AT)


def test_a_push() -> None:
    """With a tag, types and time; an index is told by its media type."""
    message = action("PUSH", image_tag="1.0", manifest_media_type=MEDIA_TYPE, artifact_media_type=CONFIG_TYPE)
    assert parse(json.dumps(message)) == ImagePushed(*PLACE, DIGEST, "1.0", MEDIA_TYPE, CONFIG_TYPE, AT)


@pytest.mark.parametrize("nothing", [{}, {"image_tag": ""}, {"image_tag": None, "manifest_media_type": ["x"]}])
def test_a_push_that_says_little(nothing: dict[str, object]) -> None:
    """A child of an index has no tag; types are decoration."""
    assert parse(json.dumps(action("PUSH", **nothing))) == ImagePushed(*PLACE, DIGEST, None, "", "", AT)


def test_a_replica() -> None:
    """It arrives like a push, but is told of by an event of its own (ECR User Guide, sample events)."""
    message = event(
        "ECR Replication Action", result="SUCCESS", action_type="REPLICATE", image_tag="1.0", source_region="us-west-2"
    )
    assert parse(json.dumps(message)) == ImagePushed(*PLACE, DIGEST, "1.0", "", "", AT)


def test_an_image_that_came_through_a_cache() -> None:
    """The same of a pull-through cache; by digest it has no tag."""
    message = event("ECR Pull Through Cache Action", sync_status="SUCCESS", image_tag="3.22")
    assert parse(json.dumps(message)) == ImagePushed(*PLACE, DIGEST, "3.22", "", "", AT)
    del message["detail"]["image-tag"]
    assert parse(json.dumps(message)) == ImagePushed(*PLACE, DIGEST, None, "", "", AT)


def test_only_an_arrival_shows_that_arrivals_are_heard() -> None:
    """A registry's own events of scans come by another rule: they don't show that images are heard of."""
    arrival, scan = parse(json.dumps(action("PUSH", image_tag="1"))), parse(json.dumps(event(scan_status="COMPLETE")))
    others = [scan, parse(json.dumps(action("DELETE"))), ResultAsked(*PLACE, DIGEST), Ignored("")]
    assert tells_of_arrivals([*others, arrival])
    assert not tells_of_arrivals(others)


@pytest.mark.parametrize("region", ACCEPTED["REGION"])
def test_an_event_of_every_region_is_accepted(region: str) -> None:
    """What a configuration may name, events may come from."""
    assert parse(json.dumps(event() | {"region": region})) == ScanCompleted(PLACE[0], region, PLACE[2], DIGEST, AT)


def test_a_deletion() -> None:
    """Of a tag or of an image."""
    tag = action("DELETE", image_tag="1.0")
    assert parse(json.dumps(tag)) == ImageDeleted(*PLACE, DIGEST, "1.0", AT)
    assert parse(json.dumps(action("DELETE"))) == ImageDeleted(*PLACE, DIGEST, None, AT)
    tag["detail"].pop("image-digest")
    assert parse(json.dumps(tag)) == ImageDeleted(*PLACE, None, "1.0", AT)
    tag["detail"].pop("image-tag")
    assert parse(json.dumps(tag)) == Ignored("a deletion of nothing")


@pytest.mark.parametrize(("target", "archived"), [("ARCHIVE", True), ("STANDARD", False)])
def test_a_change_of_storage_class(target: str, archived: bool) -> None:
    """Into the archive and out of it."""
    message = action("UPDATE_STORAGE_CLASS", target_storage_class=target)
    assert parse(json.dumps(message)) == StorageClassChanged(*PLACE, DIGEST, archived, AT)


def test_our_own_ask() -> None:
    """What is asked comes back."""
    ask = ResultAsked(*PLACE, DIGEST)
    assert parse(ask_message(ask)) == ask


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ([], "no JSON object"),
        ({}, "an event of another kind"),
        (event("Inspector2 Finding", source="aws.inspector2"), "an event of another kind"),
        (event(source="custom.ecr"), "an event of another kind"),
        (event() | {"source": [], "detail-type": {}}, "malformed source or detail-type"),
        (event() | {"detail": None}, "malformed detail"),
        (action("PUSH", result="FAILURE"), "an image action that failed"),
        (action("REPLICATE"), "an image action of another kind"),
        (event("ECR Replication Action", result="FAILURE", action_type="REPLICATE"), "an image that did not arrive"),
        (event("ECR Replication Action", result="SUCCESS", action_type="DELETE"), "an image that did not arrive"),
        (event("ECR Pull Through Cache Action", sync_status="FAILED"), "an image that did not arrive"),
        (event("ECR Pull Through Cache Action", sync_status="SUCCESS", image_digest=""), "no image-digest"),
        (action("UPDATE_STORAGE_CLASS", target_storage_class=["ARCHIVE"]), "an unknown storage class"),
        (action("PUSH", image_tag="a b"), "malformed image-tag"),
        (action("PUSH", image_digest=None), "no image-digest"),
        (event(image_digest=DIGEST.upper()), "malformed image-digest"),
        (event(image_digest=DIGEST + "\n"), "malformed image-digest"),
        (event(repository_name="Team/API"), "malformed repository"),
        (event(repository_name="../secrets"), "malformed repository"),
        (event(repository_name="a" * 257), "malformed repository"),
        (event(repository_name="a"), "malformed repository"),
        (event(repository_name=["team-a/api"]), "malformed repository"),
        (event(repository_name="arn:aws:ecr:us-east-1:1:repository/x"), "malformed registry"),
        (event() | {"account": 123456789012}, "malformed registry"),
        (event() | {"region": "us-east-1/../.."}, "malformed region"),
        (event() | {"region": None}, "no region"),
        (event() | {"time": "Dec 3, 2026"}, "malformed time"),
        (event() | {"time": "2026-03-02T08:00:00"}, "malformed time"),
        (event() | {"time": "0001-01-01T00:00:00+23:59"}, "malformed time"),
        (event() | {"time": 1}, "malformed time"),
        ({"ask": "all"}, "malformed ask"),
        ({"ask": {"registry": "123456789012", "region": "us-east-1", "repository": "ab"}}, "no digest"),
    ],
)
def test_what_is_ignored(message: object, reason: str) -> None:
    """Everything malformed or of another kind, with the reason."""
    assert parse(json.dumps(message)) == Ignored(reason)


@pytest.mark.parametrize("repository", ["ab", "a.b/c_d", "a__b", "a--b/c", "0/1", "x" * 256])
def test_repository_names_that_ecr_allows(repository: str) -> None:
    """Its pattern allows doubled underscores and runs of hyphens."""
    assert isinstance(parse(json.dumps(event(repository_name=repository))), ScanCompleted)


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "1" * 5000, '"\ud800"'])
def test_text_that_is_no_json_object(body: str) -> None:
    """It is ignored as well."""
    assert isinstance(parse(body), Ignored)


@given(
    JUNK,
    st.sampled_from(["account", "region", "time", "detail", "source", "detail-type"]),
    st.sampled_from(["result", "action-type", "repository-name", "image-digest", "image-tag", "target-storage-class"]),
    st.sampled_from(["PUSH", "DELETE", "UPDATE_STORAGE_CLASS"]),
)
def test_junk_anywhere_never_raises(junk: object, member: str, detail: str, kind: str) -> None:
    """One member of an event, of its detail or the whole of it."""
    parse(json.dumps(junk))
    parse(json.dumps(action(kind) | {member: junk}))
    inside = action(kind)
    inside["detail"][detail] = junk
    parse(json.dumps(inside))
    parse(json.dumps({"ask": junk}))


def test_the_sample_events() -> None:
    """Every sample of a batch is understood, and only the schedule is one."""
    for path in sorted(EVENTS.glob("*.json")):
        sample = json.loads(path.read_text())
        assert is_schedule(sample) == (path.name == "schedule.json")
        if path.name.startswith("sqs-"):
            parsed = [parse(record["body"]) for record in sample["Records"]]
            assert parsed
            assert not [message for message in parsed if isinstance(message, Ignored)]


@pytest.mark.parametrize("junk", [None, [], "Scheduled Event", {}, {"Records": []}])
def test_what_is_no_schedule(junk: object) -> None:
    """Anything else."""
    assert not is_schedule(junk)
