"""Plays the samples' script as the clock passes its days: pushes through ECR's API, findings through moto's."""

from __future__ import annotations

import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import boto3

from local.clock import Clock
from local.samples.script import Day, day
from local.samples.signals import respond
from local.template import REGION
from local.web import Request, Response


class SampleDriver:
    """Brings the registry at ``endpoint`` up to the script's current day. Not for two threads at once."""

    def __init__(self, clock: Clock, endpoint: str) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._begin = clock.now()
        self._next = 0
        self._client: Any = None

    @property
    def next_day(self) -> datetime:
        """When the next day of the script begins."""
        return self._begin + timedelta(days=self._next)

    def catch_up(self) -> None:
        """Play every day that has begun."""
        while self.next_day <= self._clock.now():
            self._play(day(self._next))
            self._next += 1

    def answer(self, request: Request) -> Response:
        """What a public source of signals says today."""
        today = (self._clock.now() - self._begin) // timedelta(days=1)
        return respond(request, today, self._begin)

    def _play(self, today: Day) -> None:
        ecr = self._ecr()
        # Results first: with scan on push, a push starts the scan that they are for.
        if today.results:
            body = json.dumps({"results": today.results, "region": REGION}).encode()
            url = f"{self._endpoint}/moto-api/static/ecr/scan-finding-results"
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=30).close()
        for repository in today.repositories:
            ecr.create_repository(repositoryName=repository)
        for repository, pushed in today.pushes:
            tag = {"imageTag": pushed.tag} if pushed.tag else {}
            ecr.put_image(repositoryName=repository, imageManifest=pushed.manifest, **tag)

    def _ecr(self) -> Any:
        if self._client is None:
            self._client = boto3.client(
                "ecr",
                region_name=REGION,
                endpoint_url=self._endpoint,
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
        return self._client
