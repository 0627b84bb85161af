"""The Findings function from an API event to its answer, against S3."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from moto import mock_aws

from ecr_rescan.core import keys
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.observability import logger
from ecr_rescan.runtime.refusals import MOST_REFUSALS, WINDOW
from ecr_rescan.runtime.serving import feeds
from tests.builders import AT, CONFIG_ID, REGION, REGISTRY, document, found, image, result, update
from tests.functions.findings_stack import BUCKET, OTHER_ID, WRONG_TOKEN, Stack


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A cold function, its bucket, and a clock that stands."""
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    monkeypatch.setenv("ACCOUNT_ID", REGISTRY)
    monkeypatch.setenv("PUBLIC_URL", "")
    clock.use(lambda: AT + timedelta(days=2))
    wiring.reset()
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    with mock_aws():
        yield Stack(log)
    wiring.reset()
    clock.use(None)


def recorded(repository: str = "team/app", *vulnerabilities: str) -> FindingsDocument:
    """A repository of one image, with these findings."""
    names = vulnerabilities or ("CVE-2026-1",)
    return document(repository, [image(repository)], [result(repository, *[found(name) for name in names])])


def test_a_feed_is_answered_with_its_headers(stack: Stack) -> None:
    """Text, not base64; typed, dated, tagged, private, and with a self link that has no token."""
    stack.store(recorded())
    answer = stack.call()
    assert answer.status == 200
    assert answer.titles == ["HIGH CVE-2026-1 in openssl: team/app"]
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["ETag"].startswith('W/"')
    assert datetime.strptime(answer.headers["Last-Modified"], "%a, %d %b %Y %H:%M:%S GMT")
    assert not answer.is_base64
    url = f"https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/findings/{CONFIG_ID}"
    assert f'<link href="{url}" rel="self" type="application/atom+xml"/>' in answer.body


def test_the_token_appears_nowhere(stack: Stack) -> None:
    """Not in the feed, its headers, errors or the log, whether it is right or wrong."""
    stack.store(recorded())
    answers = [stack.call(), stack.call(query={"limit": "0"}), stack.call(token=WRONG_TOKEN), stack.call(OTHER_ID)]
    assert len(stack.logged("answered")) == len(answers)
    shown = "".join(answer.body + json.dumps(answer.headers) for answer in answers) + stack.log.getvalue()
    for token in (stack.token, WRONG_TOKEN):
        assert token not in shown
        assert token[5:20] not in shown


@pytest.mark.parametrize("path_id", ["not-an-id", CONFIG_ID.upper(), "..", f"{CONFIG_ID}.json", "dashboard"])
def test_a_malformed_id_is_404_without_s3(stack: Stack, path_id: str) -> None:
    """What is no canonical UUID is never looked for."""
    answer = stack.call(path_id)
    assert (answer.status, answer.error["code"]) == (404, "NotFound")
    assert stack.calls == {}


@pytest.mark.parametrize("token", [None, "wrong", "ecrr_", "ecrr_" + "x" * 44, "ecrr_" + "é" * 43])
def test_a_malformed_token_is_401_without_s3(stack: Stack, token: str | None) -> None:
    """What can't be a token is never compared."""
    answer = stack.call(token=token)
    assert (answer.status, answer.error["code"]) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="ecr-rescan"')
    assert stack.calls == {}


def test_a_wrong_token_is_401_and_tells_nothing(stack: Stack) -> None:
    """Wrong, missing and another feed's token are the same to the caller, and no findings are touched."""
    stack.store(recorded())
    wrong, missing = stack.call(token=WRONG_TOKEN), stack.call(token=None)
    assert wrong.status == 401
    assert wrong.body == missing.body
    stack.call(token=WRONG_TOKEN)
    assert "ListObjectsV2" not in stack.calls


def test_an_unknown_configuration_is_404_whatever_the_token(stack: Stack) -> None:
    """Also with tokens left behind by one that was removed."""
    assert stack.call(OTHER_ID).status == 404
    stack.s3.delete_object(Bucket=BUCKET, Key=keys.config_key(CONFIG_ID))
    assert stack.call().status == 404


