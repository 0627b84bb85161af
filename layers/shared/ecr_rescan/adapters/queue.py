"""Amazon SQS: the events queue, as far as the service asks itself for results and sees how far behind it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.scanning.events import ResultAsked, ask_message

MESSAGES_PER_BATCH = 10
"""The most messages of one SendMessageBatch (SQS API reference)."""


class EventsQueue:
    """The queue that events and the service's own asks come through."""

    def __init__(self, client: Any, url: str, dead_letters_url: str = "") -> None:
        """Wrap a boto3 SQS client, the queue's URL, and that of the queue for dead letters."""
        self._client = client
        self._url = url
        self._dead_letters_url = dead_letters_url

    def ask(self, asks: Iterable[ResultAsked]) -> list[ResultAsked]:
        """Ask for results; the asks that SQS did not take are returned, in their order.

        Raises:
            MessageError: a whole batch failed. Asks before it were sent; asking twice does no harm.
        """
        waiting = list(asks)
        refused = []
        for start in range(0, len(waiting), MESSAGES_PER_BATCH):
            batch = waiting[start : start + MESSAGES_PER_BATCH]
            reply = self._call(
                "send_message_batch",
                Entries=[{"Id": str(number), "MessageBody": ask_message(ask)} for number, ask in enumerate(batch)],
            )
            failed = {entry["Id"] for entry in reply.get("Failed", ())}
            refused += [ask for number, ask in enumerate(batch) if str(number) in failed]
        return refused

    def backlog(self) -> int:
        """About how many messages wait to be received (SQS API reference, ApproximateNumberOfMessages).

        Raises:
            MessageError: SQS could not be asked.
        """
        return self._waiting(self._url)

    def dead_letters(self) -> int:
        """About how many messages were given up; raises as ``backlog`` does."""
        return self._waiting(self._dead_letters_url)

    def retry(self, receipts: Sequence[tuple[str, int]]) -> None:
        """Show failed messages again, after so many seconds each, and not after the queue's own time.

        Raises:
            MessageError: a whole batch could not be changed: those messages come when the queue's own time is over.
        """
        for start in range(0, len(receipts), MESSAGES_PER_BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                for number, (receipt, seconds) in enumerate(receipts[start : start + MESSAGES_PER_BATCH])
            ]
            self._call("change_message_visibility_batch", Entries=entries)

    def _waiting(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        return int(self._call("get_queue_attributes", url, AttributeNames=[name])["Attributes"][name])

    def _call(self, operation: str, url: str | None = None, **parameters: Any) -> Any:
        url = url or self._url
        name = url.rpartition("/")[2]
        try:
            return getattr(self._client, operation)(QueueUrl=url, **parameters)
        except ClientError as error:
            raise MessageError(name, error.response["Error"].get("Code", "")) from error
        except BotoCoreError as error:
            raise MessageError(name, type(error).__name__) from error
