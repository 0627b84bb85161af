"""The public sources of signals as the samples have them: their own forms, made-up ids, and a script of days.

On day 13 an open, unrated finding of platform/base becomes exploited. On day 15 every source is down, on day 17 all
send nonsense. A pure function of the day.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date, datetime, timedelta

from ecr_rescan.core.signals.places import PLACES
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV
from local.samples import fixes
from local.samples.findings import base_image
from local.samples.script import FIXED, GAINED
from local.web import Request, Response

EXPLOITED_DAY, DOWN_DAY, NONSENSE_DAY = 13, 15, 17

_UNRATED = list(dict.fromkeys(one.name for one in base_image(420) if one.severity == "UNDEFINED"))
BECOMES_EXPLOITED = _UNRATED[0]
"""Nobody has rated it, and on the thirteenth day it is on the list."""
LIKELY = _UNRATED[1]
"""Nobody has rated it; its EPSS score is high from the beginning."""


def respond(request: Request, day: int, began: datetime) -> Response:
    """A source's answer on a day of the script; its path begins with the host that it stands for."""
    place = next((one for one in PLACES for url in one.urls if request.target == url.removeprefix("https:/")), None)
    of_fixes = fixes.respond(request, day, began)
    if place is None and of_fixes is None:
        return Response(404, [], b"no such source")
    if day == DOWN_DAY:
        return Response(503, [], b"down for maintenance")
    if day == NONSENSE_DAY:
        return Response(200, [("Content-Type", "text/html")], b"<!DOCTYPE html><title>Please wait</title>")
    if place is None:
        assert of_fixes is not None
        return of_fixes
    today = began.date() + timedelta(days=day)
    body = {KEV: _kev, EUVD: _euvd, EPSS: _epss}[place.name](day, today, began.date())
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    if request.header("If-None-Match") == etag:
        return Response(304, [("ETag", etag)])
    return Response(200, [("ETag", etag)], body)


def _kev(day: int, today: date, began: date) -> bytes:
    entries = [_entry(FIXED.name, began - timedelta(days=30), "Known")]
    entries += [_entry(f"CVE-2099-{1000 + number}", began - timedelta(days=400), "Unknown") for number in range(20)]
    if day >= EXPLOITED_DAY:
        entries.insert(0, _entry(BECOMES_EXPLOITED, began + timedelta(days=EXPLOITED_DAY), "Known"))
    catalogue = {
        "title": "A sample in the form of the CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": f"{today:%Y.%m.%d}",
        "dateReleased": f"{today}T00:00:00.0000Z",
        "count": len(entries),
        "vulnerabilities": entries,
    }
    return json.dumps(catalogue).encode()


def _entry(cve: str, added: date, ransomware: str) -> dict[str, str]:
    return {"cveID": cve, "dateAdded": added.isoformat(), "knownRansomwareCampaignUse": ransomware}


def _euvd(day: int, today: date, began: date) -> bytes:
    known = [{"cveId": FIXED.name, "euvdId": "EUVD-2099-1", "sources": ["cisa_kev"]}]
    known += [
        {"cveId": f"CVE-2099-{2000 + number}", "euvdId": f"EUVD-2099-{2000 + number}", "sources": ["eukev_kev"]}
        for number in range(10)
    ]
    return json.dumps([one | {"dateAdded": (began - timedelta(days=30)).isoformat()} for one in known]).encode()


def _epss(day: int, today: date, began: date) -> bytes:
    scores = {LIKELY: 0.15312, BECOMES_EXPLOITED: 0.02104, GAINED.name: 0.31401, FIXED.name: 0.08333}
    lines = [f"#model_version:v2026.06.15,score_date:{today}T00:00:00Z", "cve,epss,percentile"]
    lines += [f"{cve},{score},{min(0.9999, score + 0.77):.5f}" for cve, score in sorted(scores.items())]
    return gzip.compress("\n".join(lines).encode(), mtime=0)
