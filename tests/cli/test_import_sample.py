"""The older sample's configurations, `<uuid>.json` at a bucket's root, become ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import boto3
import pytest
from moto import mock_aws

from cli.import_sample import Left, Taken, import_all, main
from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.documents import DocumentStore
from local.template import ACCOUNT, REGION

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIRST, SECOND = "4471c156-29e6-4a0f-9f3c-0a2b5f5a1d11", "9b2f8a34-7d0e-4c3a-8b1d-2f6e7c8d9e0f"
OF_SAMPLE = {"id": FIRST, "created": "1566987600", "region": REGION, "registry": ACCOUNT, "repository": "amazonlinux"}


@pytest.fixture
def s3() -> Iterator[Any]:
    """The sample's bucket with one good configuration, and an empty one of ours."""
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}), mock_aws():
        client = boto3.client("s3")
        for bucket in ("old", "new"):
            client.create_bucket(Bucket=bucket)
        put(client, f"{FIRST}.json", OF_SAMPLE | {"tags": ["2018.03", "2"]})
        yield client


def put(s3: Any, key: str, content: object, bucket: str = "old") -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)


def test_a_configuration_is_read_by_the_service_as_it_was_meant(s3: Any) -> None:
    """Id, creation time and selection stay; what it selects is no news from before the import."""
    import_all(s3, "old", "new", NOW)
    found = ConfigurationStore(DocumentStore(s3, "new")).list_all()
    assert found.problems == ()
    (configuration,) = found.valid
    assert configuration.id == FIRST
    assert configuration.created == datetime(2019, 8, 28, 10, 20, tzinfo=UTC)
    assert configuration.selected_since == NOW
    assert (configuration.registry, configuration.region) == (ACCOUNT, REGION)
    assert (configuration.repository, configuration.tags) == (("amazonlinux",), ("2018.03", "2"))


def test_no_tags_means_all_of_them(s3: Any) -> None:
    """The sample writes null for an empty list."""
    put(s3, f"{SECOND}.json", OF_SAMPLE | {"id": SECOND, "tags": None})
    done = import_all(s3, "old", "new", NOW)
    assert [each.configuration.tags for each in done if isinstance(each, Taken)] == [("2018.03", "2"), ()]


def test_running_it_again_changes_nothing(s3: Any) -> None:
    """What was edited after the first import is left alone."""
    import_all(s3, "old", "new", NOW)
    put(s3, f"configs/{FIRST}.json", b"edited", bucket="new")
    (again,) = import_all(s3, "old", "new", NOW)
    assert isinstance(again, Taken)
    assert again.was_there
    assert s3.get_object(Bucket="new", Key=f"configs/{FIRST}.json")["Body"].read() == b"edited"


def test_the_sample_s_bucket_is_only_read(s3: Any) -> None:
    """So that going back is possible."""
    import_all(s3, "old", "new", NOW)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="old")["Contents"]] == [f"{FIRST}.json"]


@pytest.mark.parametrize(
    ("key", "content", "problem"),
    [
        ("notes.txt", b"x", "is not named"),
        (f"{SECOND.upper()}.json", OF_SAMPLE, "is not named"),
        (f"{SECOND}.json", b"{", "is not JSON"),
        (f"{SECOND}.json", b"[]", "is not a JSON object"),
        (f"{SECOND}.json", {"region": REGION}, "repository"),
        (f"{SECOND}.json", OF_SAMPLE | {"registry": "somebody"}, "registry"),
        (f"{SECOND}.json", b" " * 300_000, "is larger"),
    ],
)
def test_a_bad_object_is_left_out_and_stops_nothing(s3: Any, key: str, content: object, problem: str) -> None:
    """The others are imported; the reason is told."""
    put(s3, key, content)
    done = import_all(s3, "old", "new", NOW)
    (left,) = [each for each in done if isinstance(each, Left)]
    assert left.key == key
    assert problem in left.problem
    assert sum(isinstance(each, Taken) for each in done) == 1


def test_folders_of_the_bucket_are_not_looked_into(s3: Any) -> None:
    """The sample keeps its configurations at the root; anything deeper is somebody else's."""
    put(s3, f"elsewhere/{SECOND}.json", OF_SAMPLE)
    assert len(import_all(s3, "old", "new", NOW)) == 1


def test_the_command_says_what_it_does(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run writes nothing; what is left out makes the exit code 1, a bucket that isn't there makes it 2."""
    assert main(["old", "new", "--dry-run"]) == 0
    assert f"would import {FIRST}" in capsys.readouterr().out
    assert "Contents" not in s3.list_objects_v2(Bucket="new")
    assert main(["old", "new"]) == 0
    assert f"imported     {FIRST} {ACCOUNT}/{REGION}/amazonlinux" in capsys.readouterr().out
    assert main(["old", "new", "--dry-run"]) == 0
    assert f"was there    {FIRST}" in capsys.readouterr().out
    put(s3, "notes.txt", b"x")
    assert main(["old", "new"]) == 1
    assert "left out     'notes.txt'" in capsys.readouterr().out
    assert main(["nowhere", "new"]) == 1
    assert "NoSuchBucket" in capsys.readouterr().err
