"""The distribution and release of an image, told from its findings, and when the release's support ends.

Nobody says it outright: it is read from suffixes of package versions, and where these contradict each other it is
unknown. The forms are in ``docs/signals.md``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources

from ecr_rescan.core.scan_result import ScanFinding

SOON = timedelta(days=30)
"""How long before its end a release in use is told of."""

_DEBIAN = re.compile(r"[+~]deb(\d{1,2})u\d")
# ubuntu0.20.04.7, build0.22.04.1, ~ubuntu16.04.3, ubuntu1.1~18.04.4; never ubuntu12.10, which is a twelfth revision.
_UBUNTU = re.compile(r"(?:(?:ubuntu|build)\d*\.|~ubuntu|~)(\d{2}\.(?:04|10))(?:[.+~]|$)")
_OF_UBUNTU = re.compile(r"ubuntu|build\d")
_OF_ALPINE = re.compile(r"\d\S*-r\d{1,4}")
_AMAZON = re.compile(r"\.amzn(\d{1,4})(?:\.|$)")
_ENTERPRISE = re.compile(r"\.el(\d{1,2})(?:_\d+)?(?:\.|$)")
_FREE_LONGER = "LTS"
"""Debian's LTS is free, as the vendor's own support is; ESM, ELS, LTSS and the like are not."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a distribution; ``ends``: the last day of its free security support, None where nobody says."""

    name: str
    ends: date | None

    def ended_on(self, day: date) -> bool:
        """Whether its support had ended before that day (UTC)."""
        return self.ends is not None and day > self.ends


def release_of(findings: Iterable[ScanFinding]) -> str | None:
    """Such as ``Debian 11``; ``Debian`` alone where only the distribution is told.

    None where no finding tells, or where they contradict each other.
    """
    given = list(findings)
    releases = Counter(name for finding in given for name in _told(finding))
    # Where releases contradict each other, what they have in common is not worth more.
    return _majority(releases or Counter(name for finding in given for name in _distribution(finding)))


def _majority(told: Counter[str]) -> str | None:
    if not told:
        return None
    (name, times), *others = told.most_common()
    # A backport or a package of an older release may be among many; half against half is a contradiction.
    return name if times > sum(number for _, number in others) else None


def release(name: str) -> Release | None:
    """What the table says of a release; None where it is not in it."""
    return table().get(name)


@cache
def table() -> dict[str, Release]:
    """All releases, by name: a committed copy of endoflife.date's (MIT), see ``docs/signals.md``."""
    rows = json.loads(_body())["releases"]
    return {one.name: one for one in map(_release, rows)}


def last_end(day: date) -> date:
    """The last end of a release's support before that day."""
    return max(one.ends for one in table().values() if one.ends is not None and one.ends < day)


def table_date() -> date:
    """The day of which the table is."""
    return date.fromisoformat(json.loads(_body())["as_of"])


def _body() -> bytes:
    return resources.files("ecr_rescan.core").joinpath("releases.json").read_bytes()


def _release(row: dict[str, str | None]) -> Release:
    longest = row["extended_eol"] if row["extended_name"] == _FREE_LONGER else None
    ends = longest or row["eol"]
    return Release(f"{row['distribution']} {row['release']}", None if ends is None else date.fromisoformat(ends))


def _told(finding: ScanFinding) -> Iterator[str]:
    version, uri = finding.version, finding.uri
    if _is_ubuntu(finding):
        # Its versions may hold Debian's suffixes: 1:4.1.48-4+deb11u2ubuntu0.1~esm1.
        if found := _UBUNTU.search(version):
            yield f"Ubuntu {found[1]}"
    elif found := _DEBIAN.search(version):
        yield f"Debian {found[1]}"
    elif found := _AMAZON.search(version):
        yield f"Amazon Linux {found[1]}"
    elif (found := _ENTERPRISE.search(version)) and "access.redhat.com" in uri:
        yield f"Red Hat Enterprise Linux {found[1]}"


def _distribution(finding: ScanFinding) -> Iterator[str]:
    if _is_ubuntu(finding):
        yield "Ubuntu"
    elif "://security-tracker.debian.org/" in finding.uri:
        yield "Debian"
    elif _OF_ALPINE.fullmatch(finding.version):
        yield "Alpine"


def _is_ubuntu(finding: ScanFinding) -> bool:
    return "/~ubuntu-security/" in finding.uri or _OF_UBUNTU.search(finding.version) is not None
