"""The environment of a function."""

from __future__ import annotations

import pytest

from ecr_rescan.core.errors import SettingsError
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.ages import DaysAllowed
from ecr_rescan.runtime.settings import load_settings, load_start_scan_settings, load_summary_settings

COMMON = {"AWS_REGION": "us-east-1", "ACCOUNT_ID": "123456789012", "BUCKET_NAME": "records"}
START_SCAN = COMMON | {
    "QUEUE_URL": "https://sqs/q",
    "DEAD_LETTERS_URL": "https://sqs/d",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:t",
}
ROLE = "arn:aws:iam::210987654321:role/scans"


def test_what_is_optional_may_be_empty_or_absent() -> None:
    """CloudFormation passes an unused parameter as an empty string."""
    absent = load_settings(COMMON)
    empty = load_settings(COMMON | {"PUBLIC_URL": "", "ALLOWED_ROLES": ""})
    assert absent == empty
    assert (absent.public_url, absent.allowed_roles) == (None, ())
    assert load_start_scan_settings(START_SCAN | {"ROLE_EXTERNAL_ID": ""}).role_external_id is None


def test_everything_is_read() -> None:
    """Each variable ends where it should; a slash at the end of the URL is dropped."""
    given = {"PUBLIC_URL": "https://scans.example.com/base/", "ALLOWED_ROLES": f"{ROLE}, {ROLE}2"}
    settings = load_start_scan_settings(START_SCAN | given | {"ROLE_EXTERNAL_ID": "secret"})
    assert (settings.region, settings.account_id, settings.bucket_name) == ("us-east-1", "123456789012", "records")
    assert settings.public_url == "https://scans.example.com/base"
    assert settings.allowed_roles == (ROLE, f"{ROLE}2")
    assert (settings.queue_url, settings.topic_arn) == (START_SCAN["QUEUE_URL"], START_SCAN["TOPIC_ARN"])
    assert settings.role_external_id == "secret"


@pytest.mark.parametrize("variable", sorted(START_SCAN))
def test_a_missing_variable_is_named(variable: str) -> None:
    """The log must say which."""
    with pytest.raises(SettingsError) as caught:
        load_start_scan_settings(START_SCAN | {variable: " "})
    assert caught.value.variable == variable


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACCOUNT_ID", "1234"),
        ("PUBLIC_URL", "scans.example.com"),
        ("PUBLIC_URL", "https://scans.example.com/?x=1"),
        ("ALLOWED_ROLES", "scans"),
        ("ALLOWED_ROLES", "*"),
        ("ALLOWED_ROLES", "arn:aws:iam::21098765432*:role/scans"),
        ("ALLOWED_ROLES", "arn:aws:iam::210987654321:*"),
    ],
)
def test_a_malformed_variable_is_named(variable: str, value: str) -> None:
    """A wildcard may end the name of a role, or stand for the account; nothing else."""
    with pytest.raises(SettingsError) as caught:
        load_settings(COMMON | {variable: value})
    assert caught.value.variable == variable


@pytest.mark.parametrize(
    ("allowed", "role", "expected"),
    [
        ("", ROLE, False),
        (ROLE, ROLE, True),
        (ROLE, f"{ROLE}2", False),
        (f"{ROLE}*", f"{ROLE}2", True),
        (f"{ROLE}*", ROLE, True),
        (f"{ROLE}*", "arn:aws:iam::210987654321:role/other", False),
        (f"{ROLE}*", "arn:aws:iam::999999999999:role/scans", False),
    ],
)
def test_roles_are_allowed_by_name_or_beginning(allowed: str, role: str, expected: bool) -> None:
    """Never by anything in between."""
    assert load_settings(COMMON | {"ALLOWED_ROLES": allowed}).allows_role(role) is expected


def test_the_days_allowed() -> None:
    """Severities with days; one that is not named has no limit."""
    settings = load_summary_settings(COMMON | {"SLA_DAYS": "CRITICAL=7,HIGH=30"})
    assert settings.days_allowed == DaysAllowed({Severity.CRITICAL: 7, Severity.HIGH: 30})


@pytest.mark.parametrize("value", ["", "CRITICAL", "CRITICAL=", "CRITICAL=0", "UNDEFINED=7", "critical=7"])
def test_days_that_are_none_are_refused(value: str) -> None:
    """By the variable's name."""
    with pytest.raises(SettingsError, match="SLA_DAYS"):
        load_summary_settings(COMMON | {"SLA_DAYS": value})
