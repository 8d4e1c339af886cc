"""`pagemill synth`: options to samples, and what cannot be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from workers.cli import main

Pagemill = Callable[..., tuple[int, str]]


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder with one font that has Chinese and Latin."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "one.ttf").write_bytes(pymupdf.Font("cjk").buffer)
    return folder


@pytest.fixture
def synth(
    tmp_path: Path, fonts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Pagemill:
    """The command with one process and one font; its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["synth", *arguments, "--fonts", str(fonts), "-j", "1"])
        return int(code), capsys.readouterr().err

    return run


def _labels(folder: Path) -> list[dict[str, object]]:
    rows = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row) for row in rows]


def test_lines_of_a_text_are_drawn_and_more_of_them_later(synth: Pagemill, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the county record office\n")
    asked = ("lines", "--text", "text.txt", "--height", "32", "--out", "out", "--language", "en")
    code, said = synth(*asked, "--count", "3")
    assert (code, said) == (0, "3 samples are in out, 3 of them new\n")
    first = _labels(tmp_path / "out")
    code, said = synth(*asked, "--count", "5")
    assert (code, said) == (0, "5 samples are in out, 2 of them new\n")
    labels = _labels(tmp_path / "out")
    assert labels[:3] == first
    assert {label["language"] for label in labels} == {"en"}
    with Image.open(tmp_path / "out" / str(labels[4]["image"])) as image:
        assert image.height == 32


def test_pages_have_the_size_and_unit_that_were_asked_for(synth: Pagemill, tmp_path: Path) -> None:
    asked = ("--size", "300x260", "--unit", "word", "--layout", "form", "--look", "clean")
    assert synth("pages", *asked, "--count", "1", "--out", "out", "-q") == (0, "")
    (label,) = _labels(tmp_path / "out")
    assert label["words_or_lines"] == "word"
    assert label["regions"]
    with Image.open(tmp_path / "out" / str(label["image"])) as image:
        assert image.size == (300, 260)


def test_characters_that_look_alike_make_the_lines(synth: Pagemill, tmp_path: Path) -> None:
    asked = ("--characters", "己已未末土士", "--confusable", "--length", "2", "--look", "clean")
    assert synth("lines", *asked, "--count", "8", "--out", "out")[0] == 0
    groups = ({"己", "已"}, {"未", "末"}, {"土", "士"})
    for label in _labels(tmp_path / "out"):
        assert len(str(label["text"])) == 2
        assert any(set(str(label["text"])) <= group for group in groups)


def test_lines_that_no_font_has_are_listed_and_left_out(synth: Pagemill, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hieroglyph 𓀀\nplain\n", encoding="utf-8")
    code, said = synth("lines", "--text", "text.txt", "--count", "2", "--out", "out")
    assert code == 2
    assert "1 skipped, no_font: " in said
    assert "𓀀" in said
    assert {label["text"] for label in _labels(tmp_path / "out")} == {"plain"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lines", "--characters", "𓀀"], 3, "U+13000"),
        (["lines", "--look", "cuneiform"], 1, "there is no cuneiform; one of clean"),
        (["pages", "--layout", "spiral"], 1, "there is no spiral"),
        (["lines", "--length", "9-3"], 1, "as 12 or 3-25"),
        (["pages", "--size", "20x20"], 1, "as 800x1000"),
        (["lines", "--confusable"], 1, "--confusable needs"),
        (["lines", "--text", "latin1.txt"], 1, "is not UTF-8"),
    ],
)
def test_what_cannot_be_done_is_said(
    synth: Pagemill, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "latin1.txt").write_bytes("é".encode("latin-1"))
    found, said = synth(*arguments, "--count", "1", "--out", "out")
    assert found == code
    assert message in said


def test_a_folder_of_another_drawing_is_left_alone(synth: Pagemill) -> None:
    asked = ("lines", "--count", "1", "--out", "out")
    assert synth(*asked)[0] == 0
    code, said = synth(*asked, "--seed", "1")
    assert code == 1
    assert "drawn with other options: out: seed differ" in said
