"""The rule of the gate: nothing unknown passes, and what counts is what people want to be stopped by."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.gate.question import ImageName, Question
from ecr_rescan.core.gate.verdict import Answer, Record, Verdict, judge
from ecr_rescan.core.scan_result import ScanType
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage, ManifestRecord, ScanState
from ecr_rescan.core.severity import Severity
from tests.summary_records import (
    CRITICAL,
    HIGH,
    INDEX,
    LOW,
    NOW,
    REPOSITORY,
    UNDEFINED,
    complete,
    configuration,
    digest,
    findings,
    hours,
    ledger,
)

Found = dict[tuple[str, str], dict[str, dict[Severity, int]]]
ONE_HIGH: Found = {("CVE-1", "openssl"): {"1.0": {HIGH: 1}}}


def ask(tag: str = "new", **members: Any) -> Question:
    return Question(ImageName(REPOSITORY, tag, None), **members)


def record(
    held: Ledger | None = None, found: Found | None = None, tags: tuple[str, ...] = ("new",), **members: Any
) -> Record:
    held = held or ledger({tag: complete() for tag in tags})
    document = findings(tags, found or {})
    return Record(**({"configurations": [configuration()], "ledger": held, "document": document} | members))


def verdict(asked: Question, made: Record) -> Verdict:
    return judge(asked, made, at=NOW)


def codes(found: Verdict) -> list[str]:
    return [reason.code for reason in found.reasons]


def test_a_clean_image_passes() -> None:
    """And says as of when."""
    found = verdict(ask(), record())
    assert (found.answer, codes(found), found.as_of) == (Answer.PASS, ["NOTHING_COUNTS"], NOW - hours(3))
    assert found.counted == dict.fromkeys(Severity, 0)
    assert found.retry_after is None


def test_a_severe_finding_fails_it() -> None:
    """It is named."""
    found = verdict(ask(), record(found=ONE_HIGH))
    assert (found.answer, codes(found)) == (Answer.FAIL, ["FINDINGS"])
    assert [(one.vulnerability, one.package, one.severity) for one in found.new] == [("CVE-1", "openssl", HIGH)]


@pytest.mark.parametrize("severity", [LOW, UNDEFINED])
def test_what_is_below_or_unrated_does_not_count_and_is_told(severity: Severity) -> None:
    """In the counts and in the reason."""
    found = verdict(ask(), record(found={("CVE-1", "p"): {"1": {severity: 1}}}))
    assert found.answer is Answer.PASS
    assert found.counted is not None
    assert found.counted[severity] == 1
    assert ("unrated" if severity is UNDEFINED else "below HIGH") in found.reasons[0].message


def test_a_threshold_may_be_lower() -> None:
    """severity=LOW counts more; nothing that is unrated."""
    assert verdict(ask(severity=LOW), record(found={("CVE-1", "p"): {"1": {LOW: 1}}})).answer is Answer.FAIL


STATES = [
    (complete(timedelta(hours=25)), "STALE"),
    (ManifestRecord(state=ScanState.IN_PROGRESS, claimed_at=NOW), "IN_PROGRESS"),
    (ManifestRecord(), "NEVER_SCANNED"),
    (None, "NEVER_SCANNED"),
    (ManifestRecord(state=ScanState.UNAVAILABLE, reason="AccessDenied"), "NEVER_SCANNED"),
    (ManifestRecord(state=ScanState.FAILED, completed_at=NOW - hours(1)), "FAILED"),
    (ManifestRecord(state=ScanState.UNSUPPORTED, completed_at=NOW - hours(1)), "UNSUPPORTED"),
    (ManifestRecord(state=ScanState.ARCHIVED, completed_at=NOW - hours(1)), "ARCHIVED"),
    (ManifestRecord(state=ScanState.EXPIRED, completed_at=NOW - hours(1)), "STALE"),
]


@pytest.mark.parametrize(("of", "code"), STATES)
def test_nothing_unknown_passes(of: ManifestRecord | None, code: str) -> None:
    """Each state with its reason and what to do, although the findings that are recorded are none."""
    found = verdict(ask(), record(ledger({"new": of})))
    assert (found.answer, codes(found)) == (Answer.UNKNOWN, [code])
    assert found.reasons[0].action
    assert found.counted is None
    assert (found.retry_after is not None) == (code in {"IN_PROGRESS", "NEVER_SCANNED"}) or code in {"STALE", "FAILED"}


def test_a_release_that_has_ended_never_passes_and_what_was_found_in_it_counts() -> None:
    """Nobody reports what is found in it, so that finding nothing says nothing."""
    made = record()
    assert made.document is not None
    assert made.document.manifests[0] is not None
    made.document.manifests[0].release = "Debian 9"
    found = verdict(ask(), made)
    assert (found.answer, codes(found), found.retry_after) == (Answer.UNKNOWN, ["END_OF_LIFE"], None)
    made = record(found=ONE_HIGH)
    assert made.document is not None
    assert made.document.manifests[0] is not None
    made.document.manifests[0].release = "Debian 9"
    found = verdict(ask(), made)
    assert (found.answer, codes(found)) == (Answer.FAIL, ["FINDINGS", "END_OF_LIFE"])


def test_a_result_that_is_not_recorded_is_unknown() -> None:
    """The ledger knows of a completion; the findings are what counts."""
    document = findings(("other",), {})
    assert codes(verdict(ask(), record(document=document))) == ["NOT_RECORDED"]
    assert codes(verdict(ask(), record(document=None))) == ["NOT_RECORDED"]


def test_how_old_a_result_may_be_is_the_asker_s() -> None:
    """Less than the promise, and more."""
    assert codes(verdict(ask(max_age=hours(2)), record())) == ["STALE"]
    assert verdict(ask(max_age=hours(48)), record(ledger({"new": complete(hours(30))}))).answer is Answer.PASS
    expired = ManifestRecord(state=ScanState.EXPIRED, completed_at=NOW - hours(30))
    assert codes(verdict(ask(max_age=hours(48)), record(ledger({"new": expired})))) == ["STALE"]


def test_an_image_or_repository_that_is_not_on_record_is_unknown() -> None:
    """It may have been pushed just now."""
    assert codes(verdict(ask("gone"), record())) == ["UNKNOWN_IMAGE"]
    assert verdict(ask("gone"), record()).retry_after == 60
    nothing = Record([configuration()], None, None)
    assert codes(verdict(ask(), nothing)) == ["UNKNOWN_IMAGE"]


def test_a_tag_is_not_believed_while_an_event_is_not_applied() -> None:
    """It may name another image by now; a digest names one for ever."""
    behind = ledger({"new": complete()})
    behind.is_behind = True
    assert codes(verdict(ask(), record(behind))) == ["UNKNOWN_IMAGE"]
    by_digest = Question(ImageName(REPOSITORY, "new", digest("new")))
    assert verdict(by_digest, record(behind)).answer is Answer.PASS


def test_what_no_configuration_selects_is_unknown_and_waiting_does_not_help() -> None:
    """Nobody scans it again."""
    made = record(configurations=[configuration(tags=("prod",))])
    assert (codes(verdict(ask(), made)), verdict(ask(), made).retry_after) == (["NOT_SELECTED"], None)
    assert codes(verdict(ask(), record(configurations=[]))) == ["NOT_SELECTED"]


def test_a_damaged_record_is_unknown() -> None:
    """Not an error: a build must get a verdict."""
    assert codes(verdict(ask(), record(unreadable=["images/x: is not JSON"]))) == ["UNREADABLE"]


def ignoring(**members: Any) -> Suppression:
    return Suppression(**({"vulnerability": "CVE-1", "reason": "not reachable"} | members))


def test_what_is_ignored_does_not_count_and_is_listed() -> None:
    """With its reason and its end."""
    made = record(found=ONE_HIGH, configurations=[configuration(ignore=(ignoring(until=date(2026, 12, 1)),))])
    found = verdict(ask(), made)
    assert (found.answer, found.new) == (Answer.PASS, ())
    (one,) = found.ignored
    (by,) = one.ignored
    assert (one.vulnerability, by.reason, by.until) == ("CVE-1", "not reachable", date(2026, 12, 1))
    assert "1 is ignored" in found.reasons[0].message


def test_a_suppression_that_ended_hides_nothing_and_is_named() -> None:
    """The build that breaks because of it is told so."""
    ended = date(2026, 11, 22)
    found = verdict(ask(), record(found=ONE_HIGH, configurations=[configuration(ignore=(ignoring(until=ended),))]))
    assert (found.answer, found.new[0].ignored_until) == (Answer.FAIL, ended)


def test_what_one_configuration_ignores_and_another_shows_counts() -> None:
    """Unless the one is named that is to be gone by."""
    both = [configuration(1, ignore=(ignoring(),)), configuration(2)]
    assert verdict(ask(), record(found=ONE_HIGH, configurations=both)).answer is Answer.FAIL
    assert verdict(ask(), record(found=ONE_HIGH, configurations=both[:1])).answer is Answer.PASS


def test_one_that_can_t_be_read_might_show_what_the_others_ignore() -> None:
    """So nothing that is ignored passes; what is clean does."""
    made = record(found=ONE_HIGH, configurations=[configuration(ignore=(ignoring(),))], unreadable_configurations=1)
    assert (verdict(ask(), made).answer, codes(verdict(ask(), made))) == (Answer.UNKNOWN, ["UNREADABLE"])
    assert verdict(ask(), record(unreadable_configurations=1)).answer is Answer.PASS


def test_a_suppression_for_other_tags_hides_nothing() -> None:
    """As in the feed."""
    made = record(found=ONE_HIGH, configurations=[configuration(ignore=(ignoring(tags=("dev*",)),))])
    assert verdict(ask(), made).answer is Answer.FAIL


def two(found: Found) -> Record:
    return record(found=found, tags=("new", "prod"))


def test_what_runs_already_has_does_not_count() -> None:
    """The same findings pass, one more fails, and it alone is new."""
    same: Found = {("CVE-1", "openssl"): {"1.0": {HIGH: 0b11}}}
    found = verdict(ask(compared_to="prod"), two(same))
    assert (found.answer, found.counted and found.counted[HIGH]) == (Answer.PASS, 1)
    assert "1 finding that prod has, too" in found.reasons[0].message
    more: Found = {**same, ("CVE-2", "zlib"): {"1": {CRITICAL: 0b01}}}
    found = verdict(ask(compared_to="prod"), two(more))
    assert (found.answer, [one.vulnerability for one in found.new]) == (Answer.FAIL, ["CVE-2"])


def test_compared_to_what_nobody_has_everything_is_new() -> None:
    """The first deployment, or a misspelt tag: both are told."""
    found = verdict(ask(compared_to="prdo"), record(found=ONE_HIGH))
    assert (found.answer, codes(found)) == (Answer.FAIL, ["FINDINGS", "NOTHING_TO_COMPARE"])
    assert verdict(ask(compared_to="prod"), record()).answer is Answer.PASS


def test_compared_to_what_has_no_result_nothing_is_known_to_be_new() -> None:
    """Unless there is nothing to compare."""
    held = ledger({"new": complete(), "prod": ManifestRecord()})
    document = findings(("new",), ONE_HIGH)
    found = verdict(ask(compared_to="prod"), record(held, document=document))
    assert (found.answer, codes(found)) == (Answer.UNKNOWN, ["COMPARISON_UNKNOWN"])
    clean = record(held, document=findings(("new",), {}))
    assert verdict(ask(compared_to="prod"), clean).answer is Answer.PASS


def test_whether_there_is_a_fix_is_known_or_not() -> None:
    """Basic scans name none: that is unknown, not "no"."""
    assert codes(verdict(ask(fixable=True), record(found=ONE_HIGH))) == ["FIX_UNKNOWN"]
    made = record(found=ONE_HIGH)
    assert made.document is not None
    made.document.findings["CVE-1", "openssl"].fixes["1.0"] = "1.1"
    found = verdict(ask(fixable=True), made)
    assert (found.answer, found.new[0].fixed_in) == (Answer.FAIL, "1.1")
    assert verdict(ask(fixable=True), record()).answer is Answer.PASS


def an_index(*records: ManifestRecord) -> Ledger:
    """An index with the tag new, of platforms that were scanned so."""
    held = Ledger("123456789012", "us-east-1", REPOSITORY, since=NOW, listed_at=NOW)
    children: dict[str, str | None] = {digest(number): f"linux/p{number}" for number in range(len(records))}
    held.images[digest("index")] = LedgerImage(NOW, tags={"new": NOW}, media_type=INDEX, children=children)
    held.manifests = {digest(number): one for number, one in enumerate(records)}
    return held


def of_platforms(found: Found) -> FindingsDocument:
    return findings(("0", "1"), found)


def test_an_index_is_as_good_as_its_worst_platform() -> None:
    """Which one that is is told."""
    bad: Found = {("CVE-1", "p"): {"1": {HIGH: 0b10}}}
    found = verdict(ask(), record(an_index(complete(), complete()), document=of_platforms(bad)))
    assert (found.answer, found.new[0].platforms) == (Answer.FAIL, ("linux/p1",))
    assert verdict(ask(), record(an_index(complete(), complete()), document=of_platforms({}))).answer is Answer.PASS


def test_an_index_with_a_platform_of_which_nothing_is_known_does_not_pass() -> None:
    """A bad one beside it fails it all the same."""
    half = an_index(complete(), ManifestRecord())
    found = verdict(ask(), record(half, document=of_platforms({})))
    assert (found.answer, codes(found), found.reasons[0].platform) == (Answer.UNKNOWN, ["NEVER_SCANNED"], "linux/p1")
    bad: Found = {("CVE-1", "p"): {"1": {HIGH: 0b01}}}
    found = verdict(ask(), record(half, document=of_platforms(bad)))
    assert (found.answer, codes(found)) == (Answer.FAIL, ["FINDINGS", "NEVER_SCANNED"])


def test_a_platform_of_an_index_can_be_asked_for_alone() -> None:
    """By its digest; the others don't matter then."""
    half = an_index(complete(), ManifestRecord())
    only = Question(ImageName(REPOSITORY, None, digest(0)))
    assert verdict(only, record(half, document=of_platforms({}))).answer is Answer.PASS
    other = Question(ImageName(REPOSITORY, None, digest(1)))
    assert codes(verdict(other, record(half, document=of_platforms({})))) == ["NEVER_SCANNED"]


