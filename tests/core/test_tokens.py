"""Named tokens: made, checked, revoked, and never kept in the clear."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.errors import (
    AlreadyExistsError,
    DocumentError,
    InvalidRequestError,
    NotFoundError,
    TooManyTokensError,
    UnknownSchemaError,
)
from ecr_rescan.core.tokens import (
    MOST_TOKENS,
    Presented,
    TokenRequest,
    TokenSet,
    looks_like_token,
    presented_token,
)

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
KEY = "tokens/dashboard.json"


def added(tokens: TokenSet, name: str, seed: int) -> tuple[TokenSet, str]:
    return tokens.add(name, random_bytes=seed.to_bytes(32, "big"), now=NOW)


def shown(token: str, at: datetime = NOW, address: str = "192.0.2.1") -> Presented:
    return Presented(token, at, address)


def presented(query: str | None, authorization: str | None) -> str | None:
    found = presented_token(query, authorization, at=NOW, address="192.0.2.1")
    return found and found.text


@given(st.binary(min_size=32, max_size=32))
def test_a_token_opens_and_is_not_kept(random_bytes: bytes) -> None:
    """Law: every token looks like one, opens its set, and can't be read from what is stored."""
    tokens, token = TokenSet().add("default", random_bytes=random_bytes, now=NOW)
    stored = tokens.to_document()
    assert looks_like_token(token)
    assert TokenSet.from_document(stored, key=KEY).opened_by(shown(token))
    assert token[12:] not in stored.decode()
    assert not TokenSet().opened_by(shown(token))


@pytest.mark.parametrize("right", [0, MOST_TOKENS - 1, None])
def test_every_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, right: int | None) -> None:
    """Whichever it is: how long an answer takes tells nothing."""
    compared = []
    compare = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return compare(one, other)

    tokens, texts = TokenSet(), []
    for number in range(MOST_TOKENS):
        tokens, text = added(tokens, f"name-{number}", number)
        texts.append(text)
    monkeypatch.setattr(hmac, "compare_digest", noted)
    found = tokens.opened_by(shown("ecrr_" + "x" * 43 if right is None else texts[right]))
    assert found == (None if right is None else tokens.tokens[right])
    assert compared == [kept.sha256.encode() for kept in tokens.tokens]


def test_each_token_opens_until_it_is_revoked() -> None:
    """Revoking one leaves the others."""
    tokens, first = added(TokenSet(), "first", 1)
    tokens, second = added(tokens, "second", 2)
    assert tokens.opened_by(shown(first))
    assert tokens.opened_by(shown(second))
    tokens = tokens.revoke("first")
    assert not tokens.opened_by(shown(first))
    assert tokens.opened_by(shown(second))


def test_revoking_nothing_is_told() -> None:
    """A misspelt name must not look like success."""
    with pytest.raises(NotFoundError):
        TokenSet().revoke("default")


def test_a_name_is_taken_once() -> None:
    """Otherwise revoking by name would be a guess."""
    tokens, _ = added(TokenSet(), "default", 1)
    with pytest.raises(AlreadyExistsError):
        added(tokens, "default", 2)


def test_a_set_holds_ten() -> None:
    """The eleventh is refused, and there is room again after a revocation."""
    tokens = TokenSet()
    for number in range(10):
        tokens, _ = added(tokens, f"n{number}", number)
    with pytest.raises(TooManyTokensError):
        added(tokens, "n10", 10)
    added(tokens.revoke("n3"), "n10", 10)


@pytest.mark.parametrize("name", ["", "-a", "A", "a b", "a" * 33, "a\n", "ä", "a/b"])
def test_a_bad_name_is_refused(name: str) -> None:
    """Names stand in URLs."""
    with pytest.raises(InvalidRequestError) as caught:
        added(TokenSet(), name, 1)
    assert [fault.field for fault in caught.value.faults] == ["name"]


def test_too_little_chance_is_a_bug() -> None:
    """A token is never made of less than 32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        TokenSet().add("default", random_bytes=b"short", now=NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"schema": 1}', b'{"schema": 1, "tokens": [1]}', b"\xff", b'{"tokens": []}']
    + [json.dumps({"schema": 1, "tokens": [{"name": "a", "created": "x", "sha256": "", "prefix": ""}]}).encode()],
)
def test_a_damaged_document_is_a_document_error(body: bytes) -> None:
    """It must neither open nor crash."""
    with pytest.raises(DocumentError):
        TokenSet.from_document(body, key=KEY)


def test_an_unknown_schema_is_told_apart() -> None:
    """A later version's tokens are not thrown away."""
    with pytest.raises(UnknownSchemaError):
        TokenSet.from_document(b'{"schema": 3, "tokens": []}', key=KEY)


