"""Where the public sources are, and how much of each is taken. Nothing else on the internet is ever asked."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A source: its addresses in the order of trying, the name of a copy of it under a prefix, and its bounds in bytes.

    ``most``: as sent. ``most_expanded``: after decompression.
    """

    name: str
    urls: tuple[str, ...]
    copy: str
    most: int
    most_expanded: int


PLACES = (
    Place(
        KEV,
        (
            "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
            # cisa.gov answers 403 to some cloud networks (fleetdm/fleet#45099); CISA's own copy on GitHub may lag.
            "https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json",
        ),
        "known_exploited_vulnerabilities.json",
        8 * MEBIBYTE,
        16 * MEBIBYTE,
    ),
    Place(EUVD, ("https://euvdservices.enisa.europa.eu/api/kev/dump",), "kev-dump.json", 8 * MEBIBYTE, 16 * MEBIBYTE),
    Place(
        EPSS,
        ("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",),
        "epss_scores-current.csv.gz",
        16 * MEBIBYTE,
        64 * MEBIBYTE,
    ),
)
OSV = "osv-vulnerabilities.storage.googleapis.com"
AMAZON_LINUX = "cdn.amazonlinux.com"
HOSTS = frozenset(url.split("/")[2] for place in PLACES for url in place.urls) | {OSV, AMAZON_LINUX}
"""Nobody else is asked; redirects lead to these alone. What is asked of the last two is in ``core.fixes.places``."""
