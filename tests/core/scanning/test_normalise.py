"""ECR's replies as our values: recorded shapes, every status, and whatever else may come."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanFinding, ScanResult, ScanType
from ecr_rescan.core.scanning.normalise import MAX_DESCRIPTION, bounded, scan_result
from ecr_rescan.core.severity import Severity

DIGEST = "sha256:" + "1" * 64
DATA = Path(__file__).parents[2] / "data" / "ecr"
COMPLETED = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)


def reply(name: str) -> dict[str, Any]:
    """A reply in the shape of the wire, as boto3 hands it over: null members are dropped."""
    page: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return {key: value for key, value in page.items() if value is not None}


def page(*findings: object, status: str = "COMPLETE", **body: object) -> dict[str, Any]:
    """A page of basic findings."""
    return {
        "imageScanStatus": {"status": status, "description": ""},
        "imageScanFindings": {"imageScanCompletedAt": COMPLETED, "findings": list(findings), **body},
    }


def basic(name: object = "CVE-2026-1", severity: object = "HIGH", **attributes: str) -> dict[str, Any]:
    """A basic finding."""
    listed = [{"key": key, "value": value} for key, value in attributes.items()]
    return {"name": name, "severity": severity, "attributes": listed}


def result(*pages: object, scan_type: ScanType | None = None) -> ScanResult:
    """The result of some pages."""
    found = scan_result(DIGEST, pages, scan_type=scan_type)
    assert isinstance(found, ScanResult)
    return found


def only(*pages: object) -> ScanFinding:
    """The only finding of some pages."""
    (finding,) = result(*pages).findings
    return finding


def no_result(*pages: object) -> NoResult:
    """Why some pages hold no result."""
    found = scan_result(DIGEST, pages)
    assert isinstance(found, NoResult)
    return found


def test_a_basic_result() -> None:
    """Packages of one vulnerability are findings of their own; scores come from the newest CVSS; links are trimmed."""
    found = result(reply("basic_debian"))
    assert found.scan_type is ScanType.BASIC
    assert found.completed_at == COMPLETED
    assert found.counts == {Severity.HIGH: 2, Severity.INFORMATIONAL: 1, Severity.UNDEFINED: 1}
    assert [(f.vulnerability, f.package, f.version, f.severity, f.score) for f in found.findings] == [
        ("CVE-2019-20002", "openssh", "1:7.9p1-10+deb10u2", Severity.INFORMATIONAL, None),
        ("CVE-2026-1001", "python2.7", "2.7.16-2+deb10u1", Severity.HIGH, "9.8"),
        ("CVE-2026-1001", "python3.7", "3.7.3-2+deb10u3", Severity.HIGH, "5.0"),
        ("CVE-2026-1003", "zlib", "1:1.2.11.dfsg-1", Severity.UNDEFINED, None),
    ]
    first, second = found.findings[1:3]
    assert first.uri == "https://security-tracker.debian.org/tracker/CVE-2026-1001"
    assert first.vector == "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    assert second.vector == "AV:N/AC:L/Au:N/C:N/I:P/A:N"
    assert found.findings[0].description == ""


def test_an_enhanced_result() -> None:
    """Every vulnerable package counts, in each version once; closed and suppressed findings are not open."""
    found = result(reply("enhanced"))
    assert found.scan_type is ScanType.ENHANCED
    assert found.counts == {Severity.CRITICAL: 1, Severity.HIGH: 1}
    assert [(f.vulnerability, f.package, f.version, f.severity, f.score, f.fixed_in) for f in found.findings] == [
        ("CVE-2026-2001", "compat-openssl", "1.0.2o", Severity.CRITICAL, "9.1", None),
        ("CVE-2026-2001", "openssl-libs", "1:1.1.1k-12.el8", Severity.CRITICAL, "9.1", "1:1.1.1k-14.el8_6"),
        ("CVE-2026-2002", "lodash", "3.10.1", Severity.UNTRIAGED, "8.0", "4.17.21"),
        ("CVE-2026-2002", "lodash", "4.17.20", Severity.UNTRIAGED, "8.0", "4.17.21"),
        ("CVE-2026-2003", "", "", Severity.HIGH, None, None),
    ]
    openssl, lodash = found.findings[1], found.findings[3]
    assert openssl.description == "First line.\n\nSecond line."
    assert openssl.uri == "https://access.redhat.com/security/cve/CVE-2026-2001"
    assert openssl.vector == "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"
    assert (lodash.description, lodash.uri) == ("", "https://example.com/advisory")


def test_no_fix_where_inspector_says_so() -> None:
    """A fixed version beside ``fixAvailable: NO`` is a placeholder."""
    raw = {
        "fixAvailable": "NO",
        "packageVulnerabilityDetails": {"vulnerablePackages": [{"name": "a", "fixedInVersion": "0:0"}]},
    }
    assert only(page(enhancedFindings=[raw])).fixed_in is None


def test_a_clean_image() -> None:
    """An empty list is a result, of no findings."""
    found = result(reply("clean"))
    assert (found.findings, found.counts, found.scan_type) == ((), {}, ScanType.BASIC)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"findings": [], "enhancedFindings": []}, "COMPLETE", ScanType.BASIC),
        ({"findings": []}, "ACTIVE", ScanType.ENHANCED),
        ({"enhancedFindings": []}, "COMPLETE", ScanType.ENHANCED),
        ({"findings": [], "enhancedFindings": [{"severity": "LOW"}]}, "COMPLETE", ScanType.ENHANCED),
        ({"findings": [{"severity": "LOW"}], "enhancedFindings": []}, "COMPLETE", ScanType.BASIC),
    ],
)
def test_the_scan_type_of_a_reply(body: dict[str, Any], status: str, expected: ScanType) -> None:
    """It is told by what is listed and by the status, for a clean image of either type may list no findings."""
    sent = {"imageScanStatus": {"status": status}, "imageScanFindings": {"imageScanCompletedAt": COMPLETED, **body}}
    assert result(sent).scan_type is expected
    assert result(sent, scan_type=ScanType.BASIC).scan_type is ScanType.BASIC
    assert result(sent, scan_type=ScanType.ENHANCED).scan_type is ScanType.ENHANCED


@pytest.mark.parametrize(
    ("status", "description", "reason", "detail"),
    [
        ("IN_PROGRESS", "", NoResultReason.IN_PROGRESS, ""),
        ("PENDING", "queued", NoResultReason.IN_PROGRESS, "PENDING: queued"),
        ("FAILED", "It broke.", NoResultReason.FAILED, "It broke."),
        ("FAILED", None, NoResultReason.FAILED, ""),
        ("FINDINGS_UNAVAILABLE", "", NoResultReason.FAILED, "FINDINGS_UNAVAILABLE"),
        ("UNSUPPORTED_IMAGE", "no", NoResultReason.UNSUPPORTED, "UNSUPPORTED_IMAGE: no"),
        ("IMAGE_SIZE_EXCEEDED", "", NoResultReason.UNSUPPORTED, "IMAGE_SIZE_EXCEEDED"),
        ("SCAN_ELIGIBILITY_EXPIRED", "old", NoResultReason.EXPIRED, "SCAN_ELIGIBILITY_EXPIRED: old"),
        ("LIMIT_EXCEEDED", "", NoResultReason.LIMIT_EXCEEDED, ""),
        ("IMAGE_ARCHIVED", "", NoResultReason.ARCHIVED, "IMAGE_ARCHIVED"),
        ("BRAND_NEW", "?", NoResultReason.UNAVAILABLE, "BRAND_NEW: ?"),
        (None, "", NoResultReason.UNAVAILABLE, "ECR sent no scan status"),
        (["COMPLETE"], "", NoResultReason.UNAVAILABLE, "ECR sent no scan status"),
    ],
)
def test_statuses_without_a_result(status: object, description: object, reason: NoResultReason, detail: str) -> None:
    """Each has its reason, whatever findings of an earlier scan come along."""
    sent = page(basic()) | {"imageScanStatus": {"status": status, "description": description}}
    assert no_result(sent) == NoResult(DIGEST, reason, detail)


def test_an_image_without_an_operating_system_is_unsupported() -> None:
    """ECR says FAILED for it, and will say so every day."""
    found = no_result(reply("failed_scratch"))
    assert found.reason is NoResultReason.UNSUPPORTED
    assert found.detail.startswith("UnsupportedImageError: The operating system")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (None, "COMPLETE without a time of completion"),
        ({"findings": []}, "COMPLETE without a time of completion"),
        ({"findings": [], "imageScanCompletedAt": "soon"}, "COMPLETE without a time of completion"),
        ({"imageScanCompletedAt": COMPLETED}, "COMPLETE without its findings"),
        ({"imageScanCompletedAt": COMPLETED, "findings": None}, "COMPLETE without its findings"),
        (
            {"imageScanCompletedAt": COMPLETED, "findings": [], "findingSeverityCounts": {"HIGH": 2}},
            "COMPLETE without its findings",
        ),
    ],
)
def test_a_result_that_shows_nothing_is_not_clean(body: object, detail: str) -> None:
    """Nothing is concluded from a reply that lists no findings without saying that there are none."""
    sent = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": body}
    assert no_result(sent) == NoResult(DIGEST, NoResultReason.UNAVAILABLE, detail)


def test_no_pages_are_no_result() -> None:
    """An empty reply says nothing."""
    assert no_result().reason is NoResultReason.UNAVAILABLE


def test_pages_are_joined() -> None:
    """The counts are of the whole image and repeated on every page."""
    counts = {"HIGH": 2, "TOTAL": 2, "LOW": 0, "MEDIUM": "3", "CRITICAL": True, "junk": 4}
    pages = [page(basic(f"CVE-2026-{n}"), findingSeverityCounts=counts) for n in (1, 2)]
    found = result(*pages)
    assert [finding.vulnerability for finding in found.findings] == ["CVE-2026-1", "CVE-2026-2"]
    assert found.counts == {Severity.HIGH: 2}


@pytest.mark.parametrize("second", [page(status="IN_PROGRESS"), page(imageScanCompletedAt=COMPLETED.timestamp() + 9)])
def test_pages_of_two_scans_are_not_mixed(second: dict[str, Any]) -> None:
    """A scan that begins or ends while the pages are read leaves no usable result."""
    assert no_result(page(basic()), second).detail == "the result changed while it was being read"


def test_findings_are_counted_where_ecr_sends_no_counts() -> None:
    """By severity, after merging."""
    found = result(page(basic(), basic(), basic("CVE-2026-2", "LOW"), findingSeverityCounts={"TOTAL": 3}))
    assert found.counts == {Severity.HIGH: 1, Severity.LOW: 1}


@pytest.mark.parametrize(
    "sent",
    [
        COMPLETED,
        COMPLETED.replace(tzinfo=None),
        COMPLETED.astimezone(timezone(timedelta(hours=11))).replace(microsecond=999),
        COMPLETED.timestamp(),
        int(COMPLETED.timestamp()),
        "2026-11-24T05:00:00+1100",
        "2026-11-23T18:00:00.5Z",
        "2026-11-23T18:00:00",
    ],
)
def test_the_completion_is_in_utc_and_whole_seconds(sent: object) -> None:
    """However it was written."""
    assert result(page(imageScanCompletedAt=sent)).completed_at == COMPLETED


@pytest.mark.parametrize("sent", [True, float("nan"), 1e300, "", [], datetime.min.replace(tzinfo=timezone.max)])
def test_a_completion_that_is_none(sent: object) -> None:
    """What can't be a time isn't taken for one."""
    sent = page(imageScanCompletedAt=sent)
    assert no_result(sent).detail == "COMPLETE without a time of completion"


def test_the_age_of_the_data_stands_in_for_the_completion() -> None:
    """It is never later, so the result doesn't look fresher than it is."""
    sent = page(imageScanCompletedAt=None, vulnerabilitySourceUpdatedAt=COMPLETED)
    assert result(sent).completed_at == COMPLETED


