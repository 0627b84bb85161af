"""Scan configurations: add, list, show, change, remove."""

from __future__ import annotations

from typing import Any

import click

from cli import tables
from cli.api import Api
from cli.errors import UsageError
from cli.shape import Command, api, confirmed, forms

_RATED = click.Choice(["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"], case_sensitive=False)
_COLUMNS = ("id", "registry", "region", "repository", "tags", "newest", "severity", "notify", "owner", "description")
_SHORT = 8


def read_all(service: Api) -> list[dict[str, Any]]:
    """Every configuration."""
    return [one for page in service.pages("/configs", {"limit": 1000}) for one in page.json()]


def find(service: Api, name: str) -> tuple[dict[str, Any], str]:
    """A configuration and its ETag, by its id, the beginning of it, or a unique part of description or pattern."""
    known = read_all(service)
    exact = [one for one in known if one["id"] == name]
    found = exact or [one for one in known if one["id"].startswith(name)]
    found = found or [one for one in known if name.lower() in _described(one)]
    if not found:
        raise UsageError(f"no configuration is called {name!r}: see ecr-rescan list")
    if len(found) > 1:
        several = ", ".join(f"{one['id'][:_SHORT]} ({label(one)})" for one in found[:5])
        raise UsageError(f"{name!r} may be any of {several}: say more of it")
    reply = service.get(f"/configs/{found[0]['id']}")
    return reply.json(), reply.headers.get("etag", "")


def label(one: dict[str, Any]) -> str:
    """What people call a configuration."""
    return str(one.get("description") or _listed(one["repository"]))


def _described(one: dict[str, Any]) -> str:
    return f"{one.get('description') or ''}\n{_listed(one['repository'])}".lower()


