"""Writing and reading the daily counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core import keys
from ecr_rescan.core.errors import StoreError
from ecr_rescan.runtime import wiring
from ecr_rescan.runtime.history import history, write_history
from tests.functions.summary_calls import BUCKET, NOW, deployment, put
from tests.summary_records import HIGH, LOW, REGION, REGISTRY, configuration, findings

KEY = keys.history_key(REGISTRY, REGION, NOW.date())
PLACE = (REGISTRY, REGION)


@pytest.fixture
def s3() -> Iterator[Any]:
    """An empty bucket."""
    with deployment() as client:
        yield client


def record(s3: Any, repository: str, number: int) -> None:
    found = {(f"C{place}", "p"): {"1": {HIGH if place else LOW: 1}} for place in range(number)}
    document = findings(("1",), found, repository=repository)
    put(s3, keys.findings_key(REGISTRY, REGION, repository), document.to_json())


def write(ahead: timedelta = timedelta()) -> dict[str, int]:
    """Write, and how many calls that took."""
    documents = wiring.documents()
    documents.calls.clear()
    write_history(documents, [configuration()], NOW + ahead)
    return dict(documents.calls)


def days(s3: Any) -> list[str]:
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=keys.HISTORY).get("Contents", ())
    return [item["Key"] for item in listed]


def test_a_day_is_written_once(s3: Any) -> None:
    """By the first tick; the others of the day cost nothing, and those of a new environment one call."""
    record(s3, "team/app", 3)
    record(s3, "team/web", 0)
    assert write()["PutObject"] == 1
    assert write(timedelta(hours=5)) == {}
    wiring.reset()
    assert write(timedelta(hours=5)) == {"ListObjectsV2": 1}
    (snapshot,) = history(wiring.documents()).read([PLACE], today=NOW.date())
    assert snapshot.repositories == {"team/app": {HIGH: 2, LOW: 1}, "team/web": {}}
    assert write(timedelta(days=1))["PutObject"] == 1
    assert len(days(s3)) == 2


def test_nothing_is_counted_before_the_first_result(s3: Any) -> None:
    """An empty day would read as a day without findings; the next tick tries again."""
    write()
    assert days(s3) == []
    record(s3, "team/app", 1)
    write(timedelta(minutes=5))
    assert days(s3) == [KEY]


def test_a_record_out_of_reach_is_waited_for(s3: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without it the day would stay wrong for ever; a day out of reach is told of when it is read."""
    record(s3, "team/app", 1)

    def fail(_: DocumentStore, wanted: Sequence[str]) -> list[StoreError]:
        return [StoreError(key, "SlowDown") for key in wanted]

    with mock.patch.object(DocumentStore, "get_many", fail):
        write()
    assert days(s3) == []
    write(timedelta(minutes=5))
    assert days(s3) == [KEY]
    caplog.clear()
    with mock.patch.object(DocumentStore, "get_many", fail):
        assert history(wiring.documents()).read([PLACE], today=NOW.date()) == []
    assert {record_.getMessage() for record_ in caplog.records} == {"a day of the history can't be read"}
    assert len(history(wiring.documents()).read([PLACE], today=NOW.date())) == 1


def test_what_cannot_be_read_is_left_out(s3: Any) -> None:
    """The other repositories are counted, and a bucket out of reach stops nothing."""
    record(s3, "team/app", 1)
    put(s3, keys.findings_key(REGISTRY, REGION, "team/bad"), b"{")
    write()
    (snapshot,) = history(wiring.documents()).read([PLACE], today=NOW.date())
    assert list(snapshot.repositories) == ["team/app"]
    wiring.reset()
    for key in (KEY, keys.findings_key(REGISTRY, REGION, "team/app"), keys.findings_key(REGISTRY, REGION, "team/bad")):
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    write()
