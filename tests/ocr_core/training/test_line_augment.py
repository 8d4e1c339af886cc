import numpy as np
import pytest

from ocr_core.geometry import ImageArray
from ocr_core.training.line_augment import (
    DOCUMENTS,
    IN_PLACE,
    NONE,
    PP_OCR_V2,
    LineAugment,
    augment,
    join,
    warp,
)
from ocr_core.training.moving_least_squares import warp_map


def striped(width: int, height: int = 32) -> ImageArray:
    line = np.full((height, width, 3), 230, np.uint8)
    line[height // 4 : -height // 4 or None, ::4] = 20
    return line


@pytest.mark.parametrize("width", [1, 2, 5, 8, 11, 19, 20, 33, 160, 1200])
@pytest.mark.parametrize("options", [PP_OCR_V2, DOCUMENTS, IN_PLACE])
def test_a_crop_of_any_width_can_be_changed(width: int, options: LineAugment) -> None:
    random = np.random.default_rng(width)
    for _ in range(20):
        changed = augment(striped(width), options, random)
        assert changed.shape[0] == 32
        assert changed.shape[2] == 3
        assert changed.dtype == np.uint8
        assert changed.shape[1] >= 1


def test_without_any_change_a_line_stays_as_it_is() -> None:
    line = striped(60)
    assert np.array_equal(augment(line, NONE, np.random.default_rng(0)), line)


def test_the_same_numbers_give_the_same_picture() -> None:
    line = striped(90)
    once, again = (augment(line, PP_OCR_V2, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(once, again)


def test_a_line_that_is_full_of_text_gets_no_narrower() -> None:
    narrow = LineAugment(aspect=0.5)
    random = np.random.default_rng(0)
    assert all(augment(striped(80), narrow, random, 80).shape[1] >= 80 for _ in range(20))


def test_points_that_do_not_move_leave_every_pixel_where_it_is() -> None:
    points = np.array([[0, 0], [50, 0], [99, 0], [0, 31], [50, 31], [99, 31]], np.float32)
    source = warp_map(points, points, (100, 32))
    rows, columns = np.mgrid[0:32, 0:100]
    assert np.abs(source[..., 0] - columns).max() < 1e-3
    assert np.abs(source[..., 1] - rows).max() < 1e-3


def test_a_moved_point_takes_its_colour_along() -> None:
    origin = np.array([[0, 0], [48, 0], [96, 0], [0, 32], [48, 32], [96, 32]], np.float32)
    moved = origin + np.array([[0, 0], [8, 0], [0, 0], [0, 0], [8, 0], [0, 0]], np.float32)
    source = warp_map(moved, origin, (97, 33))
    assert source[0, 56] == pytest.approx((48, 0), abs=1.0)
    assert source[32, 56] == pytest.approx((48, 32), abs=1.0)


def test_a_warp_moves_ink_but_keeps_most_of_it() -> None:
    line = striped(160)
    random = np.random.default_rng(3)
    changed = [warp(line, DOCUMENTS, random) for _ in range(10)]
    assert all(not np.array_equal(picture, line) for picture in changed)
    ink = [float((255.0 - picture).sum()) for picture in changed]
    assert np.mean(ink) == pytest.approx(float((255.0 - line).sum()), rel=0.2)


def test_joined_lines_have_a_gap_of_paper_between_them() -> None:
    line = np.full((32, 20, 3), 200, np.uint8)
    both = join([line, line + 20])
    assert both.shape == (32, 48, 3)
    assert (both[:, 20:28] == 210).all()
