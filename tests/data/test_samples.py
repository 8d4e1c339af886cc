from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest

HERE = Path(__file__).resolve().parent
BORN_DIGITAL = ["letter.pdf", "article.pdf", "walk-zh.pdf"]


def truth(name: str) -> list[str]:
    """The text of each page of a sample."""
    told = json.loads((HERE / "truth" / f"{name}.json").read_text(encoding="utf-8"))
    return [page["text"] for page in told["pages"]]


def test_every_sample_has_the_truth_that_drawing_it_again_gives(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "draw_samples.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=200)
    drawn = {path.name: path.read_text() for path in (tmp_path / "truth").iterdir()}
    kept = {path.name: path.read_text() for path in (HERE / "truth").iterdir()}
    assert drawn == kept
    assert {f"{path.name}.json" for path in (HERE / "inbox").iterdir()} == set(kept)


@pytest.mark.parametrize("name", BORN_DIGITAL)
def test_the_text_layer_of_a_born_digital_sample_is_its_truth(name: str) -> None:
    with pymupdf.open(HERE / "inbox" / name) as document:
        layers = ["".join(page.get_text().split()) for page in document]
    assert layers == ["".join(page.split()) for page in truth(name)]


def test_scanned_samples_have_no_text_layer() -> None:
    with pymupdf.open(HERE / "inbox" / "invoice-scan.pdf") as document:
        assert [page.get_text() for page in document] == [""]


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in (HERE / "inbox").iterdir()) <= 3_000_000
