"""Scan configurations: what is accepted, what is answered, what is stored."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core import keys
from ecr_rescan.core.configuration import LARGEST_BYTES, MOST_PATTERNS, ScanConfiguration, Suppression
from ecr_rescan.core.errors import DocumentError, InvalidConfigurationError, UnknownSchemaError
from ecr_rescan.core.patterns import MOST_WILDCARDS, wildcards
from ecr_rescan.core.severity import RATED, Severity

ID = "0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"
NOW = datetime(2026, 3, 2, 8, 0, 0, 250, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
LEAST = {"region": "us-east-1", "registry": "123456789012", "repository": "team-a/api"}
FULL = LEAST | {
    "repository": ["team-a/*", "!team-a/old-?"],
    "tags": ["latest", "1.*", "!*-rc"],
    "newest": 5,
    "severity": "LOW",
    "notify": "CRITICAL",
    "ignore": [
        {
            "vulnerability": "CVE-2026-*",
            "package": "openssl",
            "tags": ["dev"],
            "reason": "not reachable",
            "until": "2026-12-31",
        },
        {"vulnerability": "CVE-2025-1", "reason": "disputed"},
    ],
    "owner": "team-a",
    "role_arn": "arn:aws:iam::123456789012:role/scans/reader",
    "description": "Everything of team A",
}


def read(**fields: Any) -> ScanConfiguration:
    return ScanConfiguration.from_wire(LEAST | fields, id=ID, now=NOW)


def faults(body: object) -> dict[str, str]:
    with pytest.raises(InvalidConfigurationError) as caught:
        ScanConfiguration.from_wire(body, id=ID, now=NOW)
    return {fault.field: fault.problem for fault in caught.value.faults}


def test_the_least_configuration_gets_the_defaults() -> None:
    """Three fields are enough; the rest has the defaults of the design."""
    assert read().to_wire() == {
        **LEAST,
        "id": ID,
        "created": "2026-03-02T08:00:00Z",
        "updated": "2026-03-02T08:00:00Z",
        "tags": [],
        "newest": None,
        "severity": None,
        "notify": "HIGH",
        "clock": "discovered",
        "exploited": True,
        "ignore": [],
        "owner": None,
        "role_arn": None,
        "description": None,
    }


def test_everything_given_is_answered_as_given() -> None:
    """No field is lost or reshaped on its way through."""
    wire = ScanConfiguration.from_wire(FULL, id=ID, now=NOW).to_wire()
    assert {name: wire[name] for name in FULL} == FULL


@pytest.mark.parametrize("repository", ["team-a/api", ["team-a/api"]])
def test_repository_keeps_its_shape(repository: object) -> None:
    """A name stays a name and a list stays a list, in answers and in the bucket."""
    configuration = read(repository=repository)
    stored = ScanConfiguration.from_document(configuration.to_document(), id=ID, modified=LATER)
    assert (configuration.to_wire()["repository"], stored) == (repository, configuration)


def test_severities_are_read_in_any_case() -> None:
    """People write high as well as HIGH; the answer is ECR's word."""
    configuration = read(severity="low", notify="Critical")
    assert (configuration.severity, configuration.notify) == (Severity.LOW, Severity.CRITICAL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", 1),
        ("region", "useast1"),
        ("region", "us-east-1\n"),
        ("region", "us-east-1.evil.example"),
        ("region", f"us-{'a' * 64}-1"),
        ("region", f"us{'-a' * 30}-1"),
        ("registry", 123456789012),
        ("registry", "12345678901"),
        ("registry", "١٢٣٤٥٦٧٨٩٠١٢"),
        ("repository", ""),
        ("repository", "Team/App"),
        ("repository", []),
        ("repository", ["a", 1]),
        ("repository", ["!a", "!b"]),
        ("repository", "!a"),
        ("repository", "a" * 257),
        ("repository", ["a"] * 101),
        ("repository", {"name": "a"}),
        ("repository", "/team"),
        ("repository", "team/"),
        ("repository", "-team"),
        ("repository", "team//app"),
        ("repository", "team..app"),
        ("repository", "a"),
        ("repository", ["team/*", "!a"]),
        ("repository", "team___app"),
        ("repository", "team-/app"),
        ("repository", "team._app"),
        ("repository", ["team/*", "!team/_app"]),
        ("repository", "*a" * 11),
        ("repository", "https://123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app"),
        ("tags", ["v1", "?" * 11]),
        ("tags", "latest"),
        ("tags", ["la test"]),
        ("tags", ["a" * 301]),
        ("tags", ["a"] * 101),
        ("newest", 0),
        ("newest", 1001),
        ("newest", True),
        ("newest", 5.0),
        ("newest", "5"),
        ("severity", "SEVERE"),
        ("severity", "UNDEFINED"),
        ("severity", 3),
        ("notify", ["HIGH"]),
        ("ignore", {"vulnerability": "x"}),
        ("ignore", [{"vulnerability": "x", "reason": "y"}] * 501),
        ("owner", ""),
        ("owner", "a" * 101),
        ("owner", "a\nb"),
        ("description", "a" * 501),
        ("description", "\ud800"),
        ("role_arn", "arn:aws:iam::210987654321:role/other-account"),
        ("role_arn", "arn:aws:iam::123456789012:user/me"),
        ("role_arn", "role/me"),
        ("created", 5),
        ("feed_url", ["x"]),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(field: str, value: object) -> None:
    """Each rule is broken once, and the fault names the field and nothing else."""
    assert set(faults(LEAST | {field: value})) == {field}


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("CVE-2026-1", "ignore[0]"),
        ({"reason": "x"}, "ignore[0].vulnerability"),
        ({"vulnerability": "CVE-1"}, "ignore[0].reason"),
        ({"vulnerability": "CVE-1", "reason": "  "}, "ignore[0].reason"),
        ({"vulnerability": "CVE-1", "reason": "a" * 501}, "ignore[0].reason"),
        ({"vulnerability": "CVE 1", "reason": "x"}, "ignore[0].vulnerability"),
        ({"vulnerability": "!CVE-1", "reason": "x"}, "ignore[0].vulnerability"),
        ({"vulnerability": "CVE-1", "reason": "x", "package": "!openssl"}, "ignore[0].package"),
        ({"vulnerability": "*?" * 6, "reason": "x"}, "ignore[0].vulnerability"),
        ({"vulnerability": "CVE-1", "reason": "x", "package": "*?" * 6}, "ignore[0].package"),
        ({"vulnerability": "CVE-1", "reason": "x", "tags": ["*?" * 6]}, "ignore[0].tags"),
        ({"vulnerability": "CVE-1", "reason": "x", "until": "2026-02-30"}, "ignore[0].until"),
        ({"vulnerability": "CVE-1", "reason": "x", "until": "20260228"}, "ignore[0].until"),
        ({"vulnerability": "CVE-1", "reason": "x", "tags": "dev"}, "ignore[0].tags"),
        ({"vulnerability": "CVE-1", "reason": "x", "untill": "2026-02-28"}, "ignore[0].untill"),
    ],
)
def test_a_wrong_suppression_is_refused_by_its_place(entry: object, field: str) -> None:
    """One bad entry of hundreds must be findable."""
    assert set(faults(LEAST | {"ignore": [entry]})) == {field}


