"""Names, globs and exclusions."""

from __future__ import annotations

import random
import time

import pytest

from ecr_rescan.core.patterns import MOST_WILDCARDS, is_exact, matches, wildcards

CASES = 5_000


@pytest.mark.parametrize(
    ("name", "patterns", "selected"),
    [
        ("app", (), True),
        ("app", ("app",), True),
        ("app", ("ap",), False),
        ("app", ("App",), False),
        ("team/app", ("team/*",), True),
        ("team/sub/app", ("team/*",), True),
        ("v1", ("v?",), True),
        ("v10", ("v?",), False),
        ("v1.2", ("v1?2",), True),
        ("v1x2", ("v1.2",), False),
        ("a[b]", ("a[b]",), True),
        ("ab", ("a[b]",), False),
        ("dev-1", ("!dev-*",), False),
        ("prod", ("!dev-*",), True),
        ("prod", ("dev-*", "!dev-1"), False),
        ("dev-2", ("dev-*", "!dev-1"), True),
        ("dev-1", ("!dev-1", "dev-*"), False),
        ("a\nb", ("a*b",), True),
    ],
)
def test_a_name_is_selected_by_one_pattern_and_excluded_by_none(
    name: str, patterns: tuple[str, ...], selected: bool
) -> None:
    """Only * and ? are special; exclusions win wherever they stand; no inclusion means all."""
    assert matches(name, patterns) is selected


@pytest.mark.parametrize(
    ("pattern", "exact"), [("app", True), ("a[b]", True), ("a*", False), ("a?", False), ("!a", False)]
)
def test_an_exact_pattern_names_one_thing(pattern: str, exact: bool) -> None:
    """A glob or an exclusion may name many."""
    assert is_exact(pattern) is exact


def by_definition(text: str, pattern: str) -> bool:
    """Whether a glob fits, by the table of all its beginnings against all of the text's: slow, and plain to see."""
    fits = [True, *[False] * len(text)]
    for one in pattern:
        if one == "*":
            fits = [any(fits[: end + 1]) for end in range(len(text) + 1)]
        else:
            fits = [False, *[before and one in ("?", text[end]) for end, before in enumerate(fits[:-1])]]
    return fits[-1]


def drawn(chance: random.Random) -> tuple[str, str]:
    """A text and a glob that often almost fits it: few letters, pieces of the text, long runs of wildcards."""
    text = "".join(chance.choices("ab-/\n.[\\", weights=[8, 4, 1, 1, 1, 1, 1, 1], k=chance.randrange(12)))
    pieces = []
    for _ in range(chance.randrange(7)):
        start = chance.randrange(len(text) + 1)
        pieces.append(chance.choice(["*", "?", "**", "*?", "?*?", "a", "b", text[start : start + chance.randrange(4)]]))
    return text, "".join(pieces)


def test_a_glob_fits_what_its_definition_says() -> None:
    """Of cases made up, a good part of which fit, each gets the answer of the definition."""
    chance = random.Random(14)
    cases = [drawn(chance) for _ in range(CASES)]
    fitting = 0
    for text, pattern in cases:
        expected = by_definition(text, pattern)
        fitting += expected
        assert matches(text, ("x", pattern)) is (expected or text == "x"), (text, pattern)
    assert fitting > CASES / 5


@pytest.mark.parametrize(
    "pattern",
    ["*a" * MOST_WILDCARDS + "b", "*?" * 5 + "b", "*aa?" * 5 + "b", "a*" * MOST_WILDCARDS + "b", "*ab*a?" * 3 + "c"],
)
def test_the_time_of_a_glob_grows_with_the_text_alone(pattern: str) -> None:
    """Twice the text takes about twice the time, and never much more: a pattern that tries again from everywhere takes
    thousands of times as long at these lengths already.
    """
    assert wildcards(pattern) <= MOST_WILDCARDS
    for length in (12, 400):
        short, long = _seconds(pattern, "a" * length), _seconds(pattern, "a" * 2 * length)
        assert long <= 6 * short, length


def _seconds(pattern: str, text: str) -> float:
    """The least processor time of some rounds; a round that was interrupted says nothing."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(50):
            matches(text, (pattern,))
        rounds.append(time.process_time() - began)
    return min(rounds)
