"""Amazon SNS: the topic that messages to people and chats are published to, within SNS's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.normalise import encodable

MAX_BYTES = 256 * 1024
"""Of a message with all its variants and attributes (SNS API reference, Publish)."""
MAX_SUBJECT = 99
MAX_ATTRIBUTES = 10
"""What a subscribed queue with raw delivery takes; SNS drops messages with more (SNS Developer Guide)."""

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class Topic:
    """The topic of the deployment."""

    def __init__(self, client: Any, arn: str) -> None:
        """Wrap a boto3 SNS client and the topic's ARN."""
        self._client = client
        self._arn = arn

    def publish(
        self,
        subject: str,
        text: str,
        *,
        variants: Mapping[str, str] | None = None,
        attributes: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        """Publish a message.

        Args:
            subject: for mails; reduced to what SNS takes.
            text: for every subscriber without a variant; cut by lines, saying how many, where SNS's limit needs it.
            variants: by protocol (``https``, ``sqs``, …), sent as they are.
            attributes: for subscribers' filters, ten at most; empty ones are left out, for SNS refuses them.

        Raises:
            MessageError: SNS refused or failed; ``MessageTooLarge`` where the variants and attributes alone are too
                large.
            ValueError: more than ten attributes.
        """
        typed = _typed(attributes or {})
        if len(typed) > MAX_ATTRIBUTES:
            raise ValueError(f"{len(typed)} attributes are more than {MAX_ATTRIBUTES}")
        room = MAX_BYTES - sum(
            len(part.encode()) for name, item in typed.items() for part in (name, item["DataType"], item["StringValue"])
        )
        message = _fitted(encodable(text), variants or {}, room)
        if message is None:
            raise MessageError(self._name, "MessageTooLarge")
        structure = {"MessageStructure": "json"} if variants else {}
        try:
            self._client.publish(
                TopicArn=self._arn,
                Subject=ascii_subject(subject),
                Message=message,
                MessageAttributes=typed,
                **structure,
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
    words = _UNPRINTABLE.sub(lambda gap: " " if gap[0].isspace() else "?", text)
    words = " ".join(words.split()) or "ecr-rescan"
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


def _fitted(text: str, variants: Mapping[str, str], room: int) -> str | None:
    """The message in at most ``room`` bytes, its text cut by lines; None where no text would fit."""
    keep = len(text.encode())
    while True:
        message = _message(_cut(text, keep), variants)
        excess = len(message.encode()) - room
        if excess <= 0:
            return message
        if keep <= 0:
            return None
        # A byte of text takes one or, escaped in JSON, two: a few rounds do, and little is cut in vain.
        keep -= excess


def _message(text: str, variants: Mapping[str, str]) -> str:
    if not variants:
        return text
    forms = {"default": text} | {protocol: encodable(form) for protocol, form in variants.items()}
    return json.dumps(forms, ensure_ascii=False)


def _cut(text: str, size: int) -> str:
    """The text's first ``size`` bytes, up to a whole line where there is one, and how many lines were left out."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    start = encoded[: max(size, 0)].decode(errors="ignore")
    kept = start.rpartition("\n")[0] or start
    left_out = text.count("\n") - kept.count("\n")
    return f"{kept}\n… and {left_out} more lines" if left_out else f"{kept}…"