def test_a_hash_edited_by_hand_opens_nothing() -> None:
    """Not even where the comparison would choke on it."""
    token = added(TokenSet(), "a", 1)[1]
    entry = {"name": "a", "created": "2026-03-02T08:00:00Z", "sha256": "é", "prefix": ""}
    tokens = TokenSet.from_document(json.dumps({"schema": 1, "tokens": [entry]}).encode(), key=KEY)
    assert not tokens.opened_by(shown(token))


@pytest.mark.parametrize("text", ["", "wrong", "ecrr_", "ecrr_" + "a" * 42, "ecrr_" + "a" * 44, "ecrr_" + "é" * 43])
def test_what_cant_be_a_token_is_seen_at_once(text: str) -> None:
    """Junk costs no read."""
    assert not looks_like_token(text)
    assert presented(text, None) is None


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


def test_a_token_is_presented_either_way() -> None:
    """In the query, or as the password of Basic authentication with any user name."""
    token = added(TokenSet(), "a", 1)[1]
    assert presented(token, None) == token
    assert presented(None, basic(f"anybody:{token}".encode())) == token
    assert presented(None, basic(f":{token}".encode()).replace("Basic", "basic")) == token


def test_the_query_counts_where_both_are_given() -> None:
    """What stands in the URL is what the person copied."""
    token = added(TokenSet(), "a", 1)[1]
    assert presented("wrong", basic(f"x:{token}".encode())) is None


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic !!!", "Basic YQ", basic(b"\xff\xfe"), basic(b"nocolon"), "Bearer ecrr_" + "a" * 43],
)
def test_a_malformed_header_presents_nothing(header: str | None) -> None:
    """And raises nothing."""
    assert presented(None, header) is None


@given(st.binary(min_size=32, max_size=32), st.integers(0, 53), st.sampled_from("aZ09-_"))
def test_a_token_with_a_slip_is_none(random_bytes: bytes, place: int, other: str) -> None:
    """The sum tells offline: a scanner of secrets needs not ask, and a guess costs no read."""
    token = TokenSet().add("a", random_bytes=random_bytes, now=NOW)[1]
    slipped = token[:place] + other + token[place + 1 :]
    assert looks_like_token(token)
    assert looks_like_token(slipped) is (slipped == token)


def test_a_token_of_the_first_version_goes_on_opening() -> None:
    """It has no sum, and its document no bounds."""
    old = "ecrr_" + "A" * 43
    stored = {
        "name": "a",
        "created": "2026-01-01T00:00:00Z",
        "sha256": sha256(old.encode()).hexdigest(),
        "prefix": "ecrr_AAAAAAA",
    }
    tokens = TokenSet.from_document(json.dumps({"schema": 1, "tokens": [stored]}).encode(), key=KEY)
    assert looks_like_token(old)
    assert tokens.opened_by(shown(old))
    assert json.loads(tokens.to_document())["schema"] == 1


def test_a_token_ends_after_its_last_day() -> None:
    """Inclusive, in UTC; stored in a form that an older version refuses, as it would open for ever."""
    tokens, token = TokenSet().add("a", random_bytes=bytes(32), now=NOW, expires=date(2026, 3, 9))
    tokens = TokenSet.from_document(tokens.to_document(), key=KEY)
    assert json.loads(tokens.to_document())["schema"] == 2
    assert tokens.opened_by(shown(token, datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)))
    assert not tokens.opened_by(shown(token, datetime(2026, 3, 10, tzinfo=UTC)))
    assert not tokens.opened_by(shown(token, datetime(2026, 3, 9, 23, tzinfo=timezone(timedelta(hours=-2)))))


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("198.51.100.4", True),
        ("198.51.100.5", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_a_token_opens_from_its_ranges_alone(address: str, opens: bool) -> None:
    """Unknown is never yes."""
    ranges = ("192.0.2.0/24", "2001:db8::/32", "198.51.100.4")
    tokens, token = TokenSet().add("a", random_bytes=bytes(32), now=NOW, addresses=ranges)
    tokens = TokenSet.from_document(tokens.to_document(), key=KEY)
    assert tokens.tokens[0].to_wire(None)["addresses"] == list(ranges)
    assert (tokens.opened_by(shown(token, address=address)) is not None) is opens


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"expires": "2026-03-01"}, "expires"),
        ({"expires": "soon"}, "expires"),
        ({"addresses": "192.0.2.1"}, "addresses"),
        ({"addresses": ["192.0.2.0/33"]}, "addresses"),
        ({"addresses": ["evil.example"]}, "addresses"),
        ({"addresses": ["192.0.2.1"] * 21}, "addresses"),
        ({"address": ["192.0.2.1"]}, "address"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(more: dict[str, object], field: str) -> None:
    """Each by its field."""
    with pytest.raises(InvalidRequestError) as caught:
        TokenRequest.from_wire({"name": "a"} | more, today=NOW.date())
    assert [fault.field for fault in caught.value.faults] == [field]


def test_a_presented_token_is_in_no_repr() -> None:
    """What is logged by accident must not open anything."""
    assert "AAAA" not in repr(shown("ecrr_" + "A" * 43))
