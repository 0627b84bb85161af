"""A bucket and a topic behind a gate, where something can happen before or after each call: for tests of telling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import boto3
from moto import mock_aws

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.notices import Notices
from ecr_rescan.core.changes.recording import Update, announce, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import findings_key, notices_key
from ecr_rescan.core.scan_result import ScanFinding
from ecr_rescan.runtime.scanning.announcing import Announcer
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from tests.builders import AT, REGION, REGISTRY, configuration, document, image, result

ARN = "arn:aws:sns:us-east-1:123456789012:alerts"
NEWS_AT = AT + timedelta(days=2)

Happening = Callable[[int, str], None]
"""(number of the call, operation)."""


class Death(BaseException):
    """A function that dies: nothing may catch it."""


class Gate:
    """Counts the calls to the clients behind it; ``before`` and ``after`` are called around each."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before: Happening = lambda number, operation: None
        self.after: Happening = lambda number, operation: None

    def client(self, client: Any) -> Any:
        """A boto3 client behind the gate."""
        return _Gated(self, client)

    def passed(self, operation: str, call: Callable[[], Any]) -> Any:
        self.calls.append(operation)
        number = len(self.calls)
        self.before(number, operation)
        answer = call()
        self.after(number, operation)
        return answer

    def open(self) -> None:
        """Nothing happens any more."""
        self.before = self.after = lambda number, operation: None


class _Gated:
    def __init__(self, gate: Gate, client: Any) -> None:
        self._gate = gate
        self._client = client

    def get_paginator(self, operation: str) -> Any:
        paginator = self._client.get_paginator(operation)

        class Pages:
            def paginate(inner, **parameters: Any) -> Iterator[Any]:
                return iter(self._gate.passed(operation, lambda: list(paginator.paginate(**parameters))))

        return Pages()

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self._client, operation)
        return lambda **parameters: self._gate.passed(operation, lambda: call(**parameters))


class Telling:
    """What StartScan does with the outboxes, of one bucket."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.s3 = boto3.client("s3", region_name=REGION)
        self.sent: list[dict[str, Any]] = []
        self.restart("first")

    def restart(self, bucket: str) -> None:
        """A new, empty bucket, and a topic that has sent nothing."""
        self.bucket = bucket
        self.s3.create_bucket(Bucket=bucket)
        self.sent.clear()
        self.gate.calls.clear()
        self.gate.open()
        self.documents = DocumentStore(self.gate.client(self.s3), bucket, sleep=lambda seconds: None)
        self.topic = Topic(self.gate.client(self), ARN, sleep=lambda seconds: None)

    def publish(self, *, Message: str, **_: Any) -> None:
        """SNS's: the message as a machine reads it."""
        self.sent.append(json.loads(json.loads(Message)["default"]))

    def announcer(self) -> Announcer:
        """That of a new invocation."""
        return Announcer(self.documents, NoticeBoard(self.documents), self.topic, None)

    def begin(self, *repositories: str, by: ScanConfiguration) -> None:
        """Repositories with an image without findings."""
        for repository in repositories:
            made = document(repository, [image(repository)], [result(repository)], seen_by=by)
            self.documents.put(findings_key(REGISTRY, REGION, repository), made.to_json())

    def happen(
        self, repository: str, *findings: ScanFinding, to: list[ScanConfiguration], at: datetime = NEWS_AT
    ) -> str:
        """The repository's image has these findings now; the key of the document whose outbox says so."""
        key = findings_key(REGISTRY, REGION, repository)
        board = NoticeBoard(self.documents)

        def rewrite(body: bytes | None) -> bytes:
            assert body is not None
            made = FindingsDocument.from_json(key, body)
            changes = record(
                made, Update(results={one.digest: one for one in [result(repository, *findings, at=at)]}), to, at
            )
            waves: dict[str, dict[FindingKey, datetime]] = {}
            for config_id in changes.opened.keys() | changes.raised.keys():
                waves[config_id] = board.join_waves(config_id, changes.opened.get(config_id, []), key, at)
            announce(made, changes, waves, at)
            return made.to_json()

        self.documents.update(key, rewrite)
        return key

    def outbox(self, repository: str) -> int:
        """How much waits in a repository's outbox."""
        key = findings_key(REGISTRY, REGION, repository)
        stored = self.documents.get(key)
        assert stored is not None
        return len(FindingsDocument.from_json(key, stored.body).outbox)

    def notices(self, asked: ScanConfiguration) -> Notices:
        """What is noted of a configuration."""
        stored = self.documents.get(notices_key(asked.id))
        return Notices.from_json("", stored.body) if stored else Notices()

    @property
    def told(self) -> list[str]:
        """The ids of all alerts sent, as often as they were."""
        return [alert["id"] for message in self.sent for alert in message["alerts"]]


@contextmanager
def telling() -> Iterator[Telling]:
    """On a bucket of moto's."""
    with mock_aws():
        yield Telling()


def teams(**wire: Any) -> ScanConfiguration:
    """A configuration of several repositories."""
    return configuration(["team/*"], **wire)
