"""A labelled page becomes a training picture, and its outlines stay on its text."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_core.training.page_augment import PageAugment, colour, place, transform
from ocr_core.training.page_store import StoredPage

CALM = PageAugment(
    size=128, zoom=(1.0, 1.0), flip=0.0, rotation=0.0, perspective=0.0, blur=0.0, noise=0.0
)
WILD = PageAugment(
    size=256, zoom=(0.8, 1.6), flip=0.5, rotation=15.0, perspective=1.0, quarter_turns=0.3
)


def page(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (400, 300)) -> StoredPage:
    """A white page, (width, height), with a black bar for each x0, y0, x1, y1."""
    image = np.full((size[1], size[0], 3), 255, np.uint8)
    polygons = []
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = 0
        polygons.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32))
    half = cv2.resize(image, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    return StoredPage(
        levels=(image, np.asarray(half, np.uint8)),
        polygons=tuple(polygons),
        ignored=np.zeros(len(boxes), bool),
        paper=(255, 255, 255),
        first_look=1.0,
    )


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def inside(polygons: tuple[NDArray[np.float32], ...], size: int) -> NDArray[np.uint8]:
    canvas = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [np.rint(polygon - 0.5).astype(np.int32)], 1)
    return canvas


@pytest.mark.parametrize("seed", range(12))
def test_outlines_stay_on_their_text_however_the_page_is_bent(seed: int) -> None:
    lines = [(40, y, 360, y + 24) for y in range(30, 270, 40)]
    sample = place(page(*lines), WILD, rng(seed))
    ink = (sample.image.mean(axis=2) < 128).astype(np.uint8)
    outlined = inside(sample.polygons, 256)
    assert ink.any()
    wrong = np.count_nonzero(cv2.erode(ink, np.ones((3, 3))) & (1 - outlined))
    wrong += np.count_nonzero(cv2.erode(outlined, np.ones((3, 3))) & (1 - ink))
    assert wrong <= 0.01 * np.count_nonzero(ink)


def test_the_same_numbers_give_the_same_picture() -> None:
    drawn = page((40, 40, 300, 60))
    one, same, other = (place(drawn, WILD, rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.image, same.image)
    assert all(np.array_equal(a, b) for a, b in zip(one.polygons, same.polygons, strict=True))
    assert not np.array_equal(one.image, other.image)


def test_a_page_smaller_than_the_picture_lies_whole_on_its_paper() -> None:
    sample = place(page((10, 10, 50, 30), size=(60, 40)), CALM, rng(0))
    assert np.count_nonzero(sample.image.mean(axis=2) < 128) == 40 * 20
    assert sample.image.shape == (128, 128, 3)
    assert (sample.polygons[0] >= 0).all()
    assert (sample.polygons[0] <= 128).all()


def test_cuts_avoid_lines_where_they_can() -> None:
    # 10 pixels of text, 118 of paper: many cuts of 128 rows touch no line but a whole one
    sparse = page(*[(40, y, 360, y + 10) for y in range(20, 1200, 128)], size=(400, 1280))
    for seed in range(20):
        sample = place(sparse, CALM, rng(seed))
        assert len(sample.polygons) >= 1
        assert not sample.ignored.any()


def test_a_line_cut_along_its_length_is_ignored_and_one_cut_short_is_not() -> None:
    # the page is 128 wide, so the cut may only move up and down; the line is 400 high
    column = page((0, 0, 128, 400), (200, 0, 420, 20), size=(128, 400))
    tall = place(column, CALM, rng(0))
    assert not tall.ignored[0]  # shown in its full breadth
    broad = page((0, 0, 600, 250), size=(600, 250))
    assert place(broad, CALM, rng(0)).ignored.all()  # 128 of 250 rows are less than seven tenths


def test_a_page_without_text_gives_a_picture_too() -> None:
    sample = place(page(), WILD, rng(0))
    assert sample.polygons == ()
    assert sample.ignored.shape == (0,)


def test_far_pages_are_averaged_not_sampled() -> None:
    # a fine chequerboard seen from half its size is grey; picking single pixels gives stripes
    board = page(size=(400, 300))
    board.levels[0][:] = (np.indices((300, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    board.levels[1][:] = cv2.resize(board.levels[0], (200, 150), interpolation=cv2.INTER_AREA)
    far = PageAugment(size=128, zoom=(0.5, 0.5), flip=0.0, rotation=0.0, blur=0.0, noise=0.0)
    assert place(board, far, rng(0)).image.std() < 2


def test_transform_moves_points_as_a_matrix_does() -> None:
    shift = np.array([[2.0, 0, 5], [0, 1, -3], [0, 0, 1]])
    moved = transform((np.array([[1, 1], [2, 4], [0, 0]], np.float32),), shift)
    assert moved[0].tolist() == [[7, -2], [9, 1], [5, -3]]
    assert transform((), shift) == ()


def test_colours_change_and_shapes_do_not() -> None:
    drawn = page((40, 40, 300, 60)).levels[0]
    changed = colour(drawn, PageAugment(blur=0.0, noise=0.0), rng(3))
    assert changed.dtype == np.uint8
    assert changed.shape == drawn.shape
    assert np.unique(changed.reshape(-1, 3), axis=0).shape[0] == 2  # paper and ink, other shades
    inverted = colour(drawn, PageAugment(blur=0.0, noise=0.0, invert=1.0), rng(3))
    assert inverted[50, 100].mean() > inverted[0, 0].mean()


def test_a_size_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        PageAugment(size=100)
    with pytest.raises(ValueError, match="two factors"):
        PageAugment(zoom=(2.0, 1.0))
