"""Named tokens, which open a feed or a page without IAM: how they look, are kept and are checked.

A token is ``ecrr_``, 43 characters of chance in URL-safe base64, and six that sum them up, so that whoever finds a text
like one can tell by itself whether it is. Those of the first version have no sum, and go on opening.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ecr_rescan.core.checks import Checks
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
BOUNDED_SCHEMA = 2
"""Of a set in which some token ends or is bound to addresses: a version that can't tell must not open by it."""

RANDOM_BYTES = 32
MOST_TOKENS = 10
MOST_ADDRESSES = 20
DEFAULT_NAME = "default"

REMIND = timedelta(days=14)
"""How long before a token ends it is told."""

MISSED = timedelta(days=6)
"""How much later that is still told. What was told must be remembered for as long: ``Notices`` does so for a week."""

# A fixed beginning lets secret scanners find a leaked token; the kept part of it tells a person which one it is.
_TOKEN = re.compile(r"ecrr_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})?", re.ASCII)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEPT = 12
_FINGERPRINT = 16

TOKEN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
TOKEN_NAME_RULE = "1 to 32 lower-case letters, digits and hyphens, the first not a hyphen"


def looks_like_token(text: str) -> bool:
    """Whether the text can be a token at all; anything else is refused before the bucket is asked."""
    found = _TOKEN.fullmatch(text)
    return found is not None and found[2] in (None, _sum_of(found[1]))