@pytest.mark.parametrize(
    ("address", "repository"),
    [
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1", "team/app"),
        ("https://123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/app@sha256:00", "app"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/a:1", "a"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws/team/app:v1", "team/app"),
    ],
)
def test_a_pasted_address_is_told_what_to_write(address: str, repository: str) -> None:
    """It can't be a repository, and most of it says what the other fields say."""
    assert f"write {repository} alone" in faults(LEAST | {"repository": [address]})["repository"]
    assert f"write {repository} alone" in faults(LEAST | {"repository": address})["repository"]


@pytest.mark.parametrize("name", ["team--app", "team---app/a__b", "a.b_c-d/e", "*-app", "team/*_?"])
def test_separators_as_ecr_takes_them(name: str) -> None:
    """Two underscores and any number of hyphens are one separator; next to a wildcard there may be anything."""
    assert read(repository=name).repository == (name,)


def test_patterns_are_counted_over_the_whole_configuration() -> None:
    """Each list within its limit, all of them together not: every finding would be held against each."""
    entry = {"vulnerability": "CVE-*", "reason": "x", "tags": ["a"] * 99}
    assert read(ignore=[entry] * 9, tags=["a"] * (MOST_PATTERNS - 901))
    assert set(faults(LEAST | {"ignore": [entry] * 10})) == {"ignore"}


def test_what_is_stored_of_a_configuration_is_bounded() -> None:
    """Every tick holds all configurations in memory."""
    entry = {"vulnerability": "CVE-2026-1", "reason": "é" * 500}
    fitting = LARGEST_BYTES // (2 * 500 + 100)
    assert len(read(ignore=[entry] * fitting).to_document()) <= LARGEST_BYTES
    assert set(faults(LEAST | {"ignore": [entry] * (fitting + 20)})) == {"body"}


