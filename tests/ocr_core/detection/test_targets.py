"""The maps a detector is taught, against sums done by hand (PP-OCR reference, section B)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import shapely

from ocr_core.detection.postprocess import BoxProfile, find_regions
from ocr_core.detection.targets import TargetProfile, draw_targets, offset, shrink

NONE_IGNORED = np.zeros(1, bool)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return np.array(corners, np.float32)


def test_a_line_of_100_by_20_shrinks_by_7_pixels_to_86_by_6() -> None:
    # D = A (1 - r²) / L = 2000 · .84 / 240 = 7
    line = rectangle(10, 10, 100, 20)
    assert offset(shapely.Polygon(line), 0.4) == pytest.approx(7.0)
    core = shrink(line, 0.4)
    assert core is not None
    assert np.ptp(core, axis=0) == pytest.approx([86, 6], abs=1e-4)


def test_the_threshold_falls_from_the_border_to_the_offset() -> None:
    # the border lies at y = 20; centres of rows 19 and 20 are half a pixel from it, so
    # .3 + .4 (1 - .5 / 7) = .6714; 3.5 pixels are .5; 7 pixels and more are .3
    maps = draw_targets([rectangle(20, 20, 100, 20)], NONE_IGNORED, (80, 140))
    column = maps.threshold[:, 70]
    assert column[[19, 20]] == pytest.approx([0.6714, 0.6714], abs=1e-4)
    assert column[[16, 23]] == pytest.approx([0.5, 0.5])
    assert column[12] == pytest.approx(0.3)
    assert column.max() <= 0.7


def test_the_border_reaches_as_far_out_as_text_shrinks_inward() -> None:
    maps = draw_targets([rectangle(20, 20, 100, 20)], NONE_IGNORED, (80, 140))
    rows = np.flatnonzero(maps.border[:, 70])
    assert (rows[0], rows[-1] + 1) == pytest.approx((13, 47), abs=1)


def test_where_two_borders_meet_the_higher_threshold_stands() -> None:
    upper, lower = rectangle(10, 10, 100, 20), rectangle(10, 34, 100, 20)
    both = draw_targets([upper, lower], np.zeros(2, bool), (64, 120)).threshold
    single = [draw_targets([one], NONE_IGNORED, (64, 120)).threshold for one in (upper, lower)]
    assert np.array_equal(both, np.maximum(*single))


def test_boxes_of_a_perfect_map_are_the_labels_again() -> None:
    # what shrinks by 7 pixels grows by 7 when the ratio is 7 · perimeter / area of 86×6
    line = rectangle(20.5, 20.5, 100, 20)
    maps = draw_targets([line], NONE_IGNORED, (80, 140))
    exact = BoxProfile(unclip_ratio=7 * 2 * (86 + 6) / (86 * 6))
    found = find_regions(maps.text.astype(np.float32), exact)
    assert found.quads[0] == pytest.approx(line, abs=0.6)


def test_ignored_and_low_text_is_masked_and_has_no_border() -> None:
    polygons = [rectangle(10, 10, 60, 20), rectangle(10, 50, 60, 7)]
    maps = draw_targets(polygons, np.array([True, False]), (80, 80))
    assert not maps.text.any()
    assert not maps.border.any()
    assert not maps.mask[12:28, 12:68].any()
    assert not maps.mask[52:56, 12:68].any()
    assert maps.mask.sum() > 0.7 * maps.mask.size


def test_text_that_falls_apart_is_shrunk_less() -> None:
    # two squares joined by a bridge 9 pixels high: shrinking by .4 would cut it
    dumbbell = np.array(
        [[0, 0], [40, 0], [40, 16], [80, 16], [80, 0], [120, 0], [120, 40], [80, 40], [80, 25],
         [40, 25], [40, 40], [0, 40]], np.float32
    ) + 10  # fmt: skip
    assert shrink(dumbbell, 0.4) is None
    maps = draw_targets([dumbbell], NONE_IGNORED, (60, 140))
    assert cv2.connectedComponents(maps.text)[0] == 2  # the ground and one text
    assert maps.mask.all()


def test_text_may_reach_beyond_the_picture() -> None:
    across = draw_targets([rectangle(-50, 10, 200, 20)], NONE_IGNORED, (40, 64))
    assert across.text[20].all()  # the core goes on through both edges
    outside = draw_targets([rectangle(300, 300, 50, 20)], NONE_IGNORED, (40, 64))
    assert not outside.text.any()
    assert not outside.border.any()
    assert outside.mask.all()


def test_a_polygon_that_crosses_itself_is_taken_as_its_hull() -> None:
    crossed = rectangle(10, 10, 60, 20)[[0, 2, 1, 3]]
    maps = draw_targets([crossed], NONE_IGNORED, (40, 80))
    straight = draw_targets([rectangle(10, 10, 60, 20)], NONE_IGNORED, (40, 80))
    assert np.array_equal(maps.text, straight.text)


def test_another_shrink_ratio_leaves_a_larger_core() -> None:
    line = rectangle(10, 10, 100, 20)
    areas = [
        draw_targets([line], NONE_IGNORED, (40, 120), TargetProfile(shrink_ratio=ratio)).text.sum()
        for ratio in (0.4, 0.6, 0.8)
    ]
    assert areas == sorted(areas)


def test_a_page_without_text_has_empty_maps() -> None:
    maps = draw_targets([], np.zeros(0, bool), (32, 32))
    assert not maps.text.any()
    assert not maps.border.any()
    assert maps.mask.all()
