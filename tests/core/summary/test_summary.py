"""How the summary adds up what is recorded of the selected images."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.core.changes.findings import FindingsDocument, Image, Manifest
from ecr_rescan.core.scanning.account import REPOSITORIES, SCAN_TYPE, Account, Rest
from ecr_rescan.core.scanning.ledger import Ledger, LedgerImage
from ecr_rescan.core.scanning.schedule import INTERVAL, MARGIN
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary import as_text as summary_text
from ecr_rescan.core.summary.as_json import to_wire
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.summary import Problem, Summary, summarise
from ecr_rescan.core.version import VERSION
from tests.summary_records import (
    HIGH,
    INDEX,
    LOW,
    NOW,
    PLACE,
    REGION,
    REGISTRY,
    REPOSITORY,
    complete,
    configuration,
    digest,
    everything,
    findings,
    ledger,
    nonzero,
    one,
    only,
)


def test_findings_of_a_displaced_image_count_for_the_configuration_alone() -> None:
    """As in the feed they stand in until the new image's first result; the new image itself has no counts yet."""
    document = findings(("1",), {("CVE-1", "openssl"): {"3": {HIGH: 1}}})
    old = document.images[digest("1")]
    old.tags = ()
    document.manifests.append(Manifest(digest("new")))
    document.images[digest("new")] = Image(digest("new"), ("1",), NOW, 0b10, NOW, NOW, took={"1": digest("1")})
    held = Ledger(REGISTRY, REGION, REPOSITORY, since=NOW, listed_at=NOW)
    held.images[digest("new")] = LedgerImage(NOW, tags={"1": NOW})
    item = one(held, document)
    assert nonzero(item.counts) == {HIGH: 1}
    assert (only(item).counts, only(item).status.state) == (None, ImageState.NEVER_SCANNED)


def test_without_a_findings_document_ecrs_own_counts_tell() -> None:
    """They may hold what is ignored, so how much that is isn't told; the configuration's counts need the findings."""
    record = complete(counts={HIGH: 2, LOW: 1})
    problem = Problem("findings/123456789012/us-east-1/team%2Fapp.json", "is no findings document")
    item = one(ledger({"a": record}), None, problem, of=configuration(severity=HIGH))
    assert nonzero(only(item).counts) == {HIGH: 2}
    assert only(item).suppressed is None
    assert item.counts is None
    assert item.problems == ("team/app: its findings can't be read",)


def test_a_result_that_its_document_lacks_has_no_counts() -> None:
    """Between the two writes of a recording the ledger may know of a result that is not there yet."""
    document = findings(("a",), {})
    document.manifests[0] = Manifest(digest("a"))
    assert only(one(ledger({"a": complete(counts={HIGH: 2})}), document)).counts is None


def test_each_platform_of_an_index_is_told_apart() -> None:
    """Under the index's digest and tags, with its own state, in the order of the platforms."""
    held = Ledger(REGISTRY, REGION, REPOSITORY, since=NOW, listed_at=NOW)
    children = {digest("arm"): "linux/arm64", digest("amd"): "linux/amd64"}
    held.images[digest("index")] = LedgerImage(NOW, tags={"1": NOW, "0": NOW}, media_type=INDEX, children=children)
    held.manifests[digest("amd")] = complete()
    document = FindingsDocument(REGISTRY, REGION, REPOSITORY, since=NOW, changed_at=NOW)
    document.manifests = [Manifest(digest("amd"), "linux/amd64", NOW), Manifest(digest("arm"), "linux/arm64")]
    document.images[digest("index")] = Image(digest("index"), ("0", "1"), NOW, 0b11, NOW, NOW)
    summary = everything([configuration(tags=("1",))], held, document)
    amd, arm = summary.configurations[0].images
    assert (amd.digest, amd.tags, amd.status.manifest) == (digest("index"), ("0", "1"), digest("amd"))
    assert (amd.counts is None, arm.counts is None) == (False, True)
    assert (summary.totals.images, summary.totals.coverage.selected) == (1, 2)
    assert summary_text.to_text(summary) == (
        "Results for team/app:1 [linux/amd64] in us-east-1:\n no findings\n\n"
        "Results for team/app:1 [linux/arm64] in us-east-1:\n NEVER_SCANNED: waiting for the first look-up\n"
    )


