"""Severities: their order, and what the unrated ones pass and reach."""

from __future__ import annotations

import pytest

from ecr_rescan.core.severity import ORDER, RATED, Severity, most_severe


@pytest.mark.parametrize(
    ("sent", "severity"),
    [
        ("HIGH", Severity.HIGH),
        (" high ", Severity.HIGH),
        ("UNTRIAGED", Severity.UNTRIAGED),
        ("", Severity.UNDEFINED),
        (None, Severity.UNDEFINED),
        (7, Severity.UNDEFINED),
        ("SEVERE", Severity.UNDEFINED),
    ],
)
def test_whatever_is_sent_is_a_severity(sent: object, severity: Severity) -> None:
    """What is unknown is UNDEFINED: unrated, not harmless."""
    assert Severity.parse(sent) is severity


def test_the_order_is_from_critical_down_to_the_unrated() -> None:
    """Ranks and the order of listings agree."""
    assert [severity.rank for severity in RATED] == [5, 4, 3, 2, 1]
    assert sorted(Severity, key=ORDER.__getitem__) == [*RATED, Severity.UNDEFINED, Severity.UNTRIAGED]


@pytest.mark.parametrize("unrated", [Severity.UNDEFINED, Severity.UNTRIAGED])
def test_unrated_findings_are_always_shown_and_never_sent(unrated: Severity) -> None:
    """They pass every filter, and reach no threshold, not even the lowest."""
    assert all(unrated.passes(threshold) for threshold in RATED)
    assert not any(unrated.reaches(threshold) for threshold in RATED)


def test_rated_findings_pass_and_reach_from_the_threshold_up() -> None:
    """The threshold itself is in."""
    assert [severity.passes(Severity.MEDIUM) for severity in RATED] == [True, True, True, False, False]
    assert [severity.reaches(Severity.MEDIUM) for severity in RATED] == [True, True, True, False, False]
    assert all(severity.passes(None) for severity in Severity)


def test_of_several_the_most_severe_is_shown() -> None:
    """A rating, however low, says more than none."""
    assert most_severe([Severity.LOW, Severity.UNDEFINED, Severity.HIGH]) is Severity.HIGH
    assert most_severe([Severity.UNTRIAGED, Severity.INFORMATIONAL]) is Severity.INFORMATIONAL
    assert most_severe([]) is Severity.UNDEFINED
