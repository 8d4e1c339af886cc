"""PAGE XML 2019-07-15: one page a file, as the format has it.

`Coords` are whole, never negative pixels, as the schema wants them; `custom` keeps the corners as
they are stored: `quad {points:x,y x,y x,y x,y;}`, clockwise from the text's top-left corner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from ocr_core.page import Quad, TextLine, quad_of
from storage.exports.markup import around, attributes, file_name, points, text
from storage.exports.parts import Part, parts_of

if TYPE_CHECKING:
    from storage.pages import PageRecord

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="{NAMESPACE} {NAMESPACE}/pagecontent.xsd">
"""


def render(page: PageRecord) -> str:
    """Make the file of one page."""
    return "".join([_HEAD, *_metadata(page), *_page(page), "</PcGts>\n"])


def _metadata(page: PageRecord) -> Iterator[str]:
    version = f" {page.read_by.code_version}" if page.read_by else ""
    moment = (page.read_at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    yield f"<Metadata><Creator>{text('Pagemill' + version)}</Creator>"
    yield f"<Created>{moment}</Created><LastChange>{moment}</LastChange>"
    if page.state != "done":
        said = ": ".join(filter(None, (page.state, page.error_code, page.error_message)))
        yield f"<Comments>{text(said)}</Comments>"
    yield "</Metadata>\n"


def _page(page: PageRecord) -> Iterator[str]:
    yield "<Page" + attributes(
        imageFilename=file_name(page.document.source),
        imageWidth=page.width or 0,
        imageHeight=page.height or 0,
        imageXResolution=page.dpi,
        imageYResolution=page.dpi,
        imageResolutionUnit="PPI" if page.dpi else None,
        custom=f"page {{number:{page.page_no};}}",
        conf=page.mean_confidence,
    )
    yield ">\n"
    blocks = [list(block) for _, block in groupby(page.lines, lambda line: line.block_no)]
    if blocks:
        yield _order(len(blocks))
    for number, block in enumerate(blocks, start=1):
        yield from _region(f"r{number}", block)
    yield "</Page>\n"


def _order(count: int) -> str:
    refs = (
        f"<RegionRefIndexed{attributes(index=number, regionRef=f'r{number + 1}')}/>"
        for number in range(count)
    )
    return f'<ReadingOrder><OrderedGroup id="order">{"".join(refs)}</OrderedGroup></ReadingOrder>\n'


def _region(name: str, lines: list[TextLine]) -> Iterator[str]:
    box = around(line.box for line in lines)
    yield f"<TextRegion{attributes(id=name)}>{_coords(quad_of(box))}\n"
    for number, line in enumerate(lines, start=1):
        yield from _line(f"{name}l{number}", line)
    yield _equiv("\n".join(line.text for line in lines), None)
    yield "</TextRegion>\n"


def _line(name: str, line: TextLine) -> Iterator[str]:
    yield f"<TextLine{attributes(id=name, custom=_custom(line.quad))}>{_coords(line.quad)}"
    yield from _words(name, parts_of(line))
    yield _equiv(line.text, line.confidence)
    yield "</TextLine>\n"


def _words(name: str, parts: Iterable[Part]) -> Iterator[str]:
    for number, part in enumerate(parts, start=1):
        yield f"<Word{attributes(id=f'{name}w{number}', custom=_custom(part.quad))}>"
        yield _coords(part.quad) + _equiv(part.text, part.confidence) + "</Word>"


def _equiv(value: str, confidence: float | None) -> str:
    return f"<TextEquiv{attributes(conf=confidence)}><Unicode>{text(value)}</Unicode></TextEquiv>"


def _custom(quad: Quad) -> str:
    return f"quad {{points:{points(quad)};}}"


def _coords(quad: Quad) -> str:
    whole = " ".join(f"{max(0, round(x))},{max(0, round(y))}" for x, y in quad)
    return f'<Coords points="{whole}"/>'
