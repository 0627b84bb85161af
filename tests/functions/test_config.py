"""The Config function, from API Gateway's event to the bucket and back."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core import keys
from ecr_rescan.core.errors import StoreError
from ecr_rescan.core.tokens import Presented, TokenRequest, TokenSet
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.serving import configs
from functions.config.app import lambda_handler
from tests.rest import BASE, CONTEXT, Reply, answer, event

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
BUCKET = "records"
LEAST = {"region": "us-east-1", "registry": "123456789012", "repository": "team-a/api"}
UNKNOWN = "0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"
EVENTS = Path(__file__).parents[2] / "events"
OURS = sorted({*EVENTS.glob("api-*-configs*.json"), *EVENTS.glob("api-*-dashboard-tokens*.json")})
ROLE = "arn:aws:iam::210987654321:role/scans"


@pytest.fixture(scope="module")
def client() -> Any:
    """Made once: it takes longer than most of the tests."""
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch, client: Any) -> Iterator[Any]:
    """An empty deployment, cold, at a fixed time."""
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    monkeypatch.setenv("ACCOUNT_ID", "123456789012")
    monkeypatch.setenv("ALLOWED_ROLES", ROLE)
    monkeypatch.setenv("PUBLIC_URL", "")
    with mock_aws():
        wiring.reset()
        clock.use(lambda: NOW)
        client.create_bucket(Bucket=BUCKET)
        yield client
    clock.use(None)
    wiring.reset()


@pytest.fixture
def s3_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that boto3 makes, counted where it leaves."""
    calls: list[str] = []
    original = botocore.client.BaseClient._make_api_call

    def counted(self: Any, operation: str, parameters: Any) -> Any:
        calls.append(operation)
        return original(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    return calls


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything logged, as it would be written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def call(method: str, resource: str, body: object = None, **kwargs: Any) -> Reply:
    """One request; a body that is no text is sent as JSON."""
    text = body if isinstance(body, str | None) else json.dumps(body)
    return answer(lambda_handler, event(method, resource, body=text, **kwargs))


def on(method: str, configuration_id: str, body: object = None, **headers: str) -> Reply:
    """A request about one configuration."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(method, "/configs/{id}", body, parameters={"id": configuration_id}, headers=sent)


def add(**fields: object) -> dict[str, Any]:
    reply = call("POST", "/configs", LEAST | fields)
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.json()
    return made


def problem(reply: Reply) -> tuple[int, str]:
    """Status and code of an error answer, which must have the agreed shape."""
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["message"]
    return reply.status, error["code"]


def token_of(url: str) -> str:
    return url.partition("?token=")[2]


def opens(key: str, token: str) -> bool:
    return wiring.token_sets().get(key).opened_by(Presented(token, NOW, "")) is not None


def stored_keys(s3: Any) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())}


def test_post_creates(bucket: Any) -> None:
    """201 with the configuration, where it is, its feed with a token, and when to expect something."""
    reply = call("POST", "/configs", LEAST)
    made = reply.json()
    assert reply.status == 201
    assert reply.headers["location"] == f"{BASE}/configs/{made['id']}"
    assert made["first_results"] == {"expected_by": "2026-03-02T08:10:00Z"}
    assert made["warnings"] == []
    url, _, token = made["feed_url"].partition("?token=")
    assert url == f"{BASE}/findings/{made['id']}"
    assert opens(keys.tokens_key(made["id"]), token)
    assert made["changes_feed_url"] == f"{url}?token={token}&changes=true"
    assert stored_keys(bucket) == {
        keys.config_key(made["id"]),
        keys.tokens_key(made["id"]),
        keys.DEPLOYMENT,
    }


def test_get_answers_what_was_created() -> None:
    """The same fields, but the token is not shown again."""
    made = add(tags=["latest"], severity="low")
    reply = on("GET", made["id"])
    assert reply.status == 200
    assert reply.headers["etag"].startswith('"')
    expected = {name: value for name, value in made.items() if name not in ("first_results", "warnings")}
    url = f"{BASE}/findings/{made['id']}"
    assert reply.json() == expected | {"feed_url": url, "changes_feed_url": f"{url}?changes=true"}


@pytest.mark.parametrize("slash", [False, True])
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 201)])
def test_trailing_slashes_reach_the_same_routes(method: str, status: int, slash: bool) -> None:
    """Scripts of the sample that this service succeeds go on working."""
    assert call(method, "/configs", LEAST if method == "POST" else None, slash=slash).status == status


def test_json_is_neither_cached_nor_sniffed() -> None:
    """Answers of signed routes are for the caller alone, errors included."""
    for reply in (call("GET", "/configs"), on("GET", UNKNOWN), call("POST", "/configs", "{")):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    ["{", "", "   ", "NaN", '{"newest": Infinity}', "[" * 100_000, "[]", "null", "1", "{}", '"\\ud800"', "\ud800"],
)
def test_bodies_that_are_no_configuration_are_400(body: str, bucket: Any) -> None:
    """Nothing that can be sent becomes a 500, and nothing of it is stored."""
    assert problem(call("POST", "/configs", body))[0] == 400
    assert stored_keys(bucket) == set()


def test_a_member_given_twice_is_400(bucket: Any) -> None:
    """Also within the body: readers of JSON differ in which of them they take."""
    body = json.dumps(LEAST | {"ignore": [{"vulnerability": "CVE-1", "reason": "r"}]})
    for twice in (body.replace("{", '{"region": "eu-west-1", ', 1), body.replace("[{", '[{"reason": "x", ', 1)):
        reply = call("POST", "/configs", twice)
        assert problem(reply) == (400, "InvalidRequest")
        assert "twice" in reply.json()["error"]["message"]
    assert stored_keys(bucket) == set()


def test_faults_are_listed_by_field() -> None:
    """All at once, in ``details``."""
    reply = call("POST", "/configs", {"region": 1, "registry": "x", "repository": "", "colour": 1})
    assert problem(reply) == (400, "InvalidConfiguration")
    assert [detail["field"] for detail in reply.json()["error"]["details"]] == [
        "region",
        "registry",
        "repository",
        "colour",
    ]


def test_an_oversized_body_is_413() -> None:
    """Just over 256 KiB; and the bytes count, not the characters."""
    largest = json.dumps(LEAST | {"description": "x"}).ljust(256 * 1024)
    assert call("POST", "/configs", largest).status == 201
    assert problem(call("POST", "/configs", largest + " ")) == (413, "BodyTooLarge")
    assert problem(call("POST", "/configs", "é" * 130_000 + "xxx" * 10_000))[0] == 413


def test_base64_bodies_are_decoded() -> None:
    """API Gateway sends them so for binary media types."""
    encoded = base64.b64encode(json.dumps(LEAST | {"description": "é"}).encode()).decode()
    reply = call("POST", "/configs", encoded, base64_encoded=True)
    assert (reply.status, reply.json()["description"]) == (201, "é")
    assert problem(call("POST", "/configs", "!", base64_encoded=True))[0] == 400
    assert problem(call("POST", "/configs", "/w==", base64_encoded=True))[0] == 400


@pytest.mark.parametrize(
    ("method", "resource"),
    [
        ("GET", "/configs/{id}"),
        ("PUT", "/configs/{id}"),
        ("DELETE", "/configs/{id}"),
        ("GET", "/configs/{id}/tokens"),
        ("POST", "/configs/{id}/tokens"),
        ("DELETE", "/configs/{id}/tokens/default"),
    ],
)
def test_malformed_ids_are_404_before_any_call(method: str, resource: str, s3_calls: list[str]) -> None:
    """Junk costs nothing."""
    body = LEAST if method == "PUT" else {"name": "a"} if method == "POST" else None
    for id in ("not-an-id", UNKNOWN.upper(), UNKNOWN + "0", "..", "dashboard", "%2e%2e", "a/b"):
        reply = call(method, resource, body, parameters={"id": id}, headers={"If-None-Match": "*"})
        assert problem(reply) == (404, "NotFound"), id
    assert s3_calls == []


def test_unknown_ids_are_404(bucket: Any) -> None:
    """By every method; nothing is created on the way."""
    assert problem(on("GET", UNKNOWN)) == (404, "NotFound")
    assert problem(on("PUT", UNKNOWN, LEAST)) == (404, "NotFound")
    assert problem(on("DELETE", UNKNOWN)) == (404, "NotFound")
    for method, body in (("GET", None), ("POST", {"name": "a"})):
        assert problem(call(method, "/configs/{id}/tokens", body, parameters={"id": UNKNOWN})) == (404, "NotFound")
    assert stored_keys(bucket) == set()


def test_put_changes() -> None:
    """GET, edit, PUT; the change is dated and answered, and the feed's tokens stay."""
    made = add()
    clock.use(lambda: NOW + timedelta(hours=1))
    reply = on("PUT", made["id"], on("GET", made["id"]).json() | {"owner": "team-a"})
    assert reply.status == 200
    assert "token" not in reply.json()["feed_url"]
    after = on("GET", made["id"])
    assert after.headers["etag"] == reply.headers["etag"]
    assert (after.json()["owner"], after.json()["created"], after.json()["updated"]) == (
        "team-a",
        "2026-03-02T08:00:00Z",
        "2026-03-02T09:00:00Z",
    )
    assert opens(keys.tokens_key(made["id"]), token_of(made["feed_url"]))


def test_putting_the_same_again_writes_nothing(s3_calls: list[str]) -> None:
    """The ETag stays, so nothing downstream is rebuilt."""
    made = add()
    etag = on("GET", made["id"]).headers["etag"]
    clock.use(lambda: NOW + timedelta(hours=1))
    s3_calls.clear()
    assert on("PUT", made["id"], LEAST).headers["etag"] == etag
    assert "PutObject" not in s3_calls


def test_put_with_an_etag_of_the_past_is_412() -> None:
    """Two people edited the same: the second is told, and nothing is lost."""
    made = add()
    etag = on("GET", made["id"]).headers["etag"]
    assert on("PUT", made["id"], LEAST | {"owner": "first"}, If_Match=etag).status == 200
    assert problem(on("PUT", made["id"], LEAST | {"owner": "second"}, If_Match=etag)) == (412, "PreconditionFailed")
    assert problem(on("DELETE", made["id"], If_Match=etag)) == (412, "PreconditionFailed")
    assert on("GET", made["id"]).json()["owner"] == "first"
    assert on("PUT", made["id"], LEAST | {"owner": "third"}, If_Match="*").status == 200


def test_put_with_an_etag_on_nothing_is_412() -> None:
    """RFC 9110: If-Match fails where there is nothing, ``*`` too."""
    assert problem(on("PUT", UNKNOWN, LEAST, If_Match="*")) == (412, "PreconditionFailed")


def test_put_creates_where_there_is_nothing() -> None:
    """With ``If-None-Match: *``, once: that is how a script creates without doubling."""
    reply = on("PUT", UNKNOWN, LEAST, If_None_Match="*")
    assert (reply.status, reply.json()["id"]) == (201, UNKNOWN)
    assert opens(keys.tokens_key(UNKNOWN), token_of(reply.json()["feed_url"]))
    assert problem(on("PUT", UNKNOWN, LEAST, If_None_Match="*")) == (412, "PreconditionFailed")
    assert opens(keys.tokens_key(UNKNOWN), token_of(reply.json()["feed_url"]))


def test_put_understands_no_other_if_none_match() -> None:
    """Ignored, it would overwrite what the caller wanted kept."""
    made = add()
    assert problem(on("PUT", made["id"], LEAST, If_None_Match='"x"')) == (400, "InvalidRequest")


def test_a_race_lost_while_writing_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    """409 where the caller named no ETag, 412 where it did; the rival's change stays."""
    made = add()
    original = DocumentStore.put

    def raced(self: DocumentStore, key: str, body: bytes, **kwargs: Any) -> str:
        monkeypatch.setattr(DocumentStore, "put", original)
        on("PUT", made["id"], LEAST | {"owner": "rival"})
        return original(self, key, body, **kwargs)

    monkeypatch.setattr(DocumentStore, "put", raced)
    assert problem(on("PUT", made["id"], LEAST | {"owner": "ours"})) == (409, "Conflict")
    assert on("GET", made["id"]).json()["owner"] == "rival"


def test_delete_removes_the_configuration_and_its_tokens(bucket: Any) -> None:
    """204 once, 404 after."""
    made = add()
    reply = on("DELETE", made["id"])
    assert (reply.status, reply.body) == (204, "")
    assert stored_keys(bucket) == {keys.DEPLOYMENT}
    assert problem(on("DELETE", made["id"])) == (404, "NotFound")


def test_dying_while_deleting_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration goes first, and its old token does not open a later one with the same id."""
    first = on("PUT", UNKNOWN, LEAST, If_None_Match="*").json()

    def die(*_: object, **__: object) -> None:
        raise StoreError("tokens", "SlowDown")

    with monkeypatch.context() as patched:
        patched.setattr("ecr_rescan.adapters.token_sets.TokenSetStore.delete", die)
        assert problem(on("DELETE", UNKNOWN)) == (503, "StoreUnavailable")
    assert on("GET", UNKNOWN).status == 404
    with monkeypatch.context() as patched:
        patched.setattr("ecr_rescan.adapters.token_sets.TokenSetStore.replace", lambda *_, **__: die())
        assert on("PUT", UNKNOWN, LEAST, If_None_Match="*").status == 503
    assert on("GET", UNKNOWN).status == 200
    assert not opens(keys.tokens_key(UNKNOWN), token_of(first["feed_url"]))


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int, rival: Callable[[], object]) -> None:
    """Let a rival work before the ``at``-th call that is made from now on."""
    original = botocore.client.BaseClient._make_api_call
    calls = iter(range(at + 1))

    def call_or_wait(self: Any, operation: str, parameters: Any) -> Any:
        if next(calls, None) == at:
            rival()
        return original(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call_or_wait)


@pytest.mark.parametrize("left_over", [False, True])
@pytest.mark.parametrize("at", range(7))
def test_of_two_that_create_the_same_id_the_loser_leaves_the_winners_token(
    monkeypatch: pytest.MonkeyPatch, at: int, left_over: bool
) -> None:
    """Wherever the winner comes in between; also where an earlier configuration's tokens are still there."""
    old = wiring.token_sets().replace(keys.tokens_key(UNKNOWN), "old", random_bytes=bytes(32), now=NOW)
    if not left_over:
        wiring.documents().delete(keys.tokens_key(UNKNOWN))
    replies: list[Reply] = []
    with monkeypatch.context() as patched:
        interrupted(patched, at, lambda: replies.append(on("PUT", UNKNOWN, LEAST, If_None_Match="*")))
        replies.append(on("PUT", UNKNOWN, LEAST, If_None_Match="*"))
    (winner,) = [reply for reply in replies if reply.status == 201]
    assert all(reply.status in (201, 409, 412) for reply in replies)
    assert opens(keys.tokens_key(UNKNOWN), token_of(winner.json()["feed_url"]))
    assert not opens(keys.tokens_key(UNKNOWN), old)


@pytest.mark.parametrize("at", range(5))
def test_removing_leaves_the_token_of_one_that_was_created_meanwhile(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """A script that deletes and creates, twice at once."""
    on("PUT", UNKNOWN, LEAST, If_None_Match="*")
    replies: list[Reply] = []
    with monkeypatch.context() as patched:
        interrupted(patched, at, lambda: replies.append(on("PUT", UNKNOWN, LEAST, If_None_Match="*")))
        assert on("DELETE", UNKNOWN).status == 204
    for made in replies:
        if made.status == 201:
            assert opens(keys.tokens_key(UNKNOWN), token_of(made.json()["feed_url"]))


def test_configurations_are_counted(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """So many, and so many bytes: refused by name, and counted by the template's filter; changes still work."""
    made = add()
    monkeypatch.setattr(configs, "MOST_CONFIGURATIONS", 2)
    add()
    reply = call("POST", "/configs", LEAST)
    assert problem(reply) == (400, "QuotaExceeded")
    assert "remove one first" in reply.json()["error"]["message"]
    assert problem(on("PUT", UNKNOWN, LEAST, If_None_Match="*")) == (400, "QuotaExceeded")
    assert '"quota":"configurations"' in log.getvalue()
    assert on("PUT", made["id"], LEAST | {"owner": "a"}).status == 200
    monkeypatch.setattr(configs, "MOST_CONFIGURATIONS", 3)
    monkeypatch.setattr(configs, "MOST_BYTES", 1500)
    assert problem(call("POST", "/configs", LEAST | {"description": "x" * 500})) == (400, "QuotaExceeded")
    assert problem(on("PUT", made["id"], LEAST | {"description": "x" * 500})) == (400, "QuotaExceeded")
    assert on("PUT", made["id"], LEAST).status == 200
    assert '"quota":"bytes"' in log.getvalue()


def test_pages_end_where_an_answer_would_be_too_large() -> None:
    """A function may answer 6 MB: a page of large configurations is shorter than was asked for, and goes on."""
    ignore = [{"vulnerability": "CVE-2026-1", "package": '"', "reason": '"' * 500}] * 110
    made = {add(ignore=ignore)["id"] for _ in range(30)}
    seen: list[str] = []
    query: dict[str, str] | None = {"limit": "1000"}
    while query is not None:
        raw = lambda_handler(event("GET", "/configs", query=query), CONTEXT)
        assert len(json.dumps(raw)) < 6_000_000
        seen += [entry["id"] for entry in json.loads(raw["body"])]
        (link,) = raw["multiValueHeaders"].get("Link", [""])
        query = {"limit": "1000", "after": link.partition("after=")[2].partition(">")[0]} if link else None
    assert seen == sorted(made)


def test_large_configurations_are_stored_as_they_are(bucket: Any) -> None:
    """So that their listed sizes are true, and add up to what they take in memory."""
    made = add(ignore=[{"vulnerability": "CVE-2026-1", "reason": "x" * 500}] * 100)
    stored = bucket.get_object(Bucket=BUCKET, Key=keys.config_key(made["id"]))
    assert stored["Body"].read().startswith(b"{")


def test_a_copied_configuration_is_a_new_one() -> None:
    """POST of what GET answered: the id in it is the other's."""
    made = add()
    copy = add(**on("GET", made["id"]).json())
    assert copy["id"] != made["id"]
    assert len(call("GET", "/configs").json()) == 2


def test_pages_follow_each_other() -> None:
    """All configurations come once, by the links, without tokens."""
    made = {add()["id"] for _ in range(5)}
    seen: list[str] = []
    query: dict[str, str] | None = {"limit": "2"}
    while query is not None:
        reply = call("GET", "/configs", query=query)
        seen += [entry["id"] for entry in reply.json()]
        assert all("token" not in entry["feed_url"] for entry in reply.json())
        link = reply.headers.get("link", "")
        query = None
        if link:
            assert link.startswith(f"<{BASE}/configs?limit=2&after=")
            assert link.endswith('>; rel="next"')
            query = {"limit": "2", "after": link.partition("after=")[2].partition(">")[0]}
    assert seen == sorted(made)


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "-1"}, {"limit": "x"}, {"limit": ""}, {"after": "x"}]
)
def test_bad_pages_are_400(query: dict[str, str]) -> None:
    """A typing error must not look like an empty list."""
    assert problem(call("GET", "/configs", query=query)) == (400, "InvalidRequest")


