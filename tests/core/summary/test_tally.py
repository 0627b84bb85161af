"""Which findings a configuration counts, and in which images."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_rescan.core.changes.findings import Closing, Image
from ecr_rescan.core.changes.masks import bits
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary import as_text as summary_text
from ecr_rescan.core.summary.summary import ConfigurationSummary, summarise
from ecr_rescan.core.summary.tally import MaskCounter
from tests.summary_records import (
    CRITICAL,
    HIGH,
    LOW,
    NOW,
    REGION,
    REGISTRY,
    UNDEFINED,
    complete,
    configuration,
    digest,
    everything,
    findings,
    ledger,
    nonzero,
    one,
)


def test_a_finding_counts_once_however_many_versions_and_images_have_it() -> None:
    """In an image at its highest severity there; for the configuration at its highest anywhere."""
    document = findings(
        ("a", "b", "c"),
        {
            ("CVE-1", "openssl"): {"1": {HIGH: 0b011}, "2": {CRITICAL: 0b010}},
            ("CVE-1", "zlib"): {"1": {LOW: 0b111}},
            ("CVE-2", "openssl"): {"1": {UNDEFINED: 0b100}},
        },
    )
    item = one(ledger({"a": complete(), "b": complete(), "c": complete()}), document)
    assert [nonzero(image.counts) for image in item.images] == [
        {HIGH: 1, LOW: 1},
        {CRITICAL: 1, LOW: 1},
        {LOW: 1, UNDEFINED: 1},
    ]
    assert nonzero(item.counts) == {CRITICAL: 1, LOW: 1, UNDEFINED: 1}


@pytest.mark.parametrize("order", [1, -1])
def test_a_finding_counts_at_its_highest_severity_over_repositories(order: int) -> None:
    """Whichever of them, and whichever configuration in the totals, comes first."""
    severities = {"x": HIGH, "y": CRITICAL} if order == 1 else {"x": CRITICAL, "y": HIGH}
    found = {
        (REGISTRY, REGION, name): findings(("a",), {("CVE-1", "p"): {"1": {severity: 1}}}, repository=name)
        for name, severity in severities.items()
    }
    held = {place: ledger({"a": complete()}, repository=place[2]) for place in found}
    both = summarise([configuration(repository=("?",))], held, found, (), at=NOW)
    assert nonzero(both.configurations[0].counts) == {CRITICAL: 1}
    each = [configuration(number, repository=(name,)) for number, name in enumerate(severities)]
    assert nonzero(summarise(each, held, found, (), at=NOW).totals.counts) == {CRITICAL: 1}


def test_closed_findings_do_not_count() -> None:
    """Neither fixed ones nor those of another time."""
    document = findings(("a",), {("CVE-1", "openssl"): {"1": {HIGH: 1}}})
    opening = document.findings["CVE-1", "openssl"].openings[0]
    opening.closed = Closing(NOW, "fixed", HIGH, ("a",))
    assert one(ledger({"a": complete()}), document).counts == dict.fromkeys(Severity, 0)


def test_severity_hides_what_the_feed_hides_and_never_what_is_unrated() -> None:
    """The configuration's threshold applies to every count, and the report says that there is one."""
    document = findings(("a", "b"), {("C1", "p"): {"1": {LOW: 0b11}}, ("C2", "p"): {"1": {UNDEFINED: 0b01}}})
    held = ledger({"a": complete(), "b": complete()})
    asked = configuration(severity=HIGH)
    item = one(held, document, of=asked)
    assert nonzero(item.counts) == {UNDEFINED: 1}
    assert [nonzero(image.counts) for image in item.images] == [{UNDEFINED: 1}, {}]
    assert "team/app:b in us-east-1:\n no findings of HIGH or above\n" in summary_text.to_text(
        everything([asked], held, document)
    )


def test_only_selected_images_count() -> None:
    """What is found in others alone is nowhere, not even among what is suppressed."""
    document = findings(("a", "b"), {("C1", "p"): {"1": {HIGH: 0b01}}, ("C2", "p"): {"1": {LOW: 0b10}}})
    item = one(ledger({"a": complete(), "b": complete()}), document, of=configuration(tags=("a",)))
    assert nonzero(item.counts) == {HIGH: 1}
    assert [nonzero(image.counts) for image in item.images] == [{HIGH: 1}]


