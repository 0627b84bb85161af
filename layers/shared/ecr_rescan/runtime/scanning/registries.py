"""The registries of an invocation, each read with the roles of the configurations that ask for it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from ecr_rescan.adapters.backoff import Breaker, PatientClient
from ecr_rescan.adapters.credentials import EcrClients
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.health.vitals import Refusal
from ecr_rescan.core.scanning.account import SILENT, Account
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.settings import StartScanSettings

OWN_PERMISSIONS = ""
"""Stands for the function's own role, where roles are told apart."""


def roles_of(configurations: Iterable[ScanConfiguration]) -> tuple[str, ...]:
    """The roles that may read what all these configurations name, in the order to try them: our own comes last.

    Any of them will do, for each was given by somebody who asked for these very images; so a role that can't be used
    is the trouble of its configuration alone.
    """
    roles = {item.role_arn or OWN_PERMISSIONS for item in configurations}
    return (*sorted(roles - {OWN_PERMISSIONS}), *(roles & {OWN_PERMISSIONS}))


class Registries:
    """The registries that an invocation works with. Safe to use from several threads."""

    def __init__(
        self,
        settings: StartScanSettings,
        clients: EcrClients,
        seconds_left: Callable[[], float],
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``seconds_left``: how long retries may still wait; ``sleep`` and ``chance`` pace them."""
        self._settings = settings
        self._clients = clients
        self._seconds_left = seconds_left
        self._sleep = sleep
        self._chance = chance
        self._made: dict[tuple[str, str, tuple[str, ...]], Registry] = {}
        self._by_role: dict[tuple[str, str, str], PatientClient | RegistryError] = {}
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        self._lock = threading.Lock()

    def of(self, configurations: Sequence[ScanConfiguration]) -> Registry | None:
        """The registry that these configurations, all of one (registry, Region), name; None where no role can be used.

        The one choice of a role: the first of theirs that can be used, and the next where that one is denied something.
        """
        registry, region, roles = configurations[0].registry, configurations[0].region, roles_of(configurations)
        if next(self._usable(registry, region, roles), None) is None:
            return None
        key = (registry, region, roles)
        if key not in self._made:
            self._made[key] = Registry(lambda: self._usable(registry, region, roles), registry=registry, region=region)
        return self._made[key]

    def is_silent(self, region: str) -> str:
        """Why nothing more is sent to a Region; "" where it answers, or nobody has asked."""
        return self._breakers[region].reason

    def is_heard(self, region: str) -> bool:
        """Whether a Region has answered anything."""
        return self._breakers[region].heard

    def heed(self, account: Account, now: datetime) -> None:
        """Send nothing to a Region that is left alone; to one that did not answer before, one call without a reply."""
        silence = account.rests.get(SILENT)
        if silence is not None and now < silence.until:
            self._breakers[account.region].open(silence.reason)
        elif silence is not None:
            self._breakers.setdefault(account.region, Breaker(after=1))

    def problems(self, registry: str, region: str) -> dict[str, str]:
        """Why roles could not be used for a registry in a Region, by role."""
        return {
            role: f"{found.code}: {found.message}"
            for (*place, role), found in sorted(self._by_role.items())
            if place == [registry, region] and isinstance(found, RegistryError)
        }

    @property
    def calls(self) -> Counter[str]:
        """ECR calls by operation, over all registries."""
        total: Counter[str] = Counter()
        for found in self._by_role.values():
            if isinstance(found, PatientClient):
                total += found.calls
        return total

    def refusals(self, now: datetime) -> list[Refusal]:
        """What was refused to which role in this invocation."""
        return [
            Refusal(action, role, registry, region, repository, now)
            for (registry, region, role), found in sorted(self._by_role.items())
            if isinstance(found, PatientClient)
            for action, repository in sorted(found.denied)
        ]

    def _usable(self, registry: str, region: str, roles: Sequence[str]) -> Iterator[PatientClient]:
        for role in roles:
            key = (registry, region, role)
            with self._lock:
                if key not in self._by_role:
                    # A refusal is kept as well: who may not assume a role is told so once in an invocation.
                    self._by_role[key] = self._client(*key)
                found = self._by_role[key]
            if isinstance(found, PatientClient):
                yield found

    def _client(self, registry: str, region: str, role: str) -> PatientClient | RegistryError:
        role_arn = role or None
        try:
            if role_arn is not None and not self._settings.allows_role(role_arn):
                raise RegistryError("RoleNotAllowed", f"{role_arn} is not allowed", region=region, registry=registry)
            client = self._clients.client(region, role_arn)
        except RegistryError as error:
            logger.warning(
                "A role can't be used", role=role or "our own", registry=registry, region=region, error=str(error)
            )
            return error
        return PatientClient(
            client,
            own=role_arn is not None or registry == self._settings.account_id,
            sleep=self._sleep,
            chance=self._chance,
            seconds_left=self._seconds_left,
            breaker=self._breakers[region],
        )