def test_foreign_objects_break_nothing(bucket: Any, log: io.StringIO) -> None:
    """The others are listed, and the log names what was left out."""
    made = add()
    foreign = {"configs/readme.txt": b"x", f"configs/{UNKNOWN}.json": b"{", "configs/": b""}
    for key, body in foreign.items():
        bucket.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert [entry["id"] for entry in call("GET", "/configs").json()] == [made["id"]]
    assert "configs/readme.txt" in log.getvalue()


def test_a_persons_object_is_served(bucket: Any) -> None:
    """``aws s3 cp`` of three fields is a configuration."""
    bucket.put_object(Bucket=BUCKET, Key=keys.config_key(UNKNOWN), Body=json.dumps(LEAST).encode())
    assert on("GET", UNKNOWN).json()["repository"] == "team-a/api"
    assert [entry["id"] for entry in call("GET", "/configs").json()] == [UNKNOWN]


@pytest.mark.parametrize("body", [b"{", b"\x1f\x8bdamaged", json.dumps(LEAST | {"region": 1}).encode()])
def test_an_unusable_object_can_be_mended_or_removed(bucket: Any, body: bytes) -> None:
    """GET says that it can't be used; PUT and DELETE work."""
    for mend in (lambda: on("PUT", UNKNOWN, LEAST).status, lambda: on("DELETE", UNKNOWN).status):
        bucket.put_object(Bucket=BUCKET, Key=keys.config_key(UNKNOWN), Body=body)
        assert problem(on("GET", UNKNOWN)) == (500, "UnreadableDocument")
        assert mend() in (200, 204)


