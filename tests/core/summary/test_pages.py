"""Long answers come in parts that join to the whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.errors import InvalidRequestError
from ecr_rescan.core.fixes.states import Fix, FixState
from ecr_rescan.core.scanning.ledger import LedgerImage
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import NOTHING_KNOWN
from ecr_rescan.core.summary import as_csv, as_json, as_text, pages, where
from ecr_rescan.core.summary.image_state import ImageState, ImageStatus
from ecr_rescan.core.summary.summary import Summary
from tests.summary_records import NOW, REGISTRY, complete, configuration, digest, everything, ledger

SUMMARY = everything(
    [configuration(1), configuration(2, repository=("none",))], ledger(dict.fromkeys("abcdefg", complete()))
)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 10_000])
def test_the_pages_of_a_summary_join_to_the_whole(limit: int) -> None:
    """Every image once, in order; a configuration without images is told once, too."""
    images: list[object] = []
    told: list[str] = []
    after: pages.Cursor | None = None
    for _ in range(20):
        part, last = pages.page_of_summary(SUMMARY, as_json.size, after=after, limit=limit)
        assert part.totals == SUMMARY.totals
        for item in part.configurations:
            images += item.images
            told.append(item.configuration.id)
        if last is None:
            break
        after = pages.from_text(pages.to_text(last), pages.SUMMARY_CURSOR)
    assert images == [image for item in SUMMARY.configurations for image in item.images]
    assert list(dict.fromkeys(told)) == [item.configuration.id for item in SUMMARY.configurations]


def test_a_new_image_between_two_pages_shows_nothing_twice() -> None:
    """The cursor is an image's own place, not a number."""
    first, last = pages.page_of_summary(SUMMARY, as_json.size, after=None, limit=4)
    held = ledger(dict.fromkeys("abcdefg", complete()))
    held.images[digest("new")] = LedgerImage(NOW, tags={"new": NOW})
    grown = everything([configuration(1)], held)
    second, _ = pages.page_of_summary(grown, as_json.size, after=last, limit=100)
    seen = [image.tags for part in (first, second) for item in part.configurations for image in item.images]
    assert len(seen) == len(set(seen))


def test_a_page_ends_before_it_is_too_large() -> None:
    """By the size of its rows, but never without any."""
    rows = [((str(number),), number) for number in range(10)]
    assert pages.page(rows, lambda _: 1_600_000, after=None, limit=100) == ([0, 1, 2], ("2",))
    assert pages.page(rows, lambda _: 9_000_000, after=None, limit=100) == ([0], ("0",))
    assert pages.page(rows[:3], lambda _: 1_600_000, after=None, limit=100) == ([0, 1, 2], None)


def carried(answer: str) -> int:
    """What a body takes of a function's answer."""
    return len(json.dumps(answer))


FORMS: dict[str, tuple[Callable[[Summary], str], Callable[[pages.Row], int]]] = {
    "json": (lambda summary: json.dumps(as_json.to_wire(summary), separators=(",", ":")), as_json.size),
    "csv": (as_csv.to_csv, as_csv.size),
    "text": (as_text.to_text, as_text.size),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", ["plain", '"\\', "\U0001f600", "\u00e9"])
def test_no_row_takes_more_than_it_is_said_to(form: str, text: str) -> None:
    """Whatever is in it: an answer over 6 MB would be none at all."""
    written, size = FORMS[form]
    long = text * (300 // len(text))
    image = replace(
        SUMMARY.configurations[0].images[0],
        repository="r" * 256,
        tags=tuple(f"{number:t>100}" for number in range(20)),
        status=ImageStatus(digest("m"), long[:60], ImageState.FAILED, long, NOW, NOW),
        counts=dict.fromkeys(Severity, 123_456),
        suppressed=123_456,
    )
    hostile = Suppression(text, long, text, ("t" * 300,) * 5, NOW.date())
    one = configuration(1, description=long, owner=long[:100], tags=("*", "t" * 300), repository=("r" * 256,) * 50)
    item = replace(
        SUMMARY.configurations[0],
        configuration=one,
        ignoring=((hostile, 123_456),) * 50,
        problems=(long,) * 20,
        images=(image,) * 20,
    )
    told = sum(size((item, row)) for row in (None, *item.images))
    least = carried(written(replace(SUMMARY, configurations=())))
    assert carried(written(replace(SUMMARY, configurations=(item,)))) - least <= told


def test_a_place_takes_no_more_than_it_is_said_to() -> None:
    """Of a vulnerability's places, too."""
    long = "\u00e9" * 256
    place = where.Place(
        registry=REGISTRY,
        region="ap-southeast-1",
        repository="r" * 256,
        digest=digest(1),
        tags=("t" * 128,) * 10,
        platform=long[:60],
        manifest=digest(2),
        package=long,
        version=long,
        severity=Severity.INFORMATIONAL,
        fixes=(Fix(FixState.FIXED, long),) * 6,
        since=NOW,
        first_seen=NOW,
        stands_in=False,
        configurations=(configuration(1).id,) * 10,
        suppressed_by=(configuration(1).id,) * 10,
    )
    found = where.Whereabouts("CVE-1", NOW, None, None, 1, (place,), (), (), NOTHING_KNOWN)
    none, one = (json.dumps(where.to_wire(found, told, first=True)) for told in ((), (place,)))
    assert carried(one) - carried(none) <= where.size(place)


@pytest.mark.parametrize(("form", "images"), [("csv", 10_000), ("text", 10_000), ("json", 6_000)])
def test_so_many_images_are_one_page(form: str, images: int) -> None:
    """A spreadsheet or a report of the size that the service is made for has all of them."""
    item = SUMMARY.configurations[0]
    many = replace(SUMMARY, configurations=(replace(item, images=item.images[:1] * images),))
    assert pages.beginnings(many, FORMS[form][1]) == [""]


def test_where_the_pages_begin() -> None:
    """Each cursor leads to the page after the last one's."""
    size = as_json.size
    item = SUMMARY.configurations[0]
    large = replace(item, images=tuple(replace(one, tags=("t" * 2_000_000,)) for one in item.images))
    summary = replace(SUMMARY, configurations=(large,))
    parts = pages.beginnings(summary, size)
    assert len(parts) == 4
    seen = []
    for after in parts:
        cursor = pages.from_text(after, pages.SUMMARY_CURSOR) if after else None
        part, _ = pages.page_of_summary(summary, size, after=cursor, limit=pages.LARGEST_PAGE)
        seen += [image for one in part.configurations for image in one.images]
    assert seen == list(large.images)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_no_cursor(text: str) -> None:
    """A cursor that was not ours is the caller's fault, never ours."""
    with pytest.raises(InvalidRequestError):
        pages.from_text(text, pages.SUMMARY_CURSOR)


@pytest.mark.parametrize("cursor", [("a",), ("a", "b", "c", "d", "e", "f"), ("a", "b", True, "d", "e", "f")])
def test_a_cursor_of_another_shape_is_refused(cursor: pages.Cursor) -> None:
    """Those of other routes are no good here."""
    with pytest.raises(InvalidRequestError):
        pages.from_text(pages.to_text(cursor), pages.SUMMARY_CURSOR)
