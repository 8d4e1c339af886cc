r"""JSON lines: a page per line, with everything that is known of it.

Schema `pagemill.page/1`; fields may be added under the same number, none changes or goes:

    schema            "pagemill.page/1"
    document          {id, sha256, source, media_type, file_pages}
    page              number of the page in the file, from 1
    state             pending | leased | done | quarantined
    width, height     pixels of the upright page image; all coordinates are in them,
                      origin top-left, x right, y down
    dpi, rotation     of that image; degrees clockwise by which it was turned to be upright
    text_source       ocr | text_layer
    verdict           what was thought of the file's text layer
    mean_confidence   in [0, 1], weighted by length; null on a blank page
    seconds           CPU seconds spent on the page
    image_sha256      hash of the pixels that were read
    text              the lines in reading order, divided by \n
    lines             [{line, block, text, confidence, box: [x0, y0, x1, y1],
                        polygon: [[x, y] * 4] clockwise from the text's top-left corner,
                        source, words: [{text, confidence, box, polygon}]}]
    provenance        {recognizer, recognizer_sha256, detector, detector_sha256,
                       line_orientation, line_orientation_sha256, engine, precision,
                       parameter_hash, code_version} or null
    error             {code, message} or null

Null stands for whatever is not known (yet).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from ocr_core.page import Quad, TextLine, Word, box_of
from storage.pages import PageRecord

SCHEMA = "pagemill.page/1"


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield one line of JSON per page."""
    for page in pages:
        yield json.dumps(_page(page), ensure_ascii=False, separators=(",", ":")) + "\n"


def _page(page: PageRecord) -> dict[str, Any]:
    document = asdict(page.document)
    return {
        "schema": SCHEMA,
        "document": {"id": document.pop("document_id"), **document},
        "page": page.page_no,
        "state": page.state,
        "width": page.width,
        "height": page.height,
        "dpi": page.dpi,
        "rotation": page.rotation,
        "text_source": page.text_source,
        "verdict": page.verdict,
        "mean_confidence": page.mean_confidence,
        "seconds": page.seconds,
        "image_sha256": page.image_sha256,
        "text": page.text,
        "lines": [_line(number, line) for number, line in enumerate(page.lines, start=1)],
        "provenance": asdict(page.read_by) if page.read_by else None,
        "error": _error(page),
    }


def _line(number: int, line: TextLine) -> dict[str, Any]:
    return {
        "line": number,
        "block": line.block_no,
        "text": line.text,
        "confidence": line.confidence,
        **_place(line.quad),
        "source": line.source,
        "words": [_word(word) for word in line.words],
    }


def _word(word: Word) -> dict[str, Any]:
    return {"text": word.text, "confidence": word.confidence, **_place(word.quad)}


def _place(quad: Quad) -> dict[str, Any]:
    return {"box": list(box_of(quad)), "polygon": [list(point) for point in quad]}


def _error(page: PageRecord) -> dict[str, str | None] | None:
    if page.error_code is None:
        return None
    return {"code": page.error_code, "message": page.error_message}
