from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from ocr_core.bundle import load_bundle
from ocr_core.geometry import ImageArray
from ocr_core.metrics import cer
from ocr_core.recognition.recognizer import Recognizer
from ocr_core.runtime import open_session
from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.synthesis.faces import FaceSet
from ocr_core.training.synthesis.lines import LineRecipe, LineSample, draw_line
from ocr_core.training.synthesis.looks import LOOKS
from ocr_core.training.synthesis.texts import Corpus, Groups, TextSource

TEXT = Corpus(
    (
        "The county record office has begun to copy",
        "Invoice No. 2024-117, paid 31 May",
        "a first look shows that the swifts arrive",
        "Tickets: 12.50 per person, children free",
    )
)


def _recipe(faces: FaceSet, look: str, texts: TextSource | None = TEXT) -> LineRecipe:
    return LineRecipe(texts=texts, faces=faces, looks=(LOOKS[look],), shortest=12, longest=40)


@pytest.fixture(scope="module")
def read() -> Callable[[ImageArray], str]:
    """The published recogniser."""
    bundle = load_bundle("ppocrv6-small-rec")
    recognizer = Recognizer.of_bundle(open_session(bundle), bundle)
    height = recognizer.scale.height

    def text_of(line: ImageArray) -> str:
        width = max(8, round(line.shape[1] * height / line.shape[0]))
        return recognizer.read(np.asarray(cv2.resize(line, (width, height)), np.uint8)).text

    return text_of


@pytest.mark.parametrize(
    ("look", "most"), [("clean", 0.02), ("scan", 0.08), ("receipt", 0.12), ("dot-matrix", 0.3)]
)
def test_what_is_drawn_is_what_the_label_says(
    look: str, most: float, latin_faces: FaceSet, read: Callable[[ImageArray], str]
) -> None:
    samples = [draw_line(_recipe(latin_faces, look), 5, i) for i in range(12)]
    assert cer([(sample.text, read(sample.image)) for sample in samples]) <= most


def test_chinese_is_read_back(all_faces: FaceSet, read: Callable[[ImageArray], str]) -> None:
    recipe = _recipe(all_faces, "clean", Corpus(("各位读者：搬迁期间，旧馆停止借书",)))
    samples = [draw_line(recipe, 5, i) for i in range(6)]
    assert cer([(sample.text, read(sample.image)) for sample in samples]) <= 0.1


def test_a_number_in_a_series_is_the_same_picture_whoever_draws_it(latin_faces: FaceSet) -> None:
    recipe = LineRecipe(texts=TEXT, faces=latin_faces, looks=tuple(LOOKS.values())[:4])
    forwards = [draw_line(recipe, 1, i) for i in range(6)]
    backwards = [draw_line(recipe, 1, i) for i in reversed(range(6))]
    for one, other in zip(forwards, reversed(backwards), strict=True):
        assert _same(one, other)
    assert not any(_same(a, draw_line(recipe, 2, i)) for i, a in enumerate(forwards))


def _same(one: LineSample, other: LineSample) -> bool:
    return one.text == other.text and np.array_equal(one.image, other.image)


def test_a_fax_is_black_and_white_and_small(latin_faces: FaceSet) -> None:
    for index in range(5):
        image = draw_line(_recipe(latin_faces, "fax"), 0, index).image
        assert set(np.unique(image)) <= {0, 255}
        assert 10 <= image.shape[0] <= 30


def test_lines_of_a_height_have_that_height_and_their_shape(latin_faces: FaceSet) -> None:
    free = _recipe(latin_faces, "scan")
    tied = LineRecipe(
        texts=TEXT, faces=latin_faces, looks=free.looks, shortest=12, longest=40, height=32
    )
    for index in range(5):
        one, other = draw_line(free, 3, index).image, draw_line(tied, 3, index).image
        assert other.shape[0] == 32
        assert other.shape[1] == round(one.shape[1] * 32 / one.shape[0])


def test_a_display_shows_numbers_when_no_text_is_given(latin_faces: FaceSet) -> None:
    samples = [draw_line(_recipe(latin_faces, "seven-segment", None), 0, i) for i in range(20)]
    assert set("".join(sample.text for sample in samples)) <= set("0123456789.:- ")


def test_texts_that_cannot_be_drawn_are_passed_over_and_named(latin_faces: FaceSet) -> None:
    recipe = _recipe(latin_faces, "clean", Groups(("台", "seven")))
    samples = [draw_line(recipe, 0, index) for index in range(12)]
    passed_over = {text[0] for sample in samples for text in sample.passed_over}
    assert passed_over == {"台"}
    assert all(set(sample.text) <= set("seven") for sample in samples)
    with pytest.raises(CharactersNotDrawn, match="seven-segment"):
        draw_line(_recipe(latin_faces, "seven-segment", TEXT), 0, 0)
