"""The tasks of detector and recogniser under the loop: interrupted, in processes, on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ocr_core.detection.mobilenet_db import MobileNetDBConfig
from ocr_core.recognition.crnn_lcnet import CrnnConfig
from ocr_core.training import detector_task, recognizer_task
from ocr_core.training.cml import DML
from ocr_core.training.detector_recipes import DETECTOR_RECIPES
from ocr_core.training.devices import Device
from ocr_core.training.hooks import Checkpoints
from ocr_core.training.labelled import LineLabel, PageLabel, Region
from ocr_core.training.loop import LoopOptions, train
from ocr_core.training.overrides import with_settings
from ocr_core.training.recognizer_recipes import RECOGNIZER_RECIPES
from ocr_core.training.run import Hook, Run
from ocr_core.training.task import Task

CPU = Device.of("cpu")
OPTIONS = LoopOptions(steps=6, lr=2e-3, ema_decay=0.9, evaluate_every=4)
WORDS = ("amber", "birch", "cedar", "delta")

MakeTask = Callable[[], Task]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[PageLabel]:
    """Two pages with two words each."""
    folder, font, found = tmp_path_factory.mktemp("pages"), ImageFont.load_default(size=24), []
    for number in range(2):
        image, regions = Image.new("RGB", (160, 128), "white"), []
        pen = ImageDraw.Draw(image)
        for row in range(2):
            place, word = (10 + 20 * row, 15 + 50 * row), WORDS[2 * number + row]
            pen.text(place, word, font=font, fill="black")
            x0, y0, x1, y1 = pen.textbbox(place, word, font=font)
            corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
            regions.append(Region(corners, word))
        image.save(folder / f"{number}.png")
        found.append(PageLabel(folder / f"{number}.png", tuple(regions)))
    return found


@pytest.fixture(params=["detectors with CopyPaste", "recognisers with U-DML and centres"])
def make(request: pytest.FixtureRequest, pages: list[PageLabel]) -> MakeTask:
    """Makes a task of two students."""
    return (lambda: _detectors(pages)) if "detectors" in request.param else lambda: _readers(pages)


def _detectors(pages: list[PageLabel]) -> Task:
    recipe = with_settings(
        replace(
            DETECTOR_RECIPES["ppocrv2-det-cml-copypaste"],
            network=MobileNetDBConfig(size="small", scale=0.35, neck=24),
            collaboration=DML,
        ),
        ["augment.size=96", "pages.labelled=2", "copy_paste.probability=1"],
    )
    return detector_task.make_task(recipe, pages, pages, seed=3)


def _readers(pages: list[PageLabel]) -> Task:
    recipe = with_settings(
        replace(
            RECOGNIZER_RECIPES["ppocrv2-rec-udml-enhanced-ctc"],
            network=CrnnConfig(classes=1, scale=0.125, hidden=8, layers=1, middle=8),
        ),
        ["lines.labelled=4", "centers.start=0.5", "centers.origin=random"],
    )
    lines = [
        LineLabel(page.image, region.text, tuple(map(tuple, region.polygon.tolist())))  # type: ignore[arg-type]
        for page in pages
        for region in page.regions
    ]
    return recognizer_task.make_task(recipe, lines, lines, seed=3)


class Ends(Hook):
    """Ends a run after a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def stepped(self, run: Run) -> None:
        run.stop = "enough" if run.step == self._step else run.stop


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Sums in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(task: Task, options: LoopOptions, *hooks: Hook, **more: Any) -> list[Tensor]:
    outcome = train(task, options, CPU, hooks, **more)
    return [value.clone() for value in outcome.module.state_dict().values()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_a_real_task_resumes_to_the_bit(make: MakeTask, tmp_path: Path) -> None:
    expected = weights(make(), OPTIONS)
    train(make(), OPTIONS, CPU, [Ends(3), Checkpoints(tmp_path)])
    assert equal(weights(make(), OPTIONS, Checkpoints(tmp_path), resume=tmp_path), expected)


def test_loader_processes_change_nothing(make: MakeTask) -> None:
    options = replace(OPTIONS, steps=4, ema_decay=None)
    assert equal(weights(make(), replace(options, workers=2)), weights(make(), options))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_real_task_runs_on_a_gpu_in_every_precision(make: MakeTask, precision: str) -> None:
    task = make()
    outcome = train(task, replace(OPTIONS, workers=2), Device.of("cuda", precision))
    assert outcome.step == OPTIONS.steps
    assert outcome.skipped <= 2  # of fp16 while its scale is found
    assert all(bool(torch.isfinite(p).all()) for p in outcome.module.parameters())
