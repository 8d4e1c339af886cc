"""`pagemill search` and `pagemill sql`: what was read, found by words or by SQL."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click
from rich.text import Text

from storage.documents import find_document
from storage.search import Hit
from storage.search import search as find
from storage.sql import run_readonly
from workers.commands.exits import say
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.tables import print_json_rows, print_table, printable

_MARKS = ("\ue000", "\ue001")
"""Around a match in a snippet on its way to the terminal: characters no text layer shows."""


@click.command()
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--document", metavar="DOC", help="Look in one document only.")
@click.option("--json", "as_json", is_flag=True, help="For programs, with polygons.")
@options("database")
@pass_invocation
def search(
    invocation: Invocation, query: str, limit: int, document: str | None, as_json: bool
) -> None:
    """Find pages that hold every word of QUERY, best first, with the place on the page.

    "several words" in quotes must follow each other; invoi* finds words that start so. Boxes are
    pixels of the upright page image: left, top, right, bottom.
    """
    with invocation.reading() as session:
        chosen = find_document(session, document).id if document else None
        hits = find(session, query, limit, chosen, marks=_marks(as_json=as_json))
    if as_json:
        print_json_rows(_as_json(hit) for hit in hits)
    elif hits:
        print_table(["document", "page", "box", "text", "source"], map(_row, hits))
    else:
        say("Nothing found.")


def _marks(*, as_json: bool) -> tuple[str, str]:
    return _MARKS if sys.stdout.isatty() and not as_json else ("[", "]")


def _as_json(hit: Hit) -> dict[str, object]:
    places = [{"line_no": p.line_no, "box": p.box, "polygon": p.polygon} for p in hit.places]
    return asdict(hit) | {"score": round(hit.score, 4), "places": places}


def _row(hit: Hit) -> tuple[object, ...]:
    box = ",".join(f"{edge:.0f}" for edge in hit.box)
    return hit.document_id, hit.page_no, box, highlighted(hit.snippet), hit.source


def highlighted(snippet: str) -> Text:
    """A snippet whose marked parts are bold."""
    shown = Text()
    for part in snippet.split(_MARKS[0]):
        match, end, rest = part.rpartition(_MARKS[1])
        shown.append(printable(match), style="bold reverse" if end else "")
        shown.append(printable(rest))
    return shown


@click.command()
@click.argument("statement", metavar='"SELECT …"')
@click.option("--json", "form", flag_value="json", help="A JSON array of objects.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a header.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after so long.",
)
@options("database")
@pass_invocation
def sql(invocation: Invocation, statement: str, form: str | None, timeout: float) -> None:
    """Ask the database one reading question in SQL.

    The views are made for it: v_documents, v_pages, v_lines, v_words, v_low_confidence_lines and
    v_errors.
    """
    with run_readonly(invocation.settings().database_url, statement, timeout) as rows:
        _print_rows(form, rows.columns, rows)


def _print_rows(form: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    match form:
        case "json":
            print_json_rows(dict(zip(columns, row, strict=True)) for row in rows)
        case "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        case _:
            print_table(columns, rows)
