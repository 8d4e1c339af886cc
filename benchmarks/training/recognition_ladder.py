"""PP-OCRv2's ladder on few labels: DML, U-DML, Enhanced CTC, both, against labels alone.

Every arm goes on from a checkpoint of the baseline with the same seed: mutual learning from a
quarter of the schedule on, class centres from half of it. Steps, rates and the order of lines are
the same, so differences are paired. The baseline, too, trains two students on the same batches;
they do not see each other. What is compared is the mean of both students.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.training.bars import gains, mean_at_least
from benchmarks.training.drawn_lines import drawn_lines, faces
from benchmarks.training.experiment import Arm, Comparison, Experiment, Outcome, Trial
from ocr_core.recognition.crnn_lcnet import CrnnConfig
from ocr_core.training import checkpoint
from ocr_core.training.devices import Device
from ocr_core.training.enhanced_ctc import Origin, Pull
from ocr_core.training.labels import LineLabel
from ocr_core.training.line_augment import NONE
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.recognizer_recipes import OF_THE_DATA, LineNumbers, RecognizerRecipe
from ocr_core.training.recognizer_task import make_task
from ocr_core.training.run import Hook, Run
from ocr_core.training.synthesis import wear
from ocr_core.training.synthesis.lines import LineRecipe
from ocr_core.training.synthesis.looks import Look
from ocr_core.training.synthesis.paper import Tones
from ocr_core.training.synthesis.texts import Groups
from ocr_core.training.synthesis.wear import Wear
from ocr_core.training.udml import PLAIN_DML, U_DML, Mutual

CHARACTERS = "己已未末土士日曰人入"
"""Five pairs that differ by the length of a stroke."""
WIDTH = 64
MUTUAL_START, CENTERS_START = 0.25, 0.5
BOTH = "accuracy"
"""Line accuracy, mean of both students."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much there is to learn from, and for how long."""

    name: str
    lines: int
    steps: int
    tests: int = 1500


FEW = Setting(name="few", lines=250, steps=1400)
MORE = Setting(name="more", lines=1000, steps=2200)
SHORT = Setting(name="short", lines=4000, steps=1000)

ROUGH = Look(
    name="rough",
    sizes=(24, 30),
    stretch=(0.9, 1.1),
    warp=0.05,
    tones=Tones(paper=(150, 250), ink=(0, 80), texture=8, fibre=4),
    wear=(
        Wear(0.5, partial(wear.blur, sigma=(0.3, 0.9))),
        Wear(0.25, partial(wear.low_resolution, factor=(0.6, 0.9))),
        Wear(1.0, partial(wear.noise, sigma=(3, 20))),
        Wear(0.4, partial(wear.jpeg, quality=(40, 90))),
    ),
)


def _drawing() -> LineRecipe:
    return LineRecipe(
        texts=Groups((CHARACTERS,)),
        faces=faces(),
        looks=(ROUGH,),
        shortest=2,
        longest=2,
        height=32,
    )


def _lines(trial: Trial, setting: Setting) -> tuple[list[LineLabel], list[LineLabel]]:
    """Lines to train on and to test with, the same for every seed."""
    folder = trial.shared / "confusable"
    pool = drawn_lines(folder / "train", _drawing, SHORT.lines, seed=1, width=WIDTH)
    tests = drawn_lines(folder / "test", _drawing, setting.tests, seed=2, width=WIDTH)
    return pool[: setting.lines], tests


def _recipe(setting: Setting, steps: int, students: int, start: int) -> RecognizerRecipe:
    """Labels alone, with a place for centres, so that every arm can take up its checkpoints."""
    return RecognizerRecipe(
        network=CrnnConfig(classes=OF_THE_DATA, scale=0.125, layers=0, time_stride=8),
        students=students,
        centers=Pull(weight=0.0, start=CENTERS_START),
        lines=LineNumbers(labelled=32, augment=replace(NONE, shift=1.0, colour=1.0)),
        loop=LoopOptions(steps=steps, lr=5e-3, warmup_share=0.05, clip=10.0, seed=start),
    )


class _KeepAt(Hook):
    """Writes the state of the run after some shares of its steps."""

    def __init__(self, folder: Path, shares: tuple[float, ...]) -> None:
        self._folder = folder
        self._shares = shares

    def stepped(self, run: Run) -> None:
        for share in self._shares:
            if run.step == round(share * run.options.steps):
                checkpoint.save(run.state(), kept_at(self._folder, share))


def kept_at(folder: Path, share: float) -> Path:
    """The checkpoint of a baseline after a share of its steps."""
    return folder / f"at-{round(100 * share)}.pt"


