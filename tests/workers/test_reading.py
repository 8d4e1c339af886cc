from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ingest.content import PageContent
from ocr_core.geometry import as_quad, rotate_points
from ocr_core.page import PageResult, TextLine, Word, quad_of
from workers.reading import read_content, read_page

WIDTH, HEIGHT = 400, 600
LAYER = TextLine("from the layer", quad_of((20, 20, 380, 60)), 1.0, source="text_layer")
MARK = (100, 300, 220, 330)  # x0, y0, x1, y1 of the one dark spot on the page


class SpotReader:
    """Finds the dark spot; holds the image for turned by `rotation` degrees."""

    def __init__(self, rotation: int = 0) -> None:
        self.rotation = rotation
        self.seen: list[tuple[int, int]] = []

    def read(self, image: np.ndarray) -> PageResult:
        height, width = image.shape[:2]
        self.seen.append((width, height))
        rows, columns = np.nonzero(image[:, :, 0] < 128)
        if not len(rows):
            return PageResult(width, height, ())
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        corners = np.array(quad_of(tuple(map(float, box))), np.float32)
        quad = as_quad(rotate_points(corners, (width, height), self.rotation))
        line = TextLine("spot", quad, 0.9, (Word("spot", quad, 0.9),))
        if self.rotation in (90, 270):
            width, height = height, width
        return PageResult(width, height, (line,), self.rotation)


@pytest.fixture
def image() -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    x0, y0, x1, y1 = MARK
    image[y0:y1, x0:x1] = 0
    return image


def content(**parts: Any) -> PageContent:
    return replace(PageContent(1, WIDTH, HEIGHT, 200.0, "none"), **parts)


def never() -> Any:
    raise AssertionError("no reader is needed")


def test_a_page_with_a_true_layer_needs_no_reader() -> None:
    page = content(verdict="true", lines=(LAYER,))
    result = read_content(page, never)
    assert result.lines == (LAYER,)
    assert read_page(page, result, 0.1).text_source == "text_layer"


def test_a_blank_page_has_no_lines_and_needs_no_reader() -> None:
    assert read_content(content(verdict="blank"), never).lines == ()


def test_an_image_is_read_whole(image: np.ndarray) -> None:
    reader = SpotReader(rotation=90)
    page = content(pixels=image)
    result = read_content(page, lambda: reader)
    assert reader.seen == [(WIDTH, HEIGHT)]
    assert (result.width, result.height, result.rotation) == (HEIGHT, WIDTH, 90)
    assert read_page(page, result, 0.1).text_source == "ocr"


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_what_is_read_in_an_area_is_placed_on_the_page(image: np.ndarray, rotation: int) -> None:
    reader = SpotReader(rotation)
    page = content(verdict="partial", pixels=image, lines=(LAYER,), areas=((60, 250, 300, 400),))
    result = read_content(page, lambda: reader)
    assert [line.text for line in result.lines] == ["from the layer", "spot"]
    assert [line.source for line in result.lines] == ["text_layer", "ocr"]
    assert result.lines[1].box == pytest.approx(MARK)
    assert result.lines[1].words[0].quad == result.lines[1].quad
    assert (result.width, result.height, result.rotation) == (WIDTH, HEIGHT, 0)


def test_an_area_at_the_edge_of_the_page_is_read_as_far_as_it_goes(image: np.ndarray) -> None:
    reader = SpotReader()
    areas = ((-50.0, 250.0, 120.5, 700.0), (390.0, 0.0, 450.0, 20.0))
    page = content(verdict="partial", pixels=image, lines=(LAYER,), areas=areas)
    read_content(page, lambda: reader)
    assert reader.seen == [(131, 360), (20, 30)]  # with the margin, cut at the edges
