"""Fetching the public sources: bounded in size, time and expansion, from listed hosts alone."""

from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from ecr_rescan.adapters.signals_fetch import USER_AGENT, CopyFetcher, Fetched, WebFetcher, expanded, lines
from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.signals.places import HOSTS, MEBIBYTE, PLACES
from local.web import Request, Response
from tests.signal_sources import Sources, sources

KEV, EUVD, EPSS = PLACES


@pytest.fixture
def served() -> Iterator[Sources]:
    with sources() as made:
        yield made


def fetch(served: Sources, etag: str = "", modified: str = "") -> Fetched | None:
    return WebFetcher(base=served.url).fetch(KEV, etag, modified)


def problem(served: Sources) -> str:
    with pytest.raises(SignalError) as caught:
        fetch(served)
    return caught.value.problem


def test_a_source_is_asked_politely_and_answered_with_what_tells_it_again(served: Sources) -> None:
    """Who asks is said: ENISA turns default user agents away. What was given is asked for again by ETag or date."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        if request.header("If-None-Match") == '"a"' or request.header("If-Modified-Since") == "then":
            return Response(304)
        return Response(200, [("ETag", '"a"'), ("Last-Modified", "then")], b"{}")

    served.answers["kev"] = answer
    assert fetch(served) == Fetched(b"{}", '"a"', "then")
    assert seen[0].header("User-Agent") == USER_AGENT
    assert fetch(served, etag='"a"') is None
    assert fetch(served, modified="then") is None


@pytest.mark.parametrize("status", [403, 404, 500, 503, 204])
def test_a_refusal_is_told(served: Sources, status: int) -> None:
    """By its number."""
    served.say("kev", b"", status)
    assert problem(served) == f"answered {status}"
    assert served.asked["kev"] == 2, "the second address was tried, too"


def test_the_second_address_stands_in_for_the_first(served: Sources) -> None:
    """Some cloud networks are turned away from the first."""
    served.answers["kev"] = lambda asked: Response(403) if "cisa.gov" in asked.target else Response(200, [], b"{}")
    assert fetch(served) == Fetched(b"{}")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("https://example.com/list.json", "not on the list"),
        ("http://www.cisa.gov/list.json", "not on the list"),
        ("https://www.cisa.gov:8443/list.json", "not on the list"),
        ("https://www.cisa.gov@example.com/", "not on the list"),
        ("file:///etc/passwd", "not on the list"),
        ("//169.254.169.254/latest", "not on the list"),
        (KEV.urls[0], "without end"),
    ],
)
def test_a_redirect_leads_to_listed_hosts_alone(served: Sources, target: str, said: str) -> None:
    """Over https, and not in a circle."""
    served.answers["kev"] = lambda asked: Response(302, [("Location", target)])
    assert said in problem(served)


def test_a_redirect_on_the_same_host_is_followed(served: Sources) -> None:
    """FIRST's leads to a file with the day in its name."""
    served.answers["euvd"] = Response(200, [], b"[]")
    served.answers["kev"] = lambda asked: Response(302, [("Location", EUVD.urls[0])])
    assert fetch(served) == Fetched(b"[]")


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_its_bound_is_not_taken(served: Sources, announced: bool) -> None:
    """100 MB, whether it is announced or just comes."""
    body = bytes(100 * MEBIBYTE) if announced else bytes(KEV.most + 1)
    served.answers["kev"] = Response(200, [] if announced else [("Content-Length", "5")], body)
    if announced:
        assert "more than" in problem(served)
    else:
        assert fetch(served) == Fetched(bytes(5)), "no more is read than was announced"


def test_a_source_that_takes_too_long_is_left(served: Sources) -> None:
    """However regularly it sends something."""
    served.say("kev", bytes(MEBIBYTE))
    clock = itertools.count(step=7)
    with pytest.raises(SignalError, match="took longer than 20 s"):
        WebFetcher(base=served.url, clock=lambda: float(next(clock))).fetch(KEV, "", "")


def test_nobody_there_is_told() -> None:
    """As what went wrong, not as a traceback."""
    with sources() as gone:
        url = gone.url
    with pytest.raises(SignalError, match="could not be reached"):
        WebFetcher(base=url).fetch(KEV, "", "")


def test_all_hosts_are_https_and_few() -> None:
    """What docs/signals.md names."""
    assert all(url.startswith("https://") for place in PLACES for url in place.urls)
    assert sorted(HOSTS) == [
        "cdn.amazonlinux.com",
        "epss.empiricalsecurity.com",
        "euvdservices.enisa.europa.eu",
        "osv-vulnerabilities.storage.googleapis.com",
        "raw.githubusercontent.com",
        "www.cisa.gov",
    ]


def test_a_body_is_expanded_within_its_bound() -> None:
    """Compressed or not; several lines, the last without an end, in any size of part."""
    text = b"\n".join(b"line %d" % number for number in range(50_000))
    assert expanded(EPSS, gzip.compress(text)) == expanded(EPSS, text) == text
    assert list(lines(EPSS, gzip.compress(text))) == text.split(b"\n") == list(lines(EPSS, text))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress((bytes(1023) + b"\n") * (EPSS.most_expanded // 1024 + 1)), "expands to more"),
        (gzip.compress(b"cve,epss\n" * 1_000)[:-20], "cut off"),
        (gzip.compress(b"cve,epss\n" * 1_000)[:12], "cut off"),
        (b"\x1f\x8b" + b"nonsense" * 10, "not valid gzip"),
        (gzip.compress(b"x" * MEBIBYTE), "without end"),
    ],
    ids=["bomb", "cut", "head", "damaged", "one line"],
)
def test_what_does_not_expand_as_it_should_is_refused(body: bytes, said: str) -> None:
    """A bomb is small, and was let in."""
    assert len(body) < EPSS.most
    with pytest.raises(SignalError, match=said):
        list(lines(EPSS, body))


def test_copies_in_a_bucket_stand_in_for_the_internet() -> None:
    """By the names of the files; unchanged ones are not read again, and a missing one is told."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="copies")
        s3.put_object(Bucket="copies", Key="signals/known_exploited_vulnerabilities.json", Body=b"{}")
        fetcher = CopyFetcher(s3, "copies", "signals/")
        first = fetcher.fetch(KEV, "", "")
        assert first is not None
        assert first.body == b"{}"
        assert fetcher.fetch(KEV, first.etag, "") is None
        with pytest.raises(SignalError, match="NoSuchKey"):
            fetcher.fetch(EUVD, "", "")
        s3.upload_fileobj(io.BytesIO(bytes(KEV.most + 1)), "copies", "signals/known_exploited_vulnerabilities.json")
        with pytest.raises(SignalError, match="more than"):
            fetcher.fetch(KEV, "", "")
