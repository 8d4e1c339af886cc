r"""hOCR 1.2, as XHTML: a document of pages, areas, lines and words.

    ocr_page     bbox, ppageno (from 0), scan_res, image; x_state and x_error of a page not read
    ocr_carea    a block of lines
    ocr_line     bbox, x_quad, x_wconf
    ocrx_word    bbox, x_quad, x_wconf

`bbox` are whole pixels around the place, as the specification wants them; `x_quad` are the four
corners as they are stored, clockwise from the text's top-left corner. `x_wconf` is in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ocr_core.page import Box, Quad, TextLine, box_of
from storage.exports.markup import around, attribute, file_name, number, text
from storage.exports.parts import Part, parts_of

if TYPE_CHECKING:
    from storage.pages import PageRecord

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content={system}/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_line ocrx_word ocrp_wconf"/>
</head>
<body>
"""
_TAIL = "</body>\n</html>\n"


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield the pieces of the file; `pages` are in order."""
    begun = False
    for page in pages:
        if not begun:
            yield _head(page)
        begun = True
        yield "".join(_page(page))
    yield _TAIL if begun else _HEAD.format(title="", system='"pagemill"') + _TAIL


def _head(page: PageRecord) -> str:
    version = f"pagemill {page.read_by.code_version}" if page.read_by else "pagemill"
    return _HEAD.format(title=text(file_name(page.document.source)), system=attribute(version))


def _page(page: PageRecord) -> Iterator[str]:
    yield f'<div class="ocr_page" id="page_{page.page_no}" title={attribute(_page_title(page))}>\n'
    for number_, (_, block) in enumerate(groupby(page.lines, lambda line: line.block_no), start=1):
        yield from _area(f"{page.page_no}_{number_}", list(block))
    yield "</div>\n"


def _page_title(page: PageRecord) -> str:
    properties = [
        f"image {_quoted(page.document.source)}",
        f"bbox 0 0 {page.width or 0} {page.height or 0}",
        f"ppageno {page.page_no - 1}",
    ]
    if page.dpi:
        properties.append(f"scan_res {round(page.dpi)} {round(page.dpi)}")
    if page.state != "done":
        properties.append(f"x_state {page.state}")
    if page.error_code:
        properties.append(f"x_error {page.error_code}")
    return "; ".join(properties)


def _area(name: str, lines: list[TextLine]) -> Iterator[str]:
    title = attribute(_bbox(around(line.box for line in lines)))
    yield f'<div class="ocr_carea" id="block_{name}" title={title}>\n'
    for number_, line in enumerate(lines, start=1):
        place = attribute(_place(line.quad, line.confidence))
        yield f'<span class="ocr_line" id="line_{name}_{number_}" title={place}>'
        yield "".join(_words(f"{name}_{number_}", parts_of(line)))
        yield "</span>\n"
    yield "</div>\n"


def _words(name: str, parts: Iterable[Part]) -> Iterator[str]:
    for number_, part in enumerate(parts, start=1):
        place = attribute(_place(part.quad, part.confidence))
        space = " " if part.spaced else ""
        yield f'{space}<span class="ocrx_word" id="word_{name}_{number_}" title={place}>'
        yield f"{text(part.text)}</span>"


def _place(quad: Quad, confidence: float) -> str:
    corners = " ".join(number(value) for point in quad for value in point)
    return f"{_bbox(box_of(quad))}; x_quad {corners}; x_wconf {number(100 * confidence)}"


def _bbox(box: Box) -> str:
    x0, y0, x1, y1 = box
    low = (max(0, math.floor(x0)), max(0, math.floor(y0)))
    high = (max(0, math.ceil(x1)), max(0, math.ceil(y1)))
    return "bbox " + " ".join(map(str, low + high))


def _quoted(value: str) -> str:
    """A string of hOCR's property grammar, in which quotes and backslashes are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
