"""Looks for packages in a downloaded database of OSV: the archive of one ecosystem, a JSON file for each advisory.

https://google.github.io/osv.dev/data/ (PyPI's is ``PyPI/all.zip``), https://ossf.github.io/osv-schema/.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from supply.locks import Package, normal


class CouldNotLook(Exception):
    """Nothing can be said: neither that something is known nor that nothing is."""


@dataclass(frozen=True, order=True, slots=True)
class Known:
    """A vulnerability that is known of a package; ``names`` are all that it has, such as its CVE."""

    package: Package
    names: tuple[str, ...]
    fixed_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of some packages, by a source that tells how new it is."""

    known: tuple[Known, ...]
    source: str


def look_into(archive: Path, packages: Collection[Package], now: datetime, *, oldest_days: int) -> Found:
    """What the archive knows of the packages.

    Raises:
        CouldNotLook: it is no such archive, or so old that its silence tells nothing.
    """
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    known: set[Known] = set()
    newest = ""
    try:
        for advisory in _advisories(archive):
            newest = max(newest, str(advisory["modified"]))
            if not advisory.get("withdrawn"):
                known.update(_known(advisory, by_name))
        age = (now - datetime.fromisoformat(newest)).days if newest else 0
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CouldNotLook(f"{archive} is no archive of OSV's advisories: {error!r}") from error
    if not newest:
        raise CouldNotLook(f"{archive} has no advisory")
    if age > oldest_days:
        raise CouldNotLook(f"the newest advisory of {archive} is {age} days old, of at most {oldest_days}")
    return Found(tuple(sorted(known)), f"OSV's archive, newest advisory of {newest[:10]}")


def _advisories(archive: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            if name.endswith(".json"):
                yield json.loads(opened.read(name))


def _known(advisory: Mapping[str, Any], by_name: Mapping[str, Collection[Package]]) -> Iterator[Known]:
    for affected in advisory.get("affected", ()):
        about = affected.get("package", {})
        if about.get("ecosystem") != "PyPI":
            continue
        for package in by_name.get(normal(about["name"]), ()):
            if _affects(affected, package.version):
                names = (advisory["id"], *advisory.get("aliases", ()))
                yield Known(package, names, tuple(sorted(set(_fixes(affected)))))


def _affects(affected: Mapping[str, Any], version: str) -> bool:
    """By the list of versions or by a range; one that is no version in it counts as affected, not as safe."""
    if version in affected.get("versions", ()):
        return True
    return any(_within(one.get("events", ()), version) for one in affected.get("ranges", ()) if _of_versions(one))


def _of_versions(one: Mapping[str, Any]) -> bool:
    return one.get("type") in ("ECOSYSTEM", "SEMVER")


def _within(events: Collection[Mapping[str, str]], version: str) -> bool:
    # OSV schema, "Evaluation": the events in the order of versions, each of which begins or ends what is affected.
    try:
        asked = Version(version)
        ordered = sorted((_at(text), kind) for event in events for kind, text in event.items())
    except InvalidVersion:
        return True
    within = False
    for at, kind in ordered:
        if kind == "introduced" and asked >= at:
            within = True
        elif (kind == "fixed" and asked >= at) or (kind == "last_affected" and asked > at):
            within = False
    return within


def _at(text: str) -> Version:
    # "0" stands for before everything, prereleases of 0 included.
    return Version("0.dev0" if text == "0" else text)


def _fixes(affected: Mapping[str, Any]) -> Iterator[str]:
    for one in affected.get("ranges", ()):
        if _of_versions(one):
            yield from (event["fixed"] for event in one.get("events", ()) if "fixed" in event)
