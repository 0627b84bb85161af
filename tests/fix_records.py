"""Real records of OSV and ALAS without their texts, as tests use them; sources are in ``docs/fixes.md``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.alas import read_updateinfo
from ecr_rescan.core.fixes.distributions import AMAZON
from ecr_rescan.core.fixes.osv import of_id, read_osv
from ecr_rescan.core.fixes.records import Record

DATA = Path(__file__).parent / "data" / "fixes"
ADVISORIES = {
    "al2-core.updateinfo.xml": "2",
    "al2-extra-kernel-5.15.updateinfo.xml": "2",
    "al2023-core.updateinfo.xml": "2023",
    "al2023-kernel-livepatch.updateinfo.xml": "2023",
    "al2023-nvidia.updateinfo.xml": "2023",
}


@cache
def osv_bodies() -> dict[str, bytes]:
    """Path in the samples → body."""
    lines = map(json.loads, (DATA / "osv.jsonl").read_text().splitlines())
    return {line["file"]: json.dumps(line["record"]).encode() for line in lines}


@cache
def records() -> dict[tuple[str, str], Record]:
    """(distribution, vulnerability) → record, of those that can be read; advisories of each release are merged."""
    found: dict[tuple[str, str], Record] = {}
    for body in osv_bodies().values():
        try:
            wire = json.loads(body)
            distribution, vulnerability = of_id(wire.get("id") if isinstance(wire, dict) else None)
            found[distribution.key, vulnerability] = read_osv(distribution, vulnerability, body)
        except SignalError:
            continue
    wanted = {
        *("CVE-2017-5754", "ALAS2-2018-939", "CVE-2022-24903", "CVE-2014-3634", "ALAS2023-2023-001"),
        *("CVE-2022-3526", "CVE-2025-23359"),
    }
    for file, release in ADVISORIES.items():
        for name, record in read_updateinfo([(DATA / file).read_bytes()], release, wanted)[1].items():
            found[AMAZON.key, name] = record
    return found
