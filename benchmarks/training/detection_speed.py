"""How many pictures a second each recipe learns from, beside the same step written plainly.

Plainly: every page is decoded when it is needed, images lie channel by channel, and nothing else
differs. Measured in seconds of CPU time with one thread, after two steps to warm up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.training.drawn_pages import drawn_pages
from benchmarks.training.experiment import Arm, Experiment, Outcome, Trial
from ocr_core.bundle import load_bundle
from ocr_core.training.detector_recipes import DETECTOR_RECIPES, DetectorRecipe
from ocr_core.training.detector_task import DetectorTask, make_task
from ocr_core.training.devices import Device
from ocr_core.training.labelled import PageLabel
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.page_batches import PageBatches
from ocr_core.training.page_store import PageStore
from ocr_core.training.run import Hook, Run

MODEL = "ppocrv6-small-det"
WARM, STEPS, PICTURES, SIDE = 2, 6, 4, 320
_NAMES = ("cpu-det", "cpu-det-cml", "ppocrv2-det", "ppocrv2-det-cml-copypaste", "finetune-det")


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
    recipe = _small(DETECTOR_RECIPES[name])
    pages = drawn_pages(trial.shared / "det-speed", 20, seed=1)
    ours, clock = _task(recipe, pages), _Clock()
    batches = _seconds(ours.batch)
    train(ours, recipe.loop, Device.of("cpu", threads=1), [clock])
    plain = _plain_seconds(_task(recipe, pages), _forgetful(recipe, pages))
    pictures = STEPS * len(ours.batch(0).images)
    return Outcome(
        {
            "samples_per_second": pictures / clock.seconds,
            "plain_samples_per_second": pictures / plain,
            "times_as_fast": plain / clock.seconds,
            "share_of_making_batches": batches / clock.seconds,
        }
    )


def _small(recipe: DetectorRecipe) -> DetectorRecipe:
    """The recipe with pictures that one core can bear, and all its terms from the first step on."""
    terms = replace(recipe.collaboration, mutual_start=0.0, distill_start=0.0)
    bare = PICTURES // 2 if recipe.pages.unlabelled else 0
    pages = replace(
        recipe.pages,
        labelled=PICTURES - bare,
        unlabelled=bare,
        augment=replace(recipe.pages.augment, size=min(SIDE, recipe.pages.augment.size)),
    )
    loop = LoopOptions(steps=WARM + STEPS, lr=1e-4, optimizer=recipe.loop.optimizer)
    return replace(recipe, loop=loop, collaboration=terms, pages=pages)


def _task(recipe: DetectorRecipe, pages: list[PageLabel]) -> DetectorTask:
    model = load_bundle(MODEL)
    return make_task(
        recipe,
        pages,
        pages[:1],
        unlabelled=[page.image for page in pages],
        teacher=model if recipe.collaboration.distill else None,
        start=model if recipe.network is None else None,
        seed=1,
    )


def _forgetful(recipe: DetectorRecipe, pages: list[PageLabel]) -> PageBatches:
    """Batches of pages that are decoded each time."""
    store = PageStore(
        pages, page_pixels=960 * 736, closest=recipe.pages.augment.zoom[1], most_bytes=0
    )
    return PageBatches(store, store if recipe.pages.unlabelled else None, recipe.pages, seed=1)


def _seconds(make: Callable[[int], Any]) -> float:
    make(0)
    before = time.process_time()
    for number in range(WARM, WARM + STEPS):
        make(number)
    return time.process_time() - before


def _plain_seconds(task: DetectorTask, batches: PageBatches) -> float:
    """Seconds of the plain steps."""
    module = task.module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=1e-4)
    module.train()
    # the task lays images out for convolutions by itself: undone before they are used
    module.register_forward_pre_hook(lambda _, images: images[0].contiguous())
    before = 0.0
    for number in range(WARM + STEPS):
        if number == WARM:
            before = time.process_time()
        terms = task.loss(batches[number], 0.9)
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 10.0)
        optimizer.step()
    return time.process_time() - before


SPEED = Experiment(
    name="det-speed",
    title="Detector: pictures a second",
    arms=tuple(Arm(name, name, partial(_run, name)) for name in _NAMES),
    seeds=(1,),
    figures=(
        "samples_per_second",
        "plain_samples_per_second",
        "times_as_fast",
        "share_of_making_batches",
    ),
    percent=False,
    settings={"pictures": PICTURES, "side at most": SIDE, "steps": STEPS},
)
