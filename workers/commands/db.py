"""`pagemill db copy`: everything that was done on one machine, into a server or back."""

from __future__ import annotations

from dataclasses import asdict

import click

from storage.copying import copy_database
from storage.database import open_database
from workers.commands.exits import say
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.tables import print_json_rows, print_table


@click.group()
def db() -> None:
    """Copy a database."""


@db.command()
@click.argument("source", metavar="SOURCE_URL")
@click.argument("target", metavar="TARGET_URL")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@options()
@pass_invocation
def copy(invocation: Invocation, source: str, target: str, as_json: bool) -> None:
    """Copy everything from SOURCE_URL to TARGET_URL, an empty database.

    URLs are sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE. Numbers of documents stay
    as they are. What was written is read back and compared; if anything differs, nothing is kept.
    """
    reading, writing = open_database(source, readonly=True), open_database(target)
    try:
        copied = copy_database(reading, writing, _quiet if invocation.quiet else _said)
    finally:
        reading.dispose()
        writing.dispose()
    if as_json:
        print_json_rows(asdict(table) for table in copied)
    else:
        print_table(["table", "rows", "sha256"], [(t.table, t.rows, t.sha256) for t in copied])


def _said(table: str, rows: int) -> None:
    if rows % 100_000 == 0:
        say(f"{table}: {rows:,} rows")


def _quiet(table: str, rows: int) -> None:
    """Say nothing."""
