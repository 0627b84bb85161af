"""No request takes processor time that grows faster than its size: neither its answer, nor the tick after it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.config.app import lambda_handler as config_handler
from functions.findings.app import lambda_handler as findings_handler
from functions.summary.app import lambda_handler as summary_handler
from tests.rest import CONTEXT, event
from tests.service import ACCOUNT, REGION, Service, basic, service

TIMES = 4
# A quadratic growth would be TIMES squared; what remains is for a machine that does other things as well.
AT_MOST = 2.2 * TIMES

LEAST = {"region": REGION, "registry": ACCOUNT, "repository": "team/app"}
ID = "0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"


def members(size: int) -> str:
    """As many members as there is room for, all of them different."""
    return json.dumps({f"m{number}": 1 for number in range(size * 400)})


def twice(size: int) -> str:
    """The same, with the last one named twice."""
    return members(size)[:-1] + f', "m{size * 400 - 1}": 1}}'


def suppressions(size: int, **more: Any) -> str:
    """As many suppressions as there may be, and what else a configuration has."""
    entry = {"vulnerability": "*A" * 5, "package": "*a" * 5, "reason": "r", "tags": ["*b" * 5]}
    return json.dumps(LEAST | {"ignore": [entry] * (size * 11)} | more)


BODIES: dict[str, Callable[[int], str]] = {
    "members": members,
    "twice": twice,
    "suppressions": suppressions,
    "patterns": lambda size: json.dumps(LEAST | {"repository": ["*a" * 5] * size * 2, "tags": ["*?" * 5] * size * 2}),
    "faults": lambda size: json.dumps([{"ignore": [{}] * size * 1000}]),
    "wrong fields": lambda size: json.dumps(LEAST | {"ignore": [{"x" * 60: 1}] * size * 12}),
    "long text": lambda size: json.dumps(LEAST | {"description": "\u0001" * size * 1000}),
    "long pattern": lambda size: json.dumps(LEAST | {"repository": "a-" * size * 3000}),
    "address": lambda size: json.dumps(LEAST | {"repository": "1" * 12 + ".dkr.ecr" + ".a" * size * 3000}),
    "nested": lambda size: "[" * size * 6000,
    "number": lambda size: "9" * size * 6000,
    "spaces": lambda size: " " * size * 6000,
    "escapes": lambda size: '"' + "\\u0041" * size * 1000 + '"',
}

HEADERS: dict[str, Callable[[int], dict[str, str]]] = {
    "Accept": lambda size: {"Accept": "text/x;q=0.1;a=b," * size * 12},
    "If-Match": lambda size: {"If-Match": '"a",' * size * 60},
    "If-None-Match": lambda size: {"If-None-Match": 'W/"a",' * size * 40},
    "quotes": lambda size: {"If-None-Match": '"' * size * 240 + " "},
    "If-Modified-Since": lambda size: {"If-Modified-Since": "Mon, " * size * 50},
    "Authorization": lambda size: {"Authorization": "Basic " + base64.b64encode(b":" * size * 180).decode()},
}

QUERIES: dict[str, Callable[[int], dict[str, str]]] = {
    "unknown": lambda size: {f"severit{number}": "x" for number in range(size * 5)},
    "long name": lambda size: {"severity" * size * 30: "x"},
    "long value": lambda size: {"after": "A" * size * 240},
    "tag": lambda size: {"tag": "*a" * size * 30},
}


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call, the least of some: a call that was interrupted says nothing."""
    best = float("inf")
    for _ in range(4):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A deployment with an image, whose tags are long and many, and its findings."""
    with service() as made:
        for number in range(6):
            made.push("team/app", "a" * 100 + str(number))
            made.post("team/app", "a" * 100 + str(number), [basic(f"CVE-2026-{one}") for one in range(40)])
        made.config("PUT", "/configs/{id}", body=LEAST, parameters={"id": ID}, headers={"If-None-Match": "*"})
        made.cycle(2)
        yield made


@pytest.fixture(scope="module")
def token(running: Service) -> str:
    made: str = running.config("POST", "/configs/{id}/tokens", body={"name": "a"}, parameters={"id": ID}).json()[
        "token"
    ]
    return made


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    ("method", "resource"), [("POST", "/configs"), ("PUT", "/configs/{id}"), ("POST", "/dashboard/tokens")]
)
def test_an_answer_takes_no_more_than_its_body(running: Service, name: str, method: str, resource: str) -> None:
    """Accepted or refused; never a fault of ours."""

    def sent(size: int) -> Callable[[], None]:
        request = event(
            method,
            resource,
            body=BODIES[name](size),
            query={"dry_run": "true"} if "configs" in resource else None,
            parameters={"id": ID} if "{id}" in resource else None,
        )

        def send() -> None:
            # A body over the limit would be refused unread.
            assert config_handler(request, CONTEXT)["statusCode"] not in (413, 500, 503)

        return send

    assert seconds(sent(10 * TIMES)) <= AT_MOST * seconds(sent(10))


@pytest.mark.parametrize("name", [*HEADERS, *QUERIES])
def test_an_answer_takes_no_more_than_its_headers_and_query(running: Service, name: str, token: str) -> None:
    """On every route that reads."""
    routes = (
        (config_handler, "/configs", None, None),
        (summary_handler, "/summary", None, None),
        (summary_handler, "/dashboard/{id}", {"id": ID}, token),
        (findings_handler, "/findings/{id}", {"id": ID}, token),
    )

    def sent(size: int) -> Callable[[], None]:
        headers = HEADERS[name](size) if name in HEADERS else {}
        requests = []
        for handler, resource, parameters, opening in routes:
            query = (QUERIES[name](size) if name in QUERIES else {}) | ({"token": opening} if opening else {})
            requests.append((handler, event("GET", resource, parameters=parameters, headers=headers, query=query)))

        def send() -> None:
            for handler, request in requests:
                assert handler(request, CONTEXT)["statusCode"] < 500

        return send

    assert seconds(sent(10 * TIMES)) <= AT_MOST * seconds(sent(10))


def test_a_tick_takes_no_more_than_what_was_accepted(running: Service) -> None:
    """The costliest configuration that is accepted, against a quarter of it: over many findings and long tags."""
    spent = []
    for size in (10, 10 * TIMES):
        tags = ["!" + "*a" * 5 + "b"] * size
        body = suppressions(size, tags=tags, repository=["team/*"] + ["!" + "*p" * 5] * size)
        reply = running.config("PUT", "/configs/{id}", body=json.loads(body), parameters={"id": ID})
        assert reply.status == 200, reply.body
        running.cycle()
        spent.append(seconds(lambda: (running.restart(), running.tick())))
    assert spent[1] <= AT_MOST * spent[0]
