"""Runs the command in this process, as a shell would: arguments in, exit code and text out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


def run(*arguments: str) -> Ran:
    """Run ``ecr-rescan`` with these arguments; there is no terminal."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return Ran(code, out.getvalue(), err.getvalue())


def against(url: str, *arguments: str) -> Ran:
    """Run it against an API."""
    return run(*arguments, "--url", url)


def done(url: str, *arguments: str) -> str:
    """Run it, hold it to success, and answer what it printed."""
    ran = against(url, *arguments)
    assert ran.code == 0, ran
    return ran.out


def rows(out: str) -> list[Sequence[str]]:
    """The lines of a table, split where columns are."""
    return [line.split() for line in out.splitlines()]
