"""What people see: tables that fit the terminal, colours only on one, and JSON and CSV for everybody else."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_COLOURS = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "cyan"}
_WIDE = 200
"""How wide a table may be where no terminal limits it."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def console(*, stderr: bool = False) -> Console:
    """Where it is written: as wide as the terminal, in colours on one only (NO_COLOR is heeded)."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    empty: str,
    foldable: Sequence[str] = (),
) -> None:
    """A table; or, where there is nothing in it, a sentence.

    Args:
        foldable: columns that may be broken into lines; all others stay on one as long as that is possible.
    """
    from rich.table import Table

    out = console()
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        numeric = all(isinstance(row[position], int) or row[position] is None for row in rows)
        table.add_column(
            name,
            justify="right" if numeric else "left",
            no_wrap=name not in foldable,
            overflow="fold" if name in foldable else "ellipsis",
            min_width=min(8, max(len(name), *(len(str(row[position])) for row in rows))),
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    with out.capture() as captured:
        out.print(table)
    # Cells are filled up with spaces; the last one's would be in everybody's way who copies it.
    for line in captured.get().splitlines():
        click.echo(line.rstrip(" "))


def say(text: str = "") -> None:
    """A line of plain text."""
    click.echo(visible(text))


def note(text: str) -> None:
    """A line for the person, not for a pipe."""
    click.echo(visible(text), err=True)


def as_json(value: object) -> None:
    """The value as JSON, as the API has it."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """RFC 4180 with a heading; no cell is taken for a formula."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in columns])
    sys.stdout.write(written.getvalue())


def visible(text: str) -> str:
    """Text without what would move the cursor or change colours."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def _cell(value: object) -> Text:
    from rich.text import Text

    shown = "–" if value is None else f"{value:,}" if isinstance(value, int) else visible(str(value))
    return Text(shown, style=_COLOURS.get(shown, ""))


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, int | float):
        return str(value)
    shown = visible(str(value))
    return f"'{shown}" if shown.startswith(FORMULAS) else shown
