"""What a configuration would do, told from what is recorded: nobody is asked, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_rescan.core.changes.view import ranked, select
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.naming import Naming, names
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.account import DAILY_QUOTA, QUOTA_MARGIN, Account
from ecr_rescan.core.scanning.artifacts import kind_of, only_images, other_artifacts
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage
from ecr_rescan.core.scanning.listing import selected_images
from ecr_rescan.core.times import to_text

FIRST_RESULTS_WITHIN = timedelta(minutes=10)
"""The next tick is at most five minutes away; a scan, and the batch that its event waits in, take the rest."""

USD_PER_MANIFEST_AND_MONTH = 0.0002
"""What one daily scan costs in S3, SQS, Lambda and logs at list prices, at most; ECR's basic scans are free."""

MOST_LISTED = 500
MOST_TAGS = 10
"""Of one image: it may have a thousand, and an answer 6 MB."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A repository that a configuration names; ``images`` and ``left_out`` are None where it was never listed.

    ``others``: what the tags name that is no image, and takes no image's place.
    """

    repository: str
    images: tuple[tuple[str, LedgerImage], ...] | None
    left_out: tuple[tuple[str, LedgerImage], ...] | None
    others: tuple[tuple[str, LedgerImage], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a configuration selects now.

    ``known``: whether anything is recorded of its registry and Region; otherwise nothing can be told. ``scans_a_day``:
    manifests to scan, each platform of an index one; ``recorded``: those of them that have a result. ``shared``: those
    that another configuration selects, and so costs nothing more. ``expected_by``: the first results of the others.
    """

    known: bool
    as_of: datetime | None
    repositories: tuple[Matched, ...]
    scan_type: ScanType | None
    scans_a_day: int
    shared: int
    recorded: int
    expected_by: datetime


def preview(
    configuration: ScanConfiguration,
    others: tuple[ScanConfiguration, ...],
    ledgers: Mapping[str, Ledger],
    account: Account | None,
    *,
    at: datetime,
) -> Preview:
    """Tell what a configuration would do.

    Args:
        others: the other configurations of the same registry and Region.
        ledgers: by repository, of the same registry and Region.
        account: what is known of these; None where nothing is.
        at: now, aware.
    """
    place = (configuration.registry, configuration.region)
    naming = Naming(others)
    matched = [
        _matched(configuration, name, ledgers.get(name))
        for name in sorted({*ledgers, *(account.repositories if account else ())})
        if names(configuration, (*place, name))
    ]
    scans = shared = recorded = 0
    listed = []
    for one in matched:
        ledger = ledgers.get(one.repository)
        if ledger is None or one.images is None:
            continue
        if ledger.listed_at is not None:
            listed.append(ledger.listed_at)
        others_here = naming.of((*place, one.repository))
        selected = selected_images(ledger, others_here)
        already = {manifest for digest in selected for manifest in ledger.manifests_of(digest)}
        for manifest in {manifest for digest, _ in one.images for manifest in _scanned(ledger, digest)}:
            scans += 1
            shared += manifest in already
            record = ledger.manifests.get(manifest)
            recorded += record is not None and record.completed_at is not None
    starts = account.starts_left(at) if account else DAILY_QUOTA - QUOTA_MARGIN
    # What the quota leaves no room for waits until starts of a day ago are no longer counted.
    days = max(0, -(-(scans - recorded - starts) // (DAILY_QUOTA - QUOTA_MARGIN)))
    return Preview(
        known=account is not None or bool(matched),
        as_of=min(listed, default=None),
        repositories=tuple(matched),
        scan_type=account.scan_type if account else None,
        scans_a_day=scans,
        shared=shared,
        recorded=recorded,
        expected_by=at + FIRST_RESULTS_WITHIN + timedelta(days=days),
    )


def _matched(configuration: ScanConfiguration, name: str, ledger: Ledger | None) -> Matched:
    if ledger is None or ledger.listed_at is None:
        return Matched(name, None, None)
    images, others = only_images(ledger.images), other_artifacts(ledger.images)
    order = ranked(configuration, images)
    chosen = select(configuration, images)
    return Matched(
        name,
        tuple((digest, images[digest]) for digest in chosen),
        tuple((digest, images[digest]) for digest in order[len(chosen) :]),
        tuple((digest, others[digest]) for digest in ranked(configuration, others)),
    )


def _scanned(ledger: Ledger, digest: str) -> Iterator[str]:
    image = ledger.images[digest]
    if not image.archived:
        yield from ledger.manifests_of(digest)


def to_wire(found: Preview) -> dict[str, object]:
    """As JSON has it; the lists end after 500 entries, and tags after 10; the numbers don't."""
    images = [(one.repository, *image) for one in found.repositories for image in one.images or ()]
    left_out = [(one.repository, *image) for one in found.repositories for image in one.left_out or ()]
    others = [(one.repository, *image) for one in found.repositories for image in one.others]
    unlisted = sum(one.images is None for one in found.repositories)
    told = found.known and unlisted < len(found.repositories)
    started = found.scans_a_day if found.scan_type is not ScanType.ENHANCED else 0
    return {
        "known": found.known,
        "as_of": None if found.as_of is None else to_text(found.as_of),
        "repositories": {
            "matching": len(found.repositories) if found.known else None,
            "not_listed_yet": unlisted,
            "first": [
                {
                    "repository": one.repository,
                    "selected": None if one.images is None else len(one.images),
                    "left_out": None if one.left_out is None else len(one.left_out),
                }
                for one in found.repositories[:MOST_LISTED]
            ],
        },
        "images": {
            "selected": len(images) if told else None,
            "left_out_by_newest": len(left_out) if told else None,
            "not_images": len(others) if told else None,
            "first_selected": [_image_to_wire(*image) for image in images[:MOST_LISTED]],
            "first_left_out": [_image_to_wire(*image) for image in left_out[:MOST_LISTED]],
            "first_not_images": [_other_to_wire(*other) for other in others[:MOST_LISTED]],
        },
        "scans_a_day": started if told else None,
        "scans_a_day_shared": min(found.shared, started) if told else None,
        "cost": {
            "usd_a_month_at_most": round((found.scans_a_day - found.shared) * USD_PER_MANIFEST_AND_MONTH, 4)
            if told
            else None,
        },
        "first_results": {
            "recorded": found.recorded if told else None,
            "expected_by": to_text(found.expected_by),
        },
    }


def _image_to_wire(repository: str, digest: str, image: LedgerImage) -> dict[str, object]:
    return {
        "repository": repository,
        "digest": digest,
        "tags": sorted(image.tags)[:MOST_TAGS],
        "tags_in_all": len(image.tags),
        "pushed_at": to_text(image.pushed_at),
    }


def _other_to_wire(repository: str, digest: str, other: LedgerImage) -> dict[str, object]:
    return _image_to_wire(repository, digest, other) | {"kind": kind_of(other)}
