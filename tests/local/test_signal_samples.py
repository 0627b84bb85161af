"""The samples' public sources: their own forms, and a script of days, served on 127.0.0.1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ecr_rescan.adapters.signals_fetch import expanded, lines
from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.distributions import DEBIAN
from ecr_rescan.core.fixes.osv import read_changes, read_osv
from ecr_rescan.core.fixes.places import changes_place, record_place
from ecr_rescan.core.fixes.states import FixState, fix_of
from ecr_rescan.core.signals.places import PLACES
from ecr_rescan.core.signals.sources import read_epss, read_euvd, read_kev
from local.samples.findings import base_image
from local.samples.fixes import BECOMES_FIXABLE, FIXABLE_DAY
from local.samples.signals import BECOMES_EXPLOITED, DOWN_DAY, EXPLOITED_DAY, LIKELY, NONSENSE_DAY, respond
from local.web import Request, Response

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEV, EUVD, EPSS = PLACES


def answer(url: str, day: int, **headers: str) -> Response:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return respond(Request("GET", url.removeprefix("https:/"), named, b"", "127.0.0.1"), day, BEGAN)


def test_an_open_unrated_finding_is_exploited_from_its_day_on() -> None:
    """It is open in a sample image; nothing else of the list changes, and each day's is newer."""
    severities = {one.name: one.severity for one in base_image(420)}
    assert severities[BECOMES_EXPLOITED] == severities[LIKELY] == "UNDEFINED"
    before, after = (
        read_kev(expanded(KEV, answer(KEV.urls[0], day).body)) for day in (EXPLOITED_DAY - 1, EXPLOITED_DAY)
    )
    assert after.entries.keys() - before.entries.keys() == {BECOMES_EXPLOITED}
    assert before.entries.keys() < after.entries.keys()
    assert before.version < after.version


def test_every_source_is_read_and_answers_by_etag() -> None:
    """Also the mirror of the first."""
    assert answer(KEV.urls[1], 0).body == answer(KEV.urls[0], 0).body
    assert read_euvd(answer(EUVD.urls[0], 0).body).count == 11
    scores = read_epss(lines(EPSS, answer(EPSS.urls[0], 0).body), {LIKELY}).scores
    assert scores[LIKELY][0] >= 0.1
    etag = dict(answer(EUVD.urls[0], 0).headers)["ETag"]
    assert answer(EUVD.urls[0], 1, If_None_Match=etag).status == 304
    assert answer("https://www.cisa.gov/other.json", 0).status == 404


def test_the_samples_have_fixes_and_one_appears() -> None:
    """Read as OSV's are; from its day on, the list of changes names what has a fix by then."""
    states = {}
    for one in base_image(420):
        body = answer(record_place(DEBIAN, one.name).urls[0], 0).body
        fix = fix_of("Debian 12", one.package, one.version, read_osv(DEBIAN, one.name, body))
        states[one.name] = fix.state
    assert set(states.values()) == {FixState.FIXED, FixState.NEWER, FixState.NONE}
    assert states[BECOMES_FIXABLE] is FixState.NONE
    url = changes_place(DEBIAN).urls[0]
    before, after = (
        [name for _, name in read_changes(DEBIAN, answer(url, day).body.splitlines())]
        for day in (FIXABLE_DAY - 1, FIXABLE_DAY)
    )
    assert after == [BECOMES_FIXABLE, *before]


def test_there_is_a_day_on_which_all_are_down_and_one_of_nonsense() -> None:
    """As they are met in life."""
    assert {answer(place.urls[0], DOWN_DAY).status for place in PLACES} == {503}
    for place in PLACES:
        reply = answer(place.urls[0], NONSENSE_DAY)
        assert reply.status == 200
        with pytest.raises(SignalError):
            read_kev(reply.body)
        with pytest.raises(SignalError):
            read_epss(lines(place, reply.body), ())
