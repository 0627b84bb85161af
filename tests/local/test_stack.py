"""The stack on a small template: front, functions, schedule, rules and queue, over real HTTP and in real processes."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.faults import Fault
from local.samples.images import image
from local.stack import LocalStack

TEMPLATE = Path(__file__).parent / "project" / "template.yaml"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """One stack for all tests here; its functions answer what they see."""
    with LocalStack(
        template=TEMPLATE, manual=True, start=START, integration_seconds=1.5, log=lambda line: None
    ) as running:
        yield running


@pytest.fixture
def aws(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack without anything that an earlier test left behind."""
    yield stack
    stack.faults.clear()
    stack.advance(hours=2)
    stack.drain()
    for item in stack.s3.list_objects_v2(Bucket=stack.bucket).get("Contents", []):
        stack.s3.delete_object(Bucket=stack.bucket, Key=item["Key"])


def ask(aws: LocalStack, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
    """One request to the front; the response and its body, as they came."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def seen(aws: LocalStack, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """What the echoing function saw of a request."""
    response, answer = ask(aws, method, path, body, **headers)
    assert response.status == 200
    content: dict[str, Any] = json.loads(answer)
    return content


def push(aws: LocalStack, repository: str) -> str:
    """A repository with one image; its digest."""
    aws.ecr.create_repository(repositoryName=repository)
    answer = aws.ecr.put_image(repositoryName=repository, imageTag="1", imageManifest=image(repository).manifest)
    digest: str = answer["image"]["imageId"]["imageDigest"]
    return digest


def stored(aws: LocalStack) -> list[dict[str, Any]]:
    """The records that the worker put into the bucket."""
    keys = [item["Key"] for item in aws.s3.list_objects_v2(Bucket=aws.bucket).get("Contents", [])]
    return [json.loads(aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read()) for key in keys]


# ---- The front ----


def test_a_request_becomes_a_proxy_event(aws):
    """Path parameters decoded, several values kept, our own proto whatever the client says."""
    event = seen(aws, "/echo/a%20b%2Fc?x=1&x=2&y=", "POST", b'{"k": "\xc3\xa9"}', X_Forwarded_Proto="https", A="b")[
        "event"
    ]
    assert (event["httpMethod"], event["resource"], event["path"]) == ("POST", "/echo/{name}", "/echo/a b/c")
    assert event["pathParameters"] == {"name": "a b/c"}
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert (event["body"], event["isBase64Encoded"]) == ('{"k": "é"}', False)
    assert event["headers"]["X-Forwarded-Proto"] == "http"
    assert event["multiValueHeaders"]["A"] == ["b"]
    context = event["requestContext"]
    assert (context["resourcePath"], context["stage"], context["accountId"]) == ("/echo/{name}", "v1", "123456789012")
    assert context["domainName"] == urlsplit(aws.url).netloc
    assert context["path"] == "/echo/a b/c"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestTimeEpoch"] == int(aws.clock.now().timestamp() * 1000)


def test_nothing_asked_is_null_in_the_event(aws):
    """Not empty: as API Gateway sends it."""
    event = seen(aws, "/echo")["event"]
    assert [event[name] for name in ("queryStringParameters", "pathParameters", "body")] == [None, None, None]


def test_a_trailing_slash_reaches_the_same_resource(aws):
    """And the function sees the path as it was asked."""
    event = seen(aws, "/echo/")["event"]
    assert (event["resource"], event["path"]) == ("/echo", "/echo/")


def test_a_literal_path_goes_before_a_parameter(aws):
    """In whatever order the template has them; a method that the literal does not have goes to the other."""
    assert seen(aws, "/echo/fixed")["event"]["resource"] == "/echo/fixed"


@pytest.mark.parametrize("path", ["/", "/nope", "/echo/a/b", "/v1/echo"])
def test_an_undeclared_path_is_403(aws, path):
    """Missing Authentication Token, as API Gateway words it."""
    response, body = ask(aws, "GET", path)
    assert (response.status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})


@pytest.mark.parametrize(
    ("do", "status"),
    [("raise", 502), ("die", 502), ("nonsense", 502), (f"large:{6 * 1024 * 1024}", 502), ("sleep:2", 504)],
)
def test_a_function_in_trouble_is_a_bad_gateway(aws, do, status):
    """An exception, a crash, a malformed answer, more than 6 MB; too late is a time-out. The next event is served."""
    response, body = ask(aws, "GET", f"/echo?do={do}")
    assert response.status == status
    assert json.loads(body)["message"] in ("Internal server error", "Endpoint request timed out")
    assert seen(aws, "/echo")["layer"] == "shared"


def test_large_answers_pass_up_to_6_mb(aws):
    """And arrive whole."""
    response, body = ask(aws, "GET", f"/echo?do=large:{5 * 1024 * 1024}")
    assert (response.status, len(body)) == (200, 5 * 1024 * 1024)


def test_large_requests_pass_up_to_10_mb(aws):
    """One byte more is 413."""
    most = 10 * 1024 * 1024
    assert ask(aws, "POST", "/echo?do=cookies", b"x" * most)[0].status == 200
    assert ask(aws, "POST", "/echo?do=cookies", b"x" * (most + 1))[0].status == 413


def test_www_authenticate_is_remapped(aws):
    """So a browser never asks for a password; a length that the function gives is not believed either."""
    response, body = ask(aws, "GET", "/echo?do=refuse")
    assert (response.status, body) == (401, b"no")
    assert response.headers["WWW-Authenticate"] is None
    assert response.headers["x-amzn-Remapped-WWW-Authenticate"] == "Basic"
    assert response.headers["Content-Length"] == "2"


def test_headers_may_have_several_values(aws):
    """Each on a line of its own."""
    assert ask(aws, "GET", "/echo?do=cookies")[0].headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_answers_are_compressed_from_the_templates_size_on(aws):
    """When the client accepts it."""
    response, body = ask(aws, "GET", "/echo?do=large:1024", Accept_Encoding="br, gzip;q=0.8")
    assert (response.headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", b"x" * 1024)
    for path, accepted in (("/echo?do=large:1023", "gzip"), ("/echo?do=large:1024", "identity")):
        assert ask(aws, "GET", path, Accept_Encoding=accepted)[0].headers["Content-Encoding"] is None


def test_base64_is_passed_on_where_no_binary_media_type_matches(aws):
    """The trap of returning bytes."""
    assert ask(aws, "GET", "/echo?do=binary")[1] == b"AP8="


def test_head_and_304_have_no_body_and_keep_the_connection(aws):
    """One connection serves them all."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=20)
    for method, path, status in (("HEAD", "/echo", 200), ("GET", "/echo?do=unchanged", 304), ("GET", "/echo", 200)):
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        assert (response.status, bool(body)) == (status, method == "GET" and status == 200)
        assert response.headers["Connection"] is None
    connection.close()


# ---- The functions ----


def test_a_function_sees_its_own_environment_and_its_layer_alone(aws, monkeypatch):
    """Nothing of the machine, nothing of another function, nothing of the project."""
    world = seen(aws, "/echo")
    environment = world["environment"]
    assert environment["BUCKET_NAME"] == aws.bucket
    assert not {"QUEUE_URL", "HOME", "PYTEST_CURRENT_TEST"} & environment.keys()
    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == world["function"] == "ecr-rescan-Echo"
    assert (world["layer"], world["sees_project"], world["memory"]) == ("shared", False, "256")
    assert 0 < world["remaining"] <= 5000


def test_a_tick_is_a_scheduled_event_in_virtual_time(aws):
    """And what the function publishes can be read."""
    aws.advance(hours=1)
    (answer,) = aws.tick()
    assert answer == {"time": aws.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert (aws.published[-1].subject, aws.published[-1].body) == ("tick", answer["time"])


def test_one_stack_runs_at_a_time(aws):
    """moto's state belongs to the process: a second stack would empty the first."""
    with pytest.raises(RuntimeError, match="another stack"), LocalStack(template=TEMPLATE, manual=True):
        pass


# ---- Rules and queue ----


def test_events_reach_the_function_through_rule_and_queue(aws):
    """A push at once, a completion when the scan has ended, with what SQS says about a message."""
    digest = push(aws, "queue/one")
    assert aws.drain() == 1
    aws.ecr.start_image_scan(repositoryName="queue/one", imageId={"imageDigest": digest})
    assert aws.drain() == 0
    aws.advance(minutes=2)
    assert aws.drain() == 1
    records = stored(aws)
    kinds = sorted(json.loads(record["body"])["detail-type"] for record in records)
    assert kinds == ["ECR Image Action", "ECR Image Scan"]
    assert records[0]["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:ecr-rescan-Queue"
    assert records[0]["attributes"]["ApproximateReceiveCount"] == "1"
    assert int(records[0]["attributes"]["SentTimestamp"]) >= START.timestamp() * 1000


def test_what_no_rule_matches_is_dropped(aws):
    """The template's rules take pushes, not deletions."""
    push(aws, "queue/two")
    aws.drain()
    aws.ecr.batch_delete_image(repositoryName="queue/two", imageIds=[{"imageTag": "1"}])
    assert aws.drain() == 0


def test_only_failed_messages_come_again_and_then_go_to_the_dead_letters(aws):
    """After as many tries as the template says."""
    queue = f"{aws.endpoint}/123456789012/ecr-rescan-Queue"
    for body in ("good", "fail", "good"):
        aws.sqs.send_message(QueueUrl=queue, MessageBody=body)

    def later() -> int:
        aws.advance(seconds=1)
        return aws.drain()

    assert [later() for _ in range(4)] == [3, 1, 0, 0]
    assert [record["body"] for record in stored(aws)] == ["good", "good"]
    (dead,) = aws.sqs.receive_message(QueueUrl=f"{aws.endpoint}/123456789012/ecr-rescan-Dead")["Messages"]
    assert dead["Body"] == "fail"


def test_batches_are_as_large_as_the_template_says(aws):
    """More than SQS gives out at once."""
    queue = f"{aws.endpoint}/123456789012/ecr-rescan-Queue"
    for number in range(25):
        aws.sqs.send_message(QueueUrl=queue, MessageBody=str(number))
    (poller,) = aws._pollers
    assert [poller.poll()[0] for _ in range(3)] == [20, 5, 0]


def test_a_delayed_message_waits_on_the_virtual_clock(aws):
    """SQS keeps the stack's time, not the machine's."""
    queue = f"{aws.endpoint}/123456789012/ecr-rescan-Queue"
    aws.sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=900)
    aws.advance(minutes=14)
    assert aws.drain() == 0
    aws.advance(minutes=2)
    assert aws.drain() == 1


@pytest.mark.parametrize(("effect", "now", "later"), [("lose", 0, 0), ("double", 2, 0), ("delay", 0, 1)])
def test_events_are_lost_doubled_or_delayed_on_request(aws, effect, now, later):
    """Best effort, at least once, out of order."""
    aws.faults.add(Fault("events", "ECR Image Action", effect, seconds=3600, times=1))
    push(aws, f"faulty/{effect}")
    assert aws.drain() == now
    aws.advance(hours=2)
    assert aws.drain() == later


# ---- The local AWS ----


def error_of(call: Any) -> tuple[int, str]:
    """Status and code of the error that a call must raise."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_s3_compares_and_swaps(aws):
    """412 for another version or a key that is there, 404 for one that went away."""

    def put(**condition: str) -> Any:
        return aws.s3.put_object(Bucket=aws.bucket, Key="k", Body=b"1", **condition)

    assert error_of(lambda: put(IfMatch='"0"')) == (404, "NoSuchKey")
    etag = put(IfNoneMatch="*")["ETag"]
    assert error_of(lambda: put(IfNoneMatch="*")) == (412, "PreconditionFailed")
    assert error_of(lambda: put(IfMatch='"0"')) == (412, "PreconditionFailed")
    put(IfMatch=etag)


def test_a_missing_key_is_403_without_the_right_to_list(aws):
    """A switch: moto alone would say 404 for everybody."""
    get = lambda: aws.s3.get_object(Bucket=aws.bucket, Key="none")  # noqa: E731
    head = lambda: aws.s3.head_object(Bucket=aws.bucket, Key="none")  # noqa: E731
    assert error_of(get) == (404, "NoSuchKey")
    aws.faults.hides_missing_keys = True
    assert (error_of(get), error_of(head)) == ((403, "AccessDenied"), (403, "403"))


@pytest.mark.parametrize(
    ("service", "operation", "effect", "answer"),
    [
        ("s3", "GetObject", "throttle", (503, "SlowDown")),
        ("s3", "List*", "error", (500, "InternalError")),
        ("sqs", "SendMessage", "throttle", (400, "ThrottlingException")),
        ("sns", "Publish", "error", (500, "InternalFailure")),
        ("sts", "*", "throttle", (400, "ThrottlingException")),
        ("ecr", "ListImages", "throttle", (400, "ThrottlingException")),
        ("ecr", "GetRegistryScanningConfiguration", "error", (500, "ServerException")),
    ],
)
def test_calls_fail_on_request_and_then_work_again(aws, service, operation, effect, answer):
    """By service and operation, as often as asked."""
    queue = f"{aws.endpoint}/123456789012/ecr-rescan-Queue"
    calls = {
        "GetObject": lambda: aws.s3.get_object(Bucket=aws.bucket, Key="k"),
        "List*": lambda: aws.s3.list_objects_v2(Bucket=aws.bucket),
        "SendMessage": lambda: aws.sqs.send_message(QueueUrl=queue, MessageBody="x"),
        "Publish": lambda: aws.client("sns").publish(
            TopicArn=aws.wiring.functions["Worker"].environment["TOPIC_ARN"], Message="x"
        ),
        "*": lambda: aws.client("sts").get_caller_identity(),
        "ListImages": lambda: aws.ecr.list_images(repositoryName="faulty/images"),
        "GetRegistryScanningConfiguration": lambda: aws.ecr.get_registry_scanning_configuration(),
    }
    aws.s3.put_object(Bucket=aws.bucket, Key="k", Body=b"1")
    if operation == "ListImages":
        aws.ecr.create_repository(repositoryName="faulty/images")
    aws.faults.add(Fault(service, operation, effect, times=1))
    assert error_of(calls[operation]) == answer
    calls[operation]()


def test_a_timeout_breaks_the_connection(aws):
    """After hanging as long as asked."""
    aws.faults.add(Fault("ecr", "DescribeRepositories", "timeout", seconds=0.01, times=1))
    with pytest.raises(Exception, match="closed|aborted"):
        aws.ecr.describe_repositories()
    aws.ecr.describe_repositories()


def test_faults_are_set_over_http_too(aws):
    """For a stack in another process; nonsense is refused with a reason."""

    def put(content: object) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc, timeout=20)
        connection.request("DELETE" if content is None else "PUT", "/local/faults", json.dumps(content))
        response = connection.getresponse()
        return response.status, response.read()

    assert put({"faults": [{"service": "s3", "operation": "ListObjectsV2", "effect": "error"}]})[0] == 204
    assert error_of(lambda: aws.s3.list_objects_v2(Bucket=aws.bucket))[0] == 500
    assert put(None)[0] == 204
    aws.s3.list_objects_v2(Bucket=aws.bucket)
    for faults in ([{"service": "s3", "effect": "explode"}], [{"service": "s3", "effect": "lose"}], [{"colour": 1}]):
        status, body = put({"faults": faults})
        assert (status, bool(body)) == (400, True)


def test_modification_times_are_virtual(aws):
    """Last-Modified of a feed comes from S3."""
    aws.s3.put_object(Bucket=aws.bucket, Key="dated", Body=b"1")
    (item,) = aws.s3.list_objects_v2(Bucket=aws.bucket, Prefix="dated")["Contents"]
    assert item["LastModified"] == aws.clock.now().replace(microsecond=0)
