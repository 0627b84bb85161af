"""Tokens: of feeds, of the dashboard, and of the gate."""

from __future__ import annotations

import re
from urllib.parse import quote

import click

from cli import tables
from cli.api import Api
from cli.configs import find
from cli.errors import UsageError
from cli.shape import Group, api, forms


def _new(service: Api, path: str, name: str) -> None:
    made = service.post(path, {"name": name})
    tables.note(f"Token {name}, shown this once:")
    # A feed and a page are opened by their URL, the gate is asked with the token.
    tables.say(made["token"] if "gate_url" in made else made.get("feed_url") or made["dashboard_url"])


def _list(service: Api, path: str, form: str | None) -> None:
    known = service.get(path).json()
    columns = ("name", "created", "prefix")
    if form == "json":
        tables.as_json(known)
    elif form == "csv":
        tables.as_csv(columns, known)
    else:
        tables.show(columns, [[one[name] for name in columns] for one in known], empty="There is no token.")


def _revoke(service: Api, path: str, name: str) -> None:
    service.delete(f"{path}/{quote(name, safe='')}")
    tables.say(f"Revoked {name}; it opens nothing from now on.")


@click.command(cls=Group, short_help="Tokens of feeds: new, tokens, revoke.")
def feed() -> None:
    """The feeds' tokens: new, tokens, revoke."""


def _feed_path(service: Api, config: str) -> str:
    return f"/configs/{find(service, config)[0]['id']}/tokens"


@feed.command("new")
@click.argument("config")
@click.option("--name", default="reader", show_default=True, help="So that it can be told from others, and revoked.")
def new_feed(config: str, name: str) -> None:
    """Another URL for a configuration's feed; give each reader its own."""
    service = api()
    _new(service, _feed_path(service, config), name)


@feed.command("tokens")
@click.argument("config")
@forms
def feed_tokens(config: str, form: str | None) -> None:
    """Who has a feed's URL."""
    service = api()
    _list(service, _feed_path(service, config), form)


@feed.command("revoke")
@click.argument("config")
@click.argument("name")
def revoke_feed(config: str, name: str) -> None:
    """Close a feed's URL."""
    service = api()
    _revoke(service, _feed_path(service, config), name)


@click.command(cls=Group, invoke_without_command=True, short_help="Open the dashboard; its tokens.")
@click.option("--print", "only_print", is_flag=True, help="Print the page's URL instead of opening a browser.")
@click.pass_context
def dashboard(context: click.Context, only_print: bool) -> None:
    """Open the dashboard in a browser; or new, tokens, revoke."""
    if context.invoked_subcommand is not None:
        return
    import socket
    import webbrowser

    service = api()
    # One token for each machine: the one of the last time ends.
    name = f"browser-{re.sub('[^a-z0-9]+', '-', socket.gethostname().lower()).strip('-')}"[:32].rstrip("-")
    reply = service.send("DELETE", f"/dashboard/tokens/{name}")
    if reply.status not in (204, 404):
        raise UsageError("the dashboard's tokens can't be changed with these credentials")
    url = service.post("/dashboard/tokens", {"name": name})["dashboard_url"]
    if only_print or not webbrowser.open(url):
        tables.say(url)
    else:
        tables.say("Opened in the browser.")


def _of(group: click.Group, path: str, what: str) -> None:
    """The commands of tokens that belong to no configuration."""

    @group.command("new", help=f"A token of {what}.")
    @click.argument("name")
    def new(name: str) -> None:
        _new(api(), path, name)

    @group.command("tokens", help=f"Who has a token of {what}.")
    @forms
    def tokens(form: str | None) -> None:
        _list(api(), path, form)

    @group.command("revoke", help=f"Take a token of {what} away.")
    @click.argument("name")
    def revoke(name: str) -> None:
        _revoke(api(), path, name)


@click.command("gate-token", cls=Group, short_help="Tokens of the gate: new, tokens, revoke.")
def gate_token() -> None:
    """The gate's tokens, for builds without AWS credentials: new, tokens, revoke."""


_of(dashboard, "/dashboard/tokens", "the dashboard")
_of(gate_token, "/gate/tokens", "the gate")

COMMANDS = (feed, dashboard, gate_token)
