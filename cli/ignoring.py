"""Suppressions: ignore, unignore, ignored."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from cli import tables
from cli.api import Api
from cli.configs import find, label, read_all
from cli.errors import CommandError, UsageError
from cli.shape import Command, api, forms

_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)


@click.command(cls=Command, short_help="Hide a vulnerability, with a reason.")
@click.argument("vulnerability")
@click.option("--package", help="Only in this package, a name or a glob.")
@click.option("--tags", multiple=True, help="Only in images that all have such tags.")
@click.option("--reason", required=True, help="Why: whoever looks at it in a year wants to know.")
@click.option("--until", help="The last day on which it applies, as YYYY-MM-DD, or in so many days: 30d.")
@click.option("--in", "config", metavar="CONFIG", help="The configuration, where there are several.")
def ignore(
    vulnerability: str, package: str | None, tags: tuple[str, ...], reason: str, until: str | None, config: str | None
) -> None:
    """Hide a vulnerability (an id or a glob) from feeds, messages and the gate. It stays counted apart."""
    service = api()
    found, etag = _one(service, config)
    entry: dict[str, Any] = {"vulnerability": vulnerability, "reason": reason}
    if package:
        entry["package"] = package
    if tags:
        entry["tags"] = [part for value in tags for part in value.split(",")]
    if until:
        entry["until"] = _day(until)
    kept = [one for one in found["ignore"] if _about(one) != _about(entry)]
    after = service.put(f"/configs/{found['id']}", found | {"ignore": [*kept, entry]}, etag=etag)
    end = f", until {entry['until']}" if until else ""
    verb = "Changed" if len(kept) < len(found["ignore"]) else "Ignored"
    tables.say(f"{verb}: {vulnerability} in {label(found)}{end}.")
    _tell_hidden(service, found["id"], entry)
    for warning in after["warnings"]:
        tables.say(f"Warning: {warning}")


@click.command(cls=Command, short_help="Show it again.")
@click.argument("vulnerability")
@click.option("--package", help="Only the entry for this package.")
@click.option("--in", "config", metavar="CONFIG", help="Only in this configuration.")
def unignore(vulnerability: str, package: str | None, config: str | None) -> None:
    """Show it again: take away every suppression of exactly this id or glob."""
    service = api()
    named = [find(service, config)[0]] if config else read_all(service)
    removed = 0
    for one in named:
        if not any(_is_named(entry, vulnerability, package) for entry in one["ignore"]):
            continue
        reply = service.get(f"/configs/{one['id']}")
        found = reply.json()
        kept = [entry for entry in found["ignore"] if not _is_named(entry, vulnerability, package)]
        service.put(f"/configs/{one['id']}", found | {"ignore": kept}, etag=reply.headers.get("etag", ""))
        removed += len(found["ignore"]) - len(kept)
        tables.say(f"No longer ignored: {vulnerability} in {label(found)}.")
    if not removed:
        raise CommandError(f"{vulnerability} is not ignored as such: see ecr-rescan ignored")


@click.command(cls=Command, short_help="What is ignored, and when that ends.")
@click.option("--in", "config", metavar="CONFIG", help="One configuration.")
@forms
def ignored(config: str | None, form: str | None) -> None:
    """The suppressions: what each hides now, and when it ends."""
    service = api()
    named = [find(service, config)[0]] if config else read_all(service)
    rows: list[dict[str, Any]] = []
    for one in named:
        if not one["ignore"]:
            continue
        counted = service.get(f"/summary/{one['id']}", {"limit": 1}).json()["configurations"]
        active = {_about(entry): entry["findings"] for found in counted for entry in found["ignore"]}
        rows += [
            {
                "configuration": one["id"],
                "description": label(one),
                **{name: entry.get(name) for name in ("vulnerability", "package", "tags", "reason", "until")},
                "hides": active.get(_about(entry)),
            }
            for entry in one["ignore"]
        ]
    columns = ("configuration", "description", "vulnerability", "package", "tags", "hides", "until", "reason")
    if form == "json":
        tables.as_json(rows)
    elif form == "csv":
        tables.as_csv(columns, rows)
    else:
        shown = ("vulnerability", "package", "tags", "description", "hides", "until", "reason")
        lines = [
            [
                " ".join(row["tags"] or ()) or None if name == "tags" else _hides(row) if name == "hides" else row[name]
                for name in shown
            ]
            for row in rows
        ]
        heads = ["in" if name == "description" else name for name in shown]
        tables.show(heads, lines, empty="Nothing is ignored.", foldable=("reason", "in"))


def _hides(row: dict[str, Any]) -> object:
    return "ended" if row["hides"] is None else row["hides"]


def _one(service: Api, config: str | None) -> tuple[dict[str, Any], str]:
    if config:
        return find(service, config)
    known = read_all(service)
    if len(known) != 1:
        several = ", ".join(f"{one['id'][:8]} ({label(one)})" for one in known[:5])
        raise UsageError(f"in which configuration? Give --in: {several}" if known else "there is no configuration yet")
    return find(service, known[0]["id"])


def _about(entry: dict[str, Any]) -> tuple[str, str | None, tuple[str, ...]]:
    return entry["vulnerability"], entry.get("package"), tuple(entry.get("tags") or ())


def _is_named(entry: dict[str, Any], vulnerability: str, package: str | None) -> bool:
    return entry["vulnerability"].lower() == vulnerability.lower() and package in (None, entry.get("package"))


def _tell_hidden(service: Api, config_id: str, entry: dict[str, Any]) -> None:
    query = {
        "configuration": config_id,
        "vulnerability": entry["vulnerability"],
        "package": entry.get("package"),
        "state": "suppressed",
        "limit": 1,
    }
    count = service.get("/vulnerabilities", query).json()["total"]
    hides = f"hides {count:,} now" if count else "hides nothing now; is the id right? It will, when it is found"
    tables.say(f"That {hides}. Undo: ecr-rescan unignore {entry['vulnerability']}")


def _day(text: str) -> str:
    try:
        if found := _DAYS.fullmatch(text):
            return (datetime.now(UTC).date() + timedelta(days=int(found[1]))).isoformat()
        return date.fromisoformat(text).isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError("--until must be a date as YYYY-MM-DD, or a number of days such as 30d") from error


COMMANDS = (ignore, unignore, ignored)
