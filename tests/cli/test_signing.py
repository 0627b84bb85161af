"""Requests are signed as API Gateway wants them, whatever credentials people have."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sigv4 import Gateway, fault, make_certificate, serving
from tests.cli.terminal import run

PROJECT = Path(__file__).parent.parent.parent
REGION = "eu-west-1"
LONG_LIVED = ("AKIALONGLIVED", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = ("ASIATEMPORARY", "secret/of+a+session", "FwoGZXIvYXdzE//token+of=session")
OF_SSO = ("ASIASSO", "secret-of-sso", "token-of-sso")


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A stub that verifies, over TLS; a home without any AWS configuration."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    certificate = make_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Gateway(
        {one[0]: (one[1], one[2] if len(one) > 2 else None) for one in (LONG_LIVED, TEMPORARY, OF_SSO)}, REGION
    )
    with serving(made.answer, certificate) as url:
        made.url = f"{url}/v1"
        yield made


def listed(gateway: Gateway, *more: str) -> tuple[int, str]:
    ran = run("list", "--json", "--url", gateway.url, "--region", REGION, *more)
    return ran.code, ran.out + ran.err


def set_keys(monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...]) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    for name, value in zip(names, keys, strict=False):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("keys", [LONG_LIVED, TEMPORARY])
def test_keys_of_the_environment_sign(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...]) -> None:
    """Long-lived ones, and temporary ones with their token."""
    set_keys(monkeypatch, keys)
    assert listed(gateway) == (0, "[]\n")
    assert gateway.faults == [None]


def test_a_profile_signs(gateway: Gateway, tmp_path: Path) -> None:
    """With its Region."""
    (tmp_path / "config").write_text(f"[profile work]\nregion = {REGION}\n")
    secret = f"aws_access_key_id = {LONG_LIVED[0]}\naws_secret_access_key = {LONG_LIVED[1]}\n"
    (tmp_path / "credentials").write_text(f"[work]\n{secret}")
    ran = run("list", "--json", "--url", gateway.url, "--profile", "work")
    assert (ran.code, gateway.faults) == (0, [None]), ran
    assert run("list", "--url", gateway.url, "--profile", "other").code == 3


def logged_in(tmp_path: Path, expires: datetime) -> None:
    """What ``aws sso login`` leaves behind."""
    (tmp_path / "config").write_text(
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"
        "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n"
    )
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {"accessToken": "token-of-the-login", "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
    (cache / f"{hashlib.sha1(b'corp').hexdigest()}.json").write_text(json.dumps(token))


def in_a_shell(gateway: Gateway) -> tuple[int, str]:
    """In a process of its own: botocore looks for the home, where logins are, when it is imported."""
    command = [sys.executable, "-m", "cli", "list", "--json", "--url", gateway.url, "--region", REGION]
    ran = subprocess.run(
        [*command, "--profile", "sso"], cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, timeout=60
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_an_sso_login_signs(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the role's credentials, which the portal gives for the token of the login."""
    logged_in(tmp_path, datetime.now(UTC) + timedelta(hours=1))
    asked = []

    def portal(method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        asked.append((target.partition("?")[0], headers.get("x-amz-sso_bearer_token")))
        until = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
        names = ("accessKeyId", "secretAccessKey", "sessionToken")
        return 200, {"roleCredentials": dict(zip(names, OF_SSO, strict=True)) | {"expiration": until}}

    with serving(portal) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", url)
        assert in_a_shell(gateway) == (0, "[]\n")
    assert asked == [("/federation/credentials", "token-of-the-login")]
    assert gateway.faults == [None]


def test_an_sso_login_that_ended_says_what_to_do(gateway: Gateway, tmp_path: Path) -> None:
    """One line, and nothing is sent."""
    logged_in(tmp_path, datetime.now(UTC) - timedelta(hours=1))
    code, told = in_a_shell(gateway)
    assert (code, "aws sso login" in told, gateway.faults) == (3, True, [])


def test_without_credentials_nothing_is_sent(gateway: Gateway) -> None:
    """And the person is told how to get some."""
    code, told = listed(gateway)
    assert (code, "no AWS credentials" in told, gateway.faults) == (3, True, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("findings", "--package", "a b/*+c~é", "--repository", "team-a/*", "--json"),
        ("where", "CVE-2026-1", "--csv"),
        ("show", "x"),
    ],
)
def test_paths_and_queries_with_any_characters_are_signed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """As they are sent."""
    set_keys(monkeypatch, TEMPORARY)
    # The stub answers an empty list, whatever is asked.
    with contextlib.suppress(TypeError, AttributeError):
        run(*arguments, "--url", gateway.url, "--region", REGION)
    assert gateway.faults
    assert set(gateway.faults) == {None}


def test_a_refused_signature_is_told(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """With API Gateway's own reason."""
    set_keys(monkeypatch, (LONG_LIVED[0], "wrong"))
    code, told = listed(gateway)
    assert (code, "the signature is not of this request" in told) == (1, True)


# AWS's own test suite for signers: get-vanilla and get-vanilla-query-order-key-case.
VECTORS = [
    ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
]


@pytest.mark.parametrize(("target", "signature"), VECTORS)
def test_the_verifier_is_right(target: str, signature: str) -> None:
    """By AWS's vectors; and it refuses whatever differs from what was signed."""
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    headers = {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}",
    }
    known = {"AKIDEXAMPLE": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)}

    def verified(method: str = "GET", to: str = target, body: bytes = b"", **more: str) -> str | None:
        sent = headers | {name.replace("_", "-"): value for name, value in more.items()}
        return fault(method, to, sent, body, secrets=known, service="service", region="us-east-1")

    assert verified() is None
    assert verified(method="POST") is not None
    assert verified(to="/other") is not None
    assert verified(to="/?a=b") is not None
    assert verified(body=b"x") is not None
    assert verified(host="example.com") is not None
    assert verified(x_amz_date="20150830T123601Z") is not None
    assert verified(x_amz_security_token="x") is not None
