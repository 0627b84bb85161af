"""Lambda's event source mapping: receives messages, wakes the function with batches, deletes what it has done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.template import REGION
from local.wiring import QueueSource

# What SQS gives out at once, and the longest it hides a message.
RECEIVE_AT_MOST = 10
LONGEST_VISIBILITY = 43200


class QueuePoller:
    """Serves one queue.

    Args:
        source: the mapping, from the template.
        sqs: a boto3 client.
        url: the queue's URL.
        invoke: takes the function's event; answers what the function answers, or raises.
        visibility: how long a received message stays hidden, in virtual seconds.
    """

    def __init__(
        self, source: QueueSource, sqs: Any, url: str, invoke: Callable[[dict[str, Any]], Any], visibility: int
    ) -> None:
        self._source = source
        self._sqs = sqs
        self._url = url
        self._invoke = invoke
        self._visibility = min(visibility, LONGEST_VISIBILITY)

    def poll(self) -> tuple[int, list[str]]:
        """Serve one batch.

        Returns:
            How many messages it had, and the receipt handles of those that failed: hidden until ``release``.
        """
        messages = self._receive()
        if not messages:
            return 0, []
        failed = self._failed(messages)
        done = [message for message in messages if message["MessageId"] not in failed]
        for entries in _tens([{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(done)]):
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return len(messages), [m["ReceiptHandle"] for m in messages if m["MessageId"] in failed]

    def release(self, receipts: list[str], seconds: float = 0) -> None:
        """Make failed messages visible again after ``seconds`` of virtual time."""
        hidden = min(int(seconds), LONGEST_VISIBILITY)
        entries = [
            {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": hidden} for i, handle in enumerate(receipts)
        ]
        for some in _tens(entries):
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=some)

    def _receive(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while (room := self._source.batch_size - len(messages)) > 0:
            got = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(room, RECEIVE_AT_MOST),
                VisibilityTimeout=self._visibility,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not got:
                break
            messages += got
        return messages

    def _failed(self, messages: list[dict[str, Any]]) -> set[str]:
        every = {message["MessageId"] for message in messages}
        try:
            answer = self._invoke({"Records": [self._record(message) for message in messages]})
        except Exception:
            return every
        if not self._source.reports_failures or not answer:
            return set()
        try:
            failed = {item["itemIdentifier"] for item in answer.get("batchItemFailures") or []}
        except (AttributeError, KeyError, TypeError):
            return every
        # Lambda: an id that is not of this batch, or an empty one, fails the whole batch.
        return failed if failed <= every else every

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        attributes = {
            name: {
                "dataType": value["DataType"],
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source.queue,
            "awsRegion": REGION,
        }


def _tens(entries: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [entries[begin : begin + 10] for begin in range(0, len(entries), 10)]