def test_a_later_versions_object_is_not_overwritten(bucket: Any) -> None:
    """After a rollback, what the newer version wrote is kept."""
    body = json.dumps(LEAST | {"schema": 2}).encode()
    bucket.put_object(Bucket=BUCKET, Key=keys.config_key(UNKNOWN), Body=body)
    assert problem(on("PUT", UNKNOWN, LEAST)) == (500, "UnreadableDocument")
    assert bucket.get_object(Bucket=BUCKET, Key=keys.config_key(UNKNOWN))["Body"].read() == body


def test_roles_must_be_allowed() -> None:
    """The deployment says which roles may be assumed; anything else is the caller's to choose."""
    assert add(registry="210987654321", role_arn=ROLE)["warnings"] == []
    reply = call("POST", "/configs", LEAST | {"registry": "210987654321", "role_arn": f"{ROLE}-other"})
    assert problem(reply) == (400, "InvalidConfiguration")
    assert [detail["field"] for detail in reply.json()["error"]["details"]] == ["role_arn"]


def test_what_is_probably_not_meant_is_a_warning() -> None:
    """Accepted, but said."""
    made = add(registry="210987654321", ignore=[{"vulnerability": "x", "reason": "y", "until": "2026-03-01"}])
    assert len(made["warnings"]) == 2
    (region,) = add(region="us-eats-1")["warnings"]
    assert region == "region us-eats-1 is not known to have ECR; did you mean us-east-1?"
    for known in ("cn-north-1", "us-gov-west-1", "eusc-de-east-1", "ap-south-1"):
        assert add(region=known)["warnings"] == []
    (address,) = add(repository="123456789012.dkr.ecr.us-east-1.amazonaws.com/team/api")["warnings"]
    assert address.endswith("write team/api")
    (address,) = add(repository="123456789012.dkr-ecr.us-east-1.on.aws/team/api")["warnings"]
    assert address.endswith("write team/api")
    assert len(on("PUT", made["id"], LEAST | {"registry": "210987654321"}).json()["warnings"]) == 1


