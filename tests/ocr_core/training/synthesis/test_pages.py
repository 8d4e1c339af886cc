from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import shapely

from ocr_core.metrics import end_to_end_hmean
from ocr_core.reader import Reader
from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.labelled import Region
from ocr_core.training.synthesis.faces import FaceSet, shaping
from ocr_core.training.synthesis.galley import Galley
from ocr_core.training.synthesis.ink import set_text
from ocr_core.training.synthesis.layouts import HORIZONTAL, LAYOUTS
from ocr_core.training.synthesis.looks import LOOKS, PLAIN, Look
from ocr_core.training.synthesis.pages import PageRecipe, PageSample, draw_page
from ocr_core.training.synthesis.texts import Corpus, Groups

TEXT = Corpus(
    (
        "The county record office has begun to copy the tables into a register",
        "Every page was read twice and the two readings were compared by hand",
        "Tickets: 12.50 per person, children free; doors open at half past six",
    )
)
TILTED = Look(name="tilted", tones=PLAIN, sizes=(18, 30), warp=0.3)


def _recipe(faces: FaceSet, *layouts: str, look: Look = TILTED) -> PageRecipe:
    return PageRecipe(
        texts=TEXT,
        faces=faces,
        looks=(look,),
        layouts=layouts,
        smallest=(420, 420),
        largest=(560, 560),
    )


def _ink_outside(page: PageSample, regions: tuple[Region, ...]) -> int:
    """Dark pixels in none of the regions; the table below the paper is never as dark."""
    dark = (page.image.max(axis=2) < 60).astype(np.uint8)
    for region in regions:
        # fillPoly knows pixel centres: the edge of the first pixel is at -0.5
        cv2.fillPoly(dark, [np.round(region.polygon - 0.5).astype(np.int32)], 0)
    return int(dark.sum())


@pytest.mark.parametrize("layout", ["paragraphs", "scattered"])
def test_labels_hold_all_ink_of_a_tilted_page(layout: str, latin_faces: FaceSet) -> None:
    for index in range(3):
        page = draw_page(_recipe(latin_faces, layout), 4, index)
        assert len(page.lines) >= 4
        assert _ink_outside(page, page.regions("line")) == 0
        assert _ink_outside(page, page.regions("word")) <= 2


def test_labels_are_no_larger_than_the_ink_asks_for(latin_faces: FaceSet) -> None:
    page = draw_page(_recipe(latin_faces, "paragraphs", look=LOOKS["clean"]), 4, 0)
    for region in page.regions():
        x0, y0 = np.floor(region.polygon.min(axis=0)).astype(int)
        x1, y1 = np.ceil(region.polygon.max(axis=0)).astype(int)
        part = page.image[y0:y1, x0:x1].max(axis=2) < 128
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        assert len(rows) >= part.shape[0] - 6
        assert columns[-1] - columns[0] >= part.shape[1] - 6


@pytest.mark.parametrize("layout", HORIZONTAL)
def test_regions_lie_on_the_page_and_apart(layout: str, latin_faces: FaceSet) -> None:
    for index in range(2):
        page = draw_page(_recipe(latin_faces, layout), 9, index)
        height, width = page.image.shape[:2]
        shapes = [shapely.Polygon(region.polygon) for region in page.regions()]
        assert all(shapely.box(-2, -2, width + 2, height + 2).contains(shape) for shape in shapes)
        for one, other in itertools.combinations(shapes, 2):
            assert one.intersection(other).area <= 0.25 * min(one.area, other.area)


def test_words_lie_in_their_line_and_spell_it(latin_faces: FaceSet) -> None:
    page = draw_page(_recipe(latin_faces, "scattered", "form"), 2, 1)
    for line in page.lines:
        assert " ".join(word.text for word in line.words) == line.line.text
        area = shapely.Polygon(line.line.quad).buffer(1.5)
        assert all(area.contains(shapely.Polygon(word.quad)) for word in line.words)


def test_a_turned_block_keeps_text_and_corners_together(latin_faces: FaceSet) -> None:
    galley = Galley()
    galley.put(set_text("Ml", latin_faces.faces[0], 40), 10, 20)
    for degrees in (0, 90, 180, -90, 33):
        turned = galley.block().turned(degrees)
        (line,) = turned.lines
        first, second = line.line.quad[:2]
        direction = np.degrees(np.arctan2(*(second - first)[::-1]))
        assert (direction - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.01)
        rest = turned.mask.copy()
        cv2.fillPoly(rest, [np.round(line.line.quad - 0.5).astype(np.int32)], 0)
        assert not rest.any()


def test_a_page_is_read_back_where_its_labels_are(latin_faces: FaceSet) -> None:
    page = draw_page(_recipe(latin_faces, "paragraphs", look=LOOKS["scan"]), 1, 1)
    result = Reader.open().read(page.image)
    found = [_Found(np.array(line.quad, np.float32), line.text) for line in result.lines]
    assert end_to_end_hmean([(page.regions(), found)]) >= 0.9


class _Found:
    score = 1.0

    def __init__(self, polygon: np.ndarray, text: str) -> None:
        self.polygon, self.text = polygon, text


def test_the_same_number_is_the_same_page(all_faces: FaceSet) -> None:
    recipe = PageRecipe(
        texts=TEXT,
        faces=all_faces,
        looks=(LOOKS["photo"], LOOKS["fax"]),
        layouts=HORIZONTAL,
        largest=(700, 700),
    )
    one, other = draw_page(recipe, 6, 3), draw_page(recipe, 6, 3)
    assert np.array_equal(one.image, other.image)
    assert [line.line.text for line in one.lines] == [line.line.text for line in other.lines]
    assert not np.array_equal(draw_page(recipe, 6, 4).image, one.image)


def test_upright_columns_run_from_the_right(all_faces: FaceSet) -> None:
    recipe = PageRecipe(
        texts=Corpus(("各位读者搬迁期间旧馆停止借书",)),
        faces=all_faces,
        looks=(Look(name="upright", tones=PLAIN, sizes=(20, 30)),),
        layouts=("vertical",),
    )
    if not shaping():
        pytest.skip("PIL is built without raqm")
    page = draw_page(recipe, 0, 0)
    lefts = [line.line.quad[:, 0].min() for line in page.lines]
    assert lefts == sorted(lefts, reverse=True)
    assert all(np.ptp(line.line.quad[:, 1]) > np.ptp(line.line.quad[:, 0]) for line in page.lines)


def test_vertical_text_without_raqm_is_refused(
    all_faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocr_core.training.synthesis.layouts.shaping", lambda: False)
    with pytest.raises(CharactersNotDrawn, match="raqm"):
        _recipe(all_faces, "vertical")


def test_a_page_on_which_nothing_can_be_set_is_refused(latin_faces: FaceSet) -> None:
    recipe = PageRecipe(
        texts=Groups(("台",)), faces=latin_faces, looks=(TILTED,), layouts=("paragraphs",)
    )
    with pytest.raises(CharactersNotDrawn, match="台"):
        draw_page(recipe, 0, 0)


def test_a_layout_that_is_not_known_is_refused(latin_faces: FaceSet) -> None:
    with pytest.raises(ValueError, match="no such layouts: spiral"):
        _recipe(latin_faces, "spiral")
    assert set(HORIZONTAL) < set(LAYOUTS)
