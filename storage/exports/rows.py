"""Lines or words as rows of typed columns: what CSV and Parquet hold.

Columns are called as in the views `v_lines` and `v_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ocr_core.page import Quad, box_of

if TYPE_CHECKING:
    from storage.pages import PageRecord

Kind = Literal["integer", "number", "text"]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What a row is of, and what its columns are."""

    columns: Sequence[tuple[str, Kind]]
    rows: Callable[[PageRecord], Iterator[Row]]

    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self.columns]

    def all_rows(self, pages: Iterable[PageRecord]) -> Iterator[Row]:
        """Yield the rows of all pages, in order."""
        for page in pages:
            yield from self.rows(page)


_PAGE: tuple[tuple[str, Kind], ...] = (
    ("document_id", "integer"),
    ("sha256", "text"),
    ("document", "text"),
    ("page_no", "integer"),
    ("line_no", "integer"),
)
_PLACE: tuple[tuple[str, Kind], ...] = (
    ("text", "text"),
    ("confidence", "number"),
    ("x0", "number"),
    ("y0", "number"),
    ("x1", "number"),
    ("y1", "number"),
)


def _of_page(page: PageRecord) -> Row:
    document = page.document
    return document.document_id, document.sha256, document.source, page.page_no


def _lines(page: PageRecord) -> Iterator[Row]:
    model = page.read_by.recognizer if page.read_by else None
    for line_no, line in enumerate(page.lines, start=1):
        place = _place(line.text, line.confidence, line.quad)
        yield *_of_page(page), line_no, *place, line.block_no, line.source, model


def _words(page: PageRecord) -> Iterator[Row]:
    for line_no, line in enumerate(page.lines, start=1):
        for word_no, word in enumerate(line.words, start=1):
            place = _place(word.text, word.confidence, word.quad)
            yield *_of_page(page), line_no, word_no, *place


def _place(text: str, confidence: float, quad: Quad) -> Row:
    return text, confidence, *box_of(quad)


LINES = Table(
    (*_PAGE, *_PLACE, ("block_no", "integer"), ("text_source", "text"), ("model", "text")), _lines
)
WORDS = Table((*_PAGE, ("word_no", "integer"), *_PLACE), _words)
TABLES = {"lines": LINES, "words": WORDS}
