"""Pagemill's reader as a reader process: the library's defaults, one thread, no sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from benchmarks.rivals.conversation import Answer, region, serve
from ocr_core.image import read_image
from ocr_core.page import PageResult
from ocr_core.reader import Reader


def answer(result: PageResult) -> Answer:
    """Lines and words in reading order, and the CPU seconds of each stage.

    A page that was turned is answered in its upright pixels: only times are compared here.
    """
    lines = [region(line.quad, line.text, line.confidence) for line in result.lines]
    found = [word for line in result.lines for word in line.words]
    words = [region(word.quad, word.text, word.confidence) for word in found]
    return {"regions": lines, "words": words, "stages": dict(result.seconds)}


def main() -> None:
    cv2.setNumThreads(1)
    reader = Reader.open()

    def read(request: Any) -> Answer:
        return answer(reader.read(read_image(Path(request["path"]))))

    serve({"precision": reader.provenance.precision}, read)


if __name__ == "__main__":
    main()
