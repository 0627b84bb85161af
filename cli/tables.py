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
_FOLDED = 16
"""As narrow as a column may get whose cells are broken into lines."""
_GAP = 2

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

    What does not fit on the terminal is left out column by column from the right, and named: no cell is ever cut.

    Args:
        foldable: columns that may be broken into lines; all others stay on one.
    """
    from rich.table import Table

    out = console()
    if not rows:
        out.print(empty)
        return
    cells = [[_cell(value) for value in row] for row in rows]
    whole = [max(len(name), *(row[place].cell_len for row in cells)) for place, name in enumerate(columns)]
    least = [min(_FOLDED, width) if name in foldable else width for name, width in zip(columns, whole, strict=True)]
    room = out.width if out.is_terminal else max(_WIDE, _width(least))
    kept = max(1, sum(_width(least[: place + 1]) <= room for place in range(len(columns))))
    widths = _shared_out(least[:kept], whole[:kept], room)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for place, width in enumerate(widths):
        numeric = all(isinstance(row[place], int) or row[place] is None for row in rows)
        table.add_column(columns[place], justify="right" if numeric else "left", width=width, overflow="fold")
    for row in cells:
        table.add_row(*row[:kept])
    with out.capture() as captured:
        out.print(table)
    # Cells are filled up with spaces; the last one's would be in everybody's way who copies it.
    for line in captured.get().splitlines():
        click.echo(line.rstrip(" "))
    if kept < len(columns):
        note(f"Not shown, for want of width: {', '.join(columns[kept:])}.")


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _shared_out(least: Sequence[int], whole: Sequence[int], room: int) -> list[int]:
    """How wide the columns are: the room that is left goes to those that want it, from the left."""
    spare, widths = room - _width(least), []
    for low, high in zip(least, whole, strict=True):
        more = max(0, min(high - low, spare))
        spare -= more
        widths.append(min(low + more, room))
    return widths


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
