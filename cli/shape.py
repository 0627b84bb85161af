"""How commands look: what all of them take, and how forms of output are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from cli import connection
from cli.api import Api
from cli.connection import Connection

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Command(click.Command):
    """A command with the options that say where the API is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += connection.options()
        self.context_settings = {**CONTEXT, **self.context_settings}


class Group(click.Group):
    """Several of them under one name."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += connection.options()
        self.context_settings = {**CONTEXT, **self.context_settings}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are written: what people do first comes first."""
        return list(self.commands)


Group.group_class = Group


def forms(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json`` and ``--csv``."""
    for name, form in (("--csv", "csv"), ("--json", "json")):
        option = click.option(name, "form", flag_value=form, help=f"Print {form.upper()} instead of a table.")
        function = option(function)
    return function


def api(*, token: str | None = None) -> Api:
    """The API that the options name."""
    return Api(click.get_current_context().find_root().ensure_object(Connection), token=token)


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: ``--yes``, or a person says so; where there is no person, that is a wrong usage."""
    from cli.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask: give --yes")
    return click.confirm(question)