def test_duplicates_are_merged() -> None:
    """The most severe speaks, the others fill what it leaves open."""
    same = {"package_name": "a", "package_version": "1"}
    low = basic(severity="LOW", **same, CVSS3_SCORE="3.1") | {"description": "What it is", "uri": "https://a.example/"}
    critical = basic(severity="CRITICAL", **same)
    other_version = basic(package_name="a", package_version="2")
    first, second = result(page(low, critical, other_version)).findings
    assert (first.severity, first.description, first.uri) == (Severity.CRITICAL, "What it is", "https://a.example/")
    assert first.score == "3.1"
    assert second.version == "2"
    assert only(page(low, critical | {"description": "Worse"})).description == "Worse"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ("UNKNOWN", Severity.UNDEFINED)),
        ({"name": None, "severity": None}, ("UNKNOWN", Severity.UNDEFINED)),
        ({"name": 7, "severity": 7}, ("UNKNOWN", Severity.UNDEFINED)),
        ({"name": " ", "severity": "NEGLIGIBLE"}, ("UNKNOWN", Severity.UNDEFINED)),
        ({"name": "\ud800\x00X", "severity": "high"}, ("\ufffd\ufffdX", Severity.HIGH)),
        ({"name": "CVE-1", "attributes": [None, 1, {}, {"key": "package_name"}]}, ("CVE-1", Severity.UNDEFINED)),
        ({"name": "CVE-1", "attributes": {"package_name": "x"}}, ("CVE-1", Severity.UNDEFINED)),
    ],
)
def test_a_finding_that_lacks_members_is_kept(raw: dict[str, Any], expected: tuple[str, Severity]) -> None:
    """Nothing is lost, and nothing crashes."""
    finding = only(page(raw))
    assert (finding.vulnerability, finding.severity) == expected
    assert (finding.package, finding.version) == ("", "")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"title": "CVE-2026-3 - curl, libcurl", "findingArn": "arn:x"}, "CVE-2026-3"),
        ({"title": "Unexpected words - curl"}, "Unexpected words - curl"),
        ({"findingArn": "arn:x"}, "arn:x"),
        ({"packageVulnerabilityDetails": []}, "UNKNOWN"),
    ],
)
def test_the_name_of_an_enhanced_finding_without_an_identifier(raw: dict[str, Any], name: str) -> None:
    """Its title, whose first word is one, or else its ARN."""
    assert only(page(enhancedFindings=[raw])).vulnerability == name


