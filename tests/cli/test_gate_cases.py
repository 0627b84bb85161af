"""The gate by its exit codes: what a build sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli import gate as command
from cli.api import Api
from local.samples.images import multi_platform
from local.stack import LocalStack
from tests.cli.conftest import cycle, push
from tests.cli.terminal import Ran, against, done, run
from tests.service import basic

REPOSITORY = "team/app"
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
HIGH, OTHER, EXPIRED = basic("CVE-2026-1"), basic("CVE-2026-2"), basic("CVE-2026-3")
LOW = basic("CVE-2026-4", severity="LOW")


@pytest.fixture(scope="module")
def stack(stack: LocalStack) -> LocalStack:
    """Images that were scanned, and suppressions of which one has ended."""
    push(stack, REPOSITORY, "clean")
    push(stack, REPOSITORY, "high", [HIGH])
    push(stack, REPOSITORY, "same", [HIGH])
    push(stack, REPOSITORY, "more", [HIGH, basic("CVE-2026-5", severity="CRITICAL")])
    push(stack, REPOSITORY, "suppressed", [OTHER])
    push(stack, REPOSITORY, "expired", [EXPIRED])
    push(stack, REPOSITORY, "low", [LOW])
    for pushed in multi_platform("index", "index"):
        tag = {"imageTag": pushed.tag} if pushed.tag else {}
        stack.ecr.put_image(repositoryName=REPOSITORY, imageManifest=pushed.manifest, **tag)
    bad = multi_platform("index", "index")[1]
    stack.post_findings(REPOSITORY, {"imageDigest": bad.digest}, [HIGH])
    done(stack.url, "add", REPOSITORY, "--yes")
    cycle(stack, 3)
    done(stack.url, "ignore", "CVE-2026-2", "--reason", "not reachable")
    done(stack.url, "ignore", "CVE-2026-3", "--reason", "mended by May", "--until", "2026-03-01")
    return stack


def gate(stack: LocalStack, tag: str, *more: str) -> Ran:
    return against(stack.url, "gate", f"{HOST}/{REPOSITORY}:{tag}", "--wait", "0", *more)


@pytest.mark.parametrize(
    ("tag", "more", "code", "told"),
    [
        ("clean", (), 0, "PASS"),
        ("high", (), 2, "CVE-2026-1"),
        ("suppressed", (), 0, "CVE-2026-2 openssl: not reachable"),
        ("expired", (), 2, "was ignored until"),
        ("low", (), 0, "1 is below HIGH"),
        ("low", ("--severity", "low"), 2, "CVE-2026-4"),
        ("clean", ("--max-age", "1m"), 1, "older than 1 min"),
        ("unknown", (), 1, "not on record"),
        ("same", ("--compared-to", "high"), 0, "1 finding that high has, too"),
        ("more", ("--compared-to", "high"), 2, "1 finding of HIGH or above that high doesn't have: CVE-2026-5"),
        ("index", (), 2, "linux/arm64"),
        ("high", ("--fixable",), 1, "can be fixed is not known"),
    ],
)
def test_the_exit_code_is_the_verdict(stack: LocalStack, tag: str, more: tuple[str, ...], code: int, told: str) -> None:
    """And the reason is printed."""
    ran = gate(stack, tag, *more)
    assert (ran.code, told in ran.out) == (code, True), ran


def test_what_is_running_or_was_never_scanned_is_unknown_until_it_has_a_result(stack: LocalStack) -> None:
    """With how long to wait; then it passes."""
    push(stack, REPOSITORY, "fresh")
    stack.drain()
    ran = gate(stack, "fresh", "--json")
    (verdict,) = json.loads(ran.out)
    assert (ran.code, verdict["reasons"][0]["code"], verdict["retry_after"]) == (1, "NEVER_SCANNED", 60)
    stack.tick()
    (verdict,) = json.loads(gate(stack, "fresh", "--json").out)
    assert (verdict["reasons"][0]["code"], verdict["retry_after"]) == ("IN_PROGRESS", 30)
    assert Api(connection(stack)).get("/gate", {"image": f"{REPOSITORY}:fresh"}).headers["retry-after"] == "30"
    cycle(stack)
    assert gate(stack, "fresh").code == 0


def connection(stack: LocalStack) -> Any:
    from cli.connection import Connection

    return Connection(url=stack.url)


def test_an_api_that_is_down_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1, with what to look at."""
    monkeypatch.setattr("cli.api.time.sleep", lambda _: None)
    ran = run("gate", "team/app:1", "--url", "http://127.0.0.1:1")
    assert (ran.code, "no answer from http://127.0.0.1:1" in ran.err) == (1, True)


