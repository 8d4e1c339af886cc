"""Takes the text layer and the pictures out of a PDF page. Runs inside the sandbox child only.

MuPDF's structured text is read from its XML form: that is the only one with each character's
quad, paint and place in the order of painting, and reading it is faster than asking for each
character through the binding.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.bidi import joined
from ingest.layer import Glyph, Layer, LayerLine, Picture, around
from ingest.pdf import pymupdf
from ingest.symbols import symbol
from ocr_core.page import Box, Quad, Rotation, quad_of

mupdf = pymupdf.mupdf
_OPTIONS = mupdf.FZ_STEXT_PRESERVE_WHITESPACE | mupdf.FZ_STEXT_PRESERVE_IMAGES
_PAINTED = mupdf.FZ_STEXT_FILLED | mupdf.FZ_STEXT_STROKED
_UNKNOWN = mupdf.FZ_STEXT_UNICODE_IS_CID | mupdf.FZ_STEXT_UNICODE_IS_GID
_FAINT = 0x0C
"""Alpha of 255 below which nobody sees a character."""
_VERTICAL_ORIGIN = 0.88
_ASCENT, _DESCENT = 0.88, 0.22
"""Of a usual font, in em, for fonts that declare nonsense."""
_HEIGHTS = (0.8, 1.5)
_REPLACEMENT = "\ufffd"
# XML 1.0 has no characters below U+0020 but tab and line ends, no surrogates, no U+FFFE, U+FFFF.
_NOT_XML = re.compile(r"&#x(?:[0-8bcef]|1[0-9a-f]|d[89a-f][0-9a-f]{2}|fff[ef]);", re.IGNORECASE)


def _upright(glyph: Glyph) -> Glyph:
    """A character of a vertical line where it stands.

    MuPDF turns its quad by a quarter and begins it at the baseline, which is 0.88 em below the
    top (the usual vertical origin, ISO 32000-1, 9.7.4.3, DW2).
    """
    x0, y0, x1, y1 = glyph.box
    rise = _VERTICAL_ORIGIN * glyph.size
    box = (x0, y0 - rise, x1, y1 - rise)
    return replace(glyph, quad=quad_of(box), box=box)


_Places = Iterator[tuple[Quad, Box]]


def pictures_of(page: Any) -> Layer:
    """Give the pictures of a page as a layer without text, which takes far less time."""
    structured = _structured(page)  # its blocks live no longer than it does
    blocks = enumerate(_image_blocks(structured))
    return Layer((), tuple(_picture(block, order) for order, block in blocks))


def layer_of(page: Any) -> Layer:
    """Text and pictures of a pymupdf.Page, in points of the upright page."""
    structured = _structured(page)
    root = ElementTree.fromstring(_xml(structured))
    blocks = [block for block in root if block.tag in ("block", "image")]
    places = _places(root)
    lines = [line for order, block in enumerate(blocks) for line in _lines(block, order, places)]
    images = [order for order, block in enumerate(blocks) if block.tag == "image"]
    pictures = tuple(
        _picture(block, order)
        for block, order in zip(_image_blocks(structured), images, strict=True)
    )
    return Layer(tuple(joined(_join_columns(lines))), pictures)


def _structured(page: Any) -> Any:
    drawn = page.this.super() if isinstance(page.this, mupdf.PdfPage) else page.this
    structured = mupdf.FzStextPage(mupdf.fz_bound_page(drawn))
    device = mupdf.fz_new_stext_device(structured, mupdf.FzStextOptions(_OPTIONS))
    mupdf.fz_run_page(drawn, device, mupdf.FzMatrix(), mupdf.FzCookie())
    mupdf.fz_close_device(device)
    return structured


def _xml(structured: Any) -> str:
    text: str = pymupdf.TextPage(structured).extractXML()
    return _NOT_XML.sub(_REPLACEMENT, text)


def _image_blocks(structured: Any) -> Iterator[Any]:
    return (block for block in structured if block.m_internal.type == mupdf.FZ_STEXT_BLOCK_IMAGE)


def _picture(block: Any, order: int) -> Picture:
    image, matrix = block.i_image(), block.i_transform()
    box = mupdf.FzRect(block.m_internal.bbox)
    turn = _turn(matrix.a, matrix.b, matrix.c, matrix.d)
    width, height = image.w(), image.h()
    colours = image.colorspace()
    channels = mupdf.fz_colorspace_n(colours) if colours.m_internal else 0
    return Picture(
        box=(box.x0, box.y0, box.x1, box.y1),
        width=height if turn in (90, 270) else width,
        height=width if turn in (90, 270) else height,
        channels=channels,
        opaque=channels > 0 and not image.mask().m_internal,
        turn=turn,
        order=order,
    )


def _turn(a: float, b: float, c: float, d: float) -> Rotation | None:
    """By how much a matrix turns that maps the image's right to (a, b) and its down to (c, d)."""
    slack = 1e-3 * max(abs(a), abs(b), abs(c), abs(d))
    if max(abs(b), abs(c)) < slack and a * d > 0:
        return 0 if a > 0 else 180
    if max(abs(a), abs(d)) < slack and b * c < 0:
        return 90 if b > 0 else 270
    return None


