from __future__ import annotations

from pathlib import Path

import numpy as np
import pymupdf
import pytest

from ocr_core.training.errors import FontsMissing
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis import faces as faces_module
from ocr_core.training.synthesis.faces import Face, FaceSet, find_faces, needs_shaping, shaping
from ocr_core.training.synthesis.ink import Ink, set_text
from ocr_core.training.synthesis.pens import dots, segments

raqm = pytest.mark.skipif(not shaping(), reason="PIL is built without raqm")


def _covered(ink: Ink) -> bool:
    """Whether the words' boxes hold all ink, and none of two words the same."""
    rest = np.where(ink.mask > 64, ink.mask, 0)  # below: dark segments, which are no ink
    for word in ink.words:
        x0, y0, x1, y1 = map(round, word.box)
        assert rest[y0:y1, x0:x1].any()
        rest[y0:y1, x0:x1] = 0
    return not rest.any()


def test_a_face_draws_what_it_has_and_never_the_box_of_what_is_missing(helvetica: Face) -> None:
    assert helvetica.covers("Straße № 7, café")
    assert not helvetica.draws("台")
    assert not helvetica.draws("\x07")
    # the font claims no such character, and even if it did, its box would give it away
    pretending = helvetica.characters | {ord("台")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces_module, "_characters", lambda face: pretending)
        assert not helvetica.draws("台")


def test_a_text_gets_a_face_that_has_all_of_it(all_faces: FaceSet) -> None:
    rng = np.random.default_rng(0)
    assert {all_faces.choose(rng, "台北 7") for _ in range(9)} == {Face("PyMuPDF cjk")}
    assert len({all_faces.choose(rng, "seven") for _ in range(40)}) > 4
    assert all_faces.choose(rng, "seven 𓀀") is None
    assert all_faces.lacking("a𓀀台𓀁a") == "𓀀𓀁"


def test_fonts_are_found_in_folders_and_broken_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.ttf").write_bytes(pymupdf.Font("cjk").buffer)
    (tmp_path / "broken.otf").write_bytes(b"OTTO and nothing else")
    (tmp_path / "notes.txt").write_text("no font")
    skips = Skips()
    found = find_faces([tmp_path], skips)
    assert [face.name for face in found.faces] == ["deep/one.ttf"]
    assert found.faces[0].draws("台")
    assert skips.counts == {"unusable_font": 1}
    with pytest.raises(FontsMissing):
        find_faces([tmp_path / "broken.otf"], Skips())


def test_a_system_without_fonts_uses_those_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces_module, "system_folders", list)
    found = find_faces([], Skips())
    assert found.lacking("Ünïcode 台北") == ""


def test_the_mask_is_the_ink_and_the_words_share_it_out(helvetica: Face) -> None:
    ink = set_text("jumping fox, VA ff", helvetica, 40, words=True)
    assert [word.text for word in ink.words] == ["jumping", "fox,", "VA", "ff"]
    assert ink.mask[0].any()
    assert ink.mask[-1].any()
    assert ink.mask[:, 0].any()
    assert ink.mask[:, -1].any()
    assert _covered(ink)


def test_lines_with_the_same_baseline_start_where_their_ink_does(helvetica: Face) -> None:
    # "x" is lower than "X" and both stand on the baseline: top + height is the same
    small, capital = (set_text(text, helvetica, 40) for text in "xX")
    assert small.top > capital.top
    bottoms = [ink.top + ink.mask.shape[0] for ink in (small, capital)]
    assert bottoms[0] == pytest.approx(bottoms[1], abs=1)


@pytest.fixture(scope="module")
def hebrew() -> Face:
    """A face of this system that has Hebrew and Latin; packages bring none along."""
    small = [face for face in find_faces([], Skips()).faces if _size(face) < 1 << 20]
    found = next((face for face in small if face.covers("שלום abc")), None)
    if found is None:
        pytest.skip("no font of this system has Hebrew")
    return found


def _size(face: Face) -> int:
    return face.path.stat().st_size if face.path else 1 << 30


@raqm
def test_hebrew_runs_from_the_right_and_its_words_too(hebrew: Face) -> None:
    ink = set_text("שלום עולם", hebrew, 40, words=True)
    first, second = ink.words
    assert (first.text, second.text) == ("שלום", "עולם")
    assert first.box[0] > second.box[2]
    assert _covered(ink)


@raqm
def test_text_of_both_directions_has_no_words(hebrew: Face) -> None:
    assert set_text("שלום abc", hebrew, 30, words=True).words == ()


def test_without_raqm_text_that_joins_is_never_set(
    hebrew: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, text = np.random.default_rng(0), "שלום"
    assert needs_shaping(text)
    assert not needs_shaping("Größe 台北")
    monkeypatch.setattr(faces_module, "shaping", lambda: False)
    assert FaceSet([hebrew]).choose(rng, text) is None
    assert FaceSet([hebrew]).choose(rng, "abc") == hebrew


@raqm
def test_upright_text_is_as_high_as_it_is_long(chinese: Face) -> None:
    ink = set_text("台北市政府", chinese, 30, upright=True)
    assert ink.mask.shape[0] == pytest.approx(5 * 30, abs=10)
    assert ink.mask.shape[1] <= 32


def test_a_text_without_ink_is_refused(helvetica: Face) -> None:
    with pytest.raises(ValueError, match="no ink"):
        set_text("  ", helvetica, 30)


def test_dots_of_a_printer_stand_apart_and_hold_to_their_words(helvetica: Face) -> None:
    rng = np.random.default_rng(1)
    ink = dots("TOTAL 12.40", helvetica, 12, 60, rng)
    assert [word.text for word in ink.words] == ["TOTAL", "12.40"]
    assert _covered(ink)
    plain = set_text("TOTAL 12.40", helvetica, 60)
    assert ink.mask.shape[0] == pytest.approx(plain.mask.shape[0], rel=0.25)


def test_a_display_lights_two_segments_for_a_one_and_seven_for_an_eight() -> None:
    one, eight = (
        np.count_nonzero(segments(digit, 80, np.random.default_rng(4)).mask > 200) for digit in "18"
    )
    assert eight == pytest.approx(3.5 * one, rel=0.15)  # across and upright, nearly as long
    ink = segments("-12.5 08:37", 50, np.random.default_rng(2))
    assert [word.text for word in ink.words] == ["-12.5", "08:37"]
    assert _covered(ink)
