"""`make bench`: prints the tables, and writes them down with charts: ``docs/figures.md`` is for people,
``benchmarks/result.json`` for machines. ``docs/performance.md`` says what they mean.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from benchmarks import chart, months, prices, run, suite
from benchmarks.months import Counted
from benchmarks.rows import Row, table
from benchmarks.suite import Growth

RESULT = run.ROOT / "benchmarks" / "result.json"
FIGURES = run.ROOT / "docs" / "figures.md"
CHARTS = run.ROOT / "docs" / "charts"
LAYER = run.ROOT / ".aws-sam" / "build" / "SharedLayer"
LARGEST = 100_000
LAYER_TARGET_MB = 80


def main() -> int:
    """Measure everything; 1 where a target is missed."""
    began = time.monotonic()

    def progress(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    rows = list(suite.timed(progress))
    rows.append(_layer())
    grown = list(suite.growth(progress))
    progress("counting the calls of a day")
    with ProcessPoolExecutor(2) as pool:
        pushed = [pool.submit(months.count, *size, months.PUSHES) for size in months.PUSHED]
        counted = list(pool.map(months.count, months.SIZES, months.SIZES.values()))
        busy = months.extrapolate(*(day.result() for day in pushed), 10_000)
    counted.append(months.extrapolate(counted[-2], counted[-1], LARGEST))
    bills = {str(one.images): _bill(one, rows, grown) for one in counted}
    rows += _bill_rows(bills["10000"], busy, _bill(busy, rows, grown))
    text = _page(rows, counted, bills, time.monotonic() - began)
    print(text)
    CHARTS.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(text)
    (CHARTS / "seconds.svg").write_text(chart.svg("Seconds, S3 and ECR at 20 ms", "s", grown))
    (CHARTS / "calls.svg").write_text(chart.svg("AWS calls a day", "", _call_growth(counted)))
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [row.to_json() for row in rows],
        "growth": [{"name": line.name, "points": line.points, "slope": chart.slope(line.points)} for line in grown],
        "bills": bills,
        "prices": prices.DATE,
    }
    RESULT.write_text(json.dumps(machine, indent=1))
    return 0 if all(row.met for row in rows) else 1


def _page(rows: Sequence[Row], counted: Sequence[Counted], bills: dict[str, dict[str, float]], seconds: float) -> str:
    busy = max(os.getloadavg())
    return f"""# Figures

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {platform.machine()},
{os.cpu_count()} processors, {seconds:.0f} seconds, load {busy:.1f} at the end. [What they mean](performance.md).

## Time and memory

{table(rows)}

![Seconds by size](charts/seconds.svg)

## AWS calls of a steady day

{_calls_table(counted)}

The largest size is extrapolated from the two before it.

![Calls by size](charts/calls.svg)

## Dollars a month

List prices of {prices.DATE}, us-east-1, no free tier.

{_bill_table(bills)}
"""


def _layer() -> Row:
    """As it was built last: what Lambda counts is unpacked."""
    if not LAYER.exists():
        return Row("layer, unpacked", "MB", [], at_most=LAYER_TARGET_MB, problem="not built; run `make build` before")
    size = sum(path.stat().st_size for path in LAYER.rglob("*") if path.is_file())
    return Row("layer, unpacked", "MB", [size / 1e6], at_most=LAYER_TARGET_MB)


def _bill(counted: Counted, rows: Sequence[Row], grown: Sequence[Growth]) -> dict[str, float]:
    """A month of such days, in dollars."""
    tick = next(row for row in rows if row.name.startswith("tick with nothing due") and row.unit == "s").median
    completions, seconds = next(line for line in grown if line.name.startswith("recording")).points[-1]
    # Starting a scan takes a claim and a call: no more than recording it, which takes a read and two writes.
    bill = prices.monthly_bill(counted.day(tick, 2 * seconds / completions))
    bill["sum"] = sum(bill.values())
    bill["with metrics and alarms"] = (
        bill["sum"] + prices.METRICS * prices.METRIC + prices.ALARM_METRICS * prices.ALARM_METRIC
    )
    bill["Inspector"] = prices.inspector(counted.images)
    bill["naive"] = prices.naive(counted.images)
    return bill


def _bill_rows(bill: dict[str, float], busy: Counted, busy_bill: dict[str, float]) -> list[Row]:
    pushes = f"{busy.repositories * months.PUSHES:,} pushes a day"
    return [
        Row("a month of 10,000 images", "$", [bill["sum"]], at_most=2),
        Row("the same with metrics and alarms", "$", [bill["with metrics and alarms"]], at_most=5),
        Row(f"a month of 10,000 images, {pushes}", "$", [busy_bill["sum"]]),
        Row(f"ECR calls per scannable image and day, {pushes}", "calls", [busy.ecr_calls_per_image], at_most=2.1),
    ]


def _calls_table(counted: Sequence[Counted]) -> str:
    operations = sorted({call for one in counted for call in one.calls})
    lines = ["| calls a day | " + " | ".join(f"{one.images:,} images" for one in counted) + " |"]
    lines.append("|---" * (len(counted) + 1) + "|")
    for operation in operations:
        numbers = " | ".join(f"{one.calls[operation]:,}" for one in counted)
        lines.append(f"| {' '.join(operation)} | {numbers} |")
    return "\n".join(lines)


def _bill_table(bills: dict[str, dict[str, float]]) -> str:
    lines = ["| dollars a month | " + " | ".join(f"{int(images):,} images" for images in bills) + " |"]
    lines.append("|---" * (len(bills) + 1) + "|")
    items = next(iter(bills.values()))
    lines += [f"| {item} | " + " | ".join(f"{bill[item]:,.2f}" for bill in bills.values()) + " |" for item in items]
    return "\n".join(lines)


def _call_growth(counted: Sequence[Counted]) -> list[Growth]:
    operations = sorted(call for call in counted[0].calls if all(one.calls[call] > 1 for one in counted))
    return [
        Growth(" ".join(operation), "images", [(float(one.images), float(one.calls[operation])) for one in counted])
        for operation in operations
    ]


if __name__ == "__main__":
    sys.exit(main())
