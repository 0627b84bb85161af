"""The simulation finds what is broken on purpose, and names the promise that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.recording import _Merge, announce
from ecr_rescan.core.keys import IMAGES
from ecr_rescan.core.scan_result import NoResult, ScanResult, ScanType, SkippedScan
from ecr_rescan.core.scanning import schedule
from ecr_rescan.core.scanning.facts import Facts, news_of_results
from ecr_rescan.core.scanning.ledger import Ledger, ManifestRecord
from ecr_rescan.runtime.scanning import repositories, starting
from simulation.backwards import INVARIANT
from simulation.plan import APART, Size
from simulation.run import simulate

Patch = Callable[[pytest.MonkeyPatch], None]


def due_an_hour_early(patch: pytest.MonkeyPatch) -> None:
    """Images are started before their 24 hours are over."""
    patch.setattr(schedule, "INTERVAL", timedelta(hours=23))


def a_page_dropped(patch: pytest.MonkeyPatch) -> None:
    """Only the first page of every listing and result is read."""
    original = Registry._pages

    def first_page(self: Registry, operation: str, **parameters: Any) -> Any:
        yield next(original(self, operation, **parameters))

    patch.setattr(Registry, "_pages", first_page)


def failed_resolves(patch: pytest.MonkeyPatch) -> None:
    """A scan that failed counts as one that found nothing."""

    def with_clean(ledger: Ledger, learned: Facts) -> dict[str, ScanResult]:
        failed = [answer.digest for answer in learned.answers if isinstance(answer, NoResult)]
        clean = {digest: ScanResult(digest, learned.began, ScanType.BASIC, ()) for digest in failed}
        return news_of_results(ledger, learned) | {
            digest: clean[digest] for digest in clean if digest in ledger.manifests
        }

    patch.setattr(repositories, "news_of_results", with_clean)


def an_outbox_lost(patch: pytest.MonkeyPatch) -> None:
    """What is to be announced is forgotten before the document is written."""

    def forget(document: FindingsDocument, *rest: Any) -> None:
        announce(document, *rest)
        document.outbox.clear()

    patch.setattr(repositories, "announce", forget)


def a_tag_move_alerts(patch: pytest.MonkeyPatch) -> None:
    """A rebuilt image does not stand in with the findings of the one before."""
    patch.setattr("ecr_rescan.core.changes.image_list._take", lambda *_: None)


def a_doubled_event_counts_twice(patch: pytest.MonkeyPatch) -> None:
    """A scan that failed counts again with each event of it, and each time the image rests longer."""
    original = schedule._rest

    def twice(
        record: ManifestRecord, answer: NoResult, scan_type: ScanType, now: datetime, at: datetime | None
    ) -> None:
        original(record, answer, scan_type, now, at)
        schedule.claim(record, now)
        original(record, answer, scan_type, now, now)

    patch.setattr(schedule, "_rest", twice)


def the_accounts_quota_taken_for_the_images(patch: pytest.MonkeyPatch) -> None:
    """Every LimitExceeded is read as this image's, so that each one rests a day."""
    patch.setattr(starting, "explains_refusal", lambda *_, **__: True)
    original = schedule.take_skip

    def rest(record: ManifestRecord, skip: SkippedScan, now: datetime) -> None:
        original(record, skip, now)
        record.retry_at = now + schedule.INTERVAL

    patch.setattr(schedule, "take_skip", rest)


def the_baseline_alerts_one_by_one(patch: pytest.MonkeyPatch) -> None:
    """What was there before is news."""
    patch.setattr(_Merge, "_quiet", lambda *_: 0)


def ledgers_written_over(patch: pytest.MonkeyPatch) -> None:
    """A ledger is written whoever wrote in between."""
    original = DocumentStore.put

    def put(self: DocumentStore, key: str, body: bytes, *, if_match: str | None = None, **rest: Any) -> str:
        return original(self, key, body, if_match=None if key.startswith(IMAGES) else if_match, **rest)

    patch.setattr(DocumentStore, "put", put)


CALM = Size(days=5, images=60, repositories=8, pushes=3, faults=False, quiet=False, habits=frozenset())
ROUGH = Size(days=6, images=60, repositories=8, pushes=4, quiet=False, habits=frozenset())


@pytest.mark.parametrize(
    ("mutant", "size", "seed", "named"),
    [
        (due_an_hour_early, CALM, 2, "no wasted call"),
        (a_page_dropped, CALM, 2, "on time"),
        (failed_resolves, CALM, 2, "only changes are told, once"),
        (an_outbox_lost, CALM, 2, "every change is told"),
        (a_tag_move_alerts, CALM, 2, "only changes are told, once"),
        (a_doubled_event_counts_twice, CALM, 1, "on time"),
        (the_accounts_quota_taken_for_the_images, ROUGH, 2, "no wasted call"),
        (the_baseline_alerts_one_by_one, CALM, 2, "only changes are told, once"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mutant_is_caught_and_named(
    monkeypatch: pytest.MonkeyPatch, mutant: Patch, size: Size, seed: int, named: str
) -> None:
    """Broken on purpose, and found."""
    mutant(monkeypatch)
    assert named in {broken.invariant for broken in simulate(size, seed).broken}


def test_what_only_two_workers_at_once_can_break_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed: with workers brought together it shows, with workers apart it does not."""
    ledgers_written_over(monkeypatch)
    size = Size(days=4, images=16, repositories=2, pushes=4, habits=frozenset(), quiet=False)

    def set_back(plan: Size) -> list[str]:
        broken = simulate(plan, 4).broken
        return [one.what for one in broken if one.invariant == INVARIANT and one.what.startswith(IMAGES)]

    assert set_back(size)
    assert not set_back(replace(size, without=APART))
