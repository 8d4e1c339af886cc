"""From labels to a model that reads, by the real command; and what a kill -9 does to a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import load_file

load = pytest.importorskip("ocr_core.training.checkpoint").load  # it needs torch

PROGRAM = "import sys; from workers.cli import main; sys.exit(main())"
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty")
PATIENCE = 120.0


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *map(str, arguments)]


def pagemill(folder: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; it must end with the exit code."""
    run = subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == code, run.stderr[-3000:]
    return run


def results(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run.stdout)
    return told


@pytest.fixture(scope="module")
def font() -> Any:
    return ImageFont.load_default(size=24)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, font: Any) -> Path:
    """Ten drawn words with labels, and one that lies about its image."""
    folder = tmp_path_factory.mktemp("lines")
    records = [{"image": "gone.png", "text": "gone"}]
    for word in WORDS:
        image = Image.new("RGB", (96, 32), "white")
        ImageDraw.Draw(image).text((6, 1), word, font=font, fill="black")
        image.save(folder / f"{word}.png")
        records.append({"image": f"{word}.png", "text": word})
    write(folder, records)
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, font: Any) -> Path:
    """Three drawn pages of four words each, with labels."""
    folder = tmp_path_factory.mktemp("pages")
    records = []
    for number in range(3):
        image, regions = Image.new("RGB", (320, 256), "white"), []
        pen = ImageDraw.Draw(image)
        for row in range(4):
            place = (20 + 30 * row, 20 + 55 * row)
            word = WORDS[4 * number + row - 2]
            pen.text(place, word, font=font, fill="black")
            x0, y0, x1, y1 = pen.textbbox(place, word, font=font)
            polygon = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            regions.append({"polygon": polygon, "text": word})
        image.save(folder / f"page-{number}.png")
        records.append({"image": f"page-{number}.png", "regions": regions})
    write(folder, records)
    return folder


def write(folder: Path, records: list[dict[str, Any]]) -> None:
    lines = map(json.dumps, records)
    (folder / "labels.jsonl").write_text("\n".join(lines), encoding="utf-8")


FEW_LINES = ("--set", "lines.labelled=2", "--set", "lines.unlabelled=0", "--steps", 2)


def test_a_recogniser_is_fine_tuned_measured_and_reads_at_once(
    lines: Path, pages: Path, tmp_path: Path
) -> None:
    told = pagemill(
        tmp_path,
        *("train", "rec", "--recipe", "finetune-rec", "--start", "ppocrv6-small-rec"),
        *("--data", lines, "--held-out", lines, "--out", "mine", "--json", *FEW_LINES),
        code=2,  # for the label without its image
    )
    assert "2 skipped, missing_image" in told.stderr  # once to learn from, once to measure on
    figures = results(told)
    assert figures["line_accuracy"] >= 0.5

    measured = pagemill(
        tmp_path, "evaluate", "rec", "--model", "mine", "--data", lines, "--json", code=2
    )
    # the published graph in an engine says what the network said in training
    assert results(measured)["cer"] == pytest.approx(figures["cer"], abs=1e-4)
    assert results(measured)["skipped"] == {"missing_image": 1}

    read = pagemill(tmp_path, "run", pages / "page-0.png", "--model", "mine", "-j", 1, "-q")
    assert read.returncode == 0
    question = "SELECT model, text FROM v_pages"
    (row,) = json.loads(pagemill(tmp_path, "sql", question, "--json").stdout)
    assert "mine" in row["model"]
    assert {"islet", "jetty", "amber", "birch"} & set(row["text"].lower().split())

    facts = json.loads((tmp_path / "mine" / "model.json").read_text(encoding="utf-8"))
    assert facts["parent"].startswith("ppocrv6-small-rec ")
    assert facts["license"] == "Apache-2.0"
    assert facts["metrics"]["cer"] == figures["cer"]


def test_a_detector_is_fine_tuned_measured_and_finds_at_once(pages: Path, tmp_path: Path) -> None:
    told = pagemill(
        tmp_path,
        *("train", "det", "--recipe", "finetune-det", "--start", "ppocrv6-small-det"),
        *("--data", pages, "--held-out", pages, "--out", "found", "--json"),
        *("--steps", 1, "--set", "pages.labelled=1", "--set", "augment.size=256"),
    )
    figures = results(told)
    assert figures["hmean"] > 0.5
    measured = pagemill(tmp_path, "evaluate", "det", "--model", "found", "--data", pages, "--json")
    assert results(measured)["hmean"] == pytest.approx(figures["hmean"], abs=1e-4)
    page = pages / "page-1.png"
    (line,) = pagemill(tmp_path, "ocr", page, "--model", "found", "--jsonl").stdout.splitlines()
    words = {region["text"].lower() for region in json.loads(line)["regions"]}
    assert words & {"cedar", "delta", "ember", "fjord"}
    whole = pagemill(tmp_path, "evaluate", "e2e", "--data", pages, "--model", "found", "--json")
    assert results(whole)["e2e_relaxed_hmean"] > 0.5


STEPS = 24
TINY = (
    *("train", "rec", "--recipe", "cpu-rec", "--steps", STEPS, "--threads", 1, "-q", "--json"),
    *("--set", "network.scale=0.125", "--set", "lines.labelled=4", "--set", "lr=0.01"),
    *("--set", "checkpoint_every=3", "--set", "evaluate_every=4", "--set", "ema_decay=0.9"),
)


def test_a_run_that_was_killed_goes_on_to_the_very_same_weights(
    lines: Path, tmp_path: Path
) -> None:
    common = (*TINY, "--data", lines)
    whole = results(pagemill(tmp_path, *common, "--out", "whole", code=2))

    killed, _ = interrupted(tmp_path, signal.SIGKILL, *common, "--out", "torn")
    assert killed == -signal.SIGKILL
    # without --resume nothing is overwritten
    refused = pagemill(tmp_path, *common, "--out", "torn", code=1)
    assert "--resume" in refused.stderr
    ended, told = interrupted(tmp_path, signal.SIGINT, *common, "--out", "torn", "--resume")
    assert ended == 130
    assert "--resume" in told

    torn = results(pagemill(tmp_path, *common, "--out", "torn", "--resume", code=2))
    one, other = (load_file(tmp_path / n / "weights.safetensors") for n in ("whole", "torn"))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert torn["sha256"] == whole["sha256"]  # the graph, too
    assert journal(tmp_path / "torn.run") == journal(tmp_path / "whole.run")


def interrupted(folder: Path, number: signal.Signals, *arguments: object) -> tuple[int, str]:
    """Start the command and send it a signal when it has written a new checkpoint.

    How it ended and what it said; it must have been in the middle of its steps.
    """
    last = folder / "torn.run" / "last.pt"
    before = last.stat().st_mtime_ns if last.exists() else 0
    with (folder / "log").open("wb") as file:
        process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=file,
        )
    end = time.monotonic() + PATIENCE
    while not last.exists() or last.stat().st_mtime_ns == before:
        told = (folder / "log").read_text()[-3000:]
        assert process.poll() is None, told
        assert time.monotonic() < end, told
        time.sleep(0.002)
    process.send_signal(number)
    code = process.wait()
    assert load(last)["step"] < STEPS
    assert not (folder / "torn").exists()
    return code, (folder / "log").read_text()


def journal(folder: Path) -> list[dict[str, Any]]:
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]
