"""The environment of a function, checked once when it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ecr_rescan.core.errors import SettingsError
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.shapes import REGISTRY
from ecr_rescan.core.summary.ages import DaysAllowed

_URL = re.compile(r"https?://[^\s?#/]+(/[^\s?#]*)?", re.ASCII)
_SIGNALS_PREFIX = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([A-Za-z0-9!_.*'()/-]*)", re.ASCII)
# Of a run on one machine; the template's parameter takes none.
_SIGNALS_HERE = re.compile(r"http://127\.0\.0\.1:\d{1,5}", re.ASCII)
_ROLES = re.compile(rf"arn:aws[a-z-]*:iam::({REGISTRY.pattern}|\*):role/[A-Za-z0-9+=,.@_/-]*\*?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What every function is told.

    Attributes:
        account_id: the account of the deployment, 12 digits.
        public_url: the base URL that people use, without a slash at its end; None where requests tell it.
        allowed_roles: ARNs of roles that configurations may name; one that ends in ``*`` allows all that begin so, one
            with ``*`` for its account that role in every account (of the organisation; IAM sees to that).
    """

    region: str
    account_id: str
    bucket_name: str
    public_url: str | None
    allowed_roles: tuple[str, ...]

    def allows_role(self, role_arn: str) -> bool:
        """Whether a configuration may name that role."""
        partition, _, rest = role_arn.partition(":iam::")
        in_any_account = f"{partition}:iam::*:{rest.partition(':')[2]}"
        return any(
            asked.startswith(allowed[:-1]) if allowed.endswith("*") else asked == allowed
            for allowed in self.allowed_roles
            for asked in (role_arn, in_any_account)
        )


@dataclass(frozen=True, slots=True)
class SummarySettings(Settings):
    """What Summary is told besides.

    Attributes:
        days_allowed: within how many days an open finding is to be mended.
        is_paused: whether the deployer wants no ticks.
    """

    days_allowed: DaysAllowed
    is_paused: bool


@dataclass(frozen=True, slots=True)
class SignalsOrigin:
    """Where signals are fetched: from a bucket and prefix, from a server of this machine, or from the internet."""

    bucket: str | None = None
    prefix: str = ""
    base: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigSettings(Settings):
    """What Config is told besides.

    Attributes:
        audit_copies: whether each change is kept in the bucket as well as in the log.
    """

    audit_copies: bool


