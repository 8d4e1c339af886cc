"""The reader with the published models on drawn pages of every shape."""

from __future__ import annotations

import itertools

import numpy as np
import pymupdf
import pytest
from rapidfuzz.distance import Levenshtein

from ocr_core.geometry import ImageArray, rotate_image
from ocr_core.page import PageResult, box_of
from ocr_core.reader import Reader, ReaderOptions

TEXT = (
    "The county record office",
    "has begun to copy the tables,",
    "and a first look shows that",
    "the swifts now arrive early.",
    "Invoice No. 2024-117, paid.",
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    """In fp32, for which the bounds below were measured."""
    return Reader.open(ReaderOptions(precision="fp32"))


def drawn(lines: tuple[str, ...] = TEXT, size: float = 16, dpi: int = 100) -> ImageArray:
    """A page of 400 x 300 points with the lines from the top."""
    with pymupdf.open() as document:
        page = document.new_page(width=400, height=300)
        for number, text in enumerate(lines):
            page.insert_text((40, 50 + number * 2 * size), text, fontsize=size)
        return pixels(page, dpi)


def pixels(page: pymupdf.Page, dpi: int) -> ImageArray:
    picture = page.get_pixmap(dpi=dpi)
    flat = np.frombuffer(picture.samples, np.uint8)
    return flat.reshape(picture.height, picture.width, picture.n)[:, :, :3].copy()


def texts(result: PageResult) -> list[str]:
    return [line.text for line in result.lines]


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_page_reads_the_same_whichever_way_it_was_laid_on_the_scanner(
    reader: Reader, turned: int
) -> None:
    page = drawn()
    result = reader.read(rotate_image(page, turned))
    assert tuple(texts(result)) == TEXT
    assert result.rotation == (360 - turned) % 360
    assert (result.width, result.height) == (page.shape[1], page.shape[0])
    upright = reader.read(page)
    for line, expected in zip(result.lines, upright.lines, strict=True):
        # The detector is no mirror of itself: of the 15 turned lines, 24 pixels high, the edges
        # move by at most 3.1 pixels across the line and 8.8 along it, about a character.
        assert np.allclose(line.box[1::2], expected.box[1::2], atol=4)
        assert np.allclose(line.box[::2], expected.box[::2], atol=10)


def test_words_have_boxes_that_hold_their_ink_and_nothing_of_their_neighbours(
    reader: Reader,
) -> None:
    page = drawn(("one  three five",), size=24)
    words = reader.read(page).lines[0].words
    assert [word.text for word in words] == ["one", "three", "five"]
    boxes = [box_of(word.quad) for word in words]
    assert all(a[2] <= b[0] for a, b in itertools.pairwise(boxes))
    dark = np.flatnonzero((page < 128).any(axis=(0, 2)))
    inside = sum(int(((dark >= b[0] - 2) & (dark <= b[2] + 2)).sum()) for b in boxes)
    assert inside == len(dark)


def test_columns_of_chinese_are_read_downwards_from_the_right(reader: Reader) -> None:
    columns = ("春眠不觉晓处处闻啼鸟", "夜来风雨声花落知多少")
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=400)
        writer = pymupdf.TextWriter(page.rect)
        for number, column in enumerate(columns):
            for row, character in enumerate(column):
                place = (200 - number * 60, 60 + row * 32)
                writer.append(place, character, font=pymupdf.Font("cjk"), fontsize=26)
        writer.write_text(page)
        result = reader.read(pixels(page, 120))
    assert result.rotation == 0
    assert texts(result) == list(columns)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (31, 33), (1200, 900)])
def test_a_blank_page_has_no_lines(reader: Reader, shape: tuple[int, int]) -> None:
    result = reader.read(np.full((*shape, 3), 255, np.uint8))
    assert texts(result) == []
    assert result.mean_confidence is None
    assert (result.height, result.width) == shape


def test_a_page_of_a_hundred_megapixels_is_read(reader: Reader) -> None:
    page = np.full((11_000, 9_000, 3), 255, np.uint8)
    small = drawn(dpi=300)
    page[4000 : 4000 + small.shape[0], 3000 : 3000 + small.shape[1]] = small
    read = texts(reader.read(page))
    # The detector sees at most 3 megapixels of it: letters 12 pixels high, whose boxes are coarse.
    # So lines are cut out too high, are small in their crops, and one loses a doubled letter.
    assert len(read) == len(TEXT)
    assert Levenshtein.distance("\n".join(read), "\n".join(TEXT)) <= 2


def test_tiny_print_is_read(reader: Reader) -> None:
    result = reader.read(drawn(size=16, dpi=40))
    assert len(result.lines) == len(TEXT)
    assert result.lines[0].text.lower().startswith("the county")


def test_a_line_longer_than_the_network_takes_is_read_to_its_end(reader: Reader) -> None:
    words = [f"word{n:03d}" for n in range(60)]
    with pymupdf.open() as document:
        page = document.new_page(width=4000, height=60)
        page.insert_text((20, 35), " ".join(words), fontsize=12)
        result = reader.read(pixels(page, 150))
    assert " ".join(texts(result)).split() == words


def test_noise_is_not_text(reader: Reader) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    assert sum(len(text) for text in texts(reader.read(noise))) < 20


def test_an_image_wider_than_sixteen_bits_is_read(reader: Reader) -> None:
    page = np.full((120, 40_000, 3), 255, np.uint8)
    small = drawn(("Total 12.50",), size=24, dpi=100)[:100]
    page[: small.shape[0], 20_000 : 20_000 + small.shape[1]] = small
    result = reader.read(page)
    assert result.width == 40_000
    for line in result.lines:
        assert 19_900 < line.box[0] < 21_000


def test_two_readers_with_equal_options_name_the_same_parameters(reader: Reader) -> None:
    other = Reader.open()
    assert other.provenance.parameter_sha256 == reader.provenance.parameter_sha256
    assert other.provenance.detector_sha256 == reader.provenance.detector_sha256