def _listed(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _split(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]


def _settings(function: Any) -> Any:
    options = [
        click.option("--tags", multiple=True, help="Tags or globs, ! excludes; none means every tagged image."),
        click.option("--newest", help="Only so many most recently pushed images per repository."),
        click.option("--severity", help="The least severe to show."),
        click.option("--notify", help="The least severe to send a message about (HIGH)."),
        click.option("--owner", help="For messages and their filters."),
        click.option("--description", help="What people call it."),
        click.option("--role-arn", help="The role to assume for another account's images."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command(cls=Command, short_help="Scan more: shows what it would match and cost, asks.")
@click.argument("repository", nargs=-1, required=True)
@_settings
@click.option("--registry", help="The account of the images; by default your own.")
@click.option("--in-region", help="The Region of the images; by default the API's.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only show what it would match and cost.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
def add(
    repository: tuple[str, ...],
    registry: str | None,
    in_region: str | None,
    yes: bool,
    dry_run: bool,
    form: str | None,
    **settings: Any,
) -> None:
    """Scan what these names or globs select, such as 'team-a/*'. Shows what that would match and cost, and asks."""
    service = api()
    body: dict[str, Any] = {
        "region": in_region or service.connection.default_region(),
        "registry": registry or service.connection.default_registry(),
        "repository": repository[0] if len(repository) == 1 else list(repository),
        **_changed(settings),
    }
    seen = service.post("/configs", body, {"dry_run": True})
    if dry_run and form:
        tables.as_json(seen)
        return
    if not form:
        _show_preview(seen)
    if dry_run or not confirmed("Add it?", yes=yes):
        return
    made = service.post("/configs", body)
    if form:
        tables.as_json(made)
        return
    tables.say(f"Added {made['id']}. First results by {made['first_results']['expected_by']}.")
    for name in ("feed_url", "changes_feed_url"):
        if made.get(name):
            tables.say(f"{name.replace('_', ' ')}, shown this once: {made[name]}")


def _show_preview(seen: dict[str, Any]) -> None:
    told, cost = seen["dry_run"], seen["dry_run"]["cost"]["usd_a_month_at_most"]
    rows = [(one["repository"], one["selected"], one["left_out"]) for one in told["repositories"]["first"][:20]]
    empty = "Nothing is recorded that matches yet." if told["known"] else "Nothing is recorded of this registry yet."
    tables.show(("repository", "images", "left out by newest"), rows, empty=empty)
    if (more := (told["repositories"]["matching"] or 0) - len(rows)) > 0:
        tables.say(f"and {more:,} more")
    if told["scans_a_day"] is not None:
        price = "nothing more" if not cost else f"at most ${cost:,.2f} a month"
        tables.say(
            f"{told['images']['selected']:,} images, {told['scans_a_day']:,} scans a day "
            f"({told['scans_a_day_shared']:,} made anyway); costs {price}."
        )
    for warning in seen["warnings"]:
        tables.say(f"Warning: {warning}")


@click.command("list", cls=Command)
@forms
def list_(form: str | None) -> None:
    """The scan configurations."""
    known = read_all(api())
    if form == "json":
        tables.as_json(known)
    elif form == "csv":
        tables.as_csv(_COLUMNS, known)
    else:
        rows = [
            (
                one["id"][:_SHORT],
                one["region"],
                _listed(one["repository"]),
                " ".join(one["tags"]) or "all",
                one["newest"],
                one["notify"],
                one["owner"],
                one["description"],
                len(one["ignore"]),
            )
            for one in known
        ]
        columns = ("id", "region", "repository", "tags", "newest", "notify", "owner", "description", "ignored")
        empty = "There is none yet: ecr-rescan add 'team-a/*' --newest 5"
        tables.show(columns, rows, empty=empty, foldable=("repository", "tags", "description"))


@click.command(cls=Command, short_help="A configuration.")
@click.argument("config")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
def show(config: str, form: str | None) -> None:
    """A configuration, by its id or a unique part of its description or pattern."""
    found, _ = find(api(), config)
    if form:
        tables.as_json(found)
        return
    rows = [
        (name, _listed(value) if isinstance(value, list) else value)
        for name, value in found.items()
        if name != "ignore" and value not in (None, [])
    ]
    tables.show(("field", "value"), rows, empty="", foldable=("value",))
    for one in found["ignore"]:
        until = f" until {one['until']}" if one.get("until") else ""
        tables.say(f"ignores {one['vulnerability']} {one.get('package', '')}{until}: {one['reason']}")


@click.command(cls=Command, short_help="Change a configuration.")
@click.argument("config")
@click.option("--repository", multiple=True, help="Names or globs instead of the present ones.")
@_settings
@click.option("--json", "form", flag_value="json", help="Print JSON.")
def change(config: str, repository: tuple[str, ...], form: str | None, **settings: Any) -> None:
    """Change what is given, and nothing else; 'none' empties a field. Widening alerts nobody of what is there."""
    service = api()
    found, etag = find(service, config)
    changed = _changed(settings)
    if repository:
        changed["repository"] = repository[0] if len(repository) == 1 else list(repository)
    if not changed:
        raise UsageError("change what? Give --tags, --newest, --severity, --notify, --owner or another")
    after = service.put(f"/configs/{found['id']}", found | changed, etag=etag)
    if form:
        tables.as_json(after)
        return
    for name in changed:
        tables.say(f"{name}: {_plain(found[name])} -> {_plain(after[name])}")
    for warning in after["warnings"]:
        tables.say(f"Warning: {warning}")


@click.command(cls=Command, short_help="Remove a configuration and its feed.")
@click.argument("config")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove(config: str, yes: bool) -> None:
    """Remove a configuration. Its feed ends at once; what was recorded stays for two weeks for another to find."""
    service = api()
    found, etag = find(service, config)
    if confirmed(f"Remove {found['id']} ({label(found)}) and its feed?", yes=yes):
        service.delete(f"/configs/{found['id']}", etag=etag)
        tables.say(f"Removed {found['id']}.")


def _changed(settings: dict[str, Any]) -> dict[str, Any]:
    """What was given, as the API takes it."""
    changed: dict[str, Any] = {}
    for name, value in settings.items():
        if value is None or value == ():
            continue
        if name == "tags":
            changed[name] = [] if value == ("none",) else _split(value)
        elif value == "none":
            changed[name] = None
        elif name == "newest":
            if not value.isdecimal():
                raise UsageError("--newest must be a whole number, or none")
            changed[name] = int(value)
        elif name in ("severity", "notify"):
            changed[name] = _RATED.convert(value, None, None)
        else:
            changed[name] = value
    return changed


def _plain(value: object) -> str:
    return "none" if value in (None, []) else ", ".join(value) if isinstance(value, list) else str(value)


COMMANDS = (add, list_, show, change, remove)