@dataclass(frozen=True, slots=True)
class StartScanSettings(Settings):
    """What StartScan is told besides.

    Attributes:
        dead_letters_url: of the queue for messages that were given up.
        role_external_id: sent along when a role is assumed; None where none is asked for.
        signals: where public signals come from; None for nowhere.
        epss_likely: the EPSS score, 0 to 1, from which a vulnerability is likely to be exploited.
    """

    queue_url: str
    topic_arn: str
    role_external_id: str | None
    dead_letters_url: str = ""
    signals: SignalsOrigin | None = None
    epss_likely: float = 0.1


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read what every function needs; SettingsError names the variable that is missing or wrong."""
    return Settings(
        region=_required(environment, "AWS_REGION"),
        account_id=_account_id(environment),
        bucket_name=_required(environment, "BUCKET_NAME"),
        public_url=_public_url(environment),
        allowed_roles=_allowed_roles(environment),
    )


def load_summary_settings(environment: Mapping[str, str] = os.environ) -> SummarySettings:
    """Read what Summary needs; SettingsError names the variable that is missing or wrong."""
    common = load_settings(environment)
    return SummarySettings(
        region=common.region,
        account_id=common.account_id,
        bucket_name=common.bucket_name,
        public_url=common.public_url,
        allowed_roles=common.allowed_roles,
        days_allowed=_days_allowed(environment),
        is_paused=environment.get("SCANNING", "").strip() == "paused",
    )


def load_config_settings(environment: Mapping[str, str] = os.environ) -> ConfigSettings:
    """Read what Config needs; SettingsError names the variable that is missing or wrong."""
    common = load_settings(environment)
    copies = environment.get("AUDIT_COPIES", "").strip() or "false"
    if copies not in ("true", "false"):
        raise SettingsError("AUDIT_COPIES", "is neither true nor false")
    return ConfigSettings(
        region=common.region,
        account_id=common.account_id,
        bucket_name=common.bucket_name,
        public_url=common.public_url,
        allowed_roles=common.allowed_roles,
        audit_copies=copies == "true",
    )


def load_start_scan_settings(environment: Mapping[str, str] = os.environ) -> StartScanSettings:
    """Read what StartScan needs; SettingsError names the variable that is missing or wrong."""
    common = load_settings(environment)
    return StartScanSettings(
        region=common.region,
        account_id=common.account_id,
        bucket_name=common.bucket_name,
        public_url=common.public_url,
        allowed_roles=common.allowed_roles,
        queue_url=_required(environment, "QUEUE_URL"),
        topic_arn=_required(environment, "TOPIC_ARN"),
        dead_letters_url=_required(environment, "DEAD_LETTERS_URL"),
        role_external_id=environment.get("ROLE_EXTERNAL_ID", "").strip() or None,
        signals=_signals(environment),
        epss_likely=_epss_likely(environment),
    )


def _required(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise SettingsError(variable, "is not set")
    return value


def _account_id(environment: Mapping[str, str]) -> str:
    value = _required(environment, "ACCOUNT_ID")
    if not REGISTRY.fullmatch(value):
        raise SettingsError("ACCOUNT_ID", "is not an account id of 12 digits")
    return value


def _public_url(environment: Mapping[str, str]) -> str | None:
    value = environment.get("PUBLIC_URL", "").strip().rstrip("/")
    if value and not _URL.fullmatch(value):
        raise SettingsError("PUBLIC_URL", "is not a URL such as https://scans.example.com")
    return value or None


def _days_allowed(environment: Mapping[str, str]) -> DaysAllowed:
    value = _required(environment, "SLA_DAYS")
    pairs = dict(part.strip().partition("=")[::2] for part in value.split(","))
    days = {name: int(number) for name, number in pairs.items() if number.isdecimal() and int(number) > 0}
    if days.keys() != pairs.keys() or not days.keys() <= {*RATED, "EXPLOITED"}:
        raise SettingsError("SLA_DAYS", "is not a list of severities and days such as CRITICAL=7,HIGH=30,EXPLOITED=3")
    unrated = environment.get("UNRATED_AS", "").strip() or Severity.MEDIUM
    if unrated not in RATED:
        raise SettingsError("UNRATED_AS", f"is none of {', '.join(RATED)}")
    exploited = days.pop("EXPLOITED", None)
    return DaysAllowed({Severity(name): number for name, number in days.items()}, exploited, Severity(unrated))


def _signals(environment: Mapping[str, str]) -> SignalsOrigin | None:
    value = environment.get("SIGNALS_FROM", "").strip() or "internet"
    if value == "off":
        return None
    if value == "internet":
        return SignalsOrigin()
    if _SIGNALS_HERE.fullmatch(value):
        return SignalsOrigin(base=value)
    found = _SIGNALS_PREFIX.fullmatch(value)
    if found is None:
        raise SettingsError("SIGNALS_FROM", "is not internet, off, or a prefix such as s3://bucket/signals/")
    return SignalsOrigin(bucket=found[1], prefix=found[2])


def _epss_likely(environment: Mapping[str, str]) -> float:
    value = environment.get("EPSS_LIKELY", "").strip() or "0.1"
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise SettingsError("EPSS_LIKELY", "is not a number above 0, at most 1")
    return number


def _allowed_roles(environment: Mapping[str, str]) -> tuple[str, ...]:
    roles = tuple(role for part in environment.get("ALLOWED_ROLES", "").split(",") if (role := part.strip()))
    for role in roles:
        if not _ROLES.fullmatch(role):
            raise SettingsError("ALLOWED_ROLES", f"{role!r} is not the ARN of an IAM role, or one that ends in *")
    return roles
