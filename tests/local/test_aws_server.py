"""What the local AWS adds in front of moto, with an application in moto's place that a test can hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from local.aws_server import AwsServer, identify
from local.faults import Faults
from local.web import Request

S3 = "AWS4-HMAC-SHA256 Credential=local/20260301/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
QUERY = S3.replace("/s3/", "/sns/")


class HeldApplication:
    """Answers 200 once it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Wait, then answer."""
        self.entered.set()
        assert self.released.wait(10)
        start_response("200 OK", [("ETag", "1"), ("Connection", "close"), ("Access-Control-Allow-Origin", "*")])
        return [b"written"]


def put(path: str, **condition: str) -> Request:
    """A PUT to S3."""
    headers = [("Authorization", S3), *((name.replace("_", "-"), value) for name, value in condition.items())]
    return Request("PUT", path, headers, b"1", "127.0.0.1")


def test_conditional_writes_that_race_for_a_key_are_a_conflict() -> None:
    """The second is refused while the first is on its way, on this key alone; a write without a condition passes."""
    application = HeldApplication()
    server = AwsServer(Faults())
    server._app = application
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(server.handle(put("/b/k", If_None_Match="*")).status))
    first.start()
    assert application.entered.wait(10)
    refused = server.handle(put("/b/k", If_Match='"1"'))
    assert (refused.status, b"ConditionalRequestConflict" in refused.body) == (409, True)
    application.released.set()
    assert server.handle(put("/b/other", If_None_Match="*")).status == 200
    assert server.handle(put("/b/k")).status == 200
    first.join()
    assert answers == [200]
    assert server.handle(put("/b/k", If_Match='"1"')).status == 200


def test_the_answer_is_the_applications_without_its_connection_header() -> None:
    """How the connection goes on is the server's to say, and no web page's script may read it, as moto would let it."""
    server = AwsServer(Faults())
    application = HeldApplication()
    application.released.set()
    server._app = application
    response = server.handle(put("/b/k"))
    assert (response.headers, response.body) == ([("ETag", "1")], b"written")


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "known"),
    [
        ("GET", "/b/k", {"Authorization": S3}, b"", ("s3", "GetObject")),
        ("HEAD", "/b/k/l", {"Authorization": S3}, b"", ("s3", "HeadObject")),
        ("GET", "/b?list-type=2", {"Authorization": S3}, b"", ("s3", "ListObjectsV2")),
        ("PUT", "/b", {"Authorization": S3}, b"", ("s3", "CreateBucket")),
        ("POST", "/", {"Authorization": QUERY}, b"Action=Publish&Message=Action%3Dx", ("sns", "Publish")),
        ("POST", "/", {"Authorization": QUERY, "X-Amz-Target": "AmazonSQS.SendMessage"}, b"{}", ("sns", "SendMessage")),
        ("GET", "/", {}, b"", ("", "")),
    ],
)
def test_requests_are_identified(method: str, target: str, headers: dict[str, str], body: bytes, known: object) -> None:
    """By the signature's scope, and by what each protocol has for an operation."""
    assert identify(Request(method, target, list(headers.items()), body, "127.0.0.1")) == known