class TokenRoutes:
    """One subject's routes of tokens."""

    def __init__(self, base: str, parameters: dict[str, str], key: str, url_name: str, url: str) -> None:
        self.base, self.parameters, self.key, self.url_name, self.url = base, parameters, key, url_name, url

    def add(self, body: object) -> Reply:
        return call("POST", self.base, body, parameters=self.parameters or None)

    def names(self) -> list[str]:
        reply = call("GET", self.base, parameters=self.parameters or None)
        assert all(
            set(entry) == {"name", "created", "prefix", "expires", "addresses", "last_used"} for entry in reply.json()
        )
        return [entry["name"] for entry in reply.json()]

    def revoke(self, name: str) -> Reply:
        return call("DELETE", f"{self.base}/{{name}}", parameters={**self.parameters, "name": name})


@pytest.fixture(params=["configuration", "dashboard"])
def tokens(request: pytest.FixtureRequest) -> TokenRoutes:
    """The same behaviour is wanted of both; each begins without a token."""
    if request.param == "dashboard":
        url = f"{BASE}/dashboard?token="
        return TokenRoutes("/dashboard/tokens", {}, keys.DASHBOARD_TOKENS, "dashboard_url", url)
    id = add()["id"]
    url = f"{BASE}/findings/{id}?token="
    routes = TokenRoutes("/configs/{id}/tokens", {"id": id}, keys.tokens_key(id), "feed_url", url)
    assert routes.revoke("default").status == 204
    return routes