def test_the_worst_of_several_images_decides(stack: LocalStack) -> None:
    """A failure before what is unknown, that before a pass."""

    def of(*tags: str) -> int:
        return against(stack.url, "gate", *(f"{REPOSITORY}:{tag}" for tag in tags), "--wait", "0").code

    assert (of("clean", "low"), of("clean", "gone"), of("gone", "high", "clean")) == (0, 1, 2)


@pytest.mark.parametrize(
    "arguments",
    [("gate",), ("gate", "team/app"), ("gate", "team/app:1", "--wait", "soon"), ("gate", "a:1", "--severity", "X")],
)
def test_wrong_usage_is_3(stack: LocalStack, arguments: tuple[str, ...]) -> None:
    """No verdict may look like one."""
    assert against(stack.url, *arguments).code == 3


def test_a_token_is_enough_and_a_wrong_one_is_wrong_usage(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes by the environment, and is sent in a header, where no log has it."""
    token = done(stack.url, "gate-token", "new", "ci").strip()
    monkeypatch.setenv("ECR_RESCAN_GATE_TOKEN", token)
    assert gate(stack, "clean").code == 0
    done(stack.url, "gate-token", "revoke", "ci")
    ran = gate(stack, "clean")
    assert (ran.code, "revoked" in ran.err) == (3, True)


def test_reports_are_written_whatever_the_verdict(stack: LocalStack, tmp_path: Path) -> None:
    """A file that can't be written is wrong usage."""
    sarif, junit = tmp_path / "a.sarif", tmp_path / "a.xml"
    assert gate(stack, "high", "--sarif", str(sarif), "--junit", str(junit)).code == 2
    assert "CVE-2026-1" in sarif.read_text()
    assert "CVE-2026-1" in junit.read_text()
    assert gate(stack, "high", "--sarif", str(tmp_path / "no" / "a")).code == 3


class Answers:
    """An API that gives these verdicts in turn, and a clock that only sleeping moves."""

    def __init__(self, *verdicts: tuple[str, int | None]) -> None:
        self.left = list(verdicts)
        self.clock = 0.0

    def get(self, path: str, query: dict[str, Any]) -> Any:
        """The next verdict; the last one again and again."""
        verdict, wait = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        reasons = [{"message": "a scan is running"}]
        told = {"verdict": verdict, "retry_after": wait, "reasons": reasons}
        return type("Reply", (), {"json": lambda _: told})()

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.clock += seconds

    def ask(self, *, until: float) -> str:
        """What the command makes of it."""
        found = command.ask(self, "/gate", {"image": "a:1"}, until=until, now=lambda: self.clock, sleep=self.sleep)  # type: ignore[arg-type]
        return str(found["verdict"])


def test_it_waits_as_long_as_waiting_may_help_and_no_longer() -> None:
    """Not for what no time mends, nor for what comes after the time that it has."""
    answers = Answers(("unknown", 30), ("unknown", 30), ("pass", None))
    assert (answers.ask(until=600), answers.clock) == ("pass", 30.0)
    never = Answers(("unknown", 30))
    assert (never.ask(until=100), never.clock <= 100) == ("unknown", True)
    assert never.clock >= 70
    for wait in (None, 5_000):
        hopeless = Answers(("unknown", wait))
        assert (hopeless.ask(until=600), hopeless.clock) == ("unknown", 0.0)
