"""Where each document of the service lies in its bucket, and what a key found there is about."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import quote, unquote

CONFIGS = "configs/"
TOKENS = "tokens/"
ACCOUNTS = "accounts/"
IMAGES = "images/"
FINDINGS = "findings/"
HISTORY = "history/"
NOTICES = "notices/"
SIGNALS = "signals/"
USED = "used/"

SWEEP = f"{ACCOUNTS}sweep.json"
"""What nobody asks for any more, since when."""

HEALTH = f"{ACCOUNTS}health.json"
"""What StartScan notes of itself."""

DASHBOARD_TOKENS = f"{TOKENS}dashboard.json"
GATE_TOKENS = f"{TOKENS}gate.json"
DEPLOYMENT = "deployment.json"
KNOWN_SIGNALS = f"{SIGNALS}known.json"
TOLD_OF_SIGNALS = f"{SIGNALS}told.json"
KNOWN_FIXES = f"{SIGNALS}fixes/known.json"
PROGRESS_OF_FIXES = f"{SIGNALS}fixes/progress.json"

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SUFFIX = ".json"


def is_configuration_id(text: str) -> bool:
    """Whether the text is a UUID in its canonical lower-case form; nothing else is ever looked for in the bucket."""
    return _ID.fullmatch(text) is not None


def config_key(configuration_id: str) -> str:
    """``configs/{id}.json``."""
    return f"{CONFIGS}{configuration_id}{_SUFFIX}"


def parse_config_key(key: str) -> str | None:
    """The id of the configuration that a key belongs to; None for an object that the service didn't name."""
    configuration_id = key.removeprefix(CONFIGS).removesuffix(_SUFFIX)
    return configuration_id if is_configuration_id(configuration_id) and config_key(configuration_id) == key else None


def tokens_key(configuration_id: str) -> str:
    """``tokens/{id}.json``."""
    return f"{TOKENS}{configuration_id}{_SUFFIX}"


def uses_prefix(tokens: str) -> str:
    """``used/{id}/``: where it is noted on which days the tokens of a set, by its key, were used."""
    return f"{USED}{tokens.removeprefix(TOKENS).removesuffix(_SUFFIX)}/"


def used_key(tokens: str, fingerprint: str, day: date) -> str:
    """``used/{id}/{fingerprint}/{date}``: a token was used on a day, which is all that there is to say."""
    return f"{uses_prefix(tokens)}{fingerprint}/{day.isoformat()}"


def parse_used_key(key: str) -> tuple[str, date] | None:
    """The fingerprint and the day of a use; None for a foreign object."""
    _, _, fingerprint, day = parts if len(parts := key.split("/")) == 4 else ("",) * 4
    try:
        return (fingerprint, date.fromisoformat(day)) if key.startswith(USED) and fingerprint else None
    except ValueError:
        return None


def notices_key(configuration_id: str) -> str:
    """``notices/{id}.json``."""
    return f"{NOTICES}{configuration_id}{_SUFFIX}"


def account_key(registry: str, region: str) -> str:
    """``accounts/{registry}/{region}.json``."""
    return f"{ACCOUNTS}{registry}/{region}{_SUFFIX}"


def parse_account_key(key: str) -> tuple[str, str] | None:
    """The registry and Region of an account document's key; None for a foreign object."""
    parts = _parts(key, ACCOUNTS)
    return (parts[0], parts[1]) if parts is not None and len(parts) == 2 else None


def images_key(registry: str, region: str, repository: str) -> str:
    """``images/{registry}/{region}/{repository}.json``, the repository percent-encoded, "/" as %2F."""
    return _repository_key(IMAGES, registry, region, repository)


def parse_images_key(key: str) -> tuple[str, str, str] | None:
    """The registry, Region and repository of an image ledger's key; None for a foreign object."""
    return _parse_repository_key(key, IMAGES)


def findings_key(registry: str, region: str, repository: str) -> str:
    """``findings/{registry}/{region}/{repository}.json``, the repository percent-encoded, "/" as %2F."""
    return _repository_key(FINDINGS, registry, region, repository)


def parse_findings_key(key: str) -> tuple[str, str, str] | None:
    """The registry, Region and repository of a findings document's key; None for a foreign object."""
    return _parse_repository_key(key, FINDINGS)


def history_key(registry: str, region: str, day: date) -> str:
    """``history/{registry}/{region}/{date}.json``, the date as YYYY-MM-DD."""
    return f"{HISTORY}{registry}/{region}/{day.isoformat()}{_SUFFIX}"


def _repository_key(prefix: str, registry: str, region: str, repository: str) -> str:
    return f"{prefix}{registry}/{region}/{quote(repository, safe='')}{_SUFFIX}"


def _parse_repository_key(key: str, prefix: str) -> tuple[str, str, str] | None:
    parts = _parts(key, prefix)
    if parts is None or len(parts) != 3:
        return None
    registry, region, repository = parts[0], parts[1], unquote(parts[2])
    # Two spellings of one repository would be two documents about the same images.
    return (registry, region, repository) if _repository_key(prefix, registry, region, repository) == key else None


def _parts(key: str, prefix: str) -> list[str] | None:
    if not key.startswith(prefix) or not key.endswith(_SUFFIX):
        return None
    parts = key[len(prefix) : -len(_SUFFIX)].split("/")
    return parts if all(parts) else None
