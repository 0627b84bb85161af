"""``python -m supply.vulnerabilities``: what is known against the locked packages, or that it could not be looked at.

``ADVISORIES`` names a downloaded archive of OSV (``PyPI/all.zip``), for places without a network; without it pip-audit
asks PyPI. What is known of the layer fails; of the tools, which are not deployed, it is told. Where nothing could be
looked at, that is what is said, never that nothing is known; ``MUST_LOOK=1`` makes it fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supply.advisories import CouldNotLook, Found, Known, look_into
from supply.locks import LAYER, Package, locked, locks, normal

OLDEST_DAYS = 30
"""Of an archive. OSV's is made anew every day, and there is no week without an advisory for PyPI."""

_SECONDS = 300


def ask(files: Sequence[Path]) -> Found:
    """What PyPI knows of the packages of some locks, by pip-audit: lock by lock, as it takes no two versions of one.

    Raises:
        CouldNotLook: it could not be asked, or did not answer for every package; no further lock is tried then.
    """
    options = ["--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off", "--timeout=10"]
    known: set[Known] = set()
    for file in files:
        command = [sys.executable, "-m", "pip_audit", *options, f"--requirement={file}"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CouldNotLook(f"pip-audit did not run to its end: {error}") from error
        known.update(answered(run.stdout, run.stderr, locked([file])))
    return Found(tuple(sorted(known)), "PyPI, by pip-audit")


def answered(answer: str, complaints: str, packages: Collection[Package]) -> set[Known]:
    """What pip-audit's answer says. It calls it no vulnerability, with a status of 0, when it could ask about nothing.

    Raises:
        CouldNotLook: there is no answer for every package.
    """
    try:
        told: dict[Package, list[dict[str, Any]]] = {
            Package(normal(one["name"]), str(one["version"])): one["vulns"]
            for one in json.loads(answer)["dependencies"]
            if "skip_reason" not in one
        }
    except (ValueError, KeyError, TypeError) as error:
        last = (complaints.strip().splitlines() or ["it said nothing"])[-1]
        raise CouldNotLook(f"pip-audit gave no answer: {last[:300]}") from error
    if unasked := set(packages) - told.keys():
        some = ", ".join(f"{one.name} {one.version}" for one in sorted(unasked)[:3])
        raise CouldNotLook(f"PyPI told nothing of {len(unasked)} of {len(packages)} packages ({some}, …)")
    return {
        Known(package, (one["id"], *one.get("aliases", ())), tuple(one.get("fix_versions", ())))
        for package in packages
        for one in told[package]
    }


def look(environment: Mapping[str, str], files: Sequence[Path], now: datetime) -> Found:
    """Look where the environment says.

    Raises:
        CouldNotLook: nothing can be said.
    """
    if archive := environment.get("ADVISORIES", "").strip():
        return look_into(Path(archive), locked(files), now, oldest_days=OLDEST_DAYS)
    return ask(files)


def main(environment: Mapping[str, str], now: datetime) -> int:
    """Look, and say what was found: 1 where something is known of the layer, 2 where one had to look and could not."""
    layer, everything = set(locked([LAYER])), locked(locks())
    try:
        found = look(environment, locks(), now)
    except CouldNotLook as error:
        print(f"known vulnerabilities: COULD NOT LOOK at {len(everything)} locked packages: {error}")
        print("  ADVISORIES=all.zip looks into a downloaded archive of OSV's advisories for PyPI, without a network")
        return 2 if environment.get("MUST_LOOK") == "1" else 0
    deployed = [one for one in found.known if one.package in layer]
    tools = [one for one in found.known if one.package not in layer]
    for title, ones in (("in the layer", deployed), ("in tools, which are not deployed", tools)):
        for one in ones:
            fixed = f"fixed in {', '.join(one.fixed_in)}" if one.fixed_in else "no fix is known"
            print(f"  {title}: {one.package.name} {one.package.version}: {', '.join(one.names)} ({fixed})")
    counts = (
        f"{len(deployed)} in the layer's {len(layer)} packages, {len(tools)} in {len(everything) - len(layer)} others"
    )
    print(f"known vulnerabilities: {counts} ({found.source})")
    return 1 if deployed else 0


if __name__ == "__main__":
    sys.exit(main(os.environ, datetime.now(UTC)))
