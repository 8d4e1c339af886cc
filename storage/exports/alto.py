"""ALTO 4.4: one file with all pages of a document, in pixels of the upright page images.

Words are `String`s with `WC` and, where they are not upright rectangles, a `Shape`; a space is an
`SP`. ALTO has no place for the confidence of a line: it is that of its words. A page that was not
read is there without a `PrintSpace`, and `QUALITY_DETAIL` says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ocr_core.page import Box, Quad, TextLine, box_of, quad_of
from storage.exports.markup import around, attributes, points, text
from storage.exports.parts import Part, parts_of

if TYPE_CHECKING:
    from storage.pages import PageRecord

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# \
http://www.loc.gov/standards/alto/v4/alto-4-4.xsd" SCHEMAVERSION="4.4">
"""
_TAIL = "</Layout>\n</alto>\n"


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield the pieces of the file; `pages` are in order.

    Without any page there is no valid file, only a well-formed one.
    """
    begun = False
    for page in pages:
        if not begun:
            yield _HEAD + "".join(_description(page)) + "<Layout>\n"
        begun = True
        yield "".join(_page(page))
    yield _TAIL if begun else f"{_HEAD}<Layout>\n{_TAIL}"


def _description(page: PageRecord) -> Iterator[str]:
    yield "<Description><MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation>"
    yield f"<fileName>{text(page.document.source)}</fileName>"
    if page.document.sha256:
        where = attributes(documentIdentifierLocation="sha256")
        yield f"<documentIdentifier{where}>{page.document.sha256}</documentIdentifier>"
    yield "</sourceImageInformation>"
    if page.read_by:
        read_by = page.read_by
        yield '<Processing ID="reading">'
        yield "<processingCategory>contentGeneration</processingCategory>"
        yield f"<processingStepSettings>{text(_settings(page))}</processingStepSettings>"
        yield "<processingSoftware><softwareName>Pagemill</softwareName>"
        yield f"<softwareVersion>{text(read_by.code_version)}</softwareVersion>"
        yield "</processingSoftware></Processing>"
    yield "</Description>\n"


def _settings(page: PageRecord) -> str:
    read_by = page.read_by
    assert read_by is not None
    known = {
        "recognizer": read_by.recognizer,
        "detector": read_by.detector,
        "engine": read_by.engine,
        "precision": read_by.precision,
        "parameters": read_by.parameter_hash,
    }
    return "; ".join(f"{name} {value}" for name, value in known.items() if value)


def _page(page: PageRecord) -> Iterator[str]:
    size = {"WIDTH": page.width, "HEIGHT": page.height}
    number = page.page_no
    yield "<Page" + attributes(
        ID=f"page_{number}", PHYSICAL_IMG_NR=number, **size, PC=page.mean_confidence
    )
    if page.state != "done":
        detail = ": ".join(filter(None, (page.state, page.error_code, page.error_message)))
        quality = "Damaged" if page.error_code else "Missing"
        yield attributes(QUALITY=quality, QUALITY_DETAIL=detail) + "/>\n"
        return
    yield ">\n<PrintSpace" + attributes(HPOS=0, VPOS=0, **size) + ">\n"
    for block_no, (_, block) in enumerate(groupby(page.lines, lambda line: line.block_no), start=1):
        yield from _block(f"{number}_{block_no}", [line for line in block if parts_of(line)])
    yield "</PrintSpace>\n</Page>\n"


def _block(name: str, lines: list[TextLine]) -> Iterator[str]:
    if not lines:
        return
    place = _box(around(line.box for line in lines))
    yield f"<TextBlock{attributes(ID=f'block_{name}')}{place}>\n"
    for number, line in enumerate(lines, start=1):
        yield f"<TextLine{attributes(ID=f'line_{name}_{number}')}{_box(line.box)}>"
        yield _shape(line.quad)
        yield "".join(_strings(f"{name}_{number}", parts_of(line)))
        yield "</TextLine>\n"
    yield "</TextBlock>\n"


def _strings(name: str, parts: Iterable[Part]) -> Iterator[str]:
    for number, part in enumerate(parts, start=1):
        if part.spaced:
            yield "<SP/>"
        names = attributes(ID=f"word_{name}_{number}", CONTENT=part.text, WC=part.confidence)
        start = f"<String{names}{_box(box_of(part.quad))}"
        shape = _shape(part.quad)
        yield f"{start}>{shape}</String>" if shape else f"{start}/>"


def _box(box: Box) -> str:
    x0, y0, x1, y1 = box
    return attributes(HPOS=float(x0), VPOS=float(y0), WIDTH=float(x1 - x0), HEIGHT=float(y1 - y0))


def _shape(quad: Quad) -> str:
    if quad == quad_of(box_of(quad)):
        return ""
    return f'<Shape><Polygon POINTS="{points(quad)}"/></Shape>'
