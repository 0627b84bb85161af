"""Keys of documents: what they are about can be read back, and foreign objects are told apart."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core import keys

ID = "0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"


def test_keys_are_the_agreed_ones() -> None:
    """People and scripts read the bucket too."""
    assert keys.config_key(ID) == f"configs/{ID}.json"
    assert keys.tokens_key(ID) == f"tokens/{ID}.json"
    assert keys.notices_key(ID) == f"notices/{ID}.json"
    assert keys.account_key("123456789012", "us-east-1") == "accounts/123456789012/us-east-1.json"
    assert keys.images_key("1", "r", "team-a/api") == "images/1/r/team-a%2Fapi.json"
    assert keys.findings_key("1", "r", "team-a/api") == "findings/1/r/team-a%2Fapi.json"
    assert keys.history_key("1", "r", date(2026, 3, 2)) == "history/1/r/2026-03-02.json"


@given(st.from_regex(r"[a-z0-9._/-]{1,60}", fullmatch=True))
def test_a_repository_is_read_back_from_its_keys(repository: str) -> None:
    """Law: no two repositories share a key."""
    assert keys.parse_images_key(keys.images_key("1", "r", repository)) == ("1", "r", repository)
    assert keys.parse_findings_key(keys.findings_key("1", "r", repository)) == ("1", "r", repository)


@pytest.mark.parametrize(
    "key",
    ["images/", "images/1/r/", "images/1/r/a/b.json", "images/1/r/a", "images/1/r/%61.json", "images//r/a.json", "x"],
)
def test_a_foreign_object_is_no_ledger(key: str) -> None:
    """A key that we would not have written is nobody's document."""
    assert keys.parse_images_key(key) is None


def test_an_account_is_read_back_from_its_key() -> None:
    """And a ledger's key is none."""
    assert keys.parse_account_key(keys.account_key("1", "r")) == ("1", "r")
    assert keys.parse_account_key("accounts/1/r/x.json") is None
    assert keys.parse_account_key("images/1/r.json") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, True),
        (ID.upper(), False),
        (f"{{{ID}}}", False),
        (ID.replace("-", ""), False),
        (f"{ID}\n", False),
        ("../tokens/dashboard", False),
        ("", False),
    ],
)
def test_only_canonical_uuids_are_ids(text: str, expected: bool) -> None:
    """One spelling, so that one configuration has one key and no path can be smuggled in."""
    assert keys.is_configuration_id(text) is expected
    assert keys.parse_config_key(f"configs/{text}.json") == (text if expected else None)


@pytest.mark.parametrize("key", [f"configs/{ID}", f"{ID}.json", f"tokens/{ID}.json", f"configs/{ID}.json.json"])
def test_a_foreign_object_is_no_configuration(key: str) -> None:
    """Only ``configs/{id}.json`` is."""
    assert keys.parse_config_key(key) is None
