"""A small recogniser learns from few labels, or also from what a big one reads on unlabelled crops.

All arms begin with the same weights (drawn lines, no real ones), take the same number of steps
with as many lines in a batch, and are measured on documents that none has seen in any form.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.training.bars import falls
from benchmarks.training.drawn_lines import drawn_lines, faces
from benchmarks.training.experiment import Arm, Comparison, Experiment, Outcome, Trial
from benchmarks.training.real_lines import by_document, narrower, real_lines, spread
from ocr_core.bundle import load_bundle
from ocr_core.charset import Charset
from ocr_core.recognition.crnn_lcnet import CrnnConfig
from ocr_core.training import checkpoint
from ocr_core.training.devices import Device
from ocr_core.training.hooks import Checkpoints
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_augment import DOCUMENTS
from ocr_core.training.line_teacher import Distillation
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.recognizer_recipes import OF_THE_DATA, LineNumbers, RecognizerRecipe
from ocr_core.training.recognizer_task import make_task
from ocr_core.training.synthesis.lines import LineRecipe
from ocr_core.training.synthesis.looks import LOOKS
from ocr_core.training.synthesis.texts import Fields, Groups, mixed

TEACHER = "ppocrv6-small-rec"
SETS = ("funsd", "scribe_documents")
HELD_OUT = 0.25
"""Share of the documents."""
LABELLED, TESTS = 300, 800
WIDEST = 192
"""Pixels at a height of 32, about twenty characters."""
DRAWN = 3000
BATCH, STEPS, START_STEPS = 32, 400, 400
CHARSET = Charset([chr(code) for code in range(33, 127)] + [" "])
"""Printable ASCII: the teacher's 18,710 classes become 96."""
ERROR = "cer"

_LINES = LineNumbers(labelled=BATCH, widest=WIDEST, augment=replace(DOCUMENTS, join=0.0))
STUDENT = RecognizerRecipe(
    network=CrnnConfig(classes=OF_THE_DATA, scale=0.25, layers=0, time_stride=4),
    lines=_LINES,
    loop=LoopOptions(steps=STEPS, lr=2e-3),
)
"""Without LSTM: 0.3 million parameters, 4 columns a frame at a height of 32; the teacher has 5.3
million, and 8 columns at a height of 48."""


def _recipe(trial: Trial, unlabelled: int, distillation: Distillation | None) -> RecognizerRecipe:
    steps = trial.steps or STEPS
    return replace(
        STUDENT,
        distillation=distillation,
        lines=replace(_LINES, labelled=BATCH - unlabelled, unlabelled=unlabelled),
        loop=replace(STUDENT.loop, steps=steps, seed=trial.seed),
    )


def _run(trial: Trial, *, unlabelled: int = 0, distillation: Distillation | None = None) -> Outcome:
    """Train from the common start; the labelled lines are drawn by the trial's seed."""
    learn, tests = _documents(trial)
    recipe = _recipe(trial, unlabelled, distillation)
    some = np.random.default_rng(trial.seed).permutation(len(learn))[:LABELLED]
    task = make_task(
        recipe,
        [learn[n] for n in sorted(some)],
        tests,
        unlabelled=learn if unlabelled else (),
        teacher=load_bundle(TEACHER),
        charset=CHARSET,
        readings=trial.shared / "readings",
        seed=trial.seed,
    )
    task.module.load_state_dict(checkpoint.load(_start(trial, tests))["module"])
    task.module.eval()
    before = task.evaluate(task.module)
    done = train(task, recipe.loop, Device.of("cpu", threads=1))
    figures = {name: done.metrics[name] for name in (ERROR, "line_accuracy", "one_minus_ned")}
    return Outcome({**figures, "cer_at_the_start": before[ERROR]})


def _documents(trial: Trial) -> tuple[list[LineLabel], list[LineLabel]]:
    """Lines to learn from, and those of documents that are held out."""
    fits = narrower(32, WIDEST)
    lines = [line for line in real_lines(trial.real_data, SETS) if fits(line)]
    learn, held_out = by_document(lines, HELD_OUT)
    writable = [line for line in learn if not CHARSET.missing(line.text)]
    return writable, spread(held_out, TESTS)


def _start(trial: Trial, tests: list[LineLabel]) -> Path:
    """Weights that have learned from drawn lines; made once for all arms and seeds."""
    folder = trial.shared / "distillation-start"
    if not (folder / checkpoint.LAST).exists():
        lines = drawn_lines(trial.shared / "general-ascii", _drawing, DRAWN, seed=1)
        loop = replace(STUDENT.loop, steps=START_STEPS, lr=3e-3, seed=1)
        task = make_task(replace(STUDENT, loop=loop), lines, tests[:100], charset=CHARSET, seed=1)
        train(task, loop, Device.of("cpu", threads=1), [Checkpoints(folder)])
    return folder / checkpoint.LAST


def _drawing() -> LineRecipe:
    letters = "abcdefghijklmnopqrstuvwxyz"
    groups = (letters, letters, letters.upper(), "0123456789", "".join(CHARSET.characters))
    return LineRecipe(
        texts=mixed([(Groups(groups), 0.7), (Fields(), 0.3)]),
        faces=faces(),
        looks=(LOOKS["scan"], LOOKS["receipt"]),
        shortest=2,
        longest=12,
    )


DISTILLATION = Experiment(
    name="recognition-distillation",
    title="Few labels, or also a teacher's readings of unlabelled crops",
    arms=(
        Arm("labels", f"{LABELLED} labelled lines", _run),
        Arm(
            "distilled",
            "and unlabelled crops: frames and text of the teacher",
            partial(_run, unlabelled=24, distillation=Distillation()),
        ),
        Arm(
            "text-only",
            "and unlabelled crops: text of the teacher only",
            partial(_run, unlabelled=24, distillation=Distillation(soft=0.0)),
        ),
        Arm(
            "frames-only",
            "and unlabelled crops: frames of the teacher only",
            partial(_run, unlabelled=24, distillation=Distillation(text=0.0)),
        ),
    ),
    seeds=(21, 22, 23),
    figures=(ERROR, "line_accuracy", "cer_at_the_start"),
    comparisons=tuple(
        Comparison(arm, "labels", ERROR) for arm in ("distilled", "text-only", "frames-only")
    ),
    bars=(
        falls(
            "distillation lowers the character error rate by a quarter",
            "distilled",
            "labels",
            ERROR,
            share=0.25,
        ),
    ),
    lower_is_better=frozenset((ERROR, "cer_at_the_start")),
    settings={
        "sets": ", ".join(SETS),
        "held out": f"documents whose SHA-256 is below {HELD_OUT}; {TESTS} lines of them",
        "lines": f"words and lines of up to {WIDEST} pixels at a height of 32",
        "steps": STEPS,
        "batch": BATCH,
    },
)
EXPERIMENTS = (DISTILLATION,)
