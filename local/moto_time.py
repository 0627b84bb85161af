"""Puts moto's S3, SQS and STS on the stack's virtual clock: modification times, visibility, delays, expiries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import moto.core.utils
import moto.s3.models
import moto.sqs.models
import moto.sts.models

from local.clock import Clock


@contextmanager
def on_clock(clock: Clock) -> Iterator[None]:
    """Run moto on ``clock`` for the length of a ``with``."""

    def utcnow() -> datetime:
        # moto's own helper answers naive UTC.
        return clock.now().astimezone(UTC).replace(tzinfo=None)

    with (
        patch.object(moto.s3.models, "utcnow", utcnow),
        patch.object(moto.sts.models, "utcnow", utcnow),
        patch.object(moto.sqs.models, "unix_time", clock.timestamp),
        patch.object(moto.sqs.models, "unix_time_millis", lambda: clock.timestamp() * 1000),
    ):
        yield
