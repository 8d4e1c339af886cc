"""Measuring models as they are used, on labels: the static graph in an engine, no torch needed.

Each function yields the counts of one image or line after another; their sum has the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ocr_core.detection.detector import Detector
from ocr_core.geometry import rotate_points
from ocr_core.image import MAX_SIDE, read_image
from ocr_core.metrics import RegionCounts, TextCounts, count_regions, count_text
from ocr_core.page import PageResult
from ocr_core.reader import Reader
from ocr_core.recognition.recognizer import Recognizer
from ocr_core.training.labelled import LineLabel, PageLabel, Region
from ocr_core.training.line_store import cut_lines
from ocr_core.training.skips import Skips


def measure_detector(detector: Detector, pages: Iterable[PageLabel]) -> Iterator[RegionCounts]:
    """How well each page's text is found; texts are not compared."""
    for page in pages:
        quads = detector.find(read_image(page.image)).quads
        yield count_regions(page.regions, [Region(quad, "") for quad in quads])


def measure_recognizer(
    recognizer: Recognizer, lines: Sequence[LineLabel], skips: Skips
) -> Iterator[TextCounts]:
    """How well each line is read, cut from its page as the reader would cut it.

    Lines too small to be cut are left out and counted; a character that the model cannot write is
    an error of it.
    """
    store, kept = cut_lines(lines, recognizer.scale.height, MAX_SIDE, skips)
    for position, number in enumerate(kept):
        read = recognizer.read(store[position]).text
        yield count_text(lines[number].text, read)


def measure_reader(reader: Reader, pages: Iterable[PageLabel]) -> Iterator[RegionCounts]:
    """How well each page is found and read."""
    for page in pages:
        result = reader.read(read_image(page.image))
        yield count_regions(page.regions, read_regions(result))


def read_regions(result: PageResult) -> list[Region]:
    """What was read, in pixels of the image as it was given, before the page was turned."""
    size, back = (result.width, result.height), -result.rotation % 360
    return [
        Region(rotate_points(np.array(line.quad, np.float32), size, back), line.text)
        for line in result.lines
    ]
