"""Distillation that pays: few labelled real pages, many without labels, and a published teacher.

The student is a small MobileNetV3-DB from random weights. Alone it learns from the labels of a few
pages. With CML, two students learn from the same labels, from each other and from v6-small, also on
pages whose labels nobody looks at. Steps, pictures a step, rates and the labelled pages are equal.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import torch

from benchmarks.training.bars import gains
from benchmarks.training.experiment import Arm, Comparison, Experiment, Outcome, Trial
from benchmarks.training.real_pages import HELD_OUT, real_pages
from ocr_core.bundle import load_bundle
from ocr_core.networks import load_network
from ocr_core.training.detector_recipes import DETECTOR_RECIPES, DetectorRecipe
from ocr_core.training.detector_task import make_task
from ocr_core.training.devices import Device
from ocr_core.training.loop import train
from ocr_core.training.page_evaluation import detection_on

TEACHER = "ppocrv6-small-det"
LABELLED, STEPS, PICTURES = 10, 500, 4
ALONE = DETECTOR_RECIPES["cpu-det"]
TAUGHT = DETECTOR_RECIPES["cpu-det-cml"]
"""Half of the pictures of its batches are of pages without labels."""


def _train(trial: Trial, recipe: DetectorRecipe, lengthened: float = 1.0) -> Outcome:
    """The first student's figures on the held-out pages, after the last step."""
    where = Device.of("cpu", threads=1)
    torch.set_flush_denormal(True)
    pages = real_pages(trial.real_data)
    few, bare = pages.labelled(LABELLED, trial.seed)
    steps = round((trial.steps or STEPS) * lengthened)
    options = replace(recipe.loop, steps=steps, seed=trial.seed)
    teacher = load_bundle(TEACHER) if recipe.collaboration.distill else None
    task = make_task(recipe, few, pages.held_out, unlabelled=bare, teacher=teacher, seed=trial.seed)
    return Outcome(train(task, options, where).metrics)


def _teacher(trial: Trial) -> Outcome:
    """The teacher's own figures; they do not depend on the seed."""
    kept = trial.shared / "det-distillation-teacher.json"
    if not kept.exists():
        bundle = load_bundle(TEACHER)
        held_out = real_pages(trial.real_data).held_out
        figures = detection_on(load_network(bundle), held_out, bundle.profile)
        kept.write_text(json.dumps(figures), encoding="utf-8")
    return Outcome(json.loads(kept.read_text(encoding="utf-8")))


DISTILLATION = Experiment(
    name="det-distillation",
    title="Detector: distilled from a bigger one",
    arms=(
        Arm("alone", f"{LABELLED} labelled pages", partial(_train, recipe=ALONE)),
        Arm("cml", "the same, CML with pages without labels", partial(_train, recipe=TAUGHT)),
        Arm("teacher", "the teacher itself", _teacher),
    ),
    seeds=(11, 12, 13),
    figures=("hmean", "precision", "recall"),
    comparisons=(Comparison("cml", "alone", "hmean"),),
    bars=(
        gains(
            "CML gains at least 5 points of hmean in the mean, and something in each seed",
            "cml",
            "alone",
            "hmean",
            least=0.05,
            seeds=1.0,
        ),
    ),
    settings={
        "steps": STEPS,
        "pictures a step": PICTURES,
        "labelled pages": LABELLED,
        "held-out documents": f"{HELD_OUT} of 100, by a hash of set and name",
        "student": str(ALONE.network),
        "teacher": TEACHER,
    },
)
