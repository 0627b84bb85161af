"""The script of the samples: what is pushed on a day, and what a scan finds on it. A pure function of the day's number.

Day 0 is the beginning. On days 1, 3 and 11 nothing changes. 2: team-a/api gains one finding. 4: one of its findings
is fixed. 5: a severity rises in team-b/frontend. 6: team-a/api is rebuilt with the same findings, and its tags move.
7: its scan fails. 8: the scan works again. 9: a repository appears. 10: the finding of day 2 spreads to it. From day 12
on every fourth day brings one new finding to team-a/api, which is fixed eight days later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.ecr.scanning import COMPLETE_TEXT, UNSUPPORTED_TEXT
from local.samples.findings import Vulnerability, alpine, base_image, debian, inspector
from local.samples.images import Pushed, chart, image, multi_platform
from local.template import ACCOUNT, REGION

Wire = dict[str, Any]

API = "team-a/api"
WORKER = "team-a/worker"
FRONTEND = "team-b/frontend"
GO_STATIC = "team-b/go-static"
BASE = "platform/base"
CLEAN = "platform/clean"
ETL = "data/etl"
CHART = "charts/web"
SEARCH = "team-c/search"

SHARED = debian(
    "CVE-2026-21441",
    "HIGH",
    "libexpat1",
    "2.5.0-1+deb12u1",
    "An XML bomb in libexpat makes a parser use all memory.",
    "7.5",
)
GAINED = debian(
    "CVE-2026-31337",
    "CRITICAL",
    "openssl",
    "3.0.14-1~deb12u2",
    "A forged certificate is accepted in place of a valid one.",
    "9.1",
)
FIXED = debian(
    "CVE-2025-48384", "HIGH", "git", "1:2.39.5-0+deb12u2", "Cloning a repository with submodules runs a script.", "8.0"
)


@dataclass(frozen=True, slots=True)
class Day:
    """What happens at the beginning of a day: repositories made, images pushed, results posted for the next scans."""

    repositories: tuple[str, ...]
    pushes: tuple[tuple[str, Pushed], ...]
    results: tuple[Wire, ...]


def day(number: int) -> Day:
    """The script of a day."""
    before = _results(number - 1) if number else {}
    return Day(
        repositories=tuple(name for name, first in _FIRST_DAYS.items() if first == number),
        pushes=tuple(_pushes(number)),
        results=tuple(result for key, result in _results(number).items() if before.get(key) != result),
    )


_FIRST_DAYS = {API: 0, WORKER: 0, FRONTEND: 0, GO_STATIC: 0, BASE: 0, CLEAN: 0, ETL: 0, CHART: 0, SEARCH: 9}
_WORKER_IMAGES = multi_platform("worker 2.1", "2.1")
_AMD64, _ARM64 = _WORKER_IMAGES[0].digest, _WORKER_IMAGES[1].digest


def _pushes(number: int) -> list[tuple[str, Pushed]]:
    match number:
        case 0:
            return [
                (API, image("api 1.3", "1.3")),
                (API, image("api 1.4", "1.4")),
                (API, Pushed(image("api 1.4").manifest, "latest")),
                *((WORKER, part) for part in _WORKER_IMAGES),
                (FRONTEND, image("frontend 8", "8")),
                (FRONTEND, image("frontend 9", "9")),
                (GO_STATIC, image("go-static 0.9", "0.9")),
                (BASE, image("base bookworm", "bookworm")),
                (CLEAN, image("clean 3", "3")),
                (ETL, image("etl 2026.1", "2026.1")),
                (CHART, chart("web 1.0.0", "1.0.0")),
            ]
        case 6:
            return [(API, image("api 1.4 rebuilt", "1.4")), (API, Pushed(image("api 1.4 rebuilt").manifest, "latest"))]
        case 9:
            return [(SEARCH, image("search 5", "5"))]
        case _:
            return []


def _results(number: int) -> dict[tuple[str, str], Wire]:
    """What a scan of each image finds on a day, by repository and tag or digest."""
    results = {
        (API, "1.3"): _found(API, "1.3", _api(number)[:4]),
        (API, "1.4"): _found(API, "1.4", _api(number)),
        (WORKER, _AMD64): _found(WORKER, _AMD64, _WORKER),
        (WORKER, _ARM64): _found(WORKER, _ARM64, _WORKER[:-1]),
        (FRONTEND, "8"): _found(FRONTEND, "8", _frontend(number)),
        (FRONTEND, "9"): _found(FRONTEND, "9", _frontend(number)[:3]),
        (GO_STATIC, "0.9"): _failed(GO_STATIC, "0.9", UNSUPPORTED_TEXT),
        (BASE, "bookworm"): _found(BASE, "bookworm", list(base_image(420))),
        (CLEAN, "3"): _found(CLEAN, "3", []),
        (ETL, "2026.1"): _enhanced(ETL, "2026.1"),
    }
    if number == 7:
        results[API, "1.4"] = _failed(API, "1.4", "The scan failed. Try again later.")
    if number >= 9:
        found = [
            SHARED,
            debian(
                "CVE-2025-6021", "MEDIUM", "libxml2", "2.9.14+dfsg-1.3~deb12u1", "A stack overflow in libxml2.", "6.2"
            ),
        ]
        results[SEARCH, "5"] = _found(SEARCH, "5", found + ([GAINED] if number >= 10 else []))
    return results


def _api(number: int) -> list[Vulnerability]:
    found = [
        SHARED,
        debian(
            "CVE-2024-2961", "MEDIUM", "libc6", "2.36-9+deb12u6", "iconv() writes up to 4 bytes past its buffer.", "5.9"
        ),
        debian("CVE-2023-7008", "LOW", "libsystemd0", "252.22-1~deb12u1", "systemd-resolved accepts unsigned records."),
        debian(
            "CVE-2011-3374", "INFORMATIONAL", "apt", "2.6.1", "apt-key does not check keys against the master keyring."
        ),
    ]
    if number < 4:
        found.append(FIXED)
    if number >= 2:
        found.append(GAINED)
    for begun in range(12, number + 1, 4):
        if number < begun + 8:
            text = f"A request that was scripted for day {begun} makes the parser loop."
            found.append(debian(f"CVE-2026-{40000 + begun}", "HIGH", "libnghttp2-14", "1.52.0-1+deb12u1", text, "7.5"))
    return found


def _frontend(number: int) -> list[Vulnerability]:
    risen = "CRITICAL" if number >= 5 else "MEDIUM"
    return [
        alpine("CVE-2025-26519", risen, "musl", "1.2.5-r8"),
        alpine("CVE-2025-46394", "LOW", "busybox", "1.37.0-r12"),
        alpine("CVE-2024-58251", "LOW", "busybox", "1.37.0-r12"),
        alpine("CVE-2026-0861", "UNDEFINED", "nginx", "1.28.0-r3"),
    ]


_WORKER = [
    SHARED,
    debian(
        "CVE-2025-4802",
        "HIGH",
        "libc6",
        "2.36-9+deb12u9",
        "A static setuid binary loads libraries from LD_LIBRARY_PATH.",
        "7.8",
    ),
    debian("CVE-2025-0395", "MEDIUM", "libc6", "2.36-9+deb12u9", "assert() may write past a buffer.", "5.5"),
]


def _result(repository: str, image_name: str, status: str, description: str, content: Wire | None) -> Wire:
    member = "imageDigest" if image_name.startswith("sha256:") else "imageTag"
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository,
        "imageId": {member: image_name},
        "imageScanStatus": {"status": status, "description": description},
        "imageScanFindings": content,
    }


def _found(repository: str, image_name: str, found: list[Vulnerability]) -> Wire:
    return _result(repository, image_name, "COMPLETE", COMPLETE_TEXT, {"findings": [item.to_wire() for item in found]})


def _failed(repository: str, image_name: str, why: str) -> Wire:
    return _result(repository, image_name, "FAILED", why, None)


def _enhanced(repository: str, tag: str) -> Wire:
    resource = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}/{image('etl 2026.1').digest}"
    found = [
        inspector("CVE-2025-47273", "HIGH", "setuptools", "75.1.0", "78.1.1", registry=ACCOUNT, image=resource),
        inspector("CVE-2024-35195", "MEDIUM", "requests", "2.31.0", "2.32.0", registry=ACCOUNT, image=resource),
        inspector("CVE-2026-1703", "UNTRIAGED", "pip", "24.0", None, registry=ACCOUNT, image=resource),
    ]
    return _result(
        repository, tag, "ACTIVE", "Continuous scan is selected for image.", {"findings": [], "enhancedFindings": found}
    )
