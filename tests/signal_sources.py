"""The public sources of signals on 127.0.0.1, in their own forms, for tests that say what each answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from ecr_rescan.core.signals.places import PLACES
from ecr_rescan.core.signals.sources import EPSS, EUVD, KEV
from local.web import Request, Response, WebServer

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
        self.asked: dict[str, int] = dict.fromkeys((KEV, EUVD, EPSS), 0)
        self.server = WebServer(0, self._handle)

    @property
    def url(self) -> str:
        """For ``SIGNALS_FROM``."""
        return self.server.url

    def say(self, name: str, body: bytes, status: int = 200) -> None:
        """Answer so from now on."""
        self.answers[name] = Response(status, [], body)

    def _handle(self, request: Request) -> Response:
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
