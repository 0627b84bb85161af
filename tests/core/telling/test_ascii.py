"""A person's words in ASCII: readable, whatever script they are in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.telling.ascii import readable_ascii
from tests.builders import configuration
from tests.core.telling.test_message import AT, Known, baseline_message


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Team A: web (prod)", "Team A: web (prod)"),
        ("Zürich – Café „Straße“…", 'Zurich - Cafe "Strasse"...'),
        ("Łódź, Ærø, İzmir, Đà Nẵng", "Lodz, AEro, Izmir, Da Nang".replace("AE", "AE")),
        ("チーム", "tiimu"),
        ("ﾁｰﾑ A", "tiimu A"),
        ("きょうと", "kyouto"),
        ("한국 팀", "hangug tim"),
        ("команда А", "[Cyrillic text] [Cyrillic text]"),
        ("前端团队 web", "[CJK text] web"),
        ("فريق", "[Arabic text]"),
        ("🛒 shop", "[shopping trolley] shop"),
        ("👩‍🚀🏽", "[woman][rocket]"),
        ("①½ ™", "1" + "1/2 TM"),
        ("‮evil​", "evil"),
    ],
)
def test_words_of_people(words: str, shown: str) -> None:
    """Transliterated where that says something, else described."""
    assert readable_ascii(words) == shown


@given(st.text(st.characters(codec=None)))
def test_anything_becomes_printable_ascii_on_one_line(text: str) -> None:
    """And ASCII stays what it is."""
    shown = readable_ascii(text)
    assert all(" " <= letter <= "~" for letter in shown)
    assert shown == readable_ascii(shown)


def test_the_words_stay_whole_in_the_body() -> None:
    """All that a person wrote is there, though the subject has room for a part of it alone."""
    words = "チーム 🛒 " + "and what it is for, at length, " * 5
    message = baseline_message(
        configuration(description=words.strip()), ["team/app"], {}, Known(1, {}), None, AT, began=AT
    )
    assert words.strip() in message.forms["email"]
    assert words.strip() not in message.subject
