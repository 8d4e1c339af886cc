"""Pagemill's reader as a reader process: the library's defaults, one thread, no sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.rivals.conversation import Answer, region, serve
from benchmarks.rivals.first_page import first_page
from ocr_core.geometry import rotate_points
from ocr_core.image import read_image
from ocr_core.page import PageResult, TextLine, Word
from ocr_core.reader import Reader


def answer(result: PageResult) -> Answer:
    """Lines and words in reading order, in pixels of the file, and CPU seconds by stage."""
    found = [word for line in result.lines for word in line.words]
    return {
        "regions": [_region(line, result) for line in result.lines],
        "words": [_region(word, result) for word in found],
        "stages": dict(result.seconds),
    }


def _region(item: TextLine | Word, result: PageResult) -> dict[str, Any]:
    """Turn the quad of an upright page back onto the image that was given."""
    quad = np.array(item.quad, np.float32)
    given = rotate_points(quad, (result.width, result.height), (360 - result.rotation) % 360)
    return region(given, item.text, item.confidence)


def main() -> None:
    cv2.setNumThreads(1)
    reader = Reader.open()
    reader.read(first_page())

    def read(request: Any) -> Answer:
        return answer(reader.read(read_image(Path(request["path"]))))

    serve({"precision": reader.provenance.precision}, read)


if __name__ == "__main__":
    main()
