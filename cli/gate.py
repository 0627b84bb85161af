"""The gate for builds: asks, waits where waiting helps, and ends with the exit code that stops or lets go."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from cli import tables
from cli.api import Api
from cli.errors import DONE, FAILED, TROUBLE, CommandError, UsageError
from cli.shape import Command, api

_WAIT = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?|0", re.ASCII)
_LONGEST_PAUSE_SECONDS = 15.0
_EXITS = {"pass": DONE, "fail": FAILED, "unknown": TROUBLE}
_SHOWN = 50


@click.command(cls=Command, short_help="May these images go on? For builds.")
@click.argument("image", nargs=-1, required=True)
@click.option("--severity", help="The least severe that counts (HIGH).")
@click.option("--fixable", is_flag=True, help="Only what has a fix counts.")
@click.option("--compared-to", metavar="TAG", help="What the image that holds this tag has, too, does not count.")
@click.option("--max-age", help="How old a result may be (24h10m).")
@click.option("--configuration", "--in", metavar="ID", help="The one configuration whose suppressions apply.")
@click.option("--wait", default="10m", show_default=True, help="How long to wait for a result; 0 not at all.")
@click.option("--token", envvar="ECR_RESCAN_GATE_TOKEN", help="A token of the gate (or ECR_RESCAN_GATE_TOKEN).")
@click.option(
    "--sarif", type=click.Path(dir_okay=False, writable=True), help="Write the findings there, as SARIF 2.1.0."
)
@click.option("--junit", type=click.Path(dir_okay=False, writable=True), help="Write the verdicts there, as JUnit XML.")
@click.option("--json", "form", flag_value="json", help="Print the API's answers as a JSON array.")
def gate(
    image: tuple[str, ...],
    wait: str,
    token: str | None,
    sarif: str | None,
    junit: str | None,
    form: str | None,
    **asked: Any,
) -> int:
    """May these images go on? By digest, if you can: a tag may name another image by now.

    Exits 0 if all pass, 2 if one fails, 1 if one is unknown or there is no answer, 3 for wrong usage. Nothing unknown
    ever passes.
    """
    service = api(token=token)
    query = {name.replace("-", "_"): value for name, value in asked.items() if value not in (None, False)}
    seconds = _seconds(wait)
    path = "/gate/ci" if token else "/gate"
    until = time.monotonic() + seconds
    verdicts = [ask(service, path, {"image": one} | query, until=until) for one in image]
    # What is written for machines is there whatever people see of it.
    if sarif:
        from cli import sarif as as_sarif

        _write(sarif, as_sarif.to_text(list(zip(image, verdicts, strict=True))))
    if junit:
        from cli import junit as as_junit

        _write(junit, as_junit.to_text(list(zip(image, verdicts, strict=True))))
    if form:
        tables.as_json(verdicts)
    else:
        for name, verdict in zip(image, verdicts, strict=True):
            show(name, verdict)
    codes = {_EXITS.get(verdict["verdict"], TROUBLE) for verdict in verdicts}
    return FAILED if FAILED in codes else TROUBLE if TROUBLE in codes else DONE


def ask(
    service: Api,
    path: str,
    query: dict[str, Any],
    *,
    until: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """The verdict; while it is unknown and may change in time, asked for again.

    Args:
        until: when to stop, by ``now``'s clock.
    """
    with _progress(query["image"]) as progress:
        while True:
            verdict: dict[str, Any] = service.get(path, query).json()
            if verdict.get("verdict") not in _EXITS:
                raise CommandError("the answer is no verdict; does this command fit the deployment's version?")
            wait, left = verdict["retry_after"], until - now()
            if verdict["verdict"] != "unknown" or wait is None or left <= 0 or wait > left:
                return verdict
            if progress is not None:
                progress.update(f"{query['image']}: {tables.visible(verdict['reasons'][0]['message'])}")
            sleep(min(float(wait), _LONGEST_PAUSE_SECONDS, left))


def show(name: str, verdict: dict[str, Any]) -> None:
    """The verdict with its reasons, what counts, and what is ignored."""
    as_of = f", as of {verdict['as_of']}" if verdict["as_of"] else ""
    digest = verdict["image"]["digest"]
    named = f" ({digest[:19]}…)" if digest and digest not in name else ""
    styles = {"pass": "bold green", "fail": "bold red", "unknown": "bold yellow"}
    out = tables.console()
    from rich.text import Text

    out.print(Text.assemble((verdict["verdict"].upper(), styles[verdict["verdict"]]), f" {name}{named}{as_of}"))
    for reason in verdict["reasons"]:
        platform = f"{reason['platform']}: " if reason["platform"] else ""
        action = f". {reason['action']}" if reason["action"] else ""
        out.print(tables.visible(f"  {platform}{reason['message']}{action}."), soft_wrap=True)
    if verdict["new"]:
        rows = [
            (
                one["severity"],
                one["vulnerability"],
                one["package"],
                " ".join(one["versions"]),
                _platforms(one),
                one["since"][:10],
                one["fixed_in"],
                _ended(one),
            )
            for one in verdict["new"][:_SHOWN]
        ]
        columns = (
            "severity",
            "vulnerability",
            "package",
            "version",
            "platforms",
            "since",
            "fixed in",
            "was ignored until",
        )
        kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
        tables.show(
            [columns[place] for place in kept],
            [[row[place] for place in kept] for row in rows],
            empty="",
            foldable=("version", "platforms"),
        )
        if (more := verdict["new_total"] - len(rows)) > 0:
            tables.say(f"and {more:,} more")
    for one in verdict["ignored"][:_SHOWN]:
        until = f" until {one['until']}" if one["until"] else ""
        tables.say(f"  ignored{until}: {one['severity']} {one['vulnerability']} {one['package']}: {one['reason']}")


def _platforms(one: dict[str, Any]) -> str:
    return ", ".join(one["platforms"])


def _ended(one: dict[str, Any]) -> str | None:
    ended: str | None = one["ignored_until"]
    return ended


def _progress(name: str) -> AbstractContextManager[Any]:
    out = tables.console(stderr=True)
    if not out.is_terminal or os.environ.get("CI"):
        return nullcontext()
    return out.status(f"{name}: asking", spinner="dots")


def _seconds(text: str) -> float:
    found = _WAIT.fullmatch(text)
    if not text or found is None:
        raise UsageError("--wait must be a time such as 10m, 90s or 1h, or 0")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


COMMANDS: Sequence[click.Command] = (gate,)