def _sum_of(chance: str) -> str:
    """CRC-32 in base 62, in six digits."""
    number, digits = zlib.crc32(chance.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that a request offers; ``at``: when, aware; ``address``: from where, "" where that is not known."""

    text: str = field(repr=False)
    at: datetime
    address: str


def presented_token(query: str | None, authorization: str | None, *, at: datetime, address: str) -> Presented | None:
    """What a request offers: its ``?token=``, or else the password of its Basic ``Authorization`` header.

    None where it offers nothing that looks like a token.
    """
    token = query if query is not None else _basic_password(authorization or "")
    return Presented(token, at, address) if token is not None and looks_like_token(token) else None


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
    """A token as it is kept: its hash, and its first characters to recognise it by.

    ``expires``: the last day on which it opens, UTC, None for no end. ``addresses``: the ranges from which it opens, as
    CIDR blocks; none means from everywhere.
    """

    name: str
    created: datetime
    sha256: str
    prefix: str
    expires: date | None = None
    addresses: tuple[str, ...] = ()

    def opens(self, at: datetime, address: str) -> bool:
        """Whether it opens then and from there."""
        if self.expires is not None and at.astimezone(UTC).date() > self.expires:
            return False
        return not self.addresses or _is_within(address, self.addresses)

    @property
    def fingerprint(self) -> str:
        """Tells it from others, those of the same name before and after it included; it is no secret."""
        return self.sha256[:_FINGERPRINT]

    def to_wire(self, last_used: date | None) -> dict[str, object]:
        """What people are shown of it; ``last_used``: the day, UTC, None where none is known."""
        return {
            "name": self.name,
            "created": to_text(self.created),
            "prefix": self.prefix,
            "expires": self.expires and self.expires.isoformat(),
            "addresses": list(self.addresses),
            "last_used": last_used and last_used.isoformat(),
        }


def _is_within(address: str, ranges: Sequence[str]) -> bool:
    # Here, because most tokens have no ranges, and importing it takes as long as checking a token.
    from ipaddress import ip_address, ip_network

    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(one, strict=False) for one in ranges)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token that a person wants, checked."""

    name: str
    expires: date | None = None
    addresses: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, body: object, *, today: date) -> TokenRequest:
        """Read a request's body; InvalidRequestError with every fault of it."""
        from ipaddress import ip_network

        checks = Checks(body if isinstance(body, dict) else {})
        name = checks.shaped("name", TOKEN_NAME, TOKEN_NAME_RULE, required=True)
        expires = checks.day("expires")
        if expires is not None and expires < today:
            checks.fault("expires", "must not be past")
        addresses = checks.texts("addresses", most=MOST_ADDRESSES, longest=64)
        for address in addresses:
            try:
                ip_network(address, strict=False)
            except ValueError:
                checks.fault(
                    "addresses", f"{address} must be an address or a range such as 192.0.2.0/24 or 2001:db8::/32"
                )
        checks.only(("name", "expires", "addresses"))
        if name is None or checks.faults:
            raise InvalidRequestError("; ".join(f"{one.field}: {one.problem}" for one in checks.faults), checks.faults)
        return cls(name, expires, addresses)


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of a configuration or of the dashboard, oldest first."""

    tokens: tuple[NamedToken, ...] = ()

    def ending(self, today: date) -> tuple[NamedToken, ...]:
        """Those to remind of: fourteen days before they end, or within the week after that, where that was missed.

        Whoever made one with less to go knows.
        """
        return tuple(
            token
            for token in self.tokens
            if token.expires is not None
            and REMIND - MISSED <= token.expires - today <= REMIND
            and token.expires - token.created.astimezone(UTC).date() > REMIND
        )

    def add(
        self,
        name: str,
        *,
        random_bytes: bytes,
        now: datetime,
        expires: date | None = None,
        addresses: tuple[str, ...] = (),
    ) -> tuple[TokenSet, str]:
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
        chance = base64.urlsafe_b64encode(random_bytes).decode().rstrip("=")
        token = f"ecrr_{chance}{_sum_of(chance)}"
        kept = NamedToken(name, whole_seconds(now), _hash(token), token[:_KEPT], expires, addresses)
        return TokenSet((*self.tokens, kept)), token

    def revoke(self, name: str) -> TokenSet:
        """The set without that token; NotFoundError where there is none of that name."""
        left = tuple(token for token in self.tokens if token.name != name)
        if len(left) == len(self.tokens):
            raise NotFoundError(f"token {name[:32]}")
        return TokenSet(left)

    def opened_by(self, presented: Presented) -> NamedToken | None:
        """Which of them it is, if that opens now and from there; takes the same time whichever it is."""
        offered = _hash(presented.text)
        matching = [hmac.compare_digest(offered.encode(), kept.sha256.encode()) for kept in self.tokens]
        found = [kept for kept, matches in zip(self.tokens, matching, strict=True) if matches]
        return next((kept for kept in found if kept.opens(presented.at, presented.address)), None)

    @classmethod
    def from_document(cls, body: bytes, *, key: str) -> TokenSet:
        """Read what ``to_document`` wrote.

        Raises:
            UnknownSchemaError: a later version wrote it.
            DocumentError: it is not a set of tokens.
        """
        try:
            document = json.loads(body)
            if document["schema"] not in (SCHEMA, BOUNDED_SCHEMA):
                raise UnknownSchemaError(key, document["schema"])
            return cls(tuple(_from_wire(kept) for kept in document["tokens"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DocumentError(key, "is not a set of tokens") from error

    def to_document(self) -> bytes:
        """What is stored: hashes, never a token."""
        tokens = []
        for kept in self.tokens:
            wire = {"name": kept.name, "created": to_text(kept.created), "sha256": kept.sha256, "prefix": kept.prefix}
            bounds: dict[str, object] = {"expires": kept.expires.isoformat()} if kept.expires else {}
            bounds |= {"addresses": list(kept.addresses)} if kept.addresses else {}
            tokens.append(wire | bounds)
        bounded = any(kept.expires or kept.addresses for kept in self.tokens)
        return json.dumps({"schema": BOUNDED_SCHEMA if bounded else SCHEMA, "tokens": tokens}, indent=1).encode()


def _from_wire(kept: dict[str, Any]) -> NamedToken:
    return NamedToken(
        str(kept["name"]),
        from_text(kept["created"]),
        str(kept["sha256"]),
        str(kept["prefix"]),
        date.fromisoformat(kept["expires"]) if kept.get("expires") else None,
        tuple(str(address) for address in kept.get("addresses", ())),
    )


def _hash(token: str) -> str:
    # The token is 256 random bits: a slow, salted hash would protect nothing more.
    return hashlib.sha256(token.encode()).hexdigest()