def _run(
    setting: Setting,
    trial: Trial,
    *,
    mutual: Mutual | None = None,
    pull: float = 0.0,
    origin: Origin = "own",
    resume_at: float | None = None,
    students: int = 2,
    longer: int = 1,
) -> Outcome:
    """Train an arm, from a checkpoint of the baseline unless `resume_at` is None."""
    steps = longer * (trial.steps or setting.steps)
    lines, tests = _lines(trial, setting)
    recipe = replace(
        _recipe(setting, steps, students, trial.seed),
        mutual=mutual,
        centers=Pull(weight=pull, start=CENTERS_START, origin=origin),
    )
    task = make_task(recipe, lines, tests, seed=trial.seed)
    first = resume_at is None and longer == 1
    hooks: list[Hook] = []
    if first and students == 2:
        hooks.append(_KeepAt(trial.folder, (MUTUAL_START, CENTERS_START)))
    resume = None if resume_at is None else kept_at(trial.beside("baseline"), resume_at)
    done = train(task, recipe.loop, Device.of("cpu", threads=1), hooks, resume)
    return Outcome(_figures(dict(done.metrics)))


def _figures(metrics: dict[str, float]) -> dict[str, float]:
    """Line accuracy of both students: their mean, the better one, and each."""
    each = [metrics["line_accuracy"]]
    if "line_accuracy_second" in metrics:
        each.append(metrics["line_accuracy_second"])
    named = {f"accuracy_{n}": value for n, value in enumerate(each, start=1)}
    return {BOTH: sum(each) / len(each), "better_student": max(each), **named}


def _arms(setting: Setting, names: tuple[str, ...]) -> tuple[Arm, ...]:
    run = partial(_run, setting)
    every = (
        Arm("baseline", "labels alone", run),
        Arm("dml", "+ DML", partial(run, mutual=_late(PLAIN_DML), resume_at=MUTUAL_START)),
        Arm("u-dml", "+ U-DML", partial(run, mutual=_late(U_DML), resume_at=MUTUAL_START)),
        Arm(
            "enhanced-ctc",
            "+ Enhanced CTC, λ .05",
            partial(run, pull=0.05, resume_at=CENTERS_START),
        ),
        Arm(
            "all",
            "+ U-DML + Enhanced CTC",
            partial(run, mutual=_late(U_DML), pull=0.05, resume_at=MUTUAL_START),
        ),
        Arm(
            "random-centers",
            "control: λ .05, random centres",
            partial(run, pull=0.05, origin="random", resume_at=CENTERS_START),
        ),
        Arm(
            "double-steps",
            "control: one student, twice the steps",
            partial(run, students=1, longer=2),
        ),
    )
    return tuple(arm for arm in every if arm.name in names)


def _late(mutual: Mutual) -> Mutual:
    return replace(mutual, start=MUTUAL_START)


_ALL = ("dml", "u-dml", "enhanced-ctc", "all", "random-centers", "double-steps")
_SETTINGS = {
    "network": "PP-LCNet recogniser ×0.125, stride 8, no LSTM, 32×64 pixels",
    "characters": CHARACTERS,
    "batch": 32,
    "optimizer": "Adam 5e-3, cosine, 5 % warm-up, clip 10",
    "mutual learning from": MUTUAL_START,
    "centres from": CENTERS_START,
}


def _described(setting: Setting) -> dict[str, object]:
    numbers = {"lines": setting.lines, "steps": setting.steps, "test lines": setting.tests}
    return {**_SETTINGS, **numbers}


LADDER = Experiment(
    name="recognition-ladder",
    title="Few labels: 250 lines, 1400 steps",
    arms=_arms(FEW, ("baseline", *_ALL)),
    seeds=(101, 102, 103, 104, 105),
    figures=(BOTH, "better_student"),
    comparisons=(
        *(Comparison(arm, "baseline", BOTH) for arm in _ALL[:-1]),
        Comparison("double-steps", "baseline", "accuracy_1"),
        Comparison("u-dml", "dml", BOTH),
        Comparison("enhanced-ctc", "random-centers", BOTH),
        Comparison("u-dml", "baseline", "better_student"),
        Comparison("all", "baseline", "better_student"),
    ),
    bars=(
        mean_at_least("labels alone reach 75 %", "baseline", BOTH, 0.75),
        gains("Enhanced CTC gains, in 4 of 5 seeds", "enhanced-ctc", "baseline", BOTH),
        gains("U-DML gains, in 4 of 5 seeds", "u-dml", "baseline", BOTH),
    ),
    settings=_described(FEW),
)
CONVERGED = Experiment(
    name="recognition-converged",
    title="More labels: 1000 lines, 2200 steps",
    arms=(Arm("baseline", "labels alone", partial(_run, MORE, students=1)),),
    seeds=(101, 102, 103),
    figures=(BOTH,),
    bars=(mean_at_least("labels alone reach 95 %", "baseline", BOTH, 0.95),),
    settings=_described(MORE),
)
UNDER_TRAINED = Experiment(
    name="recognition-under-trained",
    title="The counter-example: 4000 lines, 1000 steps, still converging",
    arms=_arms(SHORT, ("baseline", "u-dml", "enhanced-ctc")),
    seeds=(101, 102, 103),
    figures=(BOTH, "better_student"),
    comparisons=(
        Comparison("u-dml", "baseline", BOTH),
        Comparison("enhanced-ctc", "baseline", BOTH),
    ),
    settings=_described(SHORT),
)
EXPERIMENTS = (LADDER, CONVERGED, UNDER_TRAINED)
