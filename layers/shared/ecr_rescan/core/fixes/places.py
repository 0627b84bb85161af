"""Where the sources of fixes are. Copies of them under a prefix have the same names; see ``docs/fixes.md``."""

from __future__ import annotations

import re

from ecr_rescan.core.fixes.distributions import AMAZON, Distribution
from ecr_rescan.core.signals.places import AMAZON_LINUX, MEBIBYTE, OSV, Place

_CVE = re.compile(r"CVE-\d{4}-\d{1,19}", re.ASCII)
_ADVISORY = re.compile(r"ALAS[A-Z0-9.-]{0,60}-\d{4}-\d{1,6}", re.ASCII)

ADVISORY_RELEASES = {
    "2": f"https://{AMAZON_LINUX}/2/core/latest/x86_64/mirror.list",
    "2023": f"https://{AMAZON_LINUX}/al2023/core/mirrors/latest/x86_64/mirror.list",
}
"""The releases of Amazon Linux whose advisories are read: those of x86_64 name aarch64's packages, too."""


def may_be_asked(distribution: Distribution, vulnerability: str) -> bool:
    """Whether a source can have it: ids are foreign text, and nothing else becomes a part of an address."""
    if _CVE.fullmatch(vulnerability):
        return True
    return distribution is AMAZON and _ADVISORY.fullmatch(vulnerability) is not None


def record_place(distribution: Distribution, vulnerability: str) -> Place:
    """The object of one vulnerability."""
    path = f"{distribution.ecosystem}/{distribution.prefix}{vulnerability}.json"
    return Place(distribution.key, (f"https://{OSV}/{path}",), f"osv/{path}", 4 * MEBIBYTE, 16 * MEBIBYTE)


def changes_place(distribution: Distribution) -> Place:
    """The list of what changed."""
    path = f"{distribution.ecosystem}/modified_id.csv"
    return Place(distribution.key, (f"https://{OSV}/{path}",), f"osv/{path}", 64 * MEBIBYTE, 64 * MEBIBYTE)


def advisories_name(release: str) -> str:
    """The short name of one release's advisories as a source."""
    return f"{AMAZON.key}-{release}"


def mirror_place(release: str) -> Place:
    """The list that names the repository."""
    name = advisories_name(release)
    return Place(name, (ADVISORY_RELEASES[release],), f"alas/{release}/mirror.list", MEBIBYTE, MEBIBYTE)


def index_place(release: str, repository: str) -> Place:
    """The repository's index."""
    name = advisories_name(release)
    url = f"{repository}repodata/repomd.xml"
    return Place(name, (url,), f"alas/{release}/repomd.xml", MEBIBYTE, 4 * MEBIBYTE)


def advisories_place(release: str, repository: str, path: str) -> Place:
    """The advisories themselves."""
    name = advisories_name(release)
    return Place(name, (f"{repository}{path}",), f"alas/{release}/updateinfo.xml.gz", 32 * MEBIBYTE, 512 * MEBIBYTE)