def test_what_was_stored_before_a_rule_is_read_on() -> None:
    """An upgrade must not stop what is scanned; it can't be sent again, though."""
    old = LEAST | {"repository": "team//*", "tags": ["?" * 12], "ignore": [{"vulnerability": "*?" * 6, "reason": "x"}]}
    assert ScanConfiguration.from_document(json.dumps(old).encode(), id=ID, modified=NOW).tags == ("?" * 12,)
    assert set(faults(old)) == {"repository", "tags", "ignore[0].vulnerability"}


def test_all_faults_are_told_at_once() -> None:
    """Nobody wants to learn of them one request at a time."""
    assert set(faults({"region": 1, "newest": 0, "colour": "red"})) == {
        "region",
        "registry",
        "repository",
        "newest",
        "colour",
    }


@pytest.mark.parametrize("body", [None, [], "x", 1, [LEAST]])
def test_only_an_object_is_a_configuration(body: object) -> None:
    """Any other JSON is a fault, not a crash."""
    assert faults(body) == {"body": "must be a JSON object"}


def test_a_misspelt_field_is_told_what_was_meant() -> None:
    """The likeliest mistake gets the likeliest answer."""
    assert "did you mean repository?" in faults(LEAST | {"repositorys": "x"})["repositorys"]
    assert "did you mean" not in faults(LEAST | {"colour": 1})["colour"]


def test_a_flood_of_faults_is_cut() -> None:
    """A hostile body is not answered with a longer one."""
    assert len(faults(LEAST | {f"field-{number}": 1 for number in range(5000)})) == 100


def test_regions_of_every_partition_are_accepted() -> None:
    """GovCloud, the isolated ones and the European Sovereign Cloud have longer names."""
    for region in ("eu-west-1", "us-gov-west-1", "us-iso-east-1", "cn-north-1", "eusc-de-east-1"):
        assert read(region=region).region == region


def test_an_answer_can_be_edited_and_sent_back() -> None:
    """GET, edit, PUT: what the service added is ignored, nothing else changes."""
    first = ScanConfiguration.from_wire(FULL, id=ID, now=NOW)
    answer = first.to_wire() | {"feed_url": "https://x/findings/y", "warnings": [], "first_results": {}}
    assert ScanConfiguration.from_wire(answer, id=ID, now=LATER, previous=first) == first
    edited = ScanConfiguration.from_wire(answer | {"owner": "b"}, id=ID, now=LATER, previous=first)
    assert edited == replace(first, owner="b", updated=LATER.replace(microsecond=0))


def test_another_configurations_body_is_refused() -> None:
    """Sent back under the wrong id, it would silently replace the wrong one."""
    assert set(faults(LEAST | {"id": "11111111-2222-4333-8444-555555555555"})) == {"id"}


@pytest.mark.parametrize(
    ("change", "selects_anew"),
    [
        ({"repository": "team-b/api"}, True),
        ({"tags": ["latest"]}, True),
        ({"newest": 3}, True),
        ({"region": "eu-west-1"}, True),
        ({"registry": "210987654321"}, True),
        ({"severity": "HIGH"}, False),
        ({"notify": "LOW"}, False),
        ({"ignore": [{"vulnerability": "CVE-1", "reason": "x"}]}, False),
        ({"description": "x"}, False),
    ],
)
def test_a_changed_selection_is_dated(change: dict[str, object], selects_anew: bool) -> None:
    """What a widened configuration newly selects is no news, so the time of widening is kept."""
    first = read()
    second = ScanConfiguration.from_wire(LEAST | change, id=ID, now=LATER, previous=first)
    assert (second.created, second.updated) == (first.created, LATER.replace(microsecond=0))
    assert second.selected_since == (second.updated if selects_anew else first.selected_since)


def test_a_persons_document_is_read() -> None:
    """An object copied into the bucket needs no more than a request; its own time stands in."""
    configuration = ScanConfiguration.from_document(json.dumps(LEAST).encode(), id=ID, modified=NOW)
    assert configuration == read()


def test_a_document_of_the_old_sample_is_read() -> None:
    """Its times are seconds in a string, and its tags may be null."""
    old = LEAST | {"id": ID, "created": "1572345678", "tags": None}
    assert ScanConfiguration.from_document(json.dumps(old).encode(), id=ID, modified=NOW) == read()


