"""The summary as metrics in Prometheus's text format.

Labels are bounded: configurations, severities, states and kinds of change; never an image or a vulnerability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ecr_rescan.core.signals.known import Signals
from ecr_rescan.core.summary.ages import Age
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.recent import WINDOWS
from ecr_rescan.core.summary.summary import COVERAGE, ConfigurationSummary, ExploitedCount, StateCounts, Summary

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[dict[str, str], float]
_Samples = Iterable[_Sample]


def to_prometheus(summary: Summary) -> str:
    """All of them gauges. What is not known has no sample: it must not read as zero."""
    items, totals = summary.configurations, summary.totals
    families: tuple[tuple[str, str, _Samples], ...] = (
        ("configuration_info", "A scan configuration; always 1.", _info(items)),
        ("findings", "Open findings that a configuration shows.", _findings(items)),
        ("findings_suppressed", "Findings that a configuration ignores.", _each(items, lambda one: one.suppressed)),
        ("findings_exploited", "Open findings that are known to be exploited.", _exploited(items)),
        (
            "findings_exploited_beyond_days_allowed",
            "Those of them older than the days allowed.",
            _exploited_late(items),
        ),
        ("findings_beyond_days_allowed", "Open findings older than the days allowed.", _beyond(items)),
        ("oldest_finding_timestamp_seconds", "When the oldest open finding began.", _oldest(items)),
        ("changes", "Findings that became news or were resolved in the window.", _changes(items)),
        ("resolved", "Findings that were resolved in the window, by reason.", _resolved(items)),
        ("images", "Selected images by state, each platform counted.", _images(items)),
        ("oldest_scan_timestamp_seconds", "The oldest last scan among the selected images.", _oldest_scan(items)),
        ("problems", "What keeps a configuration from being complete.", _each(items, lambda one: len(one.problems))),
        ("all_findings", "Open findings over all configurations, each once.", _severities({}, totals.counts)),
        ("all_findings_exploited", "Those of them that are known to be exploited.", _all_exploited(totals.exploited)),
        ("signal_read_timestamp_seconds", "When a public source was last read.", _signals(summary.signals)),
        ("all_images", "Selected images over all configurations, each once.", _states({}, totals.coverage)),
        ("unreadable_objects", "Objects of the bucket that can't be used.", [({}, float(len(summary.problems)))]),
        ("summary_timestamp_seconds", "The time that all of this is as of.", [({}, summary.at.timestamp())]),
    )
    return "".join(line for name, text, samples in families for line in _family(f"ecr_rescan_{name}", text, samples))


def _family(name: str, text: str, samples: _Samples) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        yield f"{name}{{{shown}}} {_number(value)}\n" if shown else f"{name} {_number(value)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _of(item: ConfigurationSummary) -> dict[str, str]:
    return {"configuration": item.configuration.id}


def _info(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        one = item.configuration
        yield _of(item) | {"registry": one.registry, "region": one.region, "owner": one.owner or ""}, 1


def _each(items: Iterable[ConfigurationSummary], value: Callable[[ConfigurationSummary], int]) -> Iterator[_Sample]:
    for item in items:
        yield _of(item), value(item)


def _findings(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        yield from _severities(_of(item), item.counts)


def _exploited(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    return ((_of(item), item.exploited.findings) for item in items if item.exploited is not None)


def _exploited_late(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        if item.exploited is not None and item.exploited.days_allowed is not None:
            yield _of(item), item.exploited.beyond


def _all_exploited(count: ExploitedCount | None) -> _Samples:
    return [] if count is None else [({}, count.findings)]


def _signals(signals: Signals) -> Iterator[_Sample]:
    for name, source in sorted(signals.sources.items()):
        if source.read_at is not None:
            yield {"source": name}, source.read_at.timestamp()


def _severities(labels: dict[str, str], counts: Counts | None) -> Iterator[_Sample]:
    for severity, number in (counts or {}).items():
        yield labels | {"severity": severity}, number


def _ages(items: Iterable[ConfigurationSummary]) -> Iterator[tuple[dict[str, str], Age]]:
    for item in items:
        for severity, age in item.ages.items():
            yield _of(item) | {"severity": severity}, age


def _beyond(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    return ((labels, age.beyond) for labels, age in _ages(items) if age.days_allowed is not None)


def _oldest(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    return ((labels, age.oldest_since.timestamp()) for labels, age in _ages(items))


def _changes(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        for window in WINDOWS:
            for kind, number in item.changes[window].items():
                yield _of(item) | {"kind": kind, "window": window.removeprefix("last_")}, number


def _resolved(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        for window in WINDOWS:
            for reason, number in item.resolved[window].items():
                yield _of(item) | {"reason": reason, "window": window.removeprefix("last_")}, number


def _images(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        yield from _states(_of(item), item.coverage)


def _states(labels: dict[str, str], coverage: StateCounts) -> Iterator[_Sample]:
    for name, state in COVERAGE.items():
        yield labels | {"state": name}, coverage.states.get(state, 0)


def _oldest_scan(items: Iterable[ConfigurationSummary]) -> Iterator[_Sample]:
    for item in items:
        scans = [image.status.scanned_at for image in item.images if image.status.scanned_at is not None]
        if scans:
            yield _of(item), min(scans).timestamp()
