"""Quads, their order, growth and cutting."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_core.geometry import (
    crop,
    grow_rectangle,
    order_corners,
    quad_size,
    rotate_image,
    rotate_points,
    taller,
    unclip_distance,
)

sizes = st.integers(1, 400)


def test_corners_come_out_clockwise_from_the_top_left_whatever_their_order() -> None:
    corners = np.float32([[10, 10], [60, 12], [59, 32], [9, 30]])
    for shuffled in itertools.permutations(range(4)):
        assert np.array_equal(order_corners(corners[list(shuffled)]), corners)


def test_a_shrunken_line_grows_back_by_the_published_distances() -> None:
    # 86 x 6 shrunken by DB: D' = 86 * 6 * r / (2 * 92)
    for ratio, expected in ((1.4, 3.9261), (1.5, 4.2065), (1.6, 4.4870), (2.0, 5.6087)):
        assert unclip_distance(86, 6, ratio) == pytest.approx(expected, abs=1e-4)
    widths, heights = quad_size(grow_rectangle((50, 50), (86, 6), 0.0, 3.9261)[None])
    assert widths[0] == pytest.approx(93.85, abs=0.01)
    assert heights[0] == pytest.approx(13.85, abs=0.01)


def test_nothing_grows_out_of_nothing() -> None:
    assert unclip_distance(0, 0, 1.5) == 0.0


@given(sizes, sizes, st.sampled_from([0, 90, 180, 270]), st.integers(0, 3))
def test_turning_points_agrees_with_turning_pixels(
    width: int, height: int, rotation: int, corner: int
) -> None:
    x, y = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)][corner]
    image = np.zeros((height, width, 3), np.uint8)
    image[y, x] = 255
    turned = rotate_image(image, rotation)
    center = rotate_points(np.float32([x + 0.5, y + 0.5]), (width, height), rotation)
    assert turned[int(center[1]), int(center[0]), 0] == 255


@given(sizes, sizes, st.sampled_from([0, 90, 180, 270]))
def test_turning_back_ends_where_it_began(width: int, height: int, rotation: int) -> None:
    points = np.float32([[0, 0], [width, 0], [width / 3, height / 2]])
    there = rotate_points(points, (width, height), rotation)
    size = (height, width) if rotation in (90, 270) else (width, height)
    back = rotate_points(there, size, (360 - rotation) % 360)
    assert np.allclose(back, points, atol=1e-3)


def test_a_slanted_line_is_cut_out_straight() -> None:
    page = np.full((300, 400, 3), 255, np.uint8)
    quad = cv2.boxPoints(((200, 150), (200, 30), 20))
    cv2.fillPoly(page, [np.round(quad).astype(int)], (0, 0, 0))
    line = crop(page, order_corners(quad), (320, 48))
    assert line.shape == (48, 320, 3)
    assert line[4:-4, 4:-4].mean() < 5


def test_a_quad_off_the_page_is_cut_from_its_border() -> None:
    page = np.full((20, 20, 3), 7, np.uint8)
    line = crop(page, np.float32([[30, 30], [60, 30], [60, 40], [30, 40]]), (64, 48))
    assert line.shape == (48, 64, 3)
    assert (line == 7).all()


def test_a_margin_makes_a_quad_taller_and_no_wider() -> None:
    quad = np.float32([[10, 20], [110, 20], [110, 40], [10, 40]])
    assert np.allclose(taller(quad, 0.1), [[10, 18], [110, 18], [110, 42], [10, 42]])
