from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ocr_core.image import read_image
from ocr_core.training.errors import FolderOfAnotherDrawing
from ocr_core.training.labels import read_lines, read_pages
from ocr_core.training.synthesis.faces import FaceSet
from ocr_core.training.synthesis.folder import Drawing, fill
from ocr_core.training.synthesis.lines import LineRecipe, draw_line
from ocr_core.training.synthesis.looks import LOOKS
from ocr_core.training.synthesis.pages import PageRecipe, draw_page
from ocr_core.training.synthesis.texts import Corpus

TEXT = Corpus(("The county record office", "has begun to copy"))


@pytest.fixture
def lines(tmp_path: Path, latin_faces: FaceSet) -> Drawing:
    recipe = LineRecipe(texts=TEXT, faces=latin_faces, looks=(LOOKS["scan"], LOOKS["fax"]))
    return Drawing(folder=tmp_path / "lines", recipe=recipe, seed=3)


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_lines_come_back_as_labels_of_whole_images(lines: Drawing) -> None:
    written = list(fill(lines, 5))
    labels, skips = read_lines(lines.folder)
    assert len(written) == len(labels) == 5
    assert not skips
    for number, label in enumerate(labels):
        sample = draw_line(lines.recipe, 3, number)  # type: ignore[arg-type]
        assert label.text == sample.text
        assert label.quad is None
        assert np.array_equal(read_image(label.image), sample.image)


def test_pages_come_back_as_regions(tmp_path: Path, latin_faces: FaceSet) -> None:
    recipe = PageRecipe(
        texts=TEXT,
        faces=latin_faces,
        looks=(LOOKS["clean"],),
        layouts=("form",),
        largest=(660, 660),
    )
    drawing = Drawing(folder=tmp_path, recipe=recipe, seed=1, unit="word", suffix=".jpg")
    list(fill(drawing, 2))
    pages, skips = read_pages(tmp_path)
    assert not skips
    for number, page in enumerate(pages):
        expected = draw_page(recipe, 1, number).regions("word")
        assert [region.text for region in page.regions] == [region.text for region in expected]
        for region, wanted in zip(page.regions, expected, strict=True):
            np.testing.assert_allclose(region.polygon, wanted.polygon, atol=0.006)


def test_a_drawing_that_was_killed_goes_on_to_the_same_bytes(lines: Drawing) -> None:
    list(fill(lines, 6))
    whole = _content(lines.folder)
    labels = lines.folder / "labels.jsonl"
    rows = labels.read_bytes().splitlines(keepends=True)
    labels.write_bytes(b"".join(rows[:3]) + rows[3][:17])  # killed in the middle of a label
    (lines.folder / "images" / "0000004.png").unlink()
    assert len(list(fill(lines, 6))) == 3
    assert _content(lines.folder) == whole
    assert list(fill(lines, 6)) == []


def test_two_processes_draw_what_one_draws(lines: Drawing, tmp_path: Path) -> None:
    list(fill(lines, 8))
    other = replace(lines, folder=tmp_path / "other")
    list(fill(other, 8, jobs=2))
    assert _content(other.folder) == _content(lines.folder)


def test_a_folder_of_something_else_is_left_alone(lines: Drawing, tmp_path: Path) -> None:
    list(fill(lines, 2))
    before = _content(lines.folder)
    with pytest.raises(FolderOfAnotherDrawing, match="seed"):
        list(fill(replace(lines, seed=4), 3))
    shorter = replace(lines, recipe=replace(lines.recipe, texts=Corpus(("other text",))))
    with pytest.raises(FolderOfAnotherDrawing, match="texts"):
        list(fill(shorter, 3))
    assert _content(lines.folder) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.jsonl").write_text(json.dumps({"image": "a.png", "text": "a"}))
    with pytest.raises(FolderOfAnotherDrawing, match="not drawn by this command"):
        list(fill(replace(lines, folder=tmp_path / "mine"), 3))
