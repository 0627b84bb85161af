"""Names, globs and exclusions."""

from __future__ import annotations

import pytest

from ecr_rescan.core.patterns import is_exact, matches


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
