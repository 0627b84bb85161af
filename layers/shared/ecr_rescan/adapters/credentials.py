"""AWS STS: the roles that other accounts' images are read with, and the ECR clients that use them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import RegistryError

REFRESH_BEFORE = timedelta(minutes=5)
"""How long before its end a session is replaced, so that no call is signed with one that is about to expire."""
SESSION_NAME = "ecr-rescan"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The temporary credentials of an assumed role; the secret parts are not in its repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime


class AssumedRoles:
    """Sessions of roles, one per role, kept until five minutes before they end. Safe to use from several threads."""

    def __init__(self, client: Any, *, external_id: str, now: Callable[[], datetime]) -> None:
        """Wrap a boto3 STS client. ``external_id`` may be empty: then none is sent. ``now`` gives aware UTC."""
        self._client = client
        self._external_id = external_id
        self._now = now
        self._sessions: dict[str, Credentials] = {}
        self._lock = threading.Lock()

    def credentials(self, role_arn: str) -> Credentials:
        """Credentials of the role that are good for five minutes at least.

        Raises:
            RegistryError: STS refused or failed.
        """
        with self._lock:
            latest = self._now() + REFRESH_BEFORE
            self._sessions = {role: held for role, held in self._sessions.items() if held.expires_at > latest}
            if role_arn not in self._sessions:
                self._sessions[role_arn] = self._assume(role_arn)
            return self._sessions[role_arn]

    def _assume(self, role_arn: str) -> Credentials:
        external_id = {"ExternalId": self._external_id} if self._external_id else {}
        try:
            reply = self._client.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME, **external_id)
        except ClientError as error:
            code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            raise self._error(role_arn, code, message) from error
        except BotoCoreError as error:
            raise self._error(role_arn, type(error).__name__, str(error)) from error
        sent = reply["Credentials"]
        return Credentials(sent["AccessKeyId"], sent["SecretAccessKey"], sent["SessionToken"], sent["Expiration"])

    def _error(self, role_arn: str, code: str, message: str) -> RegistryError:
        account = role_arn.split(":")[4] if role_arn.count(":") >= 5 else ""
        return RegistryError(code, message, region=self._client.meta.region_name, registry=account)


class EcrClients:
    """ECR clients, one per role and Region, replaced when the role's session is. Safe to use from several threads."""

    def __init__(
        self,
        make: Callable[[str, Credentials | None], Any],
        roles: AssumedRoles,
        *,
        capacity: int = 64,
    ) -> None:
        """Keep the ``capacity`` clients that were used last; ``make`` makes one for a Region and credentials."""
        self._make = make
        self._roles = roles
        self._capacity = capacity
        self._clients: OrderedDict[tuple[str, str], tuple[Credentials | None, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def client(self, region: str, role_arn: str | None) -> Any:
        """The client of a Region, with the function's own permissions (None) or a role's.

        Raises:
            RegistryError: the role could not be assumed, or there is no client for such a Region.
        """
        credentials = self._roles.credentials(role_arn) if role_arn else None
        key = (role_arn or "", region)
        with self._lock:
            held = self._clients.pop(key, None)
            if held is None or held[0] != credentials:
                held = (credentials, self._made(region, credentials))
            self._clients[key] = held
            while len(self._clients) > self._capacity:
                self._clients.popitem(last=False)
            return held[1]

    def _made(self, region: str, credentials: Credentials | None) -> Any:
        try:
            return self._make(region, credentials)
        except (BotoCoreError, ValueError) as error:
            # botocore refuses a Region's name that can't be part of a host name.
            raise RegistryError(type(error).__name__, str(error), region=region, registry="") from error
