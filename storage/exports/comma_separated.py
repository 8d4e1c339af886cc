"""CSV (RFC 4180): a row a line of text or a word, with a header; columns as in `rows`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from storage.exports.rows import LINES, Row, Table

if TYPE_CHECKING:
    from storage.pages import PageRecord


def render(pages: Iterable[PageRecord], table: Table = LINES) -> Iterator[str]:
    """Yield the pieces of the file, one a page."""
    yield _lines([tuple(table.names())])
    for page in pages:
        yield _lines(table.rows(page))


def _lines(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