def test_tokens_are_made_listed_and_revoked(tokens: TokenRoutes) -> None:
    """Shown once, listed by name, gone when revoked."""
    made = tokens.add({"name": "reader"})
    token = made.json()["token"]
    assert (made.status, made.json()[tokens.url_name]) == (201, tokens.url + token)
    assert made.headers["location"].endswith("/tokens/reader")
    assert opens(tokens.key, token)
    assert tokens.names() == ["reader"]
    assert tokens.revoke("reader").status == 204
    assert not opens(tokens.key, token)
    assert problem(tokens.revoke("reader")) == (404, "NotFound")


def test_bounds_are_kept_and_listed(tokens: TokenRoutes) -> None:
    """Until when and from where."""
    bounds = {"expires": "2026-04-01", "addresses": ["192.0.2.0/24"]}
    made = tokens.add({"name": "reader"} | bounds).json()
    (listed,) = call("GET", tokens.base, parameters=tokens.parameters or None).json()
    assert {name: made[name] for name in bounds} == {name: listed[name] for name in bounds} == bounds
    assert problem(tokens.add({"name": "b", "expires": "2026-03-01"})) == (400, "InvalidRequest")


def test_a_taken_name_is_409(tokens: TokenRoutes) -> None:
    """The first token goes on working."""
    token = tokens.add({"name": "reader"}).json()["token"]
    assert problem(tokens.add({"name": "reader"})) == (409, "AlreadyExists")
    assert opens(tokens.key, token)


