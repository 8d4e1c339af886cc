from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_core.bundle import load_bundle
from ocr_core.charset import Charset
from ocr_core.runtime import BestPath
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_sets import LineForm
from ocr_core.training.line_teacher import Distillation, LineTeacher, read_by_teacher, taught_lines
from ocr_core.training.skips import Skips
from ocr_core.training.teacher_cache import load_readings, reading_key, save_readings

STUDENT = Charset("ab ")
FORM = LineForm(height=32, widest=320, steps=lambda width: width // 4)


class Known:
    """A session that reads the same three frames on every line: "a", nothing, a character."""

    engine = "onnxruntime"
    precision = "fp32"

    def __init__(self, characters: tuple[str, ...], last: str, sure: float = 0.98) -> None:
        self._classes = len(characters) + 1
        self._path = [characters.index("a") + 1, 0, characters.index(last) + 1]
        self._sure = sure

    def run(self, batch: np.ndarray) -> np.ndarray:
        frames = batch.shape[3] // 8
        answer = np.zeros((1, frames, self._classes), np.float32)
        answer[0, :, 0] = 1.0
        for frame, cls in enumerate(self._path):
            answer[0, frame, 0] = 0.0
            answer[0, frame, cls] = self._sure
            answer[0, frame, 5] += 1 - self._sure
        return answer

    def best(self, batch: np.ndarray) -> BestPath:
        raise NotImplementedError


@pytest.fixture
def lines(tmp_path: Path) -> list[LineLabel]:
    Image.fromarray(np.full((24, 60, 3), 200, np.uint8)).save(tmp_path / "line.png")
    return [LineLabel(tmp_path / "line.png", "nobody looks at this")]


def teacher(last: str, sure: float = 0.98) -> LineTeacher:
    bundle = load_bundle("ppocrv6-small-rec")
    assert bundle.charset is not None
    return LineTeacher(bundle, STUDENT, Known(bundle.charset, last, sure))


def test_a_student_is_given_frames_and_text_in_its_own_classes(lines: list[LineLabel]) -> None:
    skips = Skips()
    store, readings = read_by_teacher(teacher("b"), lines, FORM, skips)
    assert readings[0].text == "ab"
    taught = taught_lines(store, readings, STUDENT, FORM, Distillation(text=0.5), skips)
    assert store[0].shape == (32, 80, 3)
    assert taught.texts == ((1, 2),)
    assert taught.weights[0] == pytest.approx(0.5 * 0.98)
    assert taught.frames is not None
    assert taught.frames[0].ids[:3, 0].tolist() == [1, 0, 2]
    assert not skips


def test_frames_of_a_character_the_student_lacks_do_not_count(lines: list[LineLabel]) -> None:
    skips = Skips()
    store, readings = read_by_teacher(teacher("中"), lines, FORM, skips)
    taught = taught_lines(store, readings, STUDENT, FORM, Distillation(), skips)
    assert taught.texts == ((),)
    assert taught.weights[0] == 0
    assert skips.counts == {"unknown_characters": 1}
    assert readings[0].frames.weights[:3] == pytest.approx([0.98, 0.98, 0.0])


def test_a_text_the_teacher_is_unsure_of_is_not_learned(lines: list[LineLabel]) -> None:
    skips = Skips()
    store, readings = read_by_teacher(teacher("b", sure=0.6), lines, FORM, skips)
    taught = taught_lines(store, readings, STUDENT, FORM, Distillation(), skips)
    assert taught.weights[0] == 0
    assert skips.counts == {"teacher_unsure": 1}


def test_kept_readings_are_the_readings(lines: list[LineLabel], tmp_path: Path) -> None:
    _, readings = read_by_teacher(teacher("b"), lines * 2, FORM, Skips())
    save_readings(readings, tmp_path / "kept" / "readings.npz")
    again = load_readings(tmp_path / "kept" / "readings.npz")
    assert [(r.text, r.confidence) for r in again] == [(r.text, r.confidence) for r in readings]
    assert all(
        np.allclose(a.frames.probabilities, b.frames.probabilities, atol=1e-3)
        for a, b in zip(again, readings, strict=True)
    )
    assert all((a.frames.ids == b.frames.ids).all() for a, b in zip(again, readings, strict=True))


def test_readings_belong_to_one_teacher_one_charset_and_one_set(lines: list[LineLabel]) -> None:
    keys = {
        reading_key("one", "ab ", FORM, lines),
        reading_key("other", "ab ", FORM, lines),
        reading_key("one", "abc ", FORM, lines),
        reading_key("one", "ab ", FORM, lines * 2),
    }
    assert len(keys) == 4
