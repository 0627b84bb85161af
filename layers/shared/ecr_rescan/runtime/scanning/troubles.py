"""What could not be told yet, each configuration's by itself: it stops no other's, and a later tick tries again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import EcrRescanError
from ecr_rescan.runtime.observability import logger


class Troubles:
    """Of one tick. ``count`` says how many there were."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, configuration: ScanConfiguration | None, error: EcrRescanError) -> None:
        """Log a trouble; None where it is no configuration's."""
        self.count += 1
        config_id = configuration.id if configuration else None
        logger.warning("A notice could not be sent yet", configuration=config_id, error=str(error))

    @contextmanager
    def of(self, configuration: ScanConfiguration | None) -> Iterator[None]:
        """For the length of a ``with``: what goes wrong there is told and goes no further."""
        try:
            yield
        except EcrRescanError as error:
            self.tell(configuration, error)
