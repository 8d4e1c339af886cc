"""One page from what the sandbox gave to lines in reading order.

What needs OpenCV is imported where it is used: the process that forks the workers imports this
file and must stay cold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest.content import Image, PageContent, Verdict
from ingest.errors import IngestError
from ocr_core.order import reading_order
from ocr_core.page import Box, PageResult, Quad, TextLine, TextSource
from workers.services import Services

if TYPE_CHECKING:
    from ocr_core.reader import Reader

MARGIN = 10
"""Pixels around an area that are looked at too, so that text at its edge is seen whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPage:
    """One page that was read, by whatever way."""

    page_no: int
    result: PageResult
    """Lines in reading order, each with its source (`ocr` or `text_layer`)."""
    dpi: float
    verdict: Verdict
    text_source: TextSource
    """Where the text comes from; of a page that was joined from both, `text_layer`."""
    image_sha256: str | None
    """Of the pixels that were read; None if none were."""
    seconds: float
    """Wall time from opening the page to the last line."""


def read_content(content: PageContent, open_reader: Callable[[], Reader]) -> PageResult:
    """Lines of a page: its text layer, what the image shows, or both joined.

    `open_reader` is called only if there is an image to read. Coordinates are pixels of the
    upright page, as always; if the reader had to turn the whole image, of the turned one.
    """
    image = content.image
    if image is None:
        return _of_lines(content, content.lines)
    if not content.lines and not content.areas:
        return open_reader().read(image)
    from ingest.text_layer import join

    parts = [_read_area(image, area, open_reader()) for area in _areas(content)]
    read = [line for part in parts for line in part.lines]
    joined = _of_lines(content, join(content.lines, read, content.areas))
    return replace(joined, seconds=_summed([part.seconds for part in parts]))


def read_file(path: Path, services: Services) -> Iterator[ReadPage | tuple[int, IngestError]]:
    """Read a file directly, without a database; a page that fails gives (page_no, error).

    Raises IngestError if the file cannot be opened, and InstallationError (ocr_core.errors).
    """
    settings = services.settings
    facts = services.sandbox.split(path, settings.passwords)
    for page_no in settings.page_selection.numbers(facts.page_count):
        started = time.perf_counter()
        try:
            content = render(path, page_no, services)
        except IngestError as error:
            yield page_no, error
            continue
        result = read_content(content, lambda: services.reader)
        yield read_page(content, result, time.perf_counter() - started)


def render(path: Path, page_no: int, services: Services) -> PageContent:
    """Open a page in the sandbox, with the settings; raises IngestError."""
    settings = services.settings
    return services.sandbox.page(
        path, page_no, passwords=settings.passwords, mode=settings.mode, dpi=settings.dpi
    )


def read_page(content: PageContent, result: PageResult, seconds: float) -> ReadPage:
    """A page's content and lines as one value."""
    only_image = content.pixels is not None and not content.lines
    return ReadPage(
        page_no=content.page_no,
        result=result,
        dpi=content.dpi,
        verdict=content.verdict,
        text_source="ocr" if only_image else "text_layer",
        image_sha256=content.image_sha256,
        seconds=seconds,
    )


def _of_lines(content: PageContent, lines: tuple[TextLine, ...] | list[TextLine]) -> PageResult:
    return PageResult(content.width, content.height, tuple(reading_order(lines)))


def _areas(content: PageContent) -> tuple[Box, ...]:
    return content.areas or ((0, 0, content.width, content.height),)


def _summed(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(part.get(name, 0.0) for part in parts) for name in set().union(*parts)}


def _read_area(image: Image, area: Box, reader: Reader) -> PageResult:
    """Read a part of the image; its lines placed on the page, even if the part was upside down."""
    from ocr_core.geometry import as_quad, rotate_points

    x0, y0 = (max(0, int(edge) - MARGIN) for edge in area[:2])
    x1, y1 = (int(np.ceil(edge)) + MARGIN for edge in area[2:])
    part = image[y0:y1, x0:x1]
    if 0 in part.shape:
        return PageResult(0, 0, ())
    result = reader.read(np.ascontiguousarray(part))

    def place(quad: Quad) -> Quad:
        points = np.array(quad, np.float32)
        upright = rotate_points(points, (result.width, result.height), -result.rotation % 360)
        return as_quad(upright + np.array((x0, y0), np.float32))

    return replace(result, lines=tuple(_moved(line, place) for line in result.lines))


def _moved(line: TextLine, place: Callable[[Quad], Quad]) -> TextLine:
    words = tuple(replace(word, quad=place(word.quad)) for word in line.words)
    return replace(line, quad=place(line.quad), words=words)