def test_only_selected_images_are_told_newest_first() -> None:
    """Tags and newest select; repositories that the configuration doesn't name are left out."""
    held = ledger({"v3": complete(), "v2": complete(), "v1": complete(), "dev": complete()})
    chosen = one(held, of=configuration(tags=("v*",), newest=2))
    assert [image.tags for image in chosen.images] == [("v3",), ("v2",)]
    assert one(held, of=configuration(repository=("team/*", "!team/app"))).images == ()


@pytest.mark.parametrize(
    ("members", "repository", "problem"),
    [
        ({"missing_since": NOW}, REPOSITORY, "team/app: repository not found"),
        ({"problem": "AccessDeniedException"}, REPOSITORY, "team/app: AccessDeniedException"),
        ({"listed_at": None}, REPOSITORY, "team/app: its images have not been listed yet"),
        ({"missing_since": NOW}, "team/*", "team/app: repository not found"),
        ({}, REPOSITORY, "no image is selected: nothing that was listed matches"),
        ({}, ("gone", "!gone"), "no image is selected: nothing that was listed matches"),
        ({}, "other/*", "no image is selected: the registry's repositories have not been listed yet"),
    ],
)
def test_a_configuration_says_why_it_shows_nothing(members: dict[str, Any], repository: Any, problem: str) -> None:
    """An empty list of images always comes with its reason."""
    held = ledger({})
    for name, value in members.items():
        setattr(held, name, value)
    patterns = (repository,) if isinstance(repository, str) else repository
    assert one(held, of=configuration(repository=patterns)).problems == (problem,)


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        (None, "no image is selected: the registry's repositories have not been listed yet"),
        (Account(*PLACE[:2]), "no image is selected: the registry's repositories have not been listed yet"),
        (Account(*PLACE[:2], repositories_at=NOW), "no image is selected: nothing that was listed matches"),
        (
            Account(*PLACE[:2], rests={REPOSITORIES: Rest(NOW, 1, "AccessDeniedException: no")}),
            "registry 123456789012 in us-east-1: its repositories can't be listed, so that new ones are not seen: "
            "AccessDeniedException: no",
        ),
        (
            Account(*PLACE[:2], rests={SCAN_TYPE: Rest(NOW, 1, "AccessDeniedException: no")}),
            "registry 123456789012 in us-east-1: how it is scanned can't be asked, so that it is taken for BASIC: "
            "AccessDeniedException: no",
        ),
    ],
)
def test_nothing_matches_is_said_only_after_a_complete_listing(account: Account | None, problem: str) -> None:
    """A listing that is refused, or was never done, is a problem of its own."""
    accounts = {PLACE[:2]: account} if account else {}
    summary = summarise([configuration(repository=("none/*",))], {}, {}, [], at=NOW, accounts=accounts)
    assert summary.configurations[0].problems == (problem,)


def test_a_refused_listing_is_no_problem_of_who_needs_none() -> None:
    """A configuration that names its repositories is told of what concerns it alone."""
    account = Account(*PLACE[:2], rests={REPOSITORIES: Rest(NOW, 1, "AccessDeniedException: no")})
    summary = summarise([configuration()], {PLACE: ledger({"1": None})}, {}, [], at=NOW, accounts={PLACE[:2]: account})
    assert summary.configurations[0].problems == ()


def test_an_unreadable_ledger_is_told_with_the_configurations_that_name_it() -> None:
    """And not as a repository that was never seen."""
    problem = Problem("images/123456789012/us-east-1/team%2Fapp.json", "is no image ledger")
    summary = everything([configuration(1), configuration(2, repository=("other",))], None, None, problem)
    assert summary.problems == (problem,)
    assert [item.problems for item in summary.configurations] == [
        ("team/app: its image ledger can't be read",),
        ("other: not seen in the registry yet",),
    ]
    assert f"Problem with {problem.key}: is no image ledger\n" in summary_text.to_text(summary)


