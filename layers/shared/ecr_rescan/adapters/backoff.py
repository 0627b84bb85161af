"""Calls to ECR with our own retries: botocore's take LimitExceededException for a throttle, and it never is one."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from ecr_rescan.core.scanning.normalise import MAX_DETAIL, MAX_NAME, bounded

ATTEMPTS = 6
BASE_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 8.0

THROTTLES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottleException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "429",
    }
)
"""Codes of a request rate that was exceeded; ECR models none of them (Amazon ECR User Guide, common errors)."""

SILENT_AFTER = 3
"""Calls in a row that get no reply before a Region is taken not to answer."""

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})

_PASSING = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeout"})
"""Refusals that a new session, or another moment, ends."""

_SERVER_ERRORS = frozenset({"ServerException", "InternalFailure", "InternalServerError", "ServiceUnavailable"})


class CallFailedError(Exception):
    """A call that failed for good. Stays inside the adapters.

    Attributes:
        code: ECR's error code; for a connection that failed, the name of botocore's exception.
        message: ECR's own words, bounded in size.
        maybe_done: an attempt may have been carried out although its reply was no success.
        refused: ECR said no, and will probably say so again.
        is_denied: the role may not do it; another one may.
    """

    def __init__(self, code: str, message: str, *, maybe_done: bool, refused: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.maybe_done = maybe_done
        self.refused = refused
        self.is_denied = code in _DENIED


class Breaker:
    """Whether a Region answers. Once it is open, nothing more is sent there: each call would take others' seconds."""

    def __init__(self, *, after: int = SILENT_AFTER) -> None:
        """``after``: how many calls in a row must get no reply at all."""
        self._after = after
        self._lost = 0
        self.reason = ""
        self.heard = False

    def note(self, lost: str) -> None:
        """Note that a call was answered (""), or how its reply was lost."""
        self._lost = self._lost + 1 if lost else 0
        self.heard |= not lost
        if self._lost >= self._after:
            self.reason = lost

    def open(self, reason: str) -> None:
        """Send nothing from the beginning on."""
        self.reason = reason


class PatientClient:
    """A boto3 client behind retries with exponential back-off and jitter, counted attempt by attempt.

    The client itself must make one attempt per call (``total_max_attempts`` 1), or the retries multiply. Retried are
    throttles, server errors and failed connections. ``calls`` counts what was sent, by ECR's operation name;
    ``denied`` holds the (operation, repository) that the client's role was found not to be permitted.
    """

    def __init__(
        self,
        client: Any,
        *,
        own: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        seconds_left: Callable[[], float] = lambda: math.inf,
        breaker: Breaker | None = None,
    ) -> None:
        """Wrap a client.

        Args:
            client: a boto3 ECR client that makes one attempt per call.
            own: whether its credentials belong to the account whose registry is meant.
            sleep: waits for so many seconds.
            chance: answers 0 to 1, for jitter.
            seconds_left: how long there is to wait for retries.
            breaker: the Region's, shared with its other clients.
        """
        self.client = client
        self.own = own
        self.calls: Counter[str] = Counter()
        self.denied: set[tuple[str, str]] = set()
        self._sleep = sleep
        self._chance = chance
        self._seconds_left = seconds_left
        self._breaker = breaker or Breaker()
        self._lock = threading.Lock()

    def may_ask(self) -> bool:
        """Whether there is time for a call, and anybody to answer it."""
        return self._seconds_left() > 0 and not self._breaker.reason

    def call(self, operation: str, *, resend_lost: bool = True, **parameters: Any) -> dict[str, Any]:
        """Call an operation by ECR's name for it.

        Args:
            operation: such as ``DescribeImages``.
            resend_lost: whether to send again what got no reply at all, and so may have been carried out.
            parameters: as boto3 takes them.

        Raises:
            CallFailedError: refused, or still failing after the retries or at the deadline.
        """
        method: Callable[..., dict[str, Any]] = getattr(self.client, xform_name(operation))
        maybe_done = refused = False
        attempt = 1
        while True:
            if self._breaker.reason:
                raise CallFailedError("RegionSilent", self._breaker.reason, maybe_done=maybe_done)
            with self._lock:
                self.calls[operation] += 1
            try:
                reply = method(**parameters)
                self._breaker.note("")
                return reply
            except ClientError as error:
                self._breaker.note("")
                code = str(error.response.get("Error", {}).get("Code", ""))
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                message = str(error.response.get("Error", {}).get("Message", ""))
                failed_inside = status >= 500 or code in _SERVER_ERRORS
                again = failed_inside or status == 429 or code in THROTTLES
                refused = not again and code not in _PASSING
                maybe_done |= failed_inside and code not in THROTTLES
                cause: Exception = error
            except (BotoCoreError, ResponseParserError) as error:
                code, message, cause = type(error).__name__, str(error), error
                lost = isinstance(error, BotoConnectionError | HTTPClientError | ResponseParserError)
                again = lost and resend_lost
                maybe_done |= lost
                refused = not lost
                if isinstance(error, BotoConnectionError | HTTPClientError):
                    self._breaker.note(bounded(f"{code}: {message}", MAX_DETAIL))
            delay = self._delay(attempt)
            if not again or attempt == ATTEMPTS or delay >= self._seconds_left():
                raise CallFailedError(
                    bounded(code, MAX_NAME), bounded(message, MAX_DETAIL), maybe_done=maybe_done, refused=refused
                ) from cause
            self._sleep(delay)
            attempt += 1

    def _delay(self, attempt: int) -> float:
        # Half of it is chance, so that workers that were throttled together don't come back together.
        ceiling = min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2.0 ** (attempt - 1))
        return ceiling * (0.5 + 0.5 * self._chance())
