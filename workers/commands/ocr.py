"""`pagemill ocr`: read files directly, without a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from ocr_core.page import Quad, TextLine
from workers.commands.exits import Missing, Problem, error_as_json, say_problems, verdict
from workers.commands.invocation import READING, Invocation, options, pass_invocation
from workers.commands.tables import print_json, print_text

if TYPE_CHECKING:
    from workers.direct import FilePage

_FILE = click.Path(exists=True, dir_okay=False, readable=False)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=_FILE, metavar="IMAGE|PDF...")
@click.option("--jsonl", is_flag=True, help="One line of JSON for each page, with boxes.")
@options("jobs", *READING)
@pass_invocation
@click.pass_context
def ocr(
    context: click.Context, invocation: Invocation, paths: tuple[str, ...], jsonl: bool
) -> None:
    """Read images and PDFs directly, without a database, and print their text.

    Pages are divided by form feeds. With --jsonl boxes are pixels of the input image: of an image
    file as a viewer shows it, of a PDF page as it was drawn.
    """
    from workers.direct import read_files

    pages = read_files(paths, invocation.settings())
    read, problems = _print_pages(pages, jsonl=jsonl)
    context.exit(verdict(read, problems))


def _print_pages(pages: Iterable[FilePage], *, jsonl: bool) -> tuple[int, int]:
    """Print pages as they come; how many were read and how many were not."""
    read = problems = 0
    for page in pages:
        if page.fatal and page.error:
            raise Missing(page.error.message, page.error.advice)
        if page.error:
            problems += 1
            say_problems([Problem(page.path, page.error, page.page_no)])
        if jsonl:
            print_json(page_as_json(page))
        elif page.error is None:
            print_text("\f" * bool(read) + page.text)
        read += page.error is None
    return read, problems


def page_as_json(page: FilePage) -> dict[str, Any]:
    """One line of `--jsonl`; a page that could not be read has no regions and an error."""
    record: dict[str, Any] = {
        "image": page.path,
        "page": page.page_no,
        "width": page.width,
        "height": page.height,
        "seconds": round(page.seconds, 4),
        "regions": [_region(line) for line in page.lines],
    }
    return record | ({"error": error_as_json(page.error)} if page.error else {})


def _region(line: TextLine) -> dict[str, Any]:
    words = [
        {"text": word.text, "polygon": _polygon(word.quad), "score": round(word.confidence, 4)}
        for word in line.words
    ]
    score = round(line.confidence, 4)
    return {"polygon": _polygon(line.quad), "text": line.text, "score": score, "words": words}


def _polygon(quad: Quad) -> list[list[float]]:
    return [[round(x, 2), round(y, 2)] for x, y in quad]