class TestSuppressions:
    """Ignored findings leave the counts, and are counted apart."""

    DOCUMENT = findings(
        ("a", "b"),
        {
            ("CVE-1", "openssl"): {"1": {CRITICAL: 0b11}},
            ("CVE-1", "zlib"): {"1": {HIGH: 0b01}},
            ("CVE-2", "zlib"): {"1": {LOW: 0b10}},
        },
    )
    HELD = ledger({"a": complete(), "b": complete()})

    def item(self, *ignore: Suppression) -> ConfigurationSummary:
        return one(self.HELD, self.DOCUMENT, of=configuration(ignore=ignore))

    @pytest.mark.parametrize(
        ("suppression", "counts", "suppressed", "per_image"),
        [
            (Suppression("CVE-1", "r"), {LOW: 1}, 2, [2, 1]),
            (Suppression("CVE-*", "r"), {}, 3, [2, 2]),
            (Suppression("*", "r", package="zlib"), {CRITICAL: 1}, 2, [1, 1]),
            (Suppression("CVE-1", "r", tags=("b",)), {CRITICAL: 1, HIGH: 1, LOW: 1}, 0, [0, 1]),
            (Suppression("*", "r", tags=("a", "!b")), {CRITICAL: 1, LOW: 1}, 1, [2, 0]),
            (Suppression("CVE-2", "r", tags=("b*",)), {CRITICAL: 1, HIGH: 1}, 1, [0, 1]),
            (Suppression("CVE-1", "r", until=NOW.date()), {LOW: 1}, 2, [2, 1]),
            (Suppression("CVE-1", "r", until=date(2026, 11, 22)), {CRITICAL: 1, HIGH: 1, LOW: 1}, 0, [0, 0]),
            (Suppression("cve-1", "r"), {LOW: 1}, 2, [2, 1]),
        ],
    )
    def test_what_they_hide(
        self, suppression: Suppression, counts: dict[Severity, int], suppressed: int, per_image: list[int]
    ) -> None:
        """By vulnerability, package and tags, through their last day; in sight anywhere is in sight."""
        item = self.item(suppression)
        assert (nonzero(item.counts), item.suppressed) == (counts, suppressed)
        assert [image.suppressed for image in item.images] == per_image

    def test_what_severity_hides_is_not_suppressed(self) -> None:
        """Only what would be shown is counted as hidden on purpose."""
        asked = configuration(severity=HIGH, ignore=(Suppression("*", "r", package="zlib"),))
        item = one(self.HELD, self.DOCUMENT, of=asked)
        assert (nonzero(item.counts), item.suppressed) == ({CRITICAL: 1}, 1)
        assert [image.suppressed for image in item.images] == [1, 0]

    def test_a_tag_out_of_their_reach_keeps_an_image_in_sight(self) -> None:
        """Also where it is another image's tag that names the same manifest."""
        document = findings(("a",), {("CVE-1", "p"): {"1": {HIGH: 1}}})
        document.images[digest("index")] = Image(digest("index"), ("b",), NOW, 0b1, NOW, NOW)
        ignoring = configuration(ignore=(Suppression("*", "r", tags=("a",)),))
        assert nonzero(one(ledger({"a": complete()}), document, of=ignoring).counts) == {HIGH: 1}
        del document.images[digest("index")]
        document.images[digest("a")].tags = ("a", "other")
        assert nonzero(one(ledger({"a": complete()}), document, of=ignoring).counts) == {HIGH: 1}

    def test_an_image_with_ignored_findings_only_is_not_bare_clean(self) -> None:
        """The report says that something is hidden."""
        summary = everything([configuration(ignore=(Suppression("*", "r"),))], self.HELD, self.DOCUMENT)
        assert " no findings\n suppressed: 2\n" in summary_text.to_text(summary)

    def test_what_one_configuration_ignores_another_may_show(self) -> None:
        """The totals count what anybody sees, once."""
        ignoring, seeing = configuration(1, ignore=(Suppression("*", "r"),)), configuration(2)
        totals = everything([ignoring, seeing], self.HELD, self.DOCUMENT).totals
        assert nonzero(totals.counts) == {CRITICAL: 1, HIGH: 1, LOW: 1}
        assert (totals.configurations, totals.repositories, totals.images) == (2, 1, 2)
        assert totals.coverage.selected == 2


@given(st.lists(st.integers(min_value=0, max_value=2**70)))
def test_masks_are_counted_as_one_by_one(masks: list[int]) -> None:
    """The counter's additions over all positions agree with counting each position."""
    counter = MaskCounter()
    expected = [0] * 71
    for mask in masks:
        counter.add(mask)
        for position in bits(mask):
            expected[position] += 1
    assert counter.counts(71) == expected
