"""What a read page leaves behind: columns of its row, its lines, its text and search tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from ocr_core.page import PageResult, Quad, Rotation, TextLine, TextSource, Word
from storage.bulk import add_rows
from storage.schema import Line, PageText, table_of
from storage.tokens import TOKENS_VERSION, page_tokens

PIXEL_DIGITS = 1
"""Decimals of stored coordinates: a tenth of a pixel is finer than any reading."""
# Neither database takes lone surrogates, and PostgreSQL no NUL.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPage:
    """What `ledger.finish` stores of a page that was read."""

    width: int
    """Of the upright page image, pixels; coordinates of the lines refer to it."""
    height: int
    dpi: float
    text_source: TextSource
    lines: Sequence[TextLine]
    """In reading order."""
    rotation: Rotation = 0
    """Degrees clockwise by which the page image was turned to make it upright."""
    verdict: str = "none"
    """What ingest thought of the text layer."""
    seconds: float | None = None
    """CPU seconds in all."""
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    image_sha256: str | None = None
    """Of the pixels that were read."""
    run_id: int | None = None
    """What read it (runs.run_id)."""


def storable(text: str) -> str:
    """Replace what a database cannot hold (NUL, lone surrogates) by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of a read page, made before the write lock is taken."""

    columns: dict[str, Any]
    """Of the `pages` row."""
    lines: list[dict[str, Any]]
    text: dict[str, Any]


def prepare(page_id: int, saved: SavedPage) -> Prepared:
    """Make the rows of a page that was read."""
    texts = [storable(line.text) for line in saved.lines]
    return Prepared(
        columns=_page_columns(saved),
        lines=[_line_row(page_id, number, line) for number, line in enumerate(saved.lines, 1)],
        text={
            "page_id": page_id,
            "text": "\n".join(texts),
            "tokens": " ".join(page_tokens(texts)),
            "tokens_version": TOKENS_VERSION,
        },
    )


def replace_lines(session: Session, page: Prepared) -> None:
    """Replace the lines, the text and (by triggers) the search row of a page."""
    page_id = page.text["page_id"]
    session.execute(delete(_LINES).where(_LINES.c.page_id == page_id))
    session.execute(delete(_TEXTS).where(_TEXTS.c.page_id == page_id))
    if page.lines:
        add_rows(session, _LINES, page.lines)
    session.execute(_TEXTS.insert(), page.text)


def line_of(row: Any) -> TextLine:
    """Turn a row of `lines` back into the value it was written from (coordinates rounded)."""
    return TextLine(
        text=row.text,
        quad=_quad([coordinate for point in row.polygon for coordinate in point]),
        confidence=row.confidence,
        words=tuple(Word(text, _quad(flat), confidence) for text, confidence, *flat in row.words),
        source=row.source,
        block_no=row.block_no,
    )


def _page_columns(saved: SavedPage) -> dict[str, Any]:
    read = PageResult(saved.width, saved.height, tuple(saved.lines))
    return {
        "width": saved.width,
        "height": saved.height,
        "dpi": saved.dpi,
        "rotation": saved.rotation,
        "text_source": saved.text_source,
        "verdict": saved.verdict,
        "mean_confidence": read.mean_confidence,
        "seconds": saved.seconds,
        "stage_seconds": {stage: round(part, 4) for stage, part in saved.stage_seconds.items()},
        "image_sha256": saved.image_sha256,
        "run_id": saved.run_id,
    }


def _line_row(page_id: int, number: int, line: TextLine) -> dict[str, Any]:
    x0, y0, x1, y1 = line.box
    return {
        "page_id": page_id,
        "line_no": number,
        "block_no": line.block_no,
        "text": storable(line.text),
        "confidence": _probability(line.confidence),
        "x0": _pixels(x0),
        "y0": _pixels(y0),
        "x1": _pixels(x1),
        "y1": _pixels(y1),
        "polygon": [[_pixels(x), _pixels(y)] for x, y in line.quad],
        "words": [_word(word) for word in line.words],
        "source": line.source,
    }


def _word(word: Word) -> list[Any]:
    # float(): a model's numbers may be numpy's, which JSON does not know. Written out, not a call
    # each, because a page has thousands of them.
    corners = [
        round(float(coordinate), PIXEL_DIGITS) for point in word.quad for coordinate in point
    ]
    return [storable(word.text), _probability(word.confidence), *corners]


def _pixels(coordinate: float) -> float:
    return round(float(coordinate), PIXEL_DIGITS)


def _probability(value: float) -> float:
    return round(float(value), 4)


def _quad(flat: Sequence[float]) -> Quad:
    ax, ay, bx, by, cx, cy, dx, dy = flat
    return (ax, ay), (bx, by), (cx, cy), (dx, dy)


_LINES = table_of(Line)
_TEXTS = table_of(PageText)
