"""What lives as long as an execution environment: made once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.utils import parse_timestamp

from ecr_rescan.core.errors import SettingsError
from ecr_rescan.runtime import wiring
from ecr_rescan.runtime.scanning import scan_wiring


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BUCKET_NAME", "records")
    monkeypatch.setenv("ACCOUNT_ID", "123456789012")
    wiring.reset()
    yield
    wiring.reset()


def test_stores_share_one_client_and_are_made_once() -> None:
    """A warm environment makes nothing again, and a reset forgets everything."""
    documents = wiring.documents()
    assert wiring.documents() is documents
    assert wiring.configurations() is wiring.configurations()
    wiring.reset()
    assert wiring.documents() is not documents


def test_an_incomplete_deployment_is_told_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at import."""
    monkeypatch.delenv("BUCKET_NAME")
    with pytest.raises(SettingsError):
        wiring.documents()


def test_clients_are_patient_but_not_for_ever() -> None:
    """Four attempts; two seconds for a connection, ten for an answer; in the function's own Region."""
    for service in ("s3", "sqs", "sns", "sts"):
        meta = wiring.client(service).meta
        assert meta.region_name == "us-east-1"
        assert meta.config.retries["total_max_attempts"] == 4
        assert (meta.config.connect_timeout, meta.config.read_timeout) == (2, 10)


def test_a_call_of_ecr_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore takes LimitExceededException for a throttle and would send every refused start three times more."""
    monkeypatch.setenv("QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/events")
    monkeypatch.setenv("DEAD_LETTERS_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters")
    monkeypatch.setenv("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:topic")
    scan_wiring.reset()
    client = scan_wiring.environment().ecr_clients.client("eu-west-1", None)
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.retries["total_max_attempts"] == 1
    scan_wiring.reset()


@pytest.mark.parametrize(
    "sent",
    [
        "2026-03-02T11:00:00.000Z",
        "2026-03-02T11:00:00Z",
        "2026-03-02T12:00:00.250+01:00",
        "Mon, 02 Mar 2026 11:00:00 GMT",
        "20260302T110000Z",
        "2 Mar 2026 11:00:00 +0000",
        "1772449200",
        "1712052740",
        1772449200,
        1772449200.75,
        -1,
    ],
)
def test_times_in_replies_are_read_as_botocore_reads_them(sent: str | float) -> None:
    """In whatever form a service sends them; only quicker in the forms that S3 uses."""
    parser = wiring.session()._session.get_component("response_parser_factory").create_parser("rest-xml")
    assert parser._timestamp_parser(sent) == parse_timestamp(sent)


def test_what_is_no_time_is_refused_as_botocore_refuses_it() -> None:
    """By the same error."""
    parser = wiring.session()._session.get_component("response_parser_factory").create_parser("rest-xml")
    for sent in ("", "yesterday", "2026-13-41T00:00:00Z"):
        with pytest.raises(ValueError, match="Invalid timestamp"):
            parser._timestamp_parser(sent)


def test_calls_are_taken_once() -> None:
    """Each log line has its own; without a store there are none."""
    assert wiring.take_calls() == {}
    wiring.documents().calls["GetObject"] += 2
    assert wiring.take_calls() == {"GetObject": 2}
    assert wiring.take_calls() == {}
