"""One registry adapter per (registry, Region) and invocation, with the function's permissions or an allowed role's."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ecr_rescan.adapters.credentials import EcrClients
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.runtime.settings import StartScanSettings


class Registries:
    """The registries that an invocation works with."""

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
        self._made: dict[tuple[str, str], Registry] = {}

    def of(self, configurations: Sequence[ScanConfiguration]) -> Registry:
        """The registry that these configurations, all of one (registry, Region), name.

        Raises:
            RegistryError: their role is not allowed, or can't be assumed.
        """
        place = (configurations[0].registry, configurations[0].region)
        if place not in self._made:
            self._made[place] = self._make(*place, configurations)
        return self._made[place]

    @property
    def calls(self) -> Counter[str]:
        """ECR calls by operation, over all registries."""
        total: Counter[str] = Counter()
        for registry in self._made.values():
            total += registry.calls
        return total

    def _make(self, registry: str, region: str, configurations: Sequence[ScanConfiguration]) -> Registry:
        # One role per registry and Region: two would be two opinions on the same images.
        role_arn = min((item.role_arn for item in configurations if item.role_arn), default=None)
        if role_arn is not None and not self._settings.allows_role(role_arn):
            raise RegistryError("RoleNotAllowed", f"{role_arn} is not allowed", region=region, registry=registry)
        return Registry(
            self._clients.client(region, role_arn),
            registry=registry,
            region=region,
            own=role_arn is not None or registry == self._settings.account_id,
            seconds_left=self._seconds_left,
            sleep=self._sleep,
            chance=self._chance,
        )
