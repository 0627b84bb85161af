"""What `make bench` measures, in the order of the table."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import cold, run, world
from benchmarks.rows import Row

FULL = world.Scale(200, 50, 250)
ONE = world.Scale(1, 20, 833)
"""One repository with 1,000 findings."""
GROWTH = (25, 50, 100, 200)
"""Repositories of 50 images, for how the figures grow."""
RECORDED = (150, 310, 625, 1250)
"""Images of the repository that is recorded, for the same."""
RUNS = 3
FIRST_RUNS = 5
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Growth:
    """A figure at several sizes, in seconds; ``over`` names what grows."""

    name: str
    over: str
    points: Sequence[tuple[float, float]]


def timed(progress: Progress) -> Iterator[Row]:
    """Feeds, summary, dashboard, ticks and recording, with S3 and ECR answering in 20 ms."""
    progress("feeds of one repository beside feedgen and lxml")
    with run.aws(()) as aws:
        for entries in (100, 1_000, 4_000):
            figures = aws.run("feed_of_one", entries)
            name, target = f"feed of {entries:,} entries, made", 1.4 if entries == 1_000 else None
            if entries > figures["entries"]:
                name += f" (cut at 4.5 MB to {figures['entries']:,})"
            made = _milliseconds(figures["ours"])
            yield Row(name, "ms", made, "feedgen", _milliseconds(figures["feedgen"]), target, relative=True)
            yield Row(name, "ms", made, "lxml", _milliseconds(figures["lxml"]))
    progress("first requests beside bare handlers")
    if problem := cold.problem():
        yield Row("cold start and first request", "ms", [], at_most=1.35, relative=True, problem=problem)
    else:
        yield from _first_requests()
    progress("a feed over one repository")
    with run.aws(world.bucket(ONE)) as aws:
        feeds = _several(aws, "feed")
        first = feeds[0]
        yield Row("feed of one repository: first request", "s", _all(feeds, "cold"), calls=first["calls_cold"])
        unchanged = first["calls_unchanged"]
        own = _milliseconds(_all(feeds, "unchanged_own"))
        yield Row("304, one repository: own time", "ms", own, at_most=15, calls=unchanged)
        yield Row("304, one repository: S3 calls", "calls", [sum(unchanged.values())], at_most=3)
    progress("200 repositories, 10,000 images, 250 findings each")
    with run.aws(world.bucket(FULL)) as aws:
        yield from _at_full_size(aws)
    progress("recording 1,000 completions")
    yield from _recording(1_000)
    progress("a tick over 100,000 images")
    yield from _large_tick()


def _first_requests() -> Iterator[Row]:
    """S3 answers at once: starting, importing, making clients and the first request are compared."""
    with run.aws(world.bucket(world.Scale(1, 2, 5)), milliseconds=1) as aws, cold.bare_layers() as layers:
        aws.run("tick")
        for function in cold.EVENTS:
            ours: list[cold.First] = []
            bare: dict[str, list[cold.First]] = {name: [] for name in layers}
            for _ in range(FIRST_RUNS):
                aws.counts()
                ours.append(cold.first_request(function, aws))
                calls = aws.counts()
                for name, layer in layers.items():
                    bare[name].append(cold.bare_first_request(function, calls, layer, aws))
            yield from _first_rows(f"{function}: cold start and first request", ours, bare)


def _first_rows(name: str, ours: list[cold.First], bare: dict[str, list[cold.First]]) -> Iterator[Row]:
    for beside, found in bare.items():
        target = 1.35 if beside == next(iter(bare)) else None
        seconds = _milliseconds([one.seconds for one in ours]), _milliseconds([one.seconds for one in found])
        yield Row(name, "ms", seconds[0], f"a bare handler, {beside}", seconds[1], target, relative=True)
        busy = _milliseconds([one.processor for one in ours]), _milliseconds([one.processor for one in found])
        yield Row(f"{name}: of the processor", "ms", busy[0], f"a bare handler, {beside}", busy[1])
    peaks = [one.peak_mb for one in ours]
    yield Row(f"{name}: peak memory", "MB", peaks, "a bare handler", [one.peak_mb for one in next(iter(bare.values()))])


def _at_full_size(aws: run.Aws) -> Iterator[Row]:
    reads = [aws.run("bare_reads", "findings/")["cold"] for _ in range(RUNS)]
    feeds = _several(aws, "feed")
    calls = feeds[0]
    yield Row(
        "feed, 200 repositories: cold", "s", _all(feeds, "cold"), "bare reads", reads, 3, calls=calls["calls_cold"]
    )
    yield Row("feed, 200 repositories: warm", "s", _all(feeds, "warm"), calls=calls["calls_warm"])
    yield Row("feed, 200 repositories: peak memory", "MB", _all(feeds, "peak_mb"), at_most=512)
    unchanged = _milliseconds(_all(feeds, "unchanged"))
    yield Row("304, 200 repositories", "ms", unchanged, at_most=100, calls=calls["calls_unchanged"])
    reads = [aws.run("bare_reads", "images/", "findings/")["cold"] for _ in range(RUNS)]
    for name, at_most_cold, at_most_warm in (("summary", 2, 300), ("dashboard", None, None)):
        try:
            pages = _several(aws, name)
        except RuntimeError as error:
            yield Row(f"{name}, 10,000 images", "s", [], problem=str(error).strip().splitlines()[-1][:200])
            continue
        calls = pages[0]
        yield Row(
            f"{name}, 10,000 images: cold",
            "s",
            _all(pages, "cold"),
            "bare reads",
            reads,
            at_most_cold,
            calls=calls["calls_cold"],
        )
        seconds = _milliseconds(_all(pages, "warm"))
        yield Row(f"{name}, 10,000 images: warm", "ms", seconds, at_most=at_most_warm, calls=calls["calls_warm"])
        yield Row(f"{name}, 10,000 images: peak memory", "MB", _all(pages, "peak_mb"))
    yield from _lists_and_gate(aws, feeds)
    ticks = _several(aws, "tick")
    aws.restore()
    yield Row("tick with nothing due, 10,000 images: warm", "s", _all(ticks, "warm"), calls=ticks[0]["calls_warm"])
    yield Row("tick with nothing due: peak memory", "MB", _all(ticks, "peak_mb"))


def _lists_and_gate(aws: run.Aws, feeds: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """A page of the list beside the warm feed over the same documents, and the gate beside the reads that it needs."""
    lists = _several(aws, "vulnerabilities")
    name, calls = "list of vulnerabilities, 10,000 images: a page, warm", lists[0]["calls_warm"]
    yield Row(name, "s", _all(lists, "warm"), "warm feed", _all(feeds, "warm"), 1.2, relative=True, calls=calls)
    asked = [aws.run("gate", world.image_name(0, 0)) for _ in range(RUNS)]
    slow = _milliseconds([_ninety_fifth(one["warm"]) for one in asked])
    reads = _milliseconds([_ninety_fifth(one["reads"]) for one in asked])
    calls = asked[0]["calls_warm"]
    yield Row("gate, 10,000 images: p95, warm", "ms", slow, "bare reads", reads, 1.5, relative=True, calls=calls)


def _ninety_fifth(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _recording(images: int) -> Iterator[Row]:
    digests = [world.digest(0, number) for number in range(images)]
    with run.aws(world.unrecorded(images), scans=world.scans(300), digests=digests) as aws:
        reads, written, found, peaks, dead = [], [], {}, [], 0
        for _ in range(RUNS):
            reads.append(_slowest(aws.run_together([("record_reads", (part, 2)) for part in range(2)])))
            aws.restore()
            aws.counts()
            workers = aws.run_together([("record", (part, 2)) for part in range(2)])
            found = aws.counts()
            written.append(_slowest(workers))
            peaks += [worker["peak_mb"] for worker in workers]
            dead += sum(worker["dead"] for worker in workers)
    name = f"recording {images:,} completions, two workers"
    yield Row(
        name, "s", written, "the reads alone", reads, 2, relative=True, calls={k: float(v) for k, v in found.items()}
    )
    yield Row(f"{name}: dead letters", "messages", [dead], at_most=0)
    yield Row(f"{name}: peak memory", "MB", peaks)


def _large_tick() -> Iterator[Row]:
    environment = {"PYTHONPATH": str(run.ROOT / "layers" / "shared")}
    command = [sys.executable, "-m", "benchmarks.bench_tick"]
    done = subprocess.run(command, cwd=run.ROOT, env=environment, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    for state in ("cold", "warm"):
        name, seconds = f"tick, 100,000 images, 300 due, AWS at 50 ms: {state}", [figures[f"{state}_seconds"]]
        yield Row(name, "s", seconds, at_most=60, calls=figures[f"{state}_calls"])
    yield Row("tick, 100,000 images: peak memory", "MB", [figures["peak_mb"]], at_most=512)


def growth(progress: Progress) -> Iterator[Growth]:
    """The same figures at four sizes."""
    progress("how it grows: reading")
    reads: dict[str, list[tuple[float, float]]] = {}
    for repositories in GROWTH:
        scale = world.Scale(repositories, FULL.images, FULL.findings)
        with run.aws(world.bucket(scale)) as aws:
            for scenario in ("feed", "summary", "dashboard", "tick"):
                figures = aws.run(scenario)
                for state in ("cold", "warm", "unchanged"):
                    if state in figures:
                        seconds = sorted(_list(figures[state]))
                        point = (float(scale.all_images), seconds[len(seconds) // 2])
                        reads.setdefault(f"{scenario}, {state}", []).append(point)
    for name, points in reads.items():
        yield Growth(name, "images", points)
    progress("how it grows: recording")
    points = []
    for images in RECORDED:
        digests = [world.digest(0, number) for number in range(images)]
        with run.aws(world.unrecorded(images), scans=world.scans(300), digests=digests) as aws:
            points.append((float(images), _slowest([aws.run("record", 0, 1)])))
    yield Growth("recording, one worker", "completions", points)


def _several(aws: run.Aws, scenario: str) -> list[dict[str, Any]]:
    return [aws.run(scenario) for _ in range(RUNS)]


def _all(figures: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [value for one in figures for value in _list(one[name])]


def _list(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]


def _milliseconds(seconds: Sequence[float]) -> list[float]:
    return [1000 * value for value in seconds]


def _slowest(workers: Sequence[dict[str, Any]]) -> float:
    return max(float(worker["seconds"]) for worker in workers)