def _lines(block: ElementTree.Element, order: int, places: _Places) -> Iterator[LayerLine]:
    for line in block.iter("line"):
        glyphs = tuple(_glyphs(line, places))
        x, y = (float(value) for value in line.get("dir", "1 0").split())
        length = math.hypot(x, y)
        if not glyphs or length == 0:
            continue
        vertical = line.get("wmode") == "1"
        if vertical:
            glyphs = tuple(map(_upright, glyphs))
        box = around([glyph.box for glyph in glyphs])
        yield LayerLine(glyphs, (x / length, y / length), vertical, order, order, box)


def _glyphs(line: ElementTree.Element, places: _Places) -> Iterator[Glyph]:
    for font in line.iter("font"):
        name = font.get("name", font.get("hexname", ""))
        size = float(font.get("size", 0))
        for character in font.iter("char"):
            quad, box = next(places)
            known, painted, clips = _paint(character.get("flags", ""), character.get("alpha", ""))
            text = symbol(character.get("c", " "), name) if known else _REPLACEMENT
            yield Glyph(text, quad, box, name, size, painted, clips)


@cache
def _paint(flags: str, alpha: str) -> tuple[bool, bool, bool]:
    """Whether a character is known, leaves paint, and clips; few combinations ever occur."""
    bits = int(flags or 0)
    painted = bool(bits & _PAINTED) and int(alpha[1:] or "ff", 16) >= _FAINT
    return not bits & _UNKNOWN, painted, bool(bits & mupdf.FZ_STEXT_CLIPPED)


def _places(root: ElementTree.Element) -> Iterator[tuple[Quad, Box]]:
    """Quad and box of every character, all at once: there are thousands on a page."""
    characters = list(root.iter("char"))
    sizes = [float(font.get("size", 0)) for font in root.iter("font") for _ in font]
    quads = _with_usual_heights(
        _numbers(character.get("quad", "") for character in characters).reshape(-1, 4, 2),
        _numbers(f"{each.get('x')} {each.get('y')}" for each in characters).reshape(-1, 2),
        np.array(sizes),
    )
    boxes = np.concatenate((quads.min(axis=1), quads.max(axis=1)), axis=1)
    for (a, b, d, c), (x0, y0, x1, y1) in zip(quads.tolist(), boxes.tolist(), strict=True):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = a, b, c, d
        yield ((ax, ay), (bx, by), (cx, cy), (dx, dy)), (x0, y0, x1, y1)


def _numbers(texts: Iterable[str]) -> npt.NDArray[np.float64]:
    return np.fromstring(" ".join(texts), sep=" ")


def _with_usual_heights(
    quads: npt.NDArray[np.float64],
    origins: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Quads (N, 4, 2) in which no font claims to be a third or three times as high as it is.

    Corners come in MuPDF's order: upper left and right, lower left and right. Origins (N, 2) are
    on the baseline, at the left.
    """
    up = quads[:, 0] - quads[:, 2]
    heights = np.hypot(up[:, 0], up[:, 1])
    low, high = _HEIGHTS
    odd = ((heights < low * sizes) | (heights > high * sizes)) & (heights > 0)
    rise = up[odd] / heights[odd, None] * sizes[odd, None]
    along = quads[odd, 1] - quads[odd, 0]
    upper, lower = origins[odd] + _ASCENT * rise, origins[odd] - _DESCENT * rise
    quads[odd] = np.stack((upper, upper + along, lower, lower + along), axis=1)
    return quads


def _join_columns(lines: Iterable[LayerLine]) -> Iterator[LayerLine]:
    """Vertical text, which MuPDF gives as one line a character, as one line a column."""
    column: LayerLine | None = None
    for line in lines:
        if column and _continues(column, line):
            column = column.with_glyphs(column.glyphs + line.glyphs)
            continue
        if column:
            yield column
        column = line
    if column:
        yield column


def _continues(column: LayerLine, line: LayerLine) -> bool:
    if not (column.vertical and line.vertical):
        return False
    last, first = column.glyphs[-1], line.glyphs[0]
    x0, _, _, bottom = last.box
    x1, top, _, _ = first.box
    return abs(x1 - x0) < 0.3 * last.size and -0.3 * last.size < top - bottom < 0.6 * last.size