def test_sizes_are_bounded() -> None:
    """Texts are cut with an ellipsis; a link that would have to be cut is none."""
    long = "x" * 5000
    raw = basic(long, package_name=long, package_version=long) | {"description": long, "uri": f"https://{long}"}
    finding = only(page(raw))
    assert finding.description == "x" * (MAX_DESCRIPTION - 1) + "…"
    assert {len(finding.vulnerability), len(finding.package), len(finding.version)} == {256}
    assert finding.uri == ""
    assert only(page(basic() | {"uri": "u" * 2000})).uri == "u" * 2000


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"CVSS4_SCORE": "8.1", "CVSS4_VECTOR": "four", "CVSS3_SCORE": "9.8"}, ("8.1", "four")),
        ({"CVSS3_SCORE": "high", "CVSS3_VECTOR": "three", "CVSS2_SCORE": "5", "CVSS2_VECTOR": "two"}, ("5.0", "two")),
        ({"CVSS3_SCORE": "11"}, (None, None)),
        ({"CVSS3_SCORE": "nan", "CVSS2_SCORE": "-0"}, ("0.0", None)),
    ],
)
def test_the_score_of_a_basic_finding(attributes: dict[str, str], expected: tuple[str | None, str | None]) -> None:
    """Of the newest CVSS version that has a usable one."""
    finding = only(page(basic(**attributes)))
    assert (finding.score, finding.vector) == expected


