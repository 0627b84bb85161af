"""The metrics, read back by Prometheus's own parser."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from ecr_rescan.core.summary.prometheus import to_prometheus
from ecr_rescan.core.summary.summary import Problem, Summary
from tests.summary_records import CRITICAL, HIGH, NOW, complete, configuration, everything, findings, ledger


def samples(summary: Summary) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Name → labels → value; every family is a gauge with a help text."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(to_prometheus(summary)):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {})
            found[sample.name][labels] = sample.value
    return found


def summary(owner: str | None = "team") -> Summary:
    document = findings(("1", "2"), {("C1", "p"): {"1": {HIGH: 3}}, ("C2", "p"): {"1": {CRITICAL: 1}}})
    document.findings["C1", "p"].openings[0].at = NOW - timedelta(days=40)
    return everything(
        [configuration(owner=owner)],
        ledger({"1": complete(), "2": None}),
        document,
        Problem("configs/x", "is not JSON"),
    )


def of(found: dict[tuple[tuple[str, str], ...], float], **labels: str) -> float:
    (value,) = [value for key, value in found.items() if labels.items() <= dict(key).items()]
    return value


def test_what_is_measured() -> None:
    """Findings, ages, states, changes and trouble, each with its labels."""
    found = samples(summary())
    assert of(found["ecr_rescan_findings"], severity="HIGH", configuration=configuration().id) == 1
    assert of(found["ecr_rescan_findings_beyond_days_allowed"], severity="HIGH") == 1
    assert (
        of(found["ecr_rescan_oldest_finding_timestamp_seconds"], severity="HIGH")
        == (NOW - timedelta(days=40)).timestamp()
    )
    assert of(found["ecr_rescan_images"], state="never") == 1
    assert of(found["ecr_rescan_changes"], kind="new", window="24h") == 0
    assert of(found["ecr_rescan_oldest_scan_timestamp_seconds"]) == (NOW - timedelta(hours=3)).timestamp()
    assert of(found["ecr_rescan_all_findings"], severity="CRITICAL") == 1
    assert of(found["ecr_rescan_unreadable_objects"]) == 1
    assert of(found["ecr_rescan_summary_timestamp_seconds"]) == NOW.timestamp()


def test_the_unknown_has_no_sample() -> None:
    """Before the first result nothing reads as zero findings."""
    found = samples(everything([configuration()], ledger({"1": None})))
    assert "ecr_rescan_findings" not in found
    assert "ecr_rescan_all_findings" not in found
    assert of(found["ecr_rescan_images"], state="never") == 1


def test_hostile_labels_are_escaped() -> None:
    """What a person wrote can't end a label or a line."""
    hostile = 'a"b\\c\nd{x="y"} 1'
    assert of(samples(summary(hostile))["ecr_rescan_configuration_info"], owner=hostile) == 1


def test_labels_are_bounded() -> None:
    """No image, repository or vulnerability is a label: more of them give not one series more."""
    few = samples(summary())
    tags = tuple(str(number) for number in range(50))
    many = findings(tags, {(f"C{number}", "p"): {"1": {(HIGH, CRITICAL)[number % 2]: 1}} for number in range(99)})
    more = samples(everything([configuration()], ledger(dict.fromkeys(tags, complete())), many))
    assert {name: len(found) for name, found in more.items()} == {name: len(found) for name, found in few.items()}
