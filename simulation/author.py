"""Who writes the configurations, by the API or by hand, and what they mean by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.keys import config_key
from simulation.plan import OTHER, ROLE
from simulation.s3 import Bucket
from simulation.scene import REGIONS
from simulation.truth import Truth, Wish


class Author:
    """Writes to the bucket, and notes in ``truth`` what stands from when on until when."""

    def __init__(self, bucket: Bucket, truth: Truth, now: Callable[[], datetime]) -> None:
        self._bucket = bucket
        self._truth = truth
        self._now = now
        self._written: dict[str, ScanConfiguration] = {}

    def write(
        self,
        number: int,
        registry: str,
        repository: Sequence[str],
        *,
        tags: Sequence[str] = (),
        newest: int | None = None,
        severity: str | None = None,
        notify: str = "HIGH",
        ignore: Sequence[str] = (),
        edited: bool = True,
        by_hand: bool = False,
    ) -> None:
        """Make a configuration, or replace it; ``by_hand``: with ``aws s3 cp``, of a file that a person wrote."""
        identity, now = self.identity(number), self._now()
        body: dict[str, object] = {
            "region": REGIONS[registry],
            "registry": registry,
            "repository": list(repository),
            "tags": list(tags),
            "newest": newest,
            "severity": severity,
            "notify": notify,
            "ignore": [{"vulnerability": pattern, "reason": "accepted"} for pattern in ignore],
            "role_arn": ROLE if registry == OTHER else None,
        }
        made = ScanConfiguration.from_wire(body, id=identity, now=now, previous=self._written.get(identity))
        self._written[identity] = made
        self._put(identity, json.dumps(body).encode() if by_hand else made.to_document())
        self._end(identity, now)
        self._truth.wishes.append(
            Wish(
                identity,
                registry,
                tuple(repository),
                tuple(tags),
                newest,
                notify,
                now,
                severity=severity,
                ignore=tuple(ignore),
                edited=edited,
            )
        )

    def write_unseen(
        self, number: int, region: str, registry: str, repository: Sequence[str], role_arn: str | None
    ) -> None:
        """Make a configuration of which nothing can be seen: its role or its Region does not answer."""
        body = {
            "region": region or REGIONS[registry],
            "registry": registry,
            "repository": list(repository),
            "role_arn": role_arn,
        }
        identity = self.identity(number)
        self._put(identity, ScanConfiguration.from_wire(body, id=identity, now=self._now()).to_document())

    def remove(self, number: int) -> None:
        """Delete a configuration."""
        identity = self.identity(number)
        self._bucket.delete_object(Bucket="bucket", Key=config_key(identity))
        self._end(identity, self._now())

    @staticmethod
    def identity(number: int) -> str:
        """The id of a configuration."""
        return f"00000000-0000-4000-8000-{number:012}"

    def _put(self, identity: str, body: bytes) -> None:
        self._bucket.put_object(Bucket="bucket", Key=config_key(identity), Body=body)

    def _end(self, identity: str, now: datetime) -> None:
        wishes = self._truth.wishes
        wishes[:] = [replace(one, until=now) if one.id == identity and one.until is None else one for one in wishes]
