"""The summary as the plain report: a block for each image, and a line for each severity in it."""

from __future__ import annotations

from collections.abc import Iterator

from ecr_rescan.core.patterns import matches
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.pages import Row, carried
from ecr_rescan.core.summary.summary import ConfigurationSummary, ImageSummary, Summary
from ecr_rescan.core.text import clean

_LONGEST_LINE = 500


def to_text(summary: Summary, *, following: str | None = None) -> str:
    """``Results for REPOSITORY:TAG in REGION:``, then `` CRITICAL: 3`` and so on, or the state in words.

    An image without findings says so, and one without a result says why: no block is empty. What could not be read
    is told at the end, and last of all that this is not all of it.

    Args:
        following: where the next page is, None on the last one.
    """
    several = len({(item.configuration.registry, item.configuration.region) for item in summary.configurations}) > 1
    blocks = [block for item in summary.configurations for block in _configuration(item, with_registry=several)]
    blocks += [[f"Problem with {problem.key}: {problem.problem}"] for problem in summary.problems]
    if summary.signals.sources:
        blocks.append([summary.signals.line(summary.at.date())])
    if not blocks:
        blocks = [["There are no scan configurations."]]
    if following is not None:
        blocks.append([f"More images follow: {following}"])
    return "\n\n".join("\n".join(map(_line, block)) for block in blocks) + "\n"


def size(row: Row) -> int:
    """What the blocks of an image take, at most."""
    item, image = row
    if image is None:
        return sum(carried(problem) + 120 for problem in item.problems)
    block = 280 + len(image.repository) + carried(image.status.platform or "") + carried(image.status.reason)
    return sum(block + len(tag) for tag in image.tags)


def _line(text: str) -> str:
    # Whatever stands in a result stays on its line: nothing can pass for a block of ours.
    indent = " " if text.startswith(" ") else ""
    return indent + clean(text, _LONGEST_LINE)


def _configuration(item: ConfigurationSummary, *, with_registry: bool) -> Iterator[list[str]]:
    configuration = item.configuration
    where = configuration.region + (f" of registry {configuration.registry}" if with_registry else "")
    for problem in item.problems:
        yield [f"Configuration {configuration.id} in {where}: {problem}"]
    for image in item.images:
        platform = f" [{image.status.platform}]" if image.status.platform else ""
        for tag in image.tags:
            if matches(tag, configuration.tags):
                heading = f"Results for {image.repository}:{tag}{platform} in {where}:"
                yield [heading, *_results(image, configuration.severity)]


def _results(image: ImageSummary, threshold: Severity | None) -> Iterator[str]:
    status = image.status
    if image.counts is None:
        yield f" {status.state}: {status.reason}"
        return
    for severity, count in image.counts.items():
        if count:
            yield f" {severity}: {count}"
    if not any(image.counts.values()):
        yield " no findings" + (f" of {threshold} or above" if threshold else "")
    if image.exploited:
        yield f" exploited: {image.exploited}"
    if image.upgrades and image.upgrades.findings:
        yield f" fix: {image.upgrades.sentence()}"
    if image.suppressed:
        yield f" suppressed: {image.suppressed}"
    if status.state in (ImageState.STALE, ImageState.END_OF_LIFE):
        yield f" {status.state}: {status.reason}"
