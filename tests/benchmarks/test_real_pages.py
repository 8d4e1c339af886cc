"""Real pages are divided by document, and only pages with labels of lines are taken."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.training.real_pages import real_pages


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty books of two pages each with labelled lines, and a set with labelled words."""
    books = [f"book-{n:02}-of-many_{page}.png" for n in range(30) for page in (1, 2)]
    _write(tmp_path / "books", books, "line")
    _write(tmp_path / "scenes", ["street.png"], "word")
    return tmp_path


def _write(folder: Path, names: list[str], unit: str) -> None:
    (folder / "images").mkdir(parents=True)
    region = {"polygon": [[2, 2], [30, 2], [30, 12], [2, 12]], "text": "text", "ignore": False}
    rows = []
    for name in names:
        cv2.imwrite(str(folder / "images" / name), np.full((24, 32), 255, np.uint8))
        row = {"image": f"images/{name}", "words_or_lines": unit, "regions": [region]}
        rows.append(json.dumps(row))
    (folder / "labels.jsonl").write_text("\n".join(rows), encoding="utf-8")


def test_every_page_of_lines_is_on_one_side(data: Path) -> None:
    pages = real_pages(data)
    names = [page.image.name for page in (*pages.held_out, *pages.pool)]
    assert len(names) == len(set(names)) == 60
    assert not any(name.endswith("street.png") for name in names)
    books = [{page.image.name[:7] for page in part} for part in (pages.held_out, pages.pool)]
    assert all(books)
    assert not books[0] & books[1]


def test_the_division_does_not_depend_on_what_else_is_there(data: Path) -> None:
    before = {page.image.name for page in real_pages(data).held_out}
    _write(data / "more", ["another.png"], "line")
    after = {
        page.image.name for page in real_pages(data).held_out if "more" not in page.image.parts
    }
    assert before == after


def test_labels_of_the_rest_of_the_pool_are_not_handed_out(data: Path) -> None:
    pages = real_pages(data)
    few, bare = pages.labelled(5, seed=1)
    assert len(few) == 5
    assert len(few) + len(bare) == len(pages.pool)
    assert all(isinstance(image, Path) for image in bare)
    assert not {page.image for page in few} & set(bare)
    assert [page.image for page in few] != [page.image for page in pages.labelled(5, seed=2)[0]]
    assert [page.image for page in few] == [page.image for page in pages.labelled(5, seed=1)[0]]
