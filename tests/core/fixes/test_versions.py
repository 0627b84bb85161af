"""The orders of versions, against cases that dpkg, rpm and apk decided."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.fixes.versions import Order, apk_key, below, dpkg_key, rpm_key

DATA = Path(__file__).parents[2] / "data" / "fixes"
ORDERS = (dpkg_key, rpm_key, apk_key)


def rows(name: str) -> list[str]:
    return [line for line in (DATA / name).read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(("order", "file"), [(dpkg_key, "versions-dpkg.txt"), (rpm_key, "versions-rpm.txt")])
def test_every_pair_of_a_chain_is_in_the_order_of_the_tool(order: Order, file: str) -> None:
    """Thousands of pairs: each version against each other one."""
    places = [(place, order(version)) for place, row in enumerate(rows(file)) for version in row.split(" = ")]
    assert all(key is not None for _, key in places)
    for (one, key), (other, other_key) in combinations(places, 2):
        assert (key < other_key, key == other_key) == (one < other, one == other), (one, other)  # type: ignore[operator]


@pytest.mark.parametrize("row", rows("versions-apk.txt"))
def test_apk_orders(row: str) -> None:
    """apk's own cases."""
    left, relation, right = row.split()
    one, other = apk_key(left), apk_key(right)
    assert one is not None
    assert other is not None
    assert {"<": one < other, "=": one == other, ">": one > other}[relation]


@pytest.mark.parametrize(
    ("order", "version"),
    [
        (dpkg_key, "0-"),
        (dpkg_key, ""),
        (dpkg_key, "1.0 beta"),
        (dpkg_key, "x:1.0"),
        (dpkg_key, "1.0\n"),
        (dpkg_key, "1" * 201),
        (apk_key, "1.0bc"),
        (apk_key, "23_foo"),
        (apk_key, "2.36-9+deb12u10"),
        (apk_key, ""),
        (rpm_key, "1.0 2"),
        (rpm_key, "-1"),
        (rpm_key, ""),
    ],
)
def test_what_is_no_version_is_not_ordered(order: Order, version: str) -> None:
    """No guess: the state becomes unknown."""
    assert order(version) is None
    assert below(order, version, "1.0") is None
    assert below(order, "1.0", version) is None


@pytest.mark.parametrize(
    ("order", "version", "bound", "is_below"),
    [
        # Debian's zlib is 1:1.3.dfsg+really1.3.1-1; ECR leaves the epoch out.
        (dpkg_key, "1.3.dfsg+really1.3.1-1", "1:1.3.dfsg-2", False),
        (dpkg_key, "1.2.13.dfsg-1", "1:1.3.dfsg-2", True),
        (dpkg_key, "1:1.2.13.dfsg-1", "1:1.3.dfsg-2", True),
        (dpkg_key, "0:1.2.13.dfsg-1", "1:1.3.dfsg-2", True),
        (dpkg_key, "0:1.4-1", "1:1.3.dfsg-2", True),
        (dpkg_key, "2:1.2-1", "1:1.3-2", False),
        (dpkg_key, "1:1.2-1", "1.3-2", False),
        (rpm_key, "1.0.2k-24.amzn2", "1:1.0.2k-24.amzn2.0.12", True),
        (rpm_key, "1.0.2k-24.amzn2.0.12", "1:1.0.2k-24.amzn2.0.12", False),
        (apk_key, "0.9-r0", "1.0-r0", True),
        (apk_key, "1.0-r0", "1.0-r0", False),
    ],
)
def test_a_missing_epoch_is_the_bounds(order: Order, version: str, bound: str, is_below: bool) -> None:
    """Else every installed version would be below every fix with an epoch."""
    assert below(order, version, bound) is is_below


@given(st.sampled_from(ORDERS), st.text("0123456789.ab~+-^_r", max_size=12), st.text("0123456789.ab~+-_r", max_size=12))
def test_keys_of_any_two_versions_compare(order: Order, one: str, other: str) -> None:
    """No text makes a comparison fail, whatever parts it has."""
    left, right = order(one), order(other)
    if left is not None and right is not None:
        assert (left < right) + (left == right) + (left > right) == 1


def test_numbers_without_end_are_refused_quickly() -> None:
    """Turning ten thousand digits into a number takes the square of their time."""
    assert all(order("9" * 100_000) is None for order in ORDERS)
