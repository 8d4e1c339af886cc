"""Markdown: paragraphs instead of lines, headings where the size leaves no doubt.

A comment names every page. Lines of a block make a paragraph until one stops short of the block's
right edge, leaves a gap or is followed by a list item; lines side by side are a row of their own,
and rows below each other whose cells stand in the same columns are a table, its first row the
head; words hyphenated at the line's end become whole. A short block in much larger letters than
the page's is a heading. Characters that Markdown would take for its own are escaped; bullets and
numbers at the start stay, for they are lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from math import dist

from ocr_core.page import TextLine
from storage.pages import PageRecord
from storage.tokens import is_unspaced

HEADING_RATIOS = (2.0, 1.5)
"""A heading's letters are so many times the size of the page's, first and second level."""
HEADING_LINES = 3
HEADING_CHARACTERS = 120
BODY_LINES = 4
"""Fewer lines than this say nothing about the size of the page's letters."""
SHORT_RATIO = 0.85
"""A line that reaches less of its block's width ends the paragraph."""
GAP_RATIO = 0.8
"""So many line heights between two lines are a gap."""
TABLE_ROWS = 3
"""Fewer rows than this are a table only if they have more than two columns."""

_BULLET = re.compile(r"[•◦▪■●○‣⁃·]\s*")
_LIST_ITEM = re.compile(r"(?:[•◦▪■●○‣⁃·]|[-+*–]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s)")
_SPECIAL = re.compile(r"[\\`*\[\]]|\b_|_\b|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_LEADING = re.compile(r"^(?=#{1,6}\s|>|[-=_]{3,}\s*$|~{3})")


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield the pieces of the file; `pages` are in order."""
    for number, page in enumerate(pages):
        yield ("\n" if number else "") + _marker(page)
        body = _median_size(page.lines)
        for _, block in groupby(page.lines, lambda line: line.block_no):
            for paragraph in _block(list(block), body):
                yield "\n" + paragraph + "\n"


def _marker(page: PageRecord) -> str:
    note = "" if page.state == "done" else f": {page.state}"
    if page.error_code:
        note += f" ({page.error_code}: {page.error_message})"
    # Two hyphens would end the comment in some readers.
    return f"<!-- page {page.page_no}{re.sub('-(?=-)|>', '', note)} -->\n"


def _block(lines: Sequence[TextLine], body: float | None) -> Iterator[str]:
    level = _heading_level(lines, body)
    if level:
        yield "#" * level + " " + _escaped(_joined(lines))
        return
    for table, part in _tables_apart(list(_rows(lines))):
        if table:
            yield _table(part)
        else:
            yield from (_item(_joined(paragraph)) for paragraph in _paragraphs(part, lines))


def _size(line: TextLine) -> float:
    """Height of a line's letters, pixels; of a vertical line, the width of its column."""
    top_left, top_right, bottom_right, _ = line.quad
    return min(dist(top_left, top_right), dist(top_right, bottom_right))


def _median_size(lines: Sequence[TextLine]) -> float | None:
    """Size of the letter in the middle when all are sorted by size; None if there are too few."""
    if len(lines) < BODY_LINES:
        return None
    sized = sorted((_size(line), len(line.text)) for line in lines)
    middle = sum(count for _, count in sized) / 2
    for size, count in sized:
        middle -= count
        if middle <= 0:
            return size
    return None


def _heading_level(lines: Sequence[TextLine], body: float | None) -> int:
    """1 or 2, or 0 for what is not clearly a heading."""
    letters = sum(character.isalpha() for line in lines for character in line.text)
    length = sum(len(line.text) for line in lines)
    if not body or len(lines) > HEADING_LINES or not 2 <= letters <= length <= HEADING_CHARACTERS:
        return 0
    ratio = min(_size(line) for line in lines) / body
    return next((level for level, least in enumerate(HEADING_RATIOS, 1) if ratio >= least), 0)


Row = Sequence[TextLine]
"""Lines side by side."""


def _tables_apart(rows: Sequence[Row]) -> Iterator[tuple[bool, Sequence[Row]]]:
    """Yield rows that make a table together, and those between tables; True with a table."""
    begun = at = 0
    while at < len(rows):
        end = _table_end(rows, at)
        if end == at:
            at += 1
            continue
        if begun < at:
            yield False, rows[begun:at]
        yield True, rows[at:end]
        begun = at = end
    if begun < len(rows):
        yield False, rows[begun:]


def _table_end(rows: Sequence[Row], start: int) -> int:
    """Where a table ends that begins with this row; `start` itself if none does."""
    end = start
    while end < len(rows) and len(rows[end]) > 1 and _fits(rows[start : end + 1]):
        end += 1
    columns = len(_columns(rows[start:end])) if end > start else 0
    return end if end - start >= (2 if columns > 2 else TABLE_ROWS) else start


def _fits(rows: Sequence[Row]) -> bool:
    """Whether no two cells of a row stand in one column of all rows."""
    columns = _columns(rows)
    places = ([_column_of(cell, columns) for cell in row] for row in rows)
    return all(len(set(row)) == len(row) for row in places)


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Left and right of each column: cells that share any of the width belong together."""
    columns: list[tuple[float, float]] = []
    for left, right in sorted((cell.box[0], cell.box[2]) for row in rows for cell in row):
        if columns and left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns


def _column_of(cell: TextLine, columns: Sequence[tuple[float, float]]) -> int:
    return next(
        at for at, (_, right) in enumerate(columns) if cell.box[0] < right or at == len(columns) - 1
    )


def _table(rows: Sequence[Row]) -> str:
    """A table as GitHub writes it; a column that a row leaves out is empty there."""
    columns = _columns(rows)
    written = []
    for row in rows:
        cells = [""] * len(columns)
        for cell in row:
            cells[_column_of(cell, columns)] = _cell(cell.text)
        written.append(f"| {' | '.join(cells)} |")
    return "\n".join([written[0], f"|{'---|' * len(columns)}", *written[1:]])


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _paragraphs(rows: Sequence[Row], lines: Sequence[TextLine]) -> Iterator[list[TextLine]]:
    """Yield the lines of each paragraph of some rows of a block that has these lines."""
    left = min(line.box[0] for line in lines)
    right = max(line.box[2] for line in lines)
    paragraph: list[TextLine] = []
    for row, following in pairwise([*rows, []]):
        paragraph += row
        if (
            not following
            or len(row) + len(following) > 2
            or _ends(row[0], following[0], left, right)
        ):
            yield paragraph
            paragraph = []


def _rows(lines: Sequence[TextLine]) -> Iterator[list[TextLine]]:
    """Yield lines that stand side by side together: cells of a table, columns of vertical text."""
    row = [lines[0]]
    for line, following in pairwise(lines):
        if not _side_by_side(line, following):
            yield row
            row = []
        row.append(following)
    yield row


def _side_by_side(line: TextLine, following: TextLine) -> bool:
    _, top, _, bottom = line.box
    _, next_top, _, next_bottom = following.box
    shared = min(bottom, next_bottom) - max(top, next_top)
    return shared > min(bottom - top, next_bottom - next_top) / 2


def _ends(line: TextLine, following: TextLine, left: float, right: float) -> bool:
    """Whether a paragraph ends between two lines of a block that spans `left` to `right`."""
    short = line.box[2] - left < SHORT_RATIO * (right - left)
    gap = following.box[1] - line.box[3] > GAP_RATIO * (line.box[3] - line.box[1])
    return short or gap or _LIST_ITEM.match(following.text) is not None


def _joined(lines: Sequence[TextLine]) -> str:
    text = ""
    for line in lines:
        text = _join(text, " ".join(line.text.split()))
    return text


def _join(text: str, following: str) -> str:
    if not text or not following:
        return text or following
    if (
        len(text) > 1
        and text[-1] in "-\u00ad\u2010"
        and text[-2].isalpha()
        and following[0].islower()
    ):
        return text[:-1] + following
    if is_unspaced(text[-1]) and is_unspaced(following[0]):
        return text + following
    return text + " " + following


def _item(text: str) -> str:
    bullet = _BULLET.match(text)
    return "- " + _escaped(text[bullet.end() :]) if bullet else _escaped(text)


def _escaped(text: str) -> str:
    return _LEADING.sub(r"\\", _SPECIAL.sub(lambda found: "\\" + found[0], text))
