"""Where the API is, and who calls it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import click

from cli.errors import UsageError

LOCAL_URL = "http://127.0.0.1:3000"
LOCAL_REGISTRY = "123456789012"
LOCAL_REGION = "us-east-1"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_API_HOST = re.compile(r"[a-z0-9]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?", re.ASCII)


@dataclass
class Connection:
    """As the options say. Everything that needs AWS is looked up when it is first asked for."""

    url: str | None = None
    stack: str | None = None
    local: bool = False
    profile: str | None = None
    region: str | None = None
    _outputs: dict[str, str] = field(default_factory=dict)

    @cached_property
    def base_url(self) -> str:
        """The API's URL without a slash at its end; UsageError where nobody said it."""
        if self.local:
            return LOCAL_URL
        url = self.url or (self._stack()["ApiUrl"] if self.stack else os.environ.get("ECR_RESCAN_URL"))
        if not url:
            raise UsageError("where is the API? Give --url, --stack or --local, or set ECR_RESCAN_URL")
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"{url!r} is no URL of an API, such as https://….amazonaws.com/v1")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise UsageError(f"{url!r} is not https; only a local stack is called without")
        return url.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether it is a stack on this machine, which checks no signatures."""
        return self.base_url.startswith("http://")

    @cached_property
    def session(self) -> Any:
        """botocore's session, with its chain of credentials: environment, profiles, SSO, roles, instances."""
        import botocore.session
        from botocore.exceptions import ProfileNotFound

        session = botocore.session.Session(profile=self.profile)
        try:
            session.get_config_variable("region")
        except ProfileNotFound as error:
            raise UsageError(f"{error}; see ~/.aws/config") from error
        return session

    @cached_property
    def credentials(self) -> Any:
        """Credentials that renew themselves; UsageError where there are none."""
        from botocore.exceptions import BotoCoreError

        try:
            found = self.session.get_credentials()
            if found is not None:
                found.get_frozen_credentials()
        except BotoCoreError as error:
            raise UsageError(f"the AWS credentials can't be used: {error}. With SSO: aws sso login") from error
        if found is None:
            raise UsageError("no AWS credentials: give --profile, log in (aws sso login), or set AWS_ACCESS_KEY_ID")
        return found

    @cached_property
    def signing_region(self) -> str:
        """The Region that requests are signed for: the API's own."""
        found = _API_HOST.fullmatch(urlsplit(self.base_url).hostname or "")
        region = found[1] if found else self.region or self.session.get_config_variable("region")
        if not region:
            raise UsageError("for which Region is the API? Give --region")
        return str(region)

    def default_registry(self) -> str:
        """The account whose images are meant where nobody says: the caller's own."""
        if self.is_local:
            return LOCAL_REGISTRY
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self.session.create_client("sts", region_name=self.signing_region)
            return str(client.get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise UsageError(f"whose images? Give --registry ({error})") from error

    def default_region(self) -> str:
        """Where the images are where nobody says: beside the API."""
        return LOCAL_REGION if self.is_local else self.signing_region

    def _stack(self) -> dict[str, str]:
        if not self._outputs:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                client = self.session.create_client("cloudformation", region_name=self.region)
                (found,) = client.describe_stacks(StackName=self.stack)["Stacks"]
            except (BotoCoreError, ClientError) as error:
                raise UsageError(f"stack {self.stack} can't be read: {error}") from error
            self._outputs |= {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
            if "ApiUrl" not in self._outputs:
                raise UsageError(f"stack {self.stack} has no output ApiUrl; is it one of ecr-rescan's?")
        return self._outputs

    def stack_output(self, name: str) -> str | None:
        """An output of the stack, where one was named."""
        return self._stack().get(name) if self.stack else None


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    connection = context.find_root().ensure_object(Connection)
    if value is not None and value is not False:
        setattr(connection, parameter.name or "", value)


def options() -> list[click.Option]:
    """The options of every command, before or after its name."""

    def made(*names: str, **more: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, **more)

    return [
        made("--url", metavar="URL", help="The API's base URL (or ECR_RESCAN_URL)."),
        made("--stack", metavar="NAME", help="Take the URL from this CloudFormation stack."),
        made("--local", is_flag=True, help=f"The stack of `make run`, at {LOCAL_URL}, unsigned."),
        made("--profile", metavar="NAME", help="The AWS profile to sign with."),
        made("--region", metavar="REGION", help="The Region of the API or stack, where its URL doesn't tell."),
    ]
