"""Which configurations name a repository, asked of many of them at once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from ecr_rescan.core.naming import Naming, names
from tests.builders import REGION, REGISTRY, configuration

PATTERNS = st.text("!*?ab/", min_size=1, max_size=5).filter(lambda pattern: "!" not in pattern[1:] and pattern != "!")
PLACES = st.tuples(
    st.sampled_from([REGISTRY, "other"]), st.sampled_from([REGION, "eu-west-1"]), st.text("ab/", min_size=1, max_size=5)
)


@example([["a*b", "!*/"], ["?/b"], ["a/b", "b"]], [(REGISTRY, REGION, "a/b")])
@given(st.lists(st.lists(PATTERNS, min_size=1, max_size=3), max_size=5), st.lists(PLACES, min_size=1, max_size=5))
def test_many_are_named_as_each_is(patterns: list[list[str]], places: list[tuple[str, str, str]]) -> None:
    """In the order of the ids: what isn't tried could not match."""
    asked = [
        replace(configuration(), id=f"{9 - number}", repository=tuple(listed)) for number, listed in enumerate(patterns)
    ]
    naming = Naming(asked)
    for place in places * 2:
        expected = sorted((one for one in asked if names(one, place)), key=lambda one: one.id)
        assert list(naming.of(place)) == expected


def test_a_region_or_registry_that_no_configuration_is_of_has_none() -> None:
    """Nor is the same name in another Region named."""
    naming = Naming([configuration("*")])
    assert not naming.of((REGISTRY, "eu-west-1", "team/app"))
    assert not naming.of(("other", REGION, "team/app"))
    assert [one.id for one in naming.of((REGISTRY, REGION, "team/app"))] == [configuration().id]
