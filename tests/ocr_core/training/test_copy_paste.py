"""Text of one page is laid on free places of another."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from ocr_core.training.copy_paste import CopyPaste, paste
from ocr_core.training.page_store import PageSample, StoredPage

SIZE = 200
MANY = CopyPaste(share=1.0, match_paper=0.0)


def box(x: float, y: float, width: float, height: float) -> NDArray[np.float32]:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return np.array(corners, np.float32)


def picture(*polygons: NDArray[np.float32]) -> PageSample:
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    return PageSample(image, polygons, np.zeros(len(polygons), bool))


def donor(*polygons: NDArray[np.float32], shade: int = 0) -> StoredPage:
    image = np.full((300, 300, 3), 255, np.uint8)
    for polygon in polygons:
        x0, y0, x1, y1 = (*polygon.min(axis=0).astype(int), *polygon.max(axis=0).astype(int))
        image[y0:y1, x0:x1] = shade
    return StoredPage((image,), polygons, np.zeros(len(polygons), bool), (255, 255, 255), 1.0)


LINES = donor(*(box(20, y, 100, 20) for y in range(10, 280, 30)))
HEAD = box(20, 20, 160, 20)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(8))
def test_pasted_text_has_a_label_and_overlaps_none(seed: int) -> None:
    after = paste(picture(HEAD), LINES, MANY, rng(seed))
    assert len(after.polygons) > 1
    assert len(after.ignored) == len(after.polygons)
    shapes = [shapely.Polygon(polygon) for polygon in after.polygons]
    assert all(not one.intersects(other) for one, other in combinations(shapes, 2))
    assert all(((p >= 0) & (p <= SIZE)).all() for p in after.polygons)


@pytest.mark.parametrize("seed", range(8))
def test_the_ink_is_inside_the_new_labels(seed: int) -> None:
    after = paste(picture(), LINES, MANY, rng(seed))
    dark = np.argwhere(after.image.mean(axis=2) < 100)[:, ::-1] + 0.5
    assert len(dark)
    hulls = shapely.union_all([shapely.Polygon(p).buffer(1) for p in after.polygons])
    assert shapely.contains_xy(hulls, dark[:, 0], dark[:, 1]).all()
    area = sum(shapely.Polygon(p).area for p in after.polygons)
    assert len(dark) == pytest.approx(area, rel=0.15)  # the edges are soft


def test_the_picture_itself_is_not_changed() -> None:
    before = picture(HEAD)
    after = paste(before, LINES, MANY, rng(0))
    assert (before.image == 255).all()
    assert not np.array_equal(before.image, after.image)


def test_no_more_than_the_share_is_pasted() -> None:
    for seed in range(10):
        fifth = paste(picture(), LINES, CopyPaste(share=0.2), rng(seed))
        assert len(fifth.polygons) <= 1  # a fifth of nine lines


def test_text_takes_the_size_of_the_text_around_it() -> None:
    level = replace(MANY, angle=0.0, quarter_turns=0.0, zoom=(1.0, 1.0))
    after = paste(picture(box(20, 20, 60, 10)), LINES, level, rng(0))
    heights = [float(np.ptp(polygon[:, 1])) for polygon in after.polygons[1:]]
    assert heights == pytest.approx([10.0] * len(heights))


def test_a_full_picture_stays_as_it_is() -> None:
    full = picture(box(0, 0, SIZE, SIZE))
    after = paste(full, LINES, MANY, rng(0))
    assert len(after.polygons) == 1
    assert np.array_equal(after.image, full.image)


def test_ignored_and_many_cornered_text_is_not_taken() -> None:
    ignored = StoredPage(
        LINES.levels, LINES.polygons, np.ones(len(LINES.polygons), bool), LINES.paper, 1.0
    )
    bent = donor(np.array([[0, 0], [50, 5], [100, 0], [100, 20], [50, 25], [0, 20]], np.float32))
    for empty in (ignored, bent, donor()):
        assert len(paste(picture(HEAD), empty, MANY, rng(0)).polygons) == 1


def test_nothing_is_pasted_with_probability_0() -> None:
    assert paste(picture(HEAD), LINES, replace(MANY, probability=0.0), rng(0)).polygons == (HEAD,)


def test_dark_paper_stays_dark_around_pasted_text() -> None:
    dark = picture(HEAD)
    dark.image[:] = 60
    light = donor(*LINES.polygons, shade=255)  # a page without ink: patches are paper only
    after = paste(dark, light, replace(MANY, match_paper=1.0), rng(1))
    assert len(after.polygons) > 1
    assert (after.image == 60).all()
