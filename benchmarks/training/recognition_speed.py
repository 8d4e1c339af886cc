"""How many lines a second each recipe learns from, beside the same step written plainly.

Plainly: every crop is cut from its file when it is needed, images lie channel by channel, and
nothing else differs. Measured in seconds of CPU time with one thread, after two steps to warm up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.training.drawn_lines import drawn_lines, look_recipe
from benchmarks.training.experiment import Arm, Experiment, Outcome, Trial
from ocr_core.bundle import load_bundle
from ocr_core.training.devices import Device
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_store import cut_lines
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.recognizer_recipes import RECOGNIZER_RECIPES, RecognizerRecipe
from ocr_core.training.recognizer_task import RecognizerTask, make_task
from ocr_core.training.run import Hook, Run
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis.looks import LOOKS

TEACHER = "ppocrv6-small-rec"
WARM, STEPS, BATCH = 2, 8, 16
_NAMES = (
    "cpu-rec",
    "cpu-rec-distill",
    "ppocrv2-rec",
    "ppocrv2-rec-udml",
    "ppocrv2-rec-enhanced-ctc",
    "finetune-rec",
)


class _Clock(Hook):
    """CPU seconds of the steps after the first ones."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def stepped(self, run: Run) -> None:
        """Begin after the warm-up, and note how long it has been since."""
        if run.step == WARM:
            self._since = time.process_time()
        self.seconds = time.process_time() - self._since


def _run(name: str, trial: Trial) -> Outcome:
    recipe = _small(RECOGNIZER_RECIPES[name])
    lines = _lines(trial)
    ours, clock = _task(recipe, lines, trial), _Clock()
    batches = _seconds(ours.batch)
    train(ours, recipe.loop, Device.of("cpu", threads=1), [clock])
    plain = _plain_seconds(_task(recipe, lines, trial), recipe, lines)
    samples = STEPS * len(ours.batch(0).images)
    return Outcome(
        {
            "samples_per_second": samples / clock.seconds,
            "plain_samples_per_second": samples / plain,
            "times_as_fast": plain / clock.seconds,
            "share_of_making_batches": batches / clock.seconds,
        }
    )


def _small(recipe: RecognizerRecipe) -> RecognizerRecipe:
    """The recipe with batches that one core can bear, and all its terms from the first step on."""
    loop = LoopOptions(steps=WARM + STEPS, lr=1e-4, optimizer=recipe.loop.optimizer)
    mutual = None if recipe.mutual is None else replace(recipe.mutual, start=0.0)
    centers = (
        None if recipe.centers is None else replace(recipe.centers, start=0.0, origin="random")
    )
    share = BATCH / (recipe.lines.labelled + recipe.lines.unlabelled)
    lines = replace(
        recipe.lines,
        labelled=round(recipe.lines.labelled * share),
        unlabelled=round(recipe.lines.unlabelled * share),
    )
    return replace(recipe, loop=loop, mutual=mutual, centers=centers, lines=lines)


def _lines(trial: Trial) -> list[LineLabel]:
    recipe = partial(look_recipe, LOOKS["scan"], None, 8, 16)
    return drawn_lines(trial.shared / "speed", recipe, 200, seed=1)


def _task(recipe: RecognizerRecipe, lines: list[LineLabel], trial: Trial) -> RecognizerTask:
    model = load_bundle(TEACHER)
    return make_task(
        recipe,
        lines,
        lines[:1],
        unlabelled=lines,
        teacher=model if recipe.distillation else None,
        start=model if recipe.network is None else None,
        readings=trial.shared / "readings",
        seed=1,
    )


def _seconds(make: Callable[[int], Any]) -> float:
    make(0)
    before = time.process_time()
    for number in range(WARM, WARM + STEPS):
        make(number)
    return time.process_time() - before


def _plain_seconds(task: RecognizerTask, recipe: RecognizerRecipe, lines: list[LineLabel]) -> float:
    """Seconds of the plain steps."""
    module = task.module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=1e-4)
    module.train()
    height, before = task.module.first.height, 0.0
    for number in range(WARM + STEPS):
        if number == WARM:
            before = time.process_time()
        batch = task.batch(number)
        for n in range(len(batch.images)):
            cut_lines([lines[n]], height, recipe.lines.widest, Skips())
        terms = task.loss(batch._replace(images=batch.images.contiguous()), 0.9)
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 10.0)
        optimizer.step()
    return time.process_time() - before


SPEED = Experiment(
    name="recognition-speed",
    title="Lines a second, one thread",
    arms=tuple(Arm(name, name, partial(_run, name)) for name in _NAMES),
    seeds=(1,),
    figures=(
        "samples_per_second",
        "plain_samples_per_second",
        "times_as_fast",
        "share_of_making_batches",
    ),
    percent=False,
    settings={"batch": BATCH, "steps": STEPS},
)
EXPERIMENTS = (SPEED,)