def test_the_eleventh_token_is_400(tokens: TokenRoutes) -> None:
    """Ten are plenty; the answer says what to do."""
    for number in range(10):
        assert tokens.add({"name": f"n{number}"}).status == 201
    assert problem(tokens.add({"name": "n10"})) == (400, "TooManyTokens")


@pytest.mark.parametrize(
    "body", ["{", "[]", "null", {}, {"name": 1}, {"name": "A"}, {"name": ""}, {"name": "a", "x": 1}, {"name": "a" * 33}]
)
def test_bad_token_requests_are_400(tokens: TokenRoutes, body: object) -> None:
    """And make no token."""
    assert problem(tokens.add(body)) == (400, "InvalidRequest")
    assert tokens.names() == []


def test_tokens_made_at_the_same_time_are_both_kept(tokens: TokenRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests read the same document: neither token may get lost."""
    original = DocumentStore.put
    rivals: list[str] = []

    def raced(self: DocumentStore, key: str, body: bytes, **kwargs: Any) -> str:
        if not rivals:
            stored = self.get(key)
            rival = TokenSet.from_document(stored.body, key=key) if stored else TokenSet()
            changed, token = rival.add("rival", random_bytes=bytes(32), now=NOW)
            rivals.append(token)
            original(self, key, changed.to_document())
        return original(self, key, body, **kwargs)

    tokens.names()
    wiring.documents()._sleep = lambda _: None
    monkeypatch.setattr(DocumentStore, "put", lambda self, key, body, **kw: raced(self, key, body, **kw))
    token = wiring.token_sets().add(tokens.key, TokenRequest("ours"), random_bytes=bytes(range(32)), now=NOW)
    assert opens(tokens.key, token)
    assert opens(tokens.key, rivals[0])


def test_no_token_is_ever_logged(log: io.StringIO) -> None:
    """Neither when it is made nor when it is sent where it doesn't belong; one line for each request."""
    made = add()
    token = token_of(made["feed_url"])
    more = call("POST", "/dashboard/tokens", {"name": "a"}).json()["token"]
    call("GET", "/configs", query={"token": token})
    call("POST", "/configs", {"token": token})
    call("POST", "/configs", token)
    on("GET", made["id"], Authorization=token)
    lines = log.getvalue().splitlines()
    assert [json.loads(line)["message"] for line in lines if "changed" not in line] == ["answered"] * 6
    for secret in (token, more):
        assert secret[12:] not in log.getvalue()


def test_the_log_line_counts_s3_calls(log: io.StringIO) -> None:
    """Method, route, status and calls: what an operator asks first."""
    add()
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["method"], line["route"], line["status"]) == ("POST", "/configs", 201)
    assert line["s3_calls"] == {"ListObjectsV2": 1, "PutObject": 3, "GetObject": 1}


