"""Keeping a ledger as the repository is: listings, and events that come late, twice, in any order, or not at all."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.scan_result import NoResult, NoResultReason, SkippedScan, SkipReason
from ecr_rescan.core.scanning.events import ImageDeleted, ImagePushed, StorageClassChanged
from ecr_rescan.core.scanning.facts import Facts, apply_images
from ecr_rescan.core.scanning.ledger import Ledger, ScanState
from ecr_rescan.core.scanning.listing import (
    SKEW,
    ImageEvent,
    apply_events,
    apply_gone,
    apply_listing,
    set_children,
    unheard_of,
)
from tests.builders import AT, REGION, REGISTRY, digest

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Row:
    """A row of DescribeImages."""

    digest: str
    tags: tuple[str, ...] = ("1",)
    pushed_at: datetime = AT
    media_type: str = "image"
    artifact_type: str = ""
    archived: bool = False
    subject: str | None = None


def listed(*rows: Row, at: datetime = AT) -> Ledger:
    made = Ledger(REGISTRY, REGION, "team/app", since=AT)
    apply_listing(made, rows, at)
    return made


def pushed(name: str, tag: str, at: datetime) -> ImagePushed:
    return ImagePushed(REGISTRY, REGION, "team/app", digest(name), tag, "", "", at)


def deleted(name: str, tag: str, at: datetime) -> ImageDeleted:
    return ImageDeleted(REGISTRY, REGION, "team/app", digest(name), tag, at)


def tags(made: Ledger) -> dict[str, str]:
    return {tag: name for name, image in made.images.items() for tag in image.tags}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_events_in_any_order_and_twice_come_to_the_same_tags(order: tuple[int, ...]) -> None:
    """A tag moves, and another image is deleted and pushed again."""
    later = [AT + timedelta(hours=number) for number in range(1, 5)]
    events = [
        pushed("two", "1", later[0]),
        pushed("three", "1", later[1]),
        deleted("other", "2", later[2]),
        pushed("other", "2", later[3]),
    ]
    made = listed(Row(digest("one")), Row(digest("other"), ("2",)))
    for number in [*order, *order]:
        apply_images(made, Facts(began=AT, events=[events[number]]), AT)
    assert tags(made) == {"1": digest("three"), "2": digest("other")}


def test_an_event_from_before_the_listing_is_old_news_unless_by_seconds() -> None:
    made = listed(Row(digest("one")))
    apply_images(made, Facts(began=AT, events=[pushed("old", "1", AT - SKEW - timedelta(seconds=1))]), AT)
    assert tags(made) == {"1": digest("one")}
    apply_images(made, Facts(began=AT, events=[pushed("new", "2", AT.replace(microsecond=0))]), AT)
    assert tags(made)["2"] == digest("new")


def test_a_listing_that_was_not_complete_replaces_nothing() -> None:
    made = listed(Row(digest("one")))
    apply_images(made, Facts(began=AT + timedelta(hours=1), problem="throttled"), AT + timedelta(hours=1))
    assert tags(made) == {"1": digest("one")}


def test_a_listing_keeps_what_is_known_of_the_scans() -> None:
    made = listed(Row(digest("one")))
    made.manifests[digest("one")].completed_at = AT
    apply_listing(made, [Row(digest("one")), Row(digest("two"), ("2",))], AT + timedelta(hours=1))
    assert made.manifests[digest("one")].completed_at == AT


def test_an_image_that_only_an_event_has_told_of_may_be_none() -> None:
    made = listed(Row(digest("one")))
    apply_images(made, Facts(began=AT, events=[pushed("two", "2", AT + timedelta(hours=1))]), AT)
    assert unheard_of(made, list(made.images)) == [digest("two")]
    apply_listing(made, [Row(digest("one")), Row(digest("two"), ("2",), media_type="")], AT + timedelta(hours=2))
    assert unheard_of(made, list(made.images)) == []


def test_an_index_that_lost_a_platform_keeps_the_others_and_says_so() -> None:
    made = listed(Row(digest("index"), media_type=INDEX))
    set_children(made, {digest("index"): {digest("amd"): "linux/amd64", digest("arm"): "linux/arm64"}})
    apply_gone(made, {digest("arm")})
    assert made.manifests.keys() == {digest("amd")}
    assert made.images[digest("index")].gone == {digest("arm"): "linux/arm64"}


def test_a_complete_listing_shows_which_platforms_of_an_index_are_there() -> None:
    index, amd, arm = (
        Row(digest(name), (), media_type=kind) for name, kind in (("i", INDEX), ("amd", ""), ("arm", ""))
    )
    index = Row(digest("i"), media_type=INDEX)
    made = listed(index, amd, arm)
    set_children(made, {digest("i"): {digest("amd"): "linux/amd64", digest("arm"): "linux/arm64"}})
    apply_listing(made, [index, amd], AT + timedelta(hours=1))
    assert (made.manifests.keys(), made.images[digest("i")].gone) == ({digest("amd")}, {digest("arm"): "linux/arm64"})
    apply_listing(made, [index, amd, arm], AT + timedelta(hours=2))
    assert (made.manifests.keys(), made.images[digest("i")].gone) == ({digest("amd"), digest("arm")}, {})
    assert made.manifests[digest("arm")].platform == "linux/arm64"


@pytest.mark.parametrize(
    "told",
    [
        Facts(AT, skips=[SkippedScan(digest("one"), SkipReason.ARCHIVED, "archived")]),
        Facts(AT, answers=[NoResult(digest("one"), NoResultReason.ARCHIVED)]),
    ],
    ids=["refused", "answered"],
)
def test_an_image_of_whose_archiving_no_event_told_comes_back_by_its_return(told: Facts) -> None:
    made = listed(Row(digest("one")))
    apply_images(made, told, AT + timedelta(hours=1))
    assert made.images[digest("one")].archived
    back = StorageClassChanged(REGISTRY, REGION, "team/app", digest("one"), archived=False, at=AT + timedelta(hours=2))
    apply_images(made, Facts(AT, events=[back]), AT + timedelta(hours=2))
    record = made.manifests[digest("one")]
    assert (record.state, record.looked_up) == (ScanState.NEVER_SCANNED, False)


def test_signatures_and_untagged_images_are_not_listed() -> None:
    signature = Row(digest("signature"), (f"sha256-{'a' * 64}.sig",))
    made = listed(signature, Row(digest("untagged"), ()), Row(digest("sbom"), ("2",), subject=digest("one")))
    assert made.images == {}


HOURS = st.integers(0, 4)
NAMES = st.sampled_from(["one", "two", "index", "new"])
TAGS = st.sampled_from(["1", "2", "3"])
EVENTS = st.one_of(
    st.builds(lambda name, tag, hours: pushed(name, tag, AT + timedelta(hours=hours)), NAMES, TAGS, HOURS),
    st.builds(
        lambda name, tag, hours: ImageDeleted(
            REGISTRY, REGION, "team/app", name and digest(name), tag, AT + timedelta(hours=hours)
        ),
        st.none() | NAMES,
        st.none() | TAGS,
        HOURS,
    ).filter(lambda event: event.digest or event.tag),
    st.builds(
        lambda name, archived, hours: StorageClassChanged(
            REGISTRY, REGION, "team/app", digest(name), archived, AT + timedelta(hours=hours)
        ),
        NAMES,
        st.booleans(),
        HOURS,
    ),
)


@given(st.lists(EVENTS, max_size=8))
def test_a_batch_of_events_comes_to_what_one_after_the_other_does(events: list[ImageEvent]) -> None:
    """What is known of the scans included: an image that leaves and comes back is another one."""
    at_once = listed(
        Row(digest("one"), ("1", "2")), Row(digest("two"), ("3",)), Row(digest("index"), ("4",), AT, INDEX)
    )
    set_children(at_once, {digest("index"): {digest("amd"): "linux/amd64", digest("arm"): "linux/arm64"}})
    for record in at_once.manifests.values():
        record.completed_at, record.state, record.looked_up = AT, ScanState.COMPLETE, True
    one_by_one = copy.deepcopy(at_once)
    apply_events(at_once, events)
    for event in sorted(events, key=lambda event: event.at):
        apply_events(one_by_one, [event])
    assert at_once.to_json() == one_by_one.to_json()