def test_an_index_that_is_not_resolved_or_lost_a_platform_does_not_pass() -> None:
    """Nobody knows what is in it."""
    lost = an_index(complete())
    lost.images[digest("index")].gone = {digest(9): "linux/gone"}
    assert codes(verdict(ask(), record(lost, document=of_platforms({})))) == ["UNSUPPORTED"]
    unresolved = an_index()
    unresolved.images[digest("index")].children = None
    assert codes(verdict(ask(), record(unresolved))) == ["NEVER_SCANNED"]
    assert codes(verdict(ask(), record(an_index()))) == ["UNSUPPORTED"]


def test_an_enhanced_result_holds_as_of_when_it_was_read() -> None:
    """Inspector renews it when there is reason to; nobody scans it again every day."""
    members: dict[str, Any] = {"state": ScanState.COMPLETE, "scan_type": ScanType.ENHANCED}
    old = ManifestRecord(completed_at=NOW - hours(400), read_at=NOW - hours(2), **members)
    found = verdict(ask(), record(ledger({"new": old})))
    assert (found.answer, found.as_of) == (Answer.PASS, NOW - hours(2))
    unread = ManifestRecord(completed_at=NOW - hours(400), read_at=NOW - hours(30), **members)
    assert codes(verdict(ask(), record(ledger({"new": unread})))) == ["STALE"]


