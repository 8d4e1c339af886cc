"""Models in folders: published by a training, shown, exported and read with, as a person does it.

torch stays out of this process: the models are made by a program of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

Pagemill = Callable[..., "subprocess.CompletedProcess[str]"]
SCRIPT = Path(sys.executable).with_name("pagemill")

MAKE = """
from pathlib import Path
import torch
from ocr_core.networks import build
from ocr_core.runtime.export import TrainedFacts, publish

torch.set_num_threads(1)
torch.manual_seed(0)
whose = {"origin": "a test", "license": "CC0-1.0", "command": "pagemill train"}

# reads 7 in every line: random weights, but a head that has made up its mind
reader = build("lcnet-crnn", {"classes": 12, "scale": 0.125, "hidden": 16, "layers": 1})
with torch.no_grad():
    reader.head.weight.zero_()
    reader.head.bias.copy_(10.0 * (torch.arange(12) == 8))
lines = {"order": "bgr", "mean": [0.5] * 3, "std": [0.5] * 3}
facts = TrainedFacts(
    name="sevens", kind="recognizer", charset=tuple("0123456789 "), profile=lines, **whose
)
publish(reader, Path("sevens"), facts)

# takes the whole page for one line
finder = build("mobilenetv3-db", {"size": "small", "scale": 0.35, "neck": 48})
with torch.no_grad():
    finder.text.draw.weight.zero_()
    finder.text.draw.bias.fill_(10.0)
pages = {
    "order": "bgr", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    "threshold": 0.3, "box_threshold": 0.6, "unclip": 1.5, "max_candidates": 100,
}
facts = TrainedFacts(name="everything", kind="detector", profile=pages, **whose)
publish(finder, Path("everything"), facts)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two trained models and a sheet of 600 x 200 pixels with two lines."""
    place = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-c", MAKE], cwd=place, check=True)
    picture = Image.new("RGB", (600, 200), "white")
    draw = ImageDraw.Draw(picture)
    for number, text in enumerate(("Received 4711 crates", "Paid on delivery")):
        draw.text((40, 20 + 90 * number), text, fill="black", font=ImageFont.load_default(40))
    picture.save(place / "sheet.png")
    return place


@pytest.fixture(scope="module")
def pagemill(place: Path) -> Pagemill:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCRIPT, *arguments], cwd=place, capture_output=True, text=True)

    return run


def test_a_file_is_read_with_a_model_in_a_folder(pagemill: Pagemill) -> None:
    done = pagemill("ocr", "sheet.png", "--model", "sevens")
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n7\n", "")


def test_both_networks_may_be_ones_own(pagemill: Pagemill) -> None:
    done = pagemill("ocr", "sheet.png", "--jsonl", "--model", "./everything", "--model", "sevens/")
    (region,) = json.loads(done.stdout)["regions"]
    assert region["text"] == "7"
    assert region["polygon"] == [[0, 0], [600, 0], [600, 200], [0, 200]]


def test_workers_read_with_a_model_named_by_a_relative_folder(pagemill: Pagemill) -> None:
    done = pagemill("run", "sheet.png", "--model", "sevens", "-j", "2", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    done = pagemill("sql", "SELECT text, model FROM v_pages", "--json")
    (page,) = json.loads(done.stdout)
    assert page["text"] == "7\n7"
    assert "sevens" in page["model"]


def test_a_trained_model_is_shown_and_exported_anew(pagemill: Pagemill, place: Path) -> None:
    shown = json.loads(pagemill("models", "show", "./sevens", "--json").stdout)
    assert (shown["architecture"], shown["charset"]) == ("lcnet-crnn", 11)
    done = pagemill("models", "export", "sevens", "-o", "again", "--proof", "sheet.png")
    assert done.returncode == 0, done.stderr
    again = json.loads((place / "again" / "model.json").read_text(encoding="utf-8"))
    first = json.loads((place / "sevens" / "model.json").read_text(encoding="utf-8"))
    assert again["parent"] == f"sevens {shown['sha256']}"
    assert again["profile"] == first["profile"]
    weights = "weights.safetensors"
    assert again["files"][weights] == first["files"][weights]


def test_a_proof_that_is_no_picture_is_wrong_usage(pagemill: Pagemill, place: Path) -> None:
    (place / "note.txt").write_text("no picture", encoding="utf-8")
    done = pagemill("models", "export", "sevens", "-o", "new", "--proof", "note.txt")
    assert done.returncode == 1
    assert "--proof" in done.stderr
    assert not (place / "new").exists()
