"""The public sources of fixes as the samples have them: OSV's form, for the packages of the samples' Debian base image.

Of three vulnerabilities one has a fix in Debian 12, one in Debian 13 alone, and one none. On day 14 a HIGH one that had
none gets one. A pure function of the day.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

from ecr_rescan.core.signals.places import OSV
from local.samples.findings import base_image
from local.web import Request, Response

FIXABLE_DAY = 14

_FINDINGS = list(base_image(420))
_NAMES = sorted({one.name for one in _FINDINGS})
_RECORD = re.compile(rf"/{re.escape(OSV)}/Debian/DEBIAN-(CVE-\d+-\d+)\.json")
_CHANGES = re.compile(rf"/{re.escape(OSV)}/(Debian|Ubuntu|Alpine)/modified_id\.csv")

BECOMES_FIXABLE = next(one.name for one in _FINDINGS if one.severity == "HIGH" and _NAMES.index(one.name) % 3 == 2)
"""It has no fix, and on the fourteenth day it has."""


def respond(request: Request, day: int, began: datetime) -> Response | None:
    """A source's answer on a day of the script; None for what is none of them."""
    if found := _CHANGES.fullmatch(request.target):
        return Response(200, [], _changes(found[1], day, began))
    if found := _RECORD.fullmatch(request.target):
        return Response(200, [], _record(found[1], day)) if found[1] in _NAMES else Response(404)
    return Response(404) if request.target.startswith(f"/{OSV}/") else None


def _changes(ecosystem: str, day: int, began: datetime) -> bytes:
    lines = [f"{began - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ},{ecosystem.upper()}-CVE-2011-1"]
    if ecosystem == "Debian" and day >= FIXABLE_DAY:
        changed = began + timedelta(days=FIXABLE_DAY)
        lines.insert(0, f"{changed:%Y-%m-%dT%H:%M:%SZ},DEBIAN-{BECOMES_FIXABLE}")
    return "\n".join(lines).encode()


def _record(name: str, day: int) -> bytes:
    number = _NAMES.index(name) % 3
    mended = number == 0 or (name == BECOMES_FIXABLE and day >= FIXABLE_DAY)
    affected = []
    for one in {(one.package, one.version): one for one in _FINDINGS if one.name == name}.values():
        for release, fixed in (
            ("12", f"{one.version}+security1" if mended else ""),
            ("13", f"{one.version}+security2" if number else ""),
        ):
            events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
            if release == "12" or number == 1:
                affected.append(
                    {
                        "package": {"ecosystem": f"Debian:{release}", "name": one.package},
                        "ranges": [{"type": "ECOSYSTEM", "events": events}],
                    }
                )
    return json.dumps({"id": f"DEBIAN-{name}", "affected": affected}).encode()