def test_the_base_url_is_remembered(bucket: Any) -> None:
    """Messages link to it."""
    add()
    assert json.loads(bucket.get_object(Bucket=BUCKET, Key=keys.DEPLOYMENT)["Body"].read()) == {
        "schema": 1,
        "base_url": BASE,
    }


def test_a_known_base_url_is_not_written_again(bucket: Any, s3_calls: list[str]) -> None:
    """Not by a warm environment, nor by a cold one."""
    add()
    made = add()
    wiring.reset()
    s3_calls.clear()
    on("PUT", made["id"], LEAST)
    on("PUT", made["id"], LEAST)
    assert s3_calls == ["GetObject", "GetObject", "GetObject"]


def test_reading_does_not_change_what_links_begin_with(bucket: Any) -> None:
    """Whoever may only read could lead everybody's links elsewhere, through a domain or a path of their own."""
    made = add()
    call("GET", "/configs", domain="other.example.com", path_before="")
    on("GET", made["id"])
    call("GET", "/configs/{id}", parameters={"id": made["id"]}, domain="other.example.com", path_before="/x")
    call("POST", "/configs", LEAST, query={"dry_run": "true"}, domain="other.example.com", path_before="")
    assert json.loads(bucket.get_object(Bucket=BUCKET, Key=keys.DEPLOYMENT)["Body"].read())["base_url"] == BASE


@pytest.mark.parametrize(
    "body", [b"{", b"\x1f\x8bdamaged", b"[" * 100_000, b'{"base_url": "javascript:x"}', b'{"base_url": "https://a b"}']
)
def test_a_damaged_base_url_is_as_good_as_none(bucket: Any, body: bytes) -> None:
    """It only serves links: nothing fails by it, and the next change mends it."""
    bucket.put_object(Bucket=BUCKET, Key=keys.DEPLOYMENT, Body=body)
    assert wiring.deployment().base_url() is None
    add()
    wiring.reset()
    assert wiring.deployment().base_url() == BASE


def test_a_link_to_the_next_page_is_encoded() -> None:
    """What stands before the resource is the client's: it must not end the link and begin another."""
    add(), add()
    reply = call("GET", "/configs", query={"limit": "1"}, path_before='/v1>; rel="x", <evil')
    assert reply.headers["link"].count("<") == reply.headers["link"].count(">") == 1


