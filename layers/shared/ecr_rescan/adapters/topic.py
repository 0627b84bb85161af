"""Amazon SNS: the topic that messages to people, machines and chats are published to."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.scanning.normalise import encodable
from ecr_rescan.core.telling.ascii import readable_ascii
from ecr_rescan.core.telling.message_forms import Message

MAX_SUBJECT = 99
MAX_ATTRIBUTES = 10
"""What a subscribed queue with raw delivery takes; SNS drops messages with more (SNS Developer Guide)."""


PAUSE_SECONDS = 0.6
"""Between two messages of one process. Three processes at most publish at once, so five a second at most in all; SNS
suspends a mail address that is sent more than ten a second (Amazon SNS endpoints and quotas)."""


class Topic:
    """The topic of the deployment."""

    def __init__(
        self,
        client: Any,
        arn: str,
        *,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wrap a boto3 SNS client and the topic's ARN; ``seconds`` and ``sleep`` pace the messages."""
        self._client = client
        self._arn = arn
        self._seconds = seconds
        self._sleep = sleep
        self._last = -math.inf
        self.seconds_left: Callable[[], float] = lambda: math.inf
        """How long there is for pauses in this invocation."""

    def publish(self, message: Message) -> None:
        """Publish a message: each subscriber gets the form of its protocol, or else ``default``.

        The subject is reduced to what SNS takes; empty attributes, which SNS refuses, are left out.

        Raises:
            MessageError: SNS refused or failed, or there is no time left to keep the pace.
            ValueError: more than ten attributes.
        """
        attributes = _typed(message.attributes)
        if len(attributes) > MAX_ATTRIBUTES:
            raise ValueError(f"{len(attributes)} attributes are more than {MAX_ATTRIBUTES}")
        self._pace()
        forms = {protocol: encodable(form) for protocol, form in message.forms.items()}
        self._call(
            "publish",
            Subject=ascii_subject(message.subject),
            MessageStructure="json",
            Message=json.dumps(forms, ensure_ascii=False),
            MessageAttributes=attributes,
        )

    def subscriptions(self) -> tuple[int, int]:
        """How many subscriptions are confirmed, and how many are not (SNS API reference, GetTopicAttributes).

        Raises:
            MessageError: SNS could not be asked.
        """
        told = self._call("get_topic_attributes")["Attributes"]
        return int(told["SubscriptionsConfirmed"]), int(told["SubscriptionsPending"])

    def _pace(self) -> None:
        wait = self._last + PAUSE_SECONDS - self._seconds()
        if wait > 0:
            if wait >= self.seconds_left():
                raise MessageError(self._name, "NoTimeLeft")
            self._sleep(wait)
        self._last = self._seconds()

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(TopicArn=self._arn, **parameters)
        except ClientError as error:
            raise MessageError(self._name, error.response["Error"].get("Code", "")) from error
        except BotoCoreError as error:
            raise MessageError(self._name, type(error).__name__) from error

    @property
    def _name(self) -> str:
        return self._arn.rpartition(":")[2]


def ascii_subject(text: str) -> str:
    """A subject as SNS takes it: ASCII without control characters, below 100 characters, not blank."""
    words = readable_ascii(text) or "ecr-rescan"
    return words if len(words) <= MAX_SUBJECT else words[: MAX_SUBJECT - 3] + "..."


def _typed(attributes: Mapping[str, str | Sequence[str]]) -> dict[str, dict[str, str]]:
    typed = {}
    for name, value in attributes.items():
        if isinstance(value, str):
            kind, text = "String", encodable(value)
        else:
            present = [encodable(item) for item in value if item]
            kind, text = "String.Array", json.dumps(present, ensure_ascii=False) if present else ""
        if text:
            typed[name] = {"DataType": kind, "StringValue": text}
    return typed
