"""Amazon SNS: the topic that messages to people, machines and chats are published to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.scanning.normalise import encodable
from ecr_rescan.core.telling.ascii import readable_ascii
from ecr_rescan.core.telling.message_forms import Message

MAX_SUBJECT = 99
MAX_ATTRIBUTES = 10
"""What a subscribed queue with raw delivery takes; SNS drops messages with more (SNS Developer Guide)."""


class Topic:
    """The topic of the deployment."""

    def __init__(self, client: Any, arn: str) -> None:
        """Wrap a boto3 SNS client and the topic's ARN."""
        self._client = client
        self._arn = arn

    def publish(self, message: Message) -> None:
        """Publish a message: each subscriber gets the form of its protocol, or else ``default``.

        The subject is reduced to what SNS takes; empty attributes, which SNS refuses, are left out.

        Raises:
            MessageError: SNS refused or failed.
            ValueError: more than ten attributes.
        """
        attributes = _typed(message.attributes)
        if len(attributes) > MAX_ATTRIBUTES:
            raise ValueError(f"{len(attributes)} attributes are more than {MAX_ATTRIBUTES}")
        forms = {protocol: encodable(form) for protocol, form in message.forms.items()}
        try:
            self._client.publish(
                TopicArn=self._arn,
                Subject=ascii_subject(message.subject),
                MessageStructure="json",
                Message=json.dumps(forms, ensure_ascii=False),
                MessageAttributes=attributes,
            )
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
