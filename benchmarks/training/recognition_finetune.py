"""Fine-tuning the published recogniser with few labelled lines of a look it reads badly.

The recipe is `finetune-rec`, as `pagemill train rec` has it. General lines without labels are mixed
in, read by the model itself before it learns; whether it forgets is measured on labelled lines of
other documents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from benchmarks.training.drawn_lines import drawn_lines, look_recipe
from benchmarks.training.experiment import Arm, Bar, Experiment, Outcome, Trial
from benchmarks.training.figures import Summary
from benchmarks.training.real_lines import Division, by_document, narrower, real_lines, spread
from ocr_core.bundle import load_bundle
from ocr_core.training.devices import Device
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_evaluation import HeldOut, cut_held_out, read_counts
from ocr_core.training.line_sets import LineForm
from ocr_core.training.loop import train
from ocr_core.training.recognizer_recipes import RECOGNIZER_RECIPES
from ocr_core.training.recognizer_task import RecognizerTask, make_task
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis.looks import LOOKS

PARENT = "ppocrv6-small-rec"
LABELLED, TESTS = 200, 200
GENERAL_SETS = ("fondue_print", "omnidocbench_demo", "ehri_typewritten", "tapuscorpus_fr")
GENERAL, REPLAYED = 100, 180
HELD_OUT = 0.25
"""Share of the documents."""
WIDEST, WIDEST_REPLAYED = 800, 480
"""Pixels at a height of 48: wider general lines are left out, for they take long."""
HALVED, LOST = 0.5, 0.005


class Data(NamedTuple):
    """What one arm learns from and is measured on."""

    learn: list[LineLabel]
    test: list[LineLabel]
    replay: list[LineLabel]
    general: list[LineLabel]


def _drawn(look: str, trial: Trial) -> Division:
    """New lines for every seed to learn from, and the same ones to test with."""
    folder = trial.shared / "looks" / look
    recipe = partial(look_recipe, LOOKS[look], None, 4, 24)
    learn = drawn_lines(folder / f"learn-{trial.seed}", recipe, LABELLED, seed=trial.seed)
    return learn, drawn_lines(folder / "test", recipe, TESTS, seed=2)


def _fraktur(trial: Trial) -> Division:
    """Pages of German books and newspapers in black letter."""
    return by_document(real_lines(trial.real_data, ("fraktur_de",)), HELD_OUT)


def _data(divided: Callable[[Trial], Division], trial: Trial) -> Data:
    every = real_lines(trial.real_data, GENERAL_SETS)
    replay, general = by_document(list(filter(narrower(48, WIDEST), every)), HELD_OUT)
    replay = list(filter(narrower(48, WIDEST_REPLAYED), replay))
    return Data(*divided(trial), spread(replay, REPLAYED), spread(general, GENERAL))


def _run(divided: Callable[[Trial], Division], recipe_name: str, trial: Trial) -> Outcome:
    recipe = RECOGNIZER_RECIPES[recipe_name]
    loop = replace(recipe.loop, seed=trial.seed, steps=trial.steps or recipe.loop.steps)
    data, parent = _data(divided, trial), load_bundle(PARENT)
    task = make_task(
        recipe,
        data.learn,
        data.test,
        unlabelled=data.replay,
        start=parent,
        readings=trial.shared / "readings",
        seed=trial.seed,
    )
    form = LineForm(task.module.first.height, WIDEST, task.module.first.steps)
    general = cut_held_out(data.general, form, Skips())
    task.module.eval()
    before = {**_measured(task, general), **_named(task.evaluate(task.module), "")}
    done = train(task, loop, Device.of("cpu", threads=1))
    after = {**_measured(task, general), **_named(dict(done.metrics), "")}
    figures = {f"{name}_before": value for name, value in before.items()} | after
    figures["cer_left"] = after["cer"] / max(before["cer"], 1e-9)
    figures["general_lost"] = after["general_cer"] - before["general_cer"]
    return Outcome(figures)


def _measured(task: RecognizerTask, general: HeldOut) -> dict[str, float]:
    network = task.deployable(task.module).eval()
    counts = read_counts(network, general, task.charset)
    return {"general_cer": counts.cer, "general_accuracy": counts.accuracy}


def _named(figures: dict[str, float], prefix: str) -> dict[str, float]:
    wanted = {"cer": "cer", "line_accuracy": "accuracy"}
    return {f"{prefix}{short}": figures[name] for name, short in wanted.items()}


def _enough_halved(summary: Summary) -> tuple[bool, str]:
    left = {arm.name: summary.spread(arm.name, "cer_left") for arm in _ARMS}
    halved = [name for name, spread in left.items() if spread and spread.mean <= HALVED]
    return len(halved) >= 3, f"{len(halved)} of {len(left)}: {', '.join(halved) or 'none'}"


def _little_forgotten(summary: Summary) -> tuple[bool, str]:
    lost = [summary.spread(arm.name, "general_lost") for arm in _ARMS]
    means = [100 * spread.mean for spread in lost if spread]
    if not means:
        return False, "not measured"
    shown = ", ".join(f"{mean:+.2f}" for mean in means)
    return max(means) <= 100 * LOST, f"{shown} points of CER"


_LOOKS = ("seven-segment", "dot-matrix", "fax")
_ARMS = (
    *(
        Arm(look, f"{look}, drawn", partial(_run, partial(_drawn, look), "finetune-rec"))
        for look in _LOOKS
    ),
    Arm("fraktur", "black letter, real", partial(_run, _fraktur, "finetune-rec-new-characters")),
)
FINETUNE = Experiment(
    name="recognition-finetune",
    title="Fine-tuning ppocrv6-small-rec with at most 200 labelled lines",
    arms=_ARMS,
    seeds=(11, 12, 13),
    figures=(
        "cer",
        "cer_before",
        "accuracy_before",
        "accuracy",
        "general_cer_before",
        "general_cer",
        "general_accuracy_before",
        "general_accuracy",
    ),
    bars=(
        Bar("the error on unseen lines is at least halved for three of four", _enough_halved),
        Bar("general lines lose at most half a point, each time", _little_forgotten),
    ),
    lower_is_better=frozenset(("cer", "cer_before", "general_cer", "general_cer_before")),
    settings={
        "labelled lines": f"{LABELLED} drawn; 146 of black letter, on 4 pages",
        "test lines": f"{TESTS} drawn; 99 of black letter, on 2 other pages",
        "general lines": f"{GENERAL} of {', '.join(GENERAL_SETS)}, other documents than replayed",
        "replayed lines": REPLAYED,
        "held out": f"documents whose SHA-256 is below {HELD_OUT}",
    },
)
EXPERIMENTS = (FINETUNE,)