def test_the_same_record_gives_the_same_summary_in_any_order() -> None:
    """Neither the order of configurations, repositories, images nor findings shows."""
    documents = [
        findings(("a", "b"), {("C1", "p"): {"1": {LOW: 1}}, ("C2", "p"): {"1": {HIGH: 2}}}, repository=r) for r in "xy"
    ]
    held = [ledger({"a": complete(), "b": None}, repository=repository) for repository in "xy"]
    configurations = [configuration(number, repository=("*",)) for number in (1, 2)]
    problems = [Problem("b", "p"), Problem("a", "p")]

    def summary(step: int) -> Summary:
        for one_ledger, document in zip(held, documents, strict=True):
            one_ledger.images = dict(list(one_ledger.images.items())[::step])
            document.findings = dict(list(document.findings.items())[::step])
            document.images = dict(list(document.images.items())[::step])
        return summarise(
            configurations[::step],
            {(REGISTRY, REGION, one.repository): one for one in held[::step]},
            {(REGISTRY, REGION, one.repository): one for one in documents[::step]},
            problems[::step],
            at=NOW,
        )

    forwards, backwards = summary(1), summary(-1)
    assert json.dumps(to_wire(forwards)) == json.dumps(to_wire(backwards))
    assert summary_text.to_text(forwards) == summary_text.to_text(backwards)
    assert [item.configuration.id[-1] for item in forwards.configurations] == ["1", "2"]


def test_the_json_names_every_member() -> None:
    """The contract of schema 1."""
    document = findings(("1",), {("CVE-1", "openssl"): {"3": {HIGH: 1}}})
    wire = json.loads(
        json.dumps(to_wire(everything([configuration(owner="team")], ledger({"1": complete()}), document)))
    )
    zeros = {severity.value: 0 for severity in Severity}
    states = dict.fromkeys(("end_of_life", "stale", "failed", "unsupported", "archived", "never", "in_progress"), 0)
    coverage = {"selected": 1, "scanned_24h": 1, **states}
    due = NOW - timedelta(hours=3) + INTERVAL + MARGIN
    age = {"oldest_since": "2026-11-23T18:00:00Z", "oldest_days": 0, "days_allowed": 30, "beyond": 0}
    none = dict.fromkeys(("new", "spread", "reopened", "escalated", "exploited", "fixable", "resolved"), 0)
    changes = {"last_24h": none, "last_7d": none}
    assert wire == {
        "schema": 1,
        "version": VERSION,
        "at": "2026-11-23T18:00:00Z",
        "totals": {
            "configurations": 1,
            "repositories": 1,
            "images": 1,
            "counts": {**zeros, "HIGH": 1},
            "fixable": None,
            "exploited": None,
            "ages": {"HIGH": age},
            "changes": changes,
            "coverage": coverage,
            "not_images": 0,
        },
        "configurations": [
            {
                "id": "00000000-0000-4000-8000-000000000001",
                "description": None,
                "owner": "team",
                "registry": REGISTRY,
                "region": REGION,
                "repository": REPOSITORY,
                "tags": [],
                "newest": None,
                "severity": None,
                "coverage": coverage,
                "counts": {**zeros, "HIGH": 1},
                "fixable": None,
                "exploited": None,
                "suppressed": 0,
                "ages": {"HIGH": age},
                "changes": changes,
                "resolved": dict.fromkeys(("last_24h", "last_7d"), {"fixed": 0, "withdrawn": 0, "gone": 0}),
                "ignore": [],
                "problems": [],
                "not_images": {"count": 0, "kinds": {}, "first": []},
                "images": [
                    {
                        "repository": REPOSITORY,
                        "digest": digest("1"),
                        "tags": ["1"],
                        "platform": None,
                        "manifest": digest("1"),
                        "state": "COMPLETE",
                        "reason": f"scanned 3 h ago, next 2026-11-24 {due:%H:%M}Z",
                        "scanned_at": "2026-11-23T15:00:00Z",
                        "next_due": f"{due:%Y-%m-%dT%H:%M:%S}Z",
                        "pushed_at": "2026-11-22T18:00:00Z",
                        "counts": {**zeros, "HIGH": 1},
                        "suppressed": 0,
                        "exploited": None,
                        "upgrades": None,
                        "release": None,
                    }
                ],
            }
        ],
        "problems": [],
        "signals": {},
    }
