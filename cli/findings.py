"""What is open, where, and since when: summary, findings, where, image."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import click

from cli import tables
from cli.api import Api
from cli.configs import find, label
from cli.errors import TROUBLE, UsageError
from cli.shape import Command, api, forms

_SHOWN = 50
_ID = re.compile(
    r"(?:CVE[- ])?\d{4}[- ]\d{4,}|(?:CVE|GHSA|ALAS[A-Z0-9]*|RHSA|ELSA|DSA|USN|SNYK|PRISMA|GO|TEMP)-[\w.:-]+",
    re.IGNORECASE,
)
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_FILTERS = ("severity", "repository", "tag", "package", "vulnerability", "owner", "state", "since", "sort")
_NOTE = "ECR's basic scans see packages of the operating system only: no npm, pip, jar or Go modules."


@click.command(cls=Command, short_help="What is recorded, added up.")
@click.argument("config", required=False)
@forms
def summary(config: str | None, form: str | None) -> int:
    """What is recorded of every configuration, or of one, added up."""
    service = api()
    path = f"/summary/{find(service, config)[0]['id']}" if config else "/summary"
    if form == "csv":
        _print_csv(service, path, {})
        return 0
    told = whole_summary(service, path)
    if form == "json":
        tables.as_json(told)
        return 0
    rows = []
    for one in told["configurations"]:
        counts, covered = one["counts"] or {}, one["coverage"]
        rows.append(
            (
                one["id"][:8],
                label(one),
                covered["selected"],
                covered["scanned_24h"],
                *(counts.get(severity) for severity in _SEVERITIES),
                one["suppressed"],
                sum(one["ages"][severity]["beyond"] for severity in one["ages"]),
                sum(number for kind, number in one["changes"]["last_24h"].items() if kind != "resolved"),
                one["changes"]["last_24h"]["resolved"],
            )
        )
    columns = ("id", "configuration", "platforms", "current", *map(str.lower, _SEVERITIES))
    columns += ("ignored", "overdue", "new 24h", "fixed 24h")
    tables.show(columns, rows, empty="There is no configuration yet: ecr-rescan add 'team-a/*'", foldable=columns[1:2])
    for problem in problems_of(told):
        tables.say(f"Problem: {problem}")
    return 0


def whole_summary(service: Api, path: str) -> Any:
    """All pages as one: images are added to the configuration that they are of."""
    first, *others = [page.json() for page in service.pages(path)]
    known = {one["id"]: one for one in first["configurations"]}
    for page in others:
        for one in page["configurations"]:
            if one["id"] in known:
                known[one["id"]]["images"] += one["images"]
            else:
                known[one["id"]] = one
                first["configurations"].append(one)
    return first


def problems_of(told: dict[str, Any]) -> list[str]:
    found = [f"{label(one)}: {problem}" for one in told["configurations"] for problem in one["problems"]]
    return found + [f"{problem['key']}: {problem['problem']}" for problem in told["problems"]]


def _print_csv(service: Api, path: str, query: dict[str, object]) -> None:
    """All pages of a table; the heading once."""
    for number, page in enumerate(service.pages(path, query, accept="text/csv")):
        text = page.body.decode()
        click.echo(text if not number else text.partition("\r\n")[2], nl=False)


@click.command(cls=Command, short_help="What is open, exploited and most severe first.")
@click.option("--severity", help="The least severe; unrated ones are always there.")
@click.option("--repository", help="A name or a glob.")
@click.option("--tag", help="A tag or a glob.")
@click.option("--package", help="A package's name or a glob.")
@click.option("--vulnerability", help="An id or a glob.")
@click.option("--owner", help="The configurations of this owner.")
@click.option("--in", "config", metavar="CONFIG", help="One configuration.")
@click.option("--state", type=click.Choice(["open", "resolved", "suppressed", "all"]), help="Which of them (open).")
@click.option("--overdue", is_flag=True, help="Only what is open for longer than allowed.")
@click.option("--exploited", is_flag=True, help="Only what is known to be exploited.")
@click.option("--since", help="Only what is open since that day or later.")
@click.option("--sort", type=click.Choice(["matters", "newest", "oldest", "vulnerability", "package"]))
@click.option("--all", "everything", is_flag=True, help=f"More than the first {_SHOWN}.")
@forms
def findings(
    config: str | None, overdue: bool, exploited: bool, everything: bool, form: str | None, **filters: str | None
) -> None:
    """What is open: a row for each configuration, vulnerability and package; what matters most comes first."""
    service = api()
    query: dict[str, object] = {name: filters[name] for name in _FILTERS if filters[name]}
    if overdue:
        query["overdue"] = True
    if exploited:
        query["exploited"] = True
    if config:
        query["configuration"] = find(service, config)[0]["id"]
    _list(service, query, form, everything=everything)


def _list(service: Api, query: dict[str, object], form: str | None, *, everything: bool = False) -> int:
    """Show what the list has; how many rows there are."""
    if form == "csv":
        _print_csv(service, "/vulnerabilities", query)
        return 0
    whole = everything or form == "json"
    pages = service.pages("/vulnerabilities", query | {"limit": 5000 if whole else _SHOWN})
    told = next(pages).json()
    if whole:
        for page in pages:
            told["vulnerabilities"] += page.json()["vulnerabilities"]
    if form == "json":
        tables.as_json(told)
        return int(told["total"])
    with_fix = any(row["fixed_in"] for row in told["vulnerabilities"])
    exploited = any(row["exploited"] for row in told["vulnerabilities"])
    scored = any(row["epss"] for row in told["vulnerabilities"])
    columns = ["severity", "vulnerability", "package", "where", "images", "since", "days left"]
    columns += ["exploited since"] * exploited + ["EPSS"] * scored + ["fixed in"] * with_fix
    rows = []
    for row in told["vulnerabilities"]:
        line = [row["severity"], row["vulnerability"], row["package"], _where(row), row["images"], row["since"][:10]]
        line.append(_ending(row))
        line += [row["exploited"]["since"] if row["exploited"] else None] * exploited
        line += [f"{row['epss']['score'] * 100:.0f} %" if row["epss"] else None] * scored
        rows.append(line + [row["fixed_in"]] * with_fix)
    looked = told["looked_at"]
    covered = f"{looked['with_results']:,} of {looked['images']:,} selected images have results"
    empty = f"Nothing found; {covered}. {_NOTE}"
    if "exploited" in query and not _lists_read(told):
        empty = "Whether anything is exploited is not known: no public list, or only a part of them, has been read."
    tables.show(columns, rows, empty=empty, foldable=("where",))
    if rows:
        left = told["total"] - len(rows)
        tables.say(f"{told['total']:,} in all{f', {left:,} not shown (--all)' if left else ''}; {covered}.")
    for problem in told["problems"]:
        tables.say(f"Problem: {problem['key']}: {problem['problem']}")
    return int(told["total"])


def _lists_read(told: dict[str, Any]) -> bool:
    """Whether every list of exploited ones was read: else none is not no."""
    return all(told["signals"].get(name, {}).get("read_at") for name in ("kev", "euvd"))


def _where(row: dict[str, Any]) -> str:
    names, more = row["repositories"][:2], row["repositories_total"] - 2
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _ending(row: dict[str, Any]) -> object:
    if row["suppressed"]:
        until = row["suppressed"]["until"]
        return f"ignored until {until}" if until else "ignored"
    if row["close_reason"]:
        return f"{row['close_reason']} {row['closed_at'][:10]}"
    return row["days_left"]


@click.command(cls=Command, short_help="Where a CVE or a package is, and since when.")
@click.argument("what")
@forms
def where(what: str, form: str | None) -> int:
    """Where a vulnerability is (by its id) or a package (by its name or a glob), and since when."""
    service = api()
    if not _ID.fullmatch(what):
        _list(service, {"package": what}, form, everything=True)
        return 0
    pages = [page.json() for page in service.pages(f"/vulnerabilities/{quote(what, safe='')}")]
    told = pages[0]
    for page in pages[1:]:
        told["places"] += page["places"]
    columns = ("repository", "tags", "platform", "package", "version", "severity", "since", "fixed_in")
    if form == "json":
        tables.as_json(told)
    elif form == "csv":
        tables.as_csv(("registry", "region", *columns, "digest", "manifest"), told["places"])
    else:
        rows = [
            [*(" ".join(place[name]) if name == "tags" else place[name] for name in columns[:-2])]
            + [place["since"][:10], place["fixed_in"]]
            for place in told["places"]
        ]
        covered = told["coverage"]
        looked = f"{covered['selected'] - covered['never']:,} of {covered['selected']:,} platforms were looked at"
        empty = f"{told['vulnerability']} is nowhere: {looked}. {_NOTE}"
        tables.show(columns, rows, empty=empty, foldable=("repository", "tags"))
        if told["uri"]:
            tables.say(f"More: {told['uri']}")
        for past in told["past"]:
            tables.say(
                f"{past['repository']} had it from {past['opened'][:10]} to {past['closed'][:10]}: {past['reason']}"
            )
        for problem in told["problems"]:
            tables.say(f"Problem: {problem['key']}: {problem['problem']}")
    return 0


@click.command(cls=Command, short_help="One image: its scans, and what is open in it.")
@click.argument("name", metavar="IMAGE")
@forms
def image(name: str, form: str | None) -> int:
    """An image, such as team-a/api:1.4: whether it is scanned, and what is open in it."""
    service = api()
    repository, colon, tag = name.rpartition("/")[2].partition(":")
    if not colon or "@" in repository:
        raise UsageError("name a tag: REPOSITORY:TAG")
    told = service.get("/gate", {"image": name, "severity": "INFORMATIONAL"}).json()
    query: dict[str, object] = {"repository": told["image"]["repository"], "tag": tag}
    if form:
        _list(service, query, form)
        return 0
    found = told["image"]
    if found["digest"]:
        tables.say(found["digest"])
    rows = [(one["platform"], one["state"], one["scanned_at"]) for one in found["platforms"]]
    tables.show(("platform", "state", "scanned"), rows, empty=f"{name} is not on record.")
    unknown = [reason for reason in told["reasons"] if reason["code"] not in ("FINDINGS", "NOTHING_COUNTS")]
    for reason in unknown:
        tables.say(f"{reason['message']}. {reason['action']}.")
    tables.say()
    _list(service, query | {"state": "all"}, None, everything=True)
    return TROUBLE if unknown else 0


COMMANDS = (summary, findings, where, image)