@given(st.permutations(range(6)), st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(order: list[int], chance: random.Random) -> None:
    """The same set in any order and any division into pages is the same value."""
    same = {"package_name": "a", "package_version": "1"}
    findings = [
        basic(**same) | {"description": "One"},
        basic(**same) | {"description": "Another", "uri": "https://a.example/"},
        basic(**same, CVSS3_SCORE="5.0"),
        basic(severity="UNTRIAGED", **same, CVSS3_SCORE="9.0", CVSS3_VECTOR="v"),
        basic("CVE-2026-2", **same),
        basic(package_name="a", package_version="2"),
    ]
    shuffled = copy.deepcopy([findings[position] for position in order])
    for finding in shuffled:
        chance.shuffle(finding["attributes"])
    cut = chance.randrange(7)
    assert result(page(*shuffled[:cut]), page(*shuffled[cut:])) == result(page(*findings))


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None), max_size=20)
)
_NAMES = [
    *("name", "severity", "description", "uri", "attributes", "key", "value", "package_name", "CVSS3_SCORE"),
    *("status", "title", "findingArn", "fixAvailable", "score", "packageVulnerabilityDetails", "vulnerabilityId"),
    *("vulnerablePackages", "version", "release", "epoch", "fixedInVersion", "cvss", "source", "baseScore"),
    *("scoringVector", "referenceUrls", "sourceUrl"),
]
_MEMBERS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(_NAMES),
)
JUNK = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_MEMBERS, inner, max_size=6)),
    max_leaves=25,
)


@given(st.lists(JUNK, max_size=3))
def test_junk_instead_of_pages_never_raises(pages: list[object]) -> None:
    """No shape of a page is relied on."""
    scan_result(DIGEST, pages)


@given(st.lists(JUNK, max_size=4), st.lists(JUNK, max_size=4), JUNK)
def test_junk_inside_a_page_never_raises_and_can_be_stored(
    findings: list[object], enhanced: list[object], counts: object
) -> None:
    """Whatever findings hold, the value can be encoded, is bounded, and has nothing twice."""
    found = scan_result(DIGEST, [page(*findings, enhancedFindings=enhanced, findingSeverityCounts=counts)])
    assert found.digest == DIGEST
    if isinstance(found, ScanResult):
        for finding in found.findings:
            assert finding.vulnerability
            for text in (finding.vulnerability, finding.package, finding.version, finding.description, finding.uri):
                text.encode()
                assert "\x00" not in text
        identities = [(finding.vulnerability, finding.package, finding.version) for finding in found.findings]
        assert identities == sorted(set(identities))


@given(st.text(st.characters(codec=None)), st.integers(1, 30))
def test_bounded_texts(text: str, limit: int) -> None:
    """They fit, and encode."""
    short = bounded(text, limit)
    assert len(short) <= limit
    short.encode()
