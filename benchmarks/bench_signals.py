"""What signals cost a reader: the same feed and summary with and without them, in one run, as ratios of processor time.

``python -m benchmarks.bench_signals``. The documents are in memory: one request more, beside others, is S3's part.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.coverage import coverage
from ecr_rescan.core.changes.findings import Finding, FindingsDocument, Image, Manifest, Opening
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.signals.known import NO_SIGNALS, Exploited, Signals, Source
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV
from ecr_rescan.core.summary.gathered import gather
from ecr_rescan.core.telling.feed import FeedSource, render_feed
from ecr_rescan.core.telling.feed_filters import FeedFilters

AT = datetime(2026, 11, 23, 18, tzinfo=UTC)
ROUNDS = 5
REGISTRY, REGION = "123456789012", "us-east-1"
ASKED = ScanConfiguration("6f2d3c1e-8a47-4b0e-9c55-1d7e2a90b3f4", AT, AT, AT, REGION, REGISTRY, ("*",))
SEVERITIES = tuple(Severity)


def document(number: int, images: int, findings: int) -> FindingsDocument:
    """A repository; repositories share nine findings of ten."""
    made = FindingsDocument(REGISTRY, REGION, f"team/app-{number}", AT, AT)
    for place in range(images):
        digest = f"sha256:{number:032x}{place:032x}"
        made.manifests.append(Manifest(digest, result_at=AT))
        made.images[digest] = Image(digest, (f"v{place}",), AT - timedelta(days=place), 1 << place, AT, AT)
    for place in range(findings):
        name = f"CVE-2026-{place:05}" if place % 10 else f"CVE-2025-{number:03}{place:04}"
        affected = {"1.0": {SEVERITIES[place % len(SEVERITIES)]: (1 << images) - 1}}
        made.findings[name, "pkg"] = Finding(AT, AT, openings=[Opening(AT, affected)])
    return made


def signals() -> Signals:
    """As large as in life: 1,700 exploited ids, of which some are on record, and scores of all that is."""
    moment = date(2026, 11, 1)
    names = [f"CVE-2026-{number:05}" for number in range(0, 250, 10)] + [f"CVE-2021-{n:05}" for n in range(1_675)]
    made = Signals(sources={name: Source(read_at=AT) for name in (KEV, EUVD, EPSS)})
    made.exploited = {name: Exploited({KEV: moment}, AT if place % 2 else None) for place, name in enumerate(names)}
    made.scores = {f"CVE-2026-{number:05}": (number % 100 / 100, 0.5) for number in range(10_000)}
    made.likely = {name: None for name, (score, _) in made.scores.items() if score >= 0.1}
    made.settle(AT)
    return made


def ratio(work: Callable[[Signals], object], known: Signals) -> float:
    """Median time with signals to median time without, taken in turns."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * ROUNDS):
        with_signals = bool(number % 2)
        began = time.process_time()
        work(known if with_signals else NO_SIGNALS)
        taken[with_signals].append(time.process_time() - began)
    return statistics.median(taken[True]) / statistics.median(taken[False])


def main() -> None:
    """Print the ratios."""
    one = [document(0, 50, 1_000)]
    many = [document(number, 50, 250) for number in range(200)]
    bodies = [made.to_json() for made in many]
    known = signals()
    stored = known.to_json()

    def feed(told: Signals) -> str:
        source = FeedSource(ASKED, one, coverage(ASKED, one), FeedFilters(), "https://x", 0, told.line(AT.date()))
        return render_feed(source, alerts(ASKED, one, on=AT.date(), signals=told))

    def warm(told: Signals) -> object:
        return gather(ASKED, many, since=AT - timedelta(days=7), on=AT.date(), signals=told)

    def cold(told: Signals) -> object:
        read = [FindingsDocument.from_json("", body) for body in bodies]
        fresh = Signals.from_json("", stored) if told.sources else told
        return gather(ASKED, read, since=AT - timedelta(days=7), on=AT.date(), signals=fresh)

    for name, work in (("feed of one repository", feed), ("summary, warm", warm), ("summary, cold", cold)):
        print(f"{name}: {ratio(work, known):.2f} × without signals (at most 1.10)")
    print(f"signals/known.json: {len(stored) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
