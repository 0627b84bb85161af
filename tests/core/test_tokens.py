"""Named tokens: made, checked, revoked, and never kept in the clear."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime

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
from ecr_rescan.core.tokens import MOST_TOKENS, TokenSet, looks_like_token, presented_token

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
KEY = "tokens/dashboard.json"


def added(tokens: TokenSet, name: str, seed: int) -> tuple[TokenSet, str]:
    return tokens.add(name, random_bytes=seed.to_bytes(32, "big"), now=NOW)


@given(st.binary(min_size=32, max_size=32))
def test_a_token_opens_and_is_not_kept(random_bytes: bytes) -> None:
    """Law: every token looks like one, opens its set, and can't be read from what is stored."""
    tokens, token = TokenSet().add("default", random_bytes=random_bytes, now=NOW)
    stored = tokens.to_document()
    assert looks_like_token(token)
    assert TokenSet.from_document(stored, key=KEY).verify(token)
    assert token[12:] not in stored.decode()
    assert not TokenSet().verify(token)


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
    assert tokens.verify("ecrr_" + "x" * 43 if right is None else texts[right]) is (right is not None)
    assert compared == [kept.sha256.encode() for kept in tokens.tokens]


def test_each_token_opens_until_it_is_revoked() -> None:
    """Revoking one leaves the others."""
    tokens, first = added(TokenSet(), "first", 1)
    tokens, second = added(tokens, "second", 2)
    assert tokens.verify(first)
    assert tokens.verify(second)
    tokens = tokens.revoke("first")
    assert not tokens.verify(first)
    assert tokens.verify(second)


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
        TokenSet.from_document(b'{"schema": 2, "tokens": []}', key=KEY)


def test_a_hash_edited_by_hand_opens_nothing() -> None:
    """Not even where the comparison would choke on it."""
    token = added(TokenSet(), "a", 1)[1]
    entry = {"name": "a", "created": "2026-03-02T08:00:00Z", "sha256": "é", "prefix": ""}
    tokens = TokenSet.from_document(json.dumps({"schema": 1, "tokens": [entry]}).encode(), key=KEY)
    assert not tokens.verify(token)


@pytest.mark.parametrize("text", ["", "wrong", "ecrr_", "ecrr_" + "a" * 42, "ecrr_" + "a" * 44, "ecrr_" + "é" * 43])
def test_what_cant_be_a_token_is_seen_at_once(text: str) -> None:
    """Junk costs no read."""
    assert not looks_like_token(text)
    assert presented_token(text, None) is None


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


def test_a_token_is_presented_either_way() -> None:
    """In the query, or as the password of Basic authentication with any user name."""
    token = added(TokenSet(), "a", 1)[1]
    assert presented_token(token, None) == token
    assert presented_token(None, basic(f"anybody:{token}".encode())) == token
    assert presented_token(None, basic(f":{token}".encode()).replace("Basic", "basic")) == token


def test_the_query_counts_where_both_are_given() -> None:
    """What stands in the URL is what the person copied."""
    token = added(TokenSet(), "a", 1)[1]
    assert presented_token("wrong", basic(f"x:{token}".encode())) is None


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic !!!", "Basic YQ", basic(b"\xff\xfe"), basic(b"nocolon"), "Bearer ecrr_" + "a" * 43],
)
def test_a_malformed_header_presents_nothing(header: str | None) -> None:
    """And raises nothing."""
    assert presented_token(None, header) is None
