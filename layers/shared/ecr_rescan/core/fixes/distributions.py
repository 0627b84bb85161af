"""The distributions for which there is public fix data, and the names of their releases there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecr_rescan.core.fixes.versions import Order, apk_key, dpkg_key, rpm_key

PRO = "+pro"
"""Marks a release's fixes that only subscribers of Ubuntu Pro get: ``22.04+pro``."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """``key``: its short name in documents. ``prefix``: of OSV's ids, "" where OSV does not have it."""

    key: str
    name: str
    ecosystem: str
    prefix: str
    order: Order


DEBIAN = Distribution("debian", "Debian", "Debian", "DEBIAN-", dpkg_key)
UBUNTU = Distribution("ubuntu", "Ubuntu", "Ubuntu", "UBUNTU-", dpkg_key)
ALPINE = Distribution("alpine", "Alpine", "Alpine", "ALPINE-", apk_key)
AMAZON = Distribution("amazon", "Amazon Linux", "", "", rpm_key)
DISTRIBUTIONS = {one.key: one for one in (DEBIAN, UBUNTU, ALPINE, AMAZON)}
IN_OSV = (DEBIAN, UBUNTU, ALPINE)

_RELEASE = re.compile(r"(Debian|Ubuntu|Alpine|Amazon Linux)(?: (\d{1,4}(?:\.\d{1,2})?))?", re.ASCII)
_ECOSYSTEM = re.compile(
    r"Debian:(?P<debian>\d{1,3})|Ubuntu:(?P<ubuntu>\d\d\.\d\d)(?::LTS)?|Ubuntu:Pro:(?P<pro>\d\d\.\d\d):LTS"
    r"|Alpine:v(?P<alpine>\d{1,2}\.\d{1,3})",
    re.ASCII,
)
_BY_NAME = {one.name: one for one in DISTRIBUTIONS.values()}


def distribution_of(release: str | None) -> tuple[Distribution, str] | None:
    """The distribution and its release ("" where only the distribution is known) of an image's ``Debian 12``."""
    found = _RELEASE.fullmatch(release or "")
    return (_BY_NAME[found[1]], found[2] or "") if found else None


def release_in(distribution: Distribution, ecosystem: str) -> str | None:
    """The release that OSV's ecosystem names: ``Ubuntu:Pro:22.04:LTS`` is ``22.04+pro``.

    None for others, such as ``Ubuntu:Pro:FIPS:…``, whose packages are others than an image's.
    """
    found = _ECOSYSTEM.fullmatch(ecosystem)
    if found is None or not ecosystem.startswith(f"{distribution.ecosystem}:"):
        return None
    return f"{found['pro']}{PRO}" if found["pro"] else next(filter(None, found.groups()))


def release_order(release: str) -> tuple[int, ...]:
    """Sorts a distribution's releases, the oldest first."""
    return tuple(int(part) for part in release.removesuffix(PRO).split("."))
