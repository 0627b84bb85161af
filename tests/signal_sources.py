"""The public sources of signals on 127.0.0.1, in their own forms, for tests that say what each answers."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from ecr_rescan.core.signals.places import AMAZON_LINUX, OSV, PLACES
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV
from local.web import Request, Response, WebServer

_ADVISORIES = "repodata/updateinfo.xml.gz"

Answer = Response | Callable[[Request], Response]


def kev(entries: Mapping[str, str] | Iterable[str], released: datetime) -> bytes:
    """CISA's catalogue of these ids; a mapping gives the ransomware flag of each."""
    listed = dict(entries) if isinstance(entries, Mapping) else dict.fromkeys(entries, "Unknown")
    rows = [
        {"cveID": cve, "dateAdded": "2026-03-01", "knownRansomwareCampaignUse": known} for cve, known in listed.items()
    ]
    head = {"title": "t", "catalogVersion": "1", "dateReleased": released.isoformat(), "count": len(rows)}
    return json.dumps(head | {"vulnerabilities": rows}).encode()


def euvd(ids: Iterable[str], added: str = "2026-03-01") -> bytes:
    """ENISA's list of these ids."""
    return json.dumps([{"cveId": cve, "dateAdded": added, "sources": ["eukev_kev"]} for cve in ids]).encode()


def epss(scores: Mapping[str, float], date: str, model: str = "v2026.06.15") -> bytes:
    """FIRST's file, compressed as it is there."""
    lines = [f"#model_version:{model},score_date:{date}T12:00:00Z", "cve,epss,percentile"]
    lines += [f"{cve},{score},0.925" for cve, score in scores.items()]
    return gzip.compress("\n".join(lines).encode())


class Sources:
    """What each source answers, by its short name, and how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.records: dict[str, bytes] = {}
        self.paths: list[str] = []
        self.asked: dict[str, int] = dict.fromkeys((KEV, EUVD, EPSS), 0)
        self.server = WebServer(0, self._handle)

    @property
    def url(self) -> str:
        """For ``SIGNALS_FROM``."""
        return self.server.url

    def say(self, name: str, body: bytes, status: int = 200) -> None:
        """Answer so from now on."""
        self.answers[name] = Response(status, [], body)

    def has(self, distribution: str, identifier: str, body: bytes, changed: datetime) -> None:
        """OSV has a record from now on, or another one, and lists it as changed."""
        self.records[f"{distribution}/{identifier}.json"] = body
        listed = self.records.get(f"{distribution}/modified_id.csv", b"")
        line = f"{changed:%Y-%m-%dT%H:%M:%SZ},{identifier}\n".encode()
        self.records[f"{distribution}/modified_id.csv"] = line + listed

    def advises(self, release: str, body: bytes) -> None:
        """Amazon Linux has these advisories from now on."""
        guid = hashlib.sha256(body).hexdigest()
        mirror, path = {
            "2": ("2/core/latest/x86_64/mirror.list", f"2/core/2.0/x86_64/{guid}"),
            "2023": ("al2023/core/mirrors/latest/x86_64/mirror.list", f"al2023/core/guids/{guid}/x86_64"),
        }[release]
        self.records[mirror] = f"https://{AMAZON_LINUX}/{path}\n".encode()
        index = f'<checksum>{guid}</checksum><location href="{_ADVISORIES}"/>'
        self.records[f"{path}/repodata/repomd.xml"] = f'<r><data type="updateinfo">{index}</data></r>'.encode()
        self.records[f"{path}/{_ADVISORIES}"] = gzip.compress(body)

    def _handle(self, request: Request) -> Response:
        if request.target.startswith((f"/{OSV}/", f"/{AMAZON_LINUX}/")):
            self.paths.append(request.target.partition("/")[2].partition("/")[2])
            body = self.records.get(self.paths[-1])
            if "fixes" in self.answers:
                answer = self.answers["fixes"]
                return answer if isinstance(answer, Response) else answer(request)
            return Response(404) if body is None else Response(200, [], body)
        for place in PLACES:
            if any(request.target == url.removeprefix("https:/") for url in place.urls):
                self.asked[place.name] += 1
                answer = self.answers.get(place.name, Response(404))
                return answer if isinstance(answer, Response) else answer(request)
        return Response(404)


@contextmanager
def sources() -> Iterator[Sources]:
    """A server of them."""
    made = Sources()
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()
