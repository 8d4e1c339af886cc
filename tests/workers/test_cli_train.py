"""`pagemill train` and `pagemill evaluate`: what they say when something is wrong; exit codes.

That they train and measure is told in tests/end_to_end/test_training.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from workers.cli import main
from workers.commands.exits import ExitCode

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a page, two lines, and labels of both."""
    monkeypatch.chdir(tmp_path)
    font = ImageFont.load_default(size=28)
    page = Image.new("RGB", (400, 120), "white")
    pen = ImageDraw.Draw(page)
    pen.text((20, 20), "Page of words", font=font, fill="black")
    x0, y0, x1, y1 = pen.textbbox((20, 20), "Page of words", font=font)
    page.save(tmp_path / "page.png")
    page.crop((10, 10, 250, 64)).save(tmp_path / "line.png")
    polygon = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    write(
        tmp_path / "pages.jsonl",
        {
            "image": "page.png",
            "language": "en",
            "regions": [{"polygon": polygon, "text": "Page of words"}],
        },
    )
    write(tmp_path / "lines.jsonl", {"image": "line.png", "text": "Page of words"})
    return tmp_path


def write(file: Path, *records: dict[str, Any]) -> None:
    file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")


REC = "train rec --recipe cpu-rec --data lines.jsonl --out new"
DET = "train det --recipe cpu-det --data pages.jsonl --out new"


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        ("train rec --data lines.jsonl --out new", 1, "--recipe"),
        (REC.replace("cpu-rec", "mine"), 1, "ppocrv2-rec-udml"),
        (f"{REC} --set loop.rl=1", 1, "loop.lr"),
        (f"{REC} --set lr", 1, "name=value"),
        (f"{REC} --device tpu", 3, "tpu"),
        (f"{REC} --device cuda:99", 3, "cuda:99"),
        (f"{REC} --precision int8", 1, "int8"),
        (f"{REC} --start nobody", 3, "nobody"),
        (f"{REC} --held-out lines.jsonl --start ppocrv6-small-det", 1, "is a detector"),
        (f"{REC} --name Bad/Name", 1, "Bad/Name"),
        (REC, 4, "--held-out"),
        (REC.replace("lines.jsonl", "nowhere"), 1, "nowhere"),
        (REC.replace("lines.jsonl", "page.png"), 1, "jsonl, icdar, paddle or page-xml"),
        (REC.replace("--out new", "--out line.png"), 1, "line.png"),
        (f"{DET} --held-out pages.jsonl --set collaboration.distill=1", 1, "needs a teacher"),
        ("train centers --model ppocrv6-small-rec --data lines.jsonl --out line.png", 1, "line"),
        ("train centers --model ppocrv6-small-det --data lines.jsonl --out c", 1, "reads no lines"),
        ("train recipes mine", 1, "mine"),
        ("evaluate det", 1, "--data"),
        ("evaluate det --data pages.jsonl --language fr", 4, "language fr"),
        ("evaluate rec --data lines.jsonl --model nobody", 3, "nobody"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    line: str, code: int, word: str, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    assert main(line.split()) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert word in told.err
    assert "Traceback" not in told.err
    assert not (place / "new").exists()


def test_every_fault_in_the_labels_is_listed_and_nothing_left_is_the_end(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "torn.png").write_bytes((place / "line.png").read_bytes()[:100])
    outside = [[900, 0], [990, 0], [990, 20], [900, 20]]
    records = [
        {"image": "gone.png", "text": "a"},
        {"image": "torn.png", "text": "b"},
        {"image": "line.png", "text": "c", "quad": outside},
        {"image": "line.png"},
    ]
    write(place / "lines.jsonl", *records)
    assert main([*REC.split(), "--held-out", "lines.jsonl"]) == ExitCode.NOTHING_READ
    told = capsys.readouterr().err
    for word in ("missing_image", "unreadable_image", "region_outside", "bad_record", "gone.png"):
        assert word in told


def test_the_recipes_and_their_numbers_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "recipes"]) == 0
    assert "cpu-det" in capsys.readouterr().out
    assert main(["train", "recipes", "cpu-rec"]) == 0
    assert "loop.ema_decay" in capsys.readouterr().out
    assert main(["train", "recipes", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["finetune-rec"]["loop.optimizer"] == "adamw"


def test_a_model_is_measured_with_and_without_what_could_not_be_used(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "rec", "--data", "lines.jsonl", "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["lines"], told["cer"]) == ("ppocrv6-small-rec", 1, 0.0)

    write(place / "more.jsonl", {"image": "gone.png", "regions": []})
    line = "evaluate det --data pages.jsonl --data more.jsonl --language en -q"
    assert main(line.split()) == ExitCode.NOTHING_READ  # all labels of one file are bad
    capsys.readouterr()
    outside = {"polygon": [[900, 0], [990, 0], [990, 20], [900, 20]], "text": "far"}
    write(place / "more.jsonl", {"image": "page.png", "regions": [outside]})
    assert (
        main(["evaluate", "det", "--data", "pages.jsonl", "--data", "more.jsonl", "-q"])
        == ExitCode.PARTLY
    )
    out, err = capsys.readouterr()
    assert "region_outside" in err
    assert "hmean" in out


def test_pages_are_measured_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["evaluate", "e2e", "--data", "pages.jsonl", "--language", "en", "--json", "-q"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["e2e_hmean"] == told["detection_hmean"] == told["words_recall"] == 1.0


def without_torch(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where torch cannot be imported."""
    program = (
        "import sys; sys.modules['torch'] = None;"
        "from workers.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *line.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("line", [REC, DET, "train recipes"])
def test_training_without_torch_says_what_to_install(line: str, place: Path) -> None:
    run = without_torch(line, place)
    assert run.returncode == ExitCode.MISSING
    assert "pagemill[torch]" in run.stderr
    assert "Traceback" not in run.stderr


def test_measuring_needs_no_torch(place: Path) -> None:
    run = without_torch("evaluate e2e --data pages.jsonl --json -q", place)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["images"] == 1


def test_centers_are_computed_from_lines_that_are_read_correctly(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "train centers --model ppocrv6-small-rec --data lines.jsonl --out centers.safetensors"
    assert main(line.split()) == 0
    # P a g e o f w r d s, the space, and the blank
    assert "centres of 12 of 18710 classes" in capsys.readouterr().err
    assert (place / "centers.safetensors").is_file()