def test_the_token_may_be_a_basic_password(stack: Stack) -> None:
    """Readers that take a name and a password send the token as the password, unasked."""
    stack.store(recorded())
    credentials = base64.b64encode(f"reader:{stack.token}".encode()).decode()
    assert stack.call(token=None, Authorization=f"Basic {credentials}").status == 200


@pytest.mark.parametrize("repository", ["team/app", ["team/*"]])
def test_a_known_feed_is_304_by_four_s3_calls(stack: Stack, repository: str | list[str]) -> None:
    """Configuration, tokens and one listing tell that nothing changed; no findings document is read."""
    stack.configure(repository)
    stack.store(recorded())
    etag = stack.call().headers["ETag"]
    wiring.reset()
    assert stack.call(If_None_Match=etag).status == 304
    assert stack.calls == {"GetObject": 3, "ListObjectsV2": 1, "PutObject": 1}, "that the token was used, once a day"
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        answer = stack.call(If_None_Match=known)
        assert (answer.status, answer.body) == (304, "")
        assert answer.headers["ETag"] == etag
        assert stack.calls == {"GetObject": 3, "ListObjectsV2": 1}
    assert stack.call(If_None_Match='"other"').status == 200
    assert stack.call(If_None_Match="*").status == 304


def test_the_etag_changes_with_whatever_the_feed_is_made_of(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Document, filters, configuration, the end of a suppression, its own address: each makes another feed."""
    made = recorded()
    stack.store(made)
    seen = [stack.call().headers["ETag"]]
    assert stack.call().headers["ETag"] == seen[0]
    seen.append(stack.call(query={"severity": "high"}).headers["ETag"])
    assert stack.call(query={"severity": "HIGH"}).headers["ETag"] == seen[1]
    seen.append(stack.call(query={"limit": "5"}).headers["ETag"])
    update(made, None, [result("team/app", found(), found("CVE-2026-2"), at=AT + timedelta(days=1))], at=AT)
    stack.store(made)
    seen.append(stack.call().headers["ETag"])
    stack.configure(ignore=[{"vulnerability": "CVE-2026-1", "reason": "not reachable", "until": "2026-03-04"}])
    seen.append(stack.call().headers["ETag"])
    clock.use(lambda: AT + timedelta(days=3))
    answer = stack.call()
    assert sorted(answer.titles) == ["HIGH CVE-2026-1 in openssl: team/app", "HIGH CVE-2026-2 in openssl: team/app"]
    seen.append(answer.headers["ETag"])
    monkeypatch.setenv("PUBLIC_URL", "https://feeds.example.com")
    wiring.reset()
    seen.append(stack.call().headers["ETag"])
    assert len(set(seen)) == len(seen)


def test_if_modified_since_counts_where_there_is_no_if_none_match(stack: Stack) -> None:
    """RFC 9110, 13.1.3: a date alone is honoured, beside an entity tag it is ignored, and nonsense is not a date."""
    stack.store(recorded())
    date = stack.call().headers["Last-Modified"]
    assert stack.call(If_Modified_Since=date).status == 304
    assert stack.call(If_Modified_Since=date, If_None_Match='"other"').status == 200
    assert stack.call(If_Modified_Since="Thu, 01 Jan 2026 00:00:00 GMT").status == 200
    assert stack.call(If_Modified_Since="yesterday").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_date_that_was_given_is_304_without_reading(stack: Stack, method: str) -> None:
    """As cheap as by ETag. A later date is some clock's, and believed only where it is known that there is a feed."""
    stack.store(recorded())
    date = stack.call().headers["Last-Modified"]
    wiring.reset()
    assert stack.call(method=method, If_Modified_Since=date).status == 304
    assert stack.calls == {"GetObject": 3, "ListObjectsV2": 1, "PutObject": 1}
    later = {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert stack.call(method=method, **later).status == 304
    assert stack.calls == {"GetObject": 4, "ListObjectsV2": 1}
    stack.store(document(images=[image("one", "a")]))
    assert stack.call(method=method, **later).status == 503


def test_last_modified_is_of_the_newest_part(stack: Stack) -> None:
    """The newest document's, or the end of a suppression, from which the feed shows more."""
    key = stack.store(recorded())
    stored = stack.s3.head_object(Bucket=BUCKET, Key=key)["LastModified"]
    assert parsedate_to_datetime(stack.call().headers["Last-Modified"]) == stored
    stack.configure(ignore=[{"vulnerability": "CVE-2026-1", "reason": "not reachable", "until": "2099-01-01"}])
    assert parsedate_to_datetime(stack.call().headers["Last-Modified"]) == stored
    clock.use(lambda: datetime(2099, 1, 3, tzinfo=UTC))
    assert stack.call().headers["Last-Modified"] == "Fri, 02 Jan 2099 00:00:00 GMT"


def test_the_documents_kept_are_bounded(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over the bound is read again."""
    made = recorded("team/a")
    monkeypatch.setattr(feeds, "_KEPT_BYTES", len(made.to_json()))
    stack.configure(["team/*"])
    stack.store(made)
    stack.store(recorded("team/b"))
    first = stack.call()
    assert stack.call().body == first.body
    assert stack.calls == {"GetObject": 4, "ListObjectsV2": 1}


def test_documents_are_kept_between_invocations(stack: Stack) -> None:
    """A warm function reads only what changed."""
    stack.configure(["team/*"])
    for name in ("a", "b", "c"):
        stack.store(recorded(f"team/{name}"))
    first = stack.call()
    assert stack.calls == {"GetObject": 6, "ListObjectsV2": 1, "PutObject": 1}
    assert stack.call().body == first.body
    assert stack.calls == {"GetObject": 3, "ListObjectsV2": 1}
    stack.store(recorded("team/b", "CVE-2026-1", "CVE-2026-9"))
    assert len(stack.call().titles) == 2
    assert stack.calls == {"GetObject": 4, "ListObjectsV2": 1}


def test_only_the_configurations_repositories_are_in_its_feed(stack: Stack) -> None:
    """By name, glob and exclusion; a name that only begins alike is another repository's."""
    for name in ("team/app", "team/app-2", "team/old", "other"):
        stack.store(recorded(name, f"CVE-{name.replace('/', '-')}"))
    assert [title.split()[1] for title in stack.call().titles] == ["CVE-team-app"]
    stack.configure(["team/*", "other", "!team/old"])
    assert sorted(title.split()[1] for title in stack.call().titles) == ["CVE-other", "CVE-team-app", "CVE-team-app-2"]


def test_filters_reach_the_feed(stack: Stack) -> None:
    """A stricter severity, spelt in any case, and a self link that names it; a misspelt one is refused."""
    stack.store(recorded())
    assert stack.call(query={"serverity": "critical"}).status == 400
    answer = stack.call(query={"severity": "critical"})
    assert answer.titles == []
    assert f'/findings/{CONFIG_ID}?severity=CRITICAL" rel="self"' in answer.body


def test_an_address_that_is_refused_too_often_is_refused_unseen(stack: Stack) -> None:
    """With the right token, too, for a minute, by this function; without a read of the bucket."""
    stack.store(recorded())
    for _ in range(MOST_REFUSALS):
        assert stack.call(token=WRONG_TOKEN).status == 401
    answer = stack.call()
    assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (429, "TooManyRequests", "60")
    assert stack.calls == {}
    clock.use(lambda: AT + timedelta(days=2) + WINDOW)
    assert stack.call().status == 200


def test_nonsense_filters_are_400_and_named(stack: Stack) -> None:
    """Everything that can't be meant is in one answer; who has no token is not told even that."""
    query = {"severity": "SEVERE", "tag": "", "resolved": "x", "limit": "0"}
    answer = stack.call(query=query)
    assert (answer.status, answer.error["code"]) == (400, "InvalidRequest")
    assert [detail["field"] for detail in answer.error["details"]] == list(query)
    assert stack.call(query=query, token=WRONG_TOKEN).status == 401


def test_before_any_result_it_is_503_with_the_reason(stack: Stack) -> None:
    """Never an empty feed that looks clean: what is being waited for is said, and when to ask again."""
    answer = stack.call()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "300")
    assert answer.error["message"] == f"No repository has been seen yet that matches team/app in {REGISTRY}/{REGION}."
    stack.store(document(images=[image("one", "a"), image("two", "b")]))
    assert "2 selected images are waiting for their first result." in stack.call().error["message"]
    stack.store(document(images=[image("one", "a"), image("two", "b")], unconfirmed={"two": "FAILED"}))
    assert "Without a result so far: 1 FAILED." in stack.call(If_None_Match="*").error["message"]
    stack.configure(tags=["prod"])
    answer = stack.call()
    # Nothing is to be waited for: the feed itself says so.
    assert answer.status == 200
    assert "No image is selected, so nothing is known of vulnerabilities." in answer.body


def test_one_result_is_enough_for_a_feed(stack: Stack) -> None:
    """The others are still missing, and the feed says so."""
    stack.store(document(images=[image("one", "a"), image("two", "b")], results=[result("one", found())]))
    answer = stack.call()
    assert answer.status == 200
    assert "1 of 2 selected images have results." in answer.body
    assert "fh:complete" not in answer.body


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"schema": 99}', b"\x1f\x8bno gzip", b"null"])
def test_a_corrupt_document_is_reported_and_not_fatal(stack: Stack, body: bytes) -> None:
    """The others are served, the feed says that one is missing and not that it is complete; the log says why."""
    stack.configure(["team/*"])
    stack.store(recorded("team/good"))
    stack.put(keys.findings_key(REGISTRY, REGION, "team/bad"), body)
    answer = stack.call()
    assert answer.titles == ["HIGH CVE-2026-1 in openssl: team/good"]
    assert "1 repository could not be read." in answer.body
    assert "fh:complete" not in answer.body
    (warning,) = stack.logged("a findings document can't be used")
    assert warning["key"] == keys.findings_key(REGISTRY, REGION, "team/bad")
    assert stack.call(If_None_Match=answer.headers["ETag"]).status == 304


def test_a_document_about_another_repository_is_not_shown(stack: Stack) -> None:
    """A document copied under another key would show one repository's findings as another's."""
    stack.configure(["team/*"])
    stack.store(recorded("team/good"))
    stack.put(keys.findings_key(REGISTRY, REGION, "team/copy"), recorded("team/good", "CVE-2026-7").to_json())
    answer = stack.call()
    assert answer.titles == ["HIGH CVE-2026-1 in openssl: team/good"]
    assert "1 repository could not be read." in answer.body


def test_a_document_that_s3_fails_on_is_another_feed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read for a moment must not be taken for unchanged when it can be read again."""
    from ecr_rescan.adapters.documents import DocumentStore
    from ecr_rescan.core.errors import StoreError

    stack.configure(["team/*"])
    stack.store(recorded("team/good"))
    lost = stack.store(recorded("team/lost", "CVE-2026-2"))
    get = DocumentStore.get

    def failing(self: DocumentStore, key: str, **limits: int) -> Any:
        if key == lost:
            raise StoreError(key, "SlowDown")
        return get(self, key, **limits)

    with monkeypatch.context() as patch:
        patch.setattr(DocumentStore, "get", failing)
        partial = stack.call()
        assert stack.call(If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT").status == 200
    assert partial.titles == ["HIGH CVE-2026-1 in openssl: team/good"]
    assert "1 repository could not be read." in partial.body
    assert "Last-Modified" not in partial.headers
    whole = stack.call(If_None_Match=partial.headers["ETag"])
    assert len(whole.titles) == 2
    assert "Last-Modified" in whole.headers


def test_head_is_get_without_a_body(stack: Stack) -> None:
    """The same status and headers, and nothing else."""
    stack.store(recorded())
    answer = stack.call(method="HEAD")
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers["ETag"] == stack.call().headers["ETag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405(stack: Stack, method: str) -> None:
    """A feed is read, and the answer says how."""
    answer = stack.call(method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert stack.calls == {}


def test_the_public_url_is_in_the_self_link(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that has a name of its own is linked by it."""
    monkeypatch.setenv("PUBLIC_URL", "https://scans.example.com")
    wiring.reset()
    stack.store(recorded())
    assert f'<link href="https://scans.example.com/findings/{CONFIG_ID}" rel="self"' in stack.call().body


def test_an_unusable_configuration_is_500_and_not_told(stack: Stack) -> None:
    """What is in the bucket is for the log, not for whoever has a token."""
    stack.put(keys.config_key(CONFIG_ID), b'{"region": "secret"}')
    answer = stack.call()
    assert answer.status == 500
    assert "secret" not in answer.body
