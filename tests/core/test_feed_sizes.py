"""Large feeds: well-formed, within their size, and every finding in them or the cut announced."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.feed import LIMIT_BYTES
from tests.atom import faults
from tests.builders import configuration, document, found, image, result
from tests.feeds import is_complete, raw_entries, render

SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFORMATIONAL)
TEXT = "A flaw was found in the way in which crafted input is parsed, which allows a remote attacker to run code. "


def assert_tells_all(text: str, vulnerabilities: Sequence[str]) -> int:
    """The feed is valid and of a size that readers take, and what is not in it is announced; how many are in it."""
    assert len(text.encode()) <= LIMIT_BYTES == 4_500_000
    assert faults(text) == []
    titles = [entry.findtext("{http://www.w3.org/2005/Atom}title") for entry in raw_entries(text)]
    named = {title.split()[1] for title in titles}
    assert named <= set(vulnerabilities)
    if named == set(vulnerabilities):
        assert is_complete(text)
        assert "Cut:" not in text
    else:
        assert not is_complete(text)
        assert re.search(rf"Cut: the {len(named)} most urgent of {len(vulnerabilities)} entries", text)
        ranks = [Severity(title.split()[0]).rank for title in titles]
        assert ranks == sorted(ranks, reverse=True)
    return len(named)


@pytest.mark.parametrize(("words", "all_of_them"), [(0, True), (1, False), (12, False)])
def test_an_image_with_5000_findings(words: int, all_of_them: bool) -> None:
    """Without texts all of them fit; with them the least severe are cut."""
    names = [f"CVE-2026-{number:05}" for number in range(5_000)]
    findings = [
        found(name, f"package-{number}", severity=SEVERITIES[number % 5], description=TEXT * words)
        for number, name in enumerate(names)
    ]
    shown = assert_tells_all(render([document(images=[image()], results=[result("one", *findings)])]), names)
    assert (shown == 5_000) is all_of_them
    assert shown > 1_000


def test_a_feed_of_backslashes_is_within_lambdas_answer() -> None:
    """They are twice as long in JSON, and an answer of over 6 MB is none at all."""
    findings = [found(f"CVE-2026-{number:05}", description="\\" * 4_000) for number in range(1_500)]
    text = render([document(images=[image()], results=[result("one", *findings)])])
    assert 4_000_000 < len(json.dumps(text, ensure_ascii=False).encode()) < 6 * 1024 * 1024
    assert not is_complete(text)


def test_1000_images_that_share_300_vulnerabilities() -> None:
    """One entry for each, that counts the images it does not list."""
    names = [f"CVE-2026-{number:05}" for number in range(300)]
    images = [image(f"image-{number}", f"v{number}") for number in range(1_000)]
    results = [
        result(
            f"image-{number}",
            *(found(name, description=TEXT * 5) for place, name in enumerate(names) if (number + place) % 3),
        )
        for number in range(1_000)
    ]
    text = render([document(images=images, results=results)])
    assert assert_tells_all(text, names) == 300
    assert text.count("666 images of team/app") + text.count("667 images of team/app") == 300


def test_a_glob_over_200_repositories() -> None:
    """A vulnerability that all of them have is one entry that names some and counts the rest."""
    everywhere = [f"CVE-2025-{number:05}" for number in range(50)]
    documents: list[FindingsDocument] = []
    names = list(everywhere)
    for number in range(200):
        own = [f"CVE-2026-{number:03}{place}" for place in range(5)]
        names += own
        findings = [found(name, description=TEXT * 3) for name in (*everywhere, *own)]
        repository = f"team/service-{number}"
        documents.append(
            document(
                repository,
                [image(repository, "1.0")],
                [result(repository, *findings)],
                seen_by=configuration(["team/*"]),
            )
        )
    text = render(documents, configuration(["team/*"]))
    assert assert_tells_all(text, names) == 1_050
    assert text.count("and 197 more") >= 50
