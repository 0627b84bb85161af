"""Named tokens, which open a feed or a page without IAM: how they look, are kept and are checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.errors import (
    AlreadyExistsError,
    DocumentError,
    Fault,
    InvalidRequestError,
    NotFoundError,
    TooManyTokensError,
    UnknownSchemaError,
)
from ecr_rescan.core.times import from_text, to_text, whole_seconds

SCHEMA = 1
RANDOM_BYTES = 32
MOST_TOKENS = 10
DEFAULT_NAME = "default"

# A fixed beginning lets secret scanners find a leaked token; the kept part of it tells a person which one it is.
_TOKEN = re.compile(r"ecrr_[A-Za-z0-9_-]{43}", re.ASCII)
_KEPT = 12

TOKEN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
TOKEN_NAME_RULE = "1 to 32 lower-case letters, digits and hyphens, the first not a hyphen"


def looks_like_token(text: str) -> bool:
    """Whether the text can be a token at all; anything else is refused before the bucket is asked."""
    return _TOKEN.fullmatch(text) is not None


def presented_token(query: str | None, authorization: str | None) -> str | None:
    """What a request offers: its ``?token=``, or else the password of its Basic ``Authorization`` header.

    None where it offers nothing that looks like a token.
    """
    token = query if query is not None else _basic_password(authorization or "")
    return token if token is not None and looks_like_token(token) else None


def _basic_password(authorization: str) -> str | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        # RFC 7617: the user's name has no colon, the password may have some.
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A token as it is kept: its hash, and its first characters to recognise it by."""

    name: str
    created: datetime
    sha256: str
    prefix: str


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of a configuration or of the dashboard, oldest first."""

    tokens: tuple[NamedToken, ...] = ()

    def add(self, name: str, *, random_bytes: bytes, now: datetime) -> tuple[TokenSet, str]:
        """The set with one more token, and the token itself, which is not kept.

        Args:
            random_bytes: 32 unpredictable bytes.

        Raises:
            InvalidRequestError: a name that isn't one.
            AlreadyExistsError: a token has that name.
            TooManyTokensError: the set is full.
        """
        if not TOKEN_NAME.fullmatch(name):
            problem = f"must be {TOKEN_NAME_RULE}"
            raise InvalidRequestError(f"name: {problem}", [Fault("name", problem)])
        if any(token.name == name for token in self.tokens):
            raise AlreadyExistsError(name, f"a token named {name} is there already; revoke it first")
        if len(self.tokens) >= MOST_TOKENS:
            raise TooManyTokensError(f"there are {MOST_TOKENS} tokens already; revoke one first")
        if len(random_bytes) != RANDOM_BYTES:
            raise ValueError(f"a token is made of {RANDOM_BYTES} bytes, not {len(random_bytes)}")
        token = "ecrr_" + base64.urlsafe_b64encode(random_bytes).decode().rstrip("=")
        kept = NamedToken(name, whole_seconds(now), _hash(token), token[:_KEPT])
        return TokenSet((*self.tokens, kept)), token

    def revoke(self, name: str) -> TokenSet:
        """The set without that token; NotFoundError where there is none of that name."""
        left = tuple(token for token in self.tokens if token.name != name)
        if len(left) == len(self.tokens):
            raise NotFoundError(f"token {name[:32]}")
        return TokenSet(left)

    def verify(self, token: str) -> bool:
        """Whether it is one of them; takes the same time whichever it is."""
        offered = _hash(token)
        matching = [hmac.compare_digest(offered.encode(), kept.sha256.encode()) for kept in self.tokens]
        return any(matching)

    @classmethod
    def from_document(cls, body: bytes, *, key: str) -> TokenSet:
        """Read what ``to_document`` wrote.

        Raises:
            UnknownSchemaError: a later version wrote it.
            DocumentError: it is not a set of tokens.
        """
        try:
            document = json.loads(body)
            if document["schema"] != SCHEMA:
                raise UnknownSchemaError(key, document["schema"])
            return cls(
                tuple(
                    NamedToken(str(kept["name"]), from_text(kept["created"]), str(kept["sha256"]), str(kept["prefix"]))
                    for kept in document["tokens"]
                )
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DocumentError(key, "is not a set of tokens") from error

    def to_document(self) -> bytes:
        """What is stored: hashes, never a token."""
        tokens = [
            {"name": kept.name, "created": to_text(kept.created), "sha256": kept.sha256, "prefix": kept.prefix}
            for kept in self.tokens
        ]
        return json.dumps({"schema": SCHEMA, "tokens": tokens}, indent=1).encode()


def _hash(token: str) -> str:
    # The token is 256 random bits: a slow, salted hash would protect nothing more.
    return hashlib.sha256(token.encode()).hexdigest()
