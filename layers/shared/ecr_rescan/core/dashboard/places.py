"""Where images are: each of a summary's images once, and the words for a registry where there are several."""

from __future__ import annotations

from collections.abc import Iterator

from ecr_rescan.core.naming import RepositoryId
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.summary.gathered import Counts
from ecr_rescan.core.summary.summary import ImageSummary, Summary
from ecr_rescan.core.text import number_of


class Places:
    """Tells apart what has the same name in several registries or Regions."""

    def __init__(self, summary: Summary) -> None:
        configurations = [item.configuration for item in summary.configurations]
        self._several = len({(one.registry, one.region) for one in configurations}) > 1

    def suffix(self, place: tuple[str, ...]) -> str:
        """`` in REGISTRY, REGION`` for a place that begins with these; nothing where there is only one such."""
        return f" in {place[0]}, {place[1]}" if self._several else ""


def distinct_images(summary: Summary) -> Iterator[tuple[RepositoryId, ImageSummary]]:
    """Each image once, as the configuration has it that sees the most of it, with its repository."""
    seen: dict[tuple[RepositoryId, str, str | None], ImageSummary] = {}
    for item in summary.configurations:
        one = item.configuration
        for image in item.images:
            key = (one.registry, one.region, image.repository), image.digest, image.status.manifest
            before = seen.get(key)
            if before is None or weight(image.counts) > weight(before.counts):
                seen[key] = image
    return ((place, image) for (place, _, _), image in seen.items())


def weight(counts: Counts | None) -> tuple[int, ...]:
    """Puts counts in order, the more severe the larger; nothing known is the smallest."""
    return tuple(counts.get(severity, 0) for severity in Severity) if counts else ()


def platforms_of(summary: Summary) -> str:
    """How much is scanned: an image is what a tag names; one of several platforms is scanned for each of them."""
    platforms, images = summary.totals.coverage.selected, summary.totals.images
    if platforms == images:
        return number_of(images, "image", "images")
    return f"{number_of(platforms, 'platform', 'platforms')} of {number_of(images, 'image', 'images')}"