def test_a_selection_edited_in_the_bucket_is_noticed() -> None:
    """Widening by hand is widening: otherwise everything newly selected would be announced."""
    stored = json.loads(read().to_document())
    widened = json.dumps(stored | {"repository": "*"}).encode()
    described = json.dumps(stored | {"description": "x"}).encode()
    assert ScanConfiguration.from_document(widened, id=ID, modified=LATER).selected_since == LATER.replace(
        microsecond=0
    )
    assert ScanConfiguration.from_document(described, id=ID, modified=LATER).selected_since == read().selected_since


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        json.dumps(LEAST | {"id": "11111111-2222-4333-8444-555555555555"}).encode(),
        json.dumps(LEAST | {"colour": 1}).encode(),
    ],
)
def test_an_unusable_document_is_a_document_error(body: bytes) -> None:
    """Whatever lies in the bucket, the error says which object it is and never escapes as something else."""
    with pytest.raises(DocumentError) as caught:
        ScanConfiguration.from_document(body, id=ID, modified=NOW)
    assert caught.value.key == keys.config_key(ID)


def test_an_unknown_schema_is_told_apart() -> None:
    """A later version's document is not merely broken: it must not be overwritten."""
    with pytest.raises(UnknownSchemaError):
        ScanConfiguration.from_document(json.dumps(LEAST | {"schema": 2}).encode(), id=ID, modified=NOW)


def test_a_suppression_ends_after_its_last_day() -> None:
    """``until`` is inclusive."""
    suppression = Suppression("CVE-1", "x", until=date(2026, 3, 2))
    assert suppression.applies_on(date(2026, 3, 2))
    assert not suppression.applies_on(date(2026, 3, 3))
    assert Suppression("CVE-1", "x").applies_on(date(9999, 12, 31))


names = st.from_regex(r"[a-z0-9*?]{1,5}([/_.-][a-z0-9*?]{1,5}){0,4}", fullmatch=True).filter(
    lambda name: wildcards(name) <= MOST_WILDCARDS and (len(name) > 1 or wildcards(name) > 0)
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=60).filter(
    lambda text: text.isprintable() and bool(text.strip())
)


@given(
    repository=names | st.lists(names, min_size=1, max_size=4),
    tags=st.lists(st.from_regex(r"!?[A-Za-z0-9_.-]{0,9}[*?]?[A-Za-z0-9_.-]{1,9}", fullmatch=True), max_size=4),
    newest=st.none() | st.integers(1, 1000),
    severity=st.none() | st.sampled_from(RATED),
    reason=printable,
    until=st.none() | st.dates(),
    description=st.none() | printable,
)
def test_storing_loses_nothing(reason: str, until: date | None, **fields: Any) -> None:
    """Law: what was accepted is read back the same, and written again as the same bytes."""
    ignore = [{"vulnerability": "CVE-*", "reason": reason, "until": until.isoformat() if until else None}]
    configuration = read(ignore=ignore, **fields)
    stored = ScanConfiguration.from_document(configuration.to_document(), id=ID, modified=LATER)
    assert stored == configuration
    assert stored.to_document() == configuration.to_document()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*FULL, "id", "created", "feed_url", "schema", "selection", "selected_since", "x"]), json_values
    )
)
def test_no_body_breaks_the_reader(body: dict[str, object]) -> None:
    """Law: any JSON is a configuration or an error of ours, from a request and from the bucket."""
    for given_body in (body, LEAST | body):
        with contextlib.suppress(InvalidConfigurationError):
            ScanConfiguration.from_wire(given_body, id=ID, now=NOW)
        with contextlib.suppress(DocumentError):
            ScanConfiguration.from_document(json.dumps(given_body).encode(), id=ID, modified=NOW)


def test_notify_may_ask_for_what_has_a_fix() -> None:
    """As an object; it is answered as it was given, and anything else in it is a fault."""
    asked = read(notify={"severity": "LOW", "fixable": True}, clock="fixable")
    assert (asked.notify, asked.notify_fixable, asked.clock) == (Severity.LOW, True, "fixable")
    assert (asked.to_wire()["notify"], asked.to_wire()["clock"]) == ({"severity": "LOW", "fixable": True}, "fixable")
    assert ScanConfiguration.from_wire(asked.to_wire(), id=ID, now=NOW) == asked
    assert read(notify={"fixable": False}).to_wire()["notify"] == "HIGH"
    wrong = {"severity": "x", "fixable": 1, "more": 1}
    assert faults(LEAST | {"notify": wrong, "clock": "x"}).keys() == {
        "notify.more",
        "notify.severity",
        "notify.fixable",
        "clock",
    }