def test_a_base_url_that_cant_be_stored_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only serves links."""

    def fail(*_: object) -> None:
        raise StoreError(keys.DEPLOYMENT, "SlowDown")

    monkeypatch.setattr("ecr_rescan.adapters.deployment.DeploymentStore.remember", fail)
    assert add()["feed_url"].startswith(BASE)


def test_s3_in_trouble_is_503(bucket: Any) -> None:
    """With nothing about the bucket in the answer."""
    bucket.delete_bucket(Bucket=BUCKET)
    reply = call("GET", "/configs")
    assert problem(reply) == (503, "StoreUnavailable")
    assert "configs/" not in reply.body


@pytest.mark.parametrize(
    ("method", "resource", "allowed"),
    [
        ("PATCH", "/configs", "GET, HEAD, POST"),
        ("OPTIONS", "/configs", "GET, HEAD, POST"),
        ("POST", "/configs/{id}", "DELETE, GET, HEAD, PUT"),
        ("PUT", "/configs/{id}/tokens", "GET, HEAD, POST"),
        ("GET", "/configs/{id}/tokens/{name}", "DELETE"),
        ("HEAD", "/dashboard/tokens/{name}", "DELETE"),
    ],
)
def test_other_methods_are_405(method: str, resource: str, allowed: str, s3_calls: list[str]) -> None:
    """With what the path does take."""
    reply = call(method, resource, parameters={"id": UNKNOWN, "name": "a"})
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert s3_calls == []


def test_head_is_get_without_a_body() -> None:
    """Same status and headers."""
    made = add()
    head, get = on("HEAD", made["id"]), on("GET", made["id"])
    assert (head.status, head.headers, head.body) == (get.status, get.headers, "")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_the_sample_events_are_understood(path: Path) -> None:
    """The events that `sam local invoke` is shown with reach a route."""
    request = json.loads(path.read_text(encoding="utf-8"))
    reply = answer(lambda_handler, request)
    assert reply.status in (200, 201, 404), reply.body
    assert reply.status != 404 or "was not found" in reply.json()["error"]["message"]


def audited(log: io.StringIO) -> list[dict[str, Any]]:
    """The lines of the trail so far."""
    lines = map(json.loads, log.getvalue().splitlines())
    return [line["audit"] for line in lines if line["message"] == "changed"]


def test_every_change_is_in_the_trail(log: io.StringIO) -> None:
    """Who, from where, what, from which version to which; reading and trying are none, nor what changes nothing."""
    ignore = [{"vulnerability": "CVE-2026-1", "reason": "not reachable"}]
    signed = {"principal": "arn:aws:iam::123456789012:user/ann", "address": "192.0.2.1"}
    made = call("POST", "/configs", LEAST, **signed).json()
    id, key = made["id"], keys.config_key(made["id"])
    first = on("GET", id).headers["etag"]
    call("PUT", "/configs/{id}", LEAST | {"ignore": ignore}, parameters={"id": id}, **signed)
    second = on("GET", id).headers["etag"]
    call("PUT", "/configs/{id}", LEAST | {"ignore": ignore}, parameters={"id": id}, **signed)
    call("PUT", "/configs/{id}", LEAST, parameters={"id": id}, query={"dry_run": "true"}, **signed)
    call("PUT", "/configs/{id}", {}, parameters={"id": id}, **signed)
    call("PUT", "/configs/{id}", LEAST, parameters={"id": id}, **signed)
    token = call("POST", "/configs/{id}/tokens", {"name": "a"}, parameters={"id": id}, **signed).json()["token"]
    call("DELETE", "/configs/{id}/tokens/{name}", parameters={"id": id, "name": "a"}, **signed)
    call("POST", "/dashboard/tokens", {"name": "b"}, **signed)
    call("DELETE", "/configs/{id}", parameters={"id": id}, **signed)
    trail = audited(log)
    assert [(one["action"], one["subject"], one["detail"]) for one in trail] == [
        ("configuration.create", key, ""),
        ("configuration.change", key, ""),
        ("configuration.change", key, ""),
        ("token.add", keys.tokens_key(id), "a"),
        ("token.revoke", keys.tokens_key(id), "a"),
        ("token.add", keys.DASHBOARD_TOKENS, "b"),
        ("configuration.remove", key, ""),
    ]
    assert all({name: one[name] for name in signed} == signed for one in trail)
    assert [(one["before"], one["after"]) for one in trail[:2]] == [(None, first), (first, second)]
    assert trail[-1]["before"] == first
    assert (trail[1]["ignored"], trail[1]["unignored"]) == (ignore, [])
    assert (trail[2]["ignored"], trail[2]["unignored"]) == ([], ignore)
    assert token[12:] not in log.getvalue()


def test_copies_of_the_trail_are_kept_where_they_are_wanted(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    """Created once each; one that can't be written is in the log all the same, and fails nothing."""
    add()
    assert not any(key.startswith("audit/") for key in stored_keys(bucket))
    monkeypatch.setenv("AUDIT_COPIES", "true")
    wiring.reset()
    made = add(ignore=[{"vulnerability": "CVE-2026-1", "reason": "r"}])
    (key,) = [key for key in stored_keys(bucket) if key.startswith("audit/")]
    assert key == "audit/2026-03-02/080000-b7efc553-45ee-4e8e-b756-037e6e64d031.json"
    copy = json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert (copy["subject"], copy["ignored"][0]["reason"]) == (keys.config_key(made["id"]), "r")
    again = add()
    assert json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()) == copy
    assert audited(log)[-1]["subject"] == keys.config_key(again["id"])
    assert "could not be written" in log.getvalue()


def test_a_line_of_the_trail_is_bounded(log: io.StringIO) -> None:
    """A line of a log may have 256 KB; how many there were is told."""
    add(ignore=[{"vulnerability": f"CVE-2026-{number}", "reason": "x" * 200} for number in range(300)])
    (line,) = audited(log)
    assert (len(line["ignored"]), line["ignored_in_all"]) == (50, 300)
