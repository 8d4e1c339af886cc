"""Rows on stdout: a table for a person, JSON for a program."""

from __future__ import annotations

import itertools
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

CHUNK = 500
"""Rows that are laid out together: a long result is printed without being held in memory."""
UNLIMITED = 1_000_000
"""Columns of the "terminal" when the output is a file or a pipe: nothing is folded or cut."""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Text on one line with control characters made visible: it must not steer the terminal."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def cell(value: object) -> str:
    """One value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return printable(str(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Print rows in aligned columns under their names; returns how many there were.

    On a terminal long cells are folded; elsewhere each row is one line.
    """
    remaining, count, header = iter(rows), 0, True
    while (chunk := list(itertools.islice(remaining, CHUNK))) or header:
        _print(_table(columns, chunk, show_header=header))
        count, header = count + len(chunk), False
    return count


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    _print(_table(["", ""], list(facts.items()), show_header=False))


def _print(table: Table) -> None:
    console = stdout_console()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def stdout_console() -> Console:
    """Open the terminal, or a page wide enough for every line of a file or pipe."""
    return Console(
        width=None if sys.stdout.isatty() else UNLIMITED,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, show_header: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=show_header, header_style="bold")
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(v if isinstance(v, Text) else Text(cell(v)) for v in row))
    return table


def print_text(text: str) -> None:
    """Print text as it is; what no encoding knows, such as half a surrogate pair, as `?`."""
    click.echo(text.encode("utf-8", "replace").decode())


def print_json(value: object) -> None:
    """Print a JSON value on one line, non-ASCII text readable."""
    click.echo(_json(value))


def print_json_rows(rows: Iterable[object]) -> None:
    """Print an array with one element a line, as the elements come."""
    opening = "["
    for row in rows:
        click.echo(opening + _json(row), nl=False)
        opening = ",\n "
    click.echo("]" if opening != "[" else "[]")


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=cell)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8: escaped, it can be read back
        text = json.dumps(value, default=cell)
    return text