def test_what_is_no_image_does_not_pass() -> None:
    """A Helm chart has no result that says anything."""
    chart = ledger({"new": complete()}, artifact_type="application/vnd.cncf.helm.config.v1+json")
    assert codes(verdict(ask(), record(chart))) == ["UNSUPPORTED"]


@given(
    state=st.sampled_from(ScanState),
    age=st.one_of(st.none(), st.integers(0, 72)),
    allowed=st.integers(1, 72),
    severities=st.lists(st.sampled_from(Severity), max_size=3),
    ignored=st.booleans(),
    recorded=st.booleans(),
    selected=st.booleans(),
)
def test_what_passes_is_known_recent_selected_and_without_a_severe_finding_in_sight(
    state: ScanState,
    age: int | None,
    allowed: int,
    severities: list[Severity],
    ignored: bool,
    recorded: bool,
    selected: bool,
) -> None:
    """The law of the gate, and its other half: what is all of that does pass."""
    one = ManifestRecord(state=state, completed_at=None if age is None else NOW - hours(age))
    found: Found = {(f"CVE-{n}", "p"): {"1": {severity: 1}} for n, severity in enumerate(severities)}
    made = record(
        ledger({"new": one}),
        document=findings(("new",), found) if recorded else None,
        configurations=[
            configuration(
                tags=("new",) if selected else ("other",),
                ignore=(ignoring(vulnerability="CVE-*"),) if ignored else (),
            )
        ],
    )
    known = (
        selected
        and recorded
        and age is not None
        and age <= allowed
        and state not in (ScanState.FAILED, ScanState.UNSUPPORTED, ScanState.ARCHIVED, ScanState.EXPIRED)
    )
    severe = not ignored and any(severity in (CRITICAL, HIGH) for severity in severities)
    expected = Answer.UNKNOWN if not known else Answer.FAIL if severe else Answer.PASS
    assert verdict(ask(max_age=hours(allowed)), made).answer is expected
