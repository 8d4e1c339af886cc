"""PP-OCRv2's ladder for the detector on few pages: CopyPaste, DML, CML, all, against labels alone.

The first student of every arm begins with the weights of the baseline of the same seed and meets
the same pages in the same order; steps and rates are equal. What is compared is always the first
student, named before. The teacher is v6-small, as published; there are no pages without labels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from benchmarks.training.bars import mean_at_least
from benchmarks.training.drawn_pages import drawn_pages
from benchmarks.training.experiment import Arm, Comparison, Experiment, Outcome, Trial
from ocr_core.bundle import load_bundle
from ocr_core.detection.postprocess import BoxProfile
from ocr_core.training.cml import Collaboration
from ocr_core.training.copy_paste import CopyPaste
from ocr_core.training.detector_recipes import DETECTOR_RECIPES, DetectorRecipe
from ocr_core.training.detector_task import make_task
from ocr_core.training.devices import Device
from ocr_core.training.loop import train

TEACHER = "ppocrv6-small-det"
PAGES, TESTS, STEPS = 20, 24, 250
TEST_SEED = 77_777
LONGER = 2.5
"""How many times the steps of the baseline cost what CML costs."""
START = 0.25
"""Share of the schedule from which on students learn from each other."""

BASE = replace(DETECTOR_RECIPES["cpu-det"], boxes=BoxProfile(unclip_ratio=0.8))
PASTED = replace(BASE, pages=replace(BASE.pages, copy_paste=CopyPaste()))
MUTUAL = Collaboration(distill=0.0, mutual_start=START)
ALL_TERMS = Collaboration(mutual_start=START)


def _train(trial: Trial, recipe: DetectorRecipe, lengthened: float = 1.0) -> Outcome:
    """Figures on the test pages after the last step."""
    where = Device.of("cpu", threads=1)
    torch.set_flush_denormal(True)
    pages = drawn_pages(trial.shared / "det-ladder", PAGES, 1000 + trial.seed)
    tests = drawn_pages(trial.shared / "det-ladder", TESTS, TEST_SEED)
    steps = round((trial.steps or STEPS) * lengthened)
    options = replace(recipe.loop, steps=steps, seed=trial.seed)
    teacher = load_bundle(TEACHER) if recipe.collaboration.distill else None
    task = make_task(recipe, pages, tests, teacher=teacher, seed=trial.seed)
    return Outcome(train(task, options, where).metrics)


def _arm(name: str, title: str, recipe: DetectorRecipe, lengthened: float = 1.0) -> Arm:
    return Arm(name, title, partial(_train, recipe=recipe, lengthened=lengthened))


LADDER = Experiment(
    name="det-ladder",
    title="Detector: the ladder of the article",
    arms=(
        _arm("baseline", "labels alone", BASE),
        _arm("longer", f"labels alone, {LONGER} × the steps", BASE, LONGER),
        _arm("copy-paste", "+ CopyPaste", PASTED),
        _arm("dml", "+ DML", replace(BASE, students=2, collaboration=MUTUAL)),
        _arm("cml", "+ CML", replace(BASE, students=2, collaboration=ALL_TERMS)),
        _arm("all", "+ CML + CopyPaste", replace(PASTED, students=2, collaboration=ALL_TERMS)),
    ),
    seeds=(11, 12, 13, 14, 15),
    figures=("hmean", "precision", "recall"),
    comparisons=(
        *(Comparison(arm, "baseline", "hmean") for arm in ("longer", "copy-paste", "dml", "cml")),
        Comparison("all", "baseline", "hmean"),
        Comparison("all", "longer", "hmean"),
    ),
    bars=(mean_at_least("The baseline reaches 75 % hmean", "baseline", "hmean", 0.75),),
    settings={
        "pages": PAGES,
        "test pages": TESTS,
        "steps": STEPS,
        "pictures a step": BASE.pages.labelled,
        "student": str(BASE.network),
        "teacher": TEACHER,
        "mutual learning from": START,
    },
)
