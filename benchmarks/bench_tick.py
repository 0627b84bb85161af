"""A tick over 100,000 images in 1,000 repositories with 300 due, every AWS call taking 50 ms: seconds and peak memory.

Run as ``python -m benchmarks.bench_tick``; prints one JSON object. Everything is real but the AWS clients, which sleep.
"""

from __future__ import annotations

import json
import logging
import resource
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.credentials import AssumedRoles, EcrClients
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.queue import EventsQueue
from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.image_list import list_images
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import account_key, config_key, findings_key, images_key
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import Account
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.scanning.listing import image_facts
from ecr_rescan.runtime.scanning import start_scan
from ecr_rescan.runtime.scanning.repositories import fingerprint
from ecr_rescan.runtime.scanning.signal_news import ToldMarker
from ecr_rescan.runtime.scanning.start_scan import Environment
from ecr_rescan.runtime.settings import StartScanSettings
from ecr_rescan.runtime.signals.fetching import SignalsKeeper
from simulation.gate import Gate, VirtualClock
from simulation.s3 import Bucket

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REGISTRY, REGION = "111122223333", "us-east-1"
REPOSITORIES, IMAGES, DUE = 1000, 100, 300
CALL_SECONDS = 0.05
CONFIG_ID = "00000000-0000-4000-8000-000000000001"


class _Slow:
    """A client each of whose calls takes a while."""

    def __init__(self, client: Any, calls: Counter[str]) -> None:
        self._client, self._calls, self._lock = client, calls, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **parameters: Any) -> Any:
            time.sleep(CALL_SECONDS)
            with self._lock:
                self._calls[name] += 1
                return method(*arguments, **parameters)

        return call


class _Quiet:
    """SNS and SQS: somebody is told, nothing waits."""

    def get_topic_attributes(self, **_: object) -> dict[str, Any]:
        """GetTopicAttributes."""
        return {"Attributes": {"SubscriptionsConfirmed": "1", "SubscriptionsPending": "0"}}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        """GetQueueAttributes."""
        return {"Attributes": {"ApproximateNumberOfMessages": "0"}}

    def __getattr__(self, name: str) -> Any:
        return mock.Mock()


class _Registry:
    """Accepts every start."""

    def start_image_scan(self, **_: object) -> dict[str, Any]:
        """StartImageScan."""
        return {"imageScanStatus": {"status": "PENDING"}}


def main() -> None:
    """Measure a tick in a new execution environment, and one in the same, warm."""
    logging.disable(logging.CRITICAL)
    bucket = Bucket(Gate(VirtualClock(), mock.Mock()), keys_per_page=1000)
    _fill(bucket)
    calls: Counter[str] = Counter()
    documents = DocumentStore(_Slow(bucket, calls), "bucket")
    clients = EcrClients(lambda *_: _Slow(_Registry(), calls), AssumedRoles(None, external_id="", now=lambda: NOW))
    environment = Environment(
        settings=StartScanSettings(REGION, REGISTRY, "bucket", None, (), "https://sqs.example/q", "arn:t", None),
        documents=documents,
        configurations=ConfigurationStore(documents),
        ecr_clients=clients,
        queue=EventsQueue(_Quiet(), "https://sqs.example/q", "https://sqs.example/d"),
        topic=Topic(_Quiet(), "arn:t", sleep=lambda _: None),
        base_url=lambda: None,
        signals=SignalsKeeper(documents, None, 0.1),
        told=ToldMarker(documents),
    )
    figures: dict[str, object] = {}
    with mock.patch("ecr_rescan.runtime.scanning.start_scan.metrics"):
        for name, now in (("cold", NOW), ("warm", NOW + timedelta(minutes=5))):
            calls.clear()
            began = time.monotonic()
            start_scan.tick(environment, now, lambda began=began: 240 - (time.monotonic() - began))  # type: ignore[misc]
            figures[f"{name}_seconds"] = round(time.monotonic() - began, 1)
            figures[f"{name}_calls"] = dict(calls)
    figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    figures["bucket_mb"] = round(sum(len(item.body) for item in bucket.objects.values()) / 1024 / 1024)
    print(json.dumps(figures))


def _fill(bucket: Bucket) -> None:
    """A registry that has been scanned for days; the images that are due are spread over the repositories."""
    store = DocumentStore(bucket, "bucket")
    body = {"region": REGION, "registry": REGISTRY, "repository": "*"}
    configuration = ScanConfiguration.from_wire(body, id=CONFIG_ID, now=NOW - timedelta(days=9))
    store.put(config_key(CONFIG_ID), configuration.to_document())
    names = [f"team/app-{number:04}" for number in range(REPOSITORIES)]
    account = Account(REGISTRY, REGION, ScanType.BASIC, NOW, tuple(names), NOW, events_at=NOW)
    store.put(account_key(REGISTRY, REGION), account.to_json())
    for number, name in enumerate(names):
        ledger = Ledger(
            REGISTRY, REGION, name, since=NOW - timedelta(days=9), listed_at=NOW - timedelta(hours=number % 23)
        )
        for position in range(IMAGES):
            digest = f"sha256:{number:032x}{position:032x}"
            ledger.images[digest] = LedgerImage(NOW - timedelta(days=9), {f"v{position}": NOW}, "image/manifest")
            is_due = number < DUE and position == 0
            at = NOW - timedelta(hours=24, minutes=5) if is_due else NOW - timedelta(hours=1 + number % 22)
            ledger.manifests[digest] = ManifestRecord(
                state=ScanState.COMPLETE, looked_up=True, claimed_at=at, completed_at=at, scan_type=ScanType.BASIC
            )
        ledger.recorded_for = fingerprint([configuration])
        store.put(images_key(REGISTRY, REGION, name), ledger.to_json())
        document = FindingsDocument(REGISTRY, REGION, name, NOW - timedelta(days=9), NOW - timedelta(days=9))
        list_images(document, image_facts(ledger), NOW - timedelta(days=9))
        for manifest in document.manifests:
            assert manifest is not None
            manifest.result_at = NOW - timedelta(days=9)
        store.put(findings_key(REGISTRY, REGION, name), document.to_json())


if __name__ == "__main__":
    main()
