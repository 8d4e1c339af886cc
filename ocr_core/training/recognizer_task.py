"""Training of a recogniser, alone or as two students, with or without a teacher."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ocr_core.bundle import Bundle
from ocr_core.charset import Charset
from ocr_core.networks import RecognizerNetwork
from ocr_core.recognition.loss import Targets, ace, center, ctc, focal, line_mean
from ocr_core.recognition.outputs import RecognizerOutputs
from ocr_core.training.devices import full_precision
from ocr_core.training.enhanced_ctc import Centers, load_centers, random_centers
from ocr_core.training.errors import RecipeIncomplete
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_batches import Batcher, LineBatch, LineSet, Source
from ocr_core.training.line_evaluation import (
    HeldOut,
    centers_of,
    cut_held_out,
    figures_of,
    read_counts,
)
from ocr_core.training.line_sets import SPACE, LineForm, choose_charset, labelled_lines
from ocr_core.training.line_store import cut_lines
from ocr_core.training.line_teacher import LineTeacher, read_by_teacher, taught_lines
from ocr_core.training.recognizer_recipes import RecognizerRecipe
from ocr_core.training.recognizer_students import RecognizerStudents, make_students
from ocr_core.training.skips import Skips
from ocr_core.training.soft_labels import divergence
from ocr_core.training.task import Terms
from ocr_core.training.teacher_cache import load_readings, reading_key, save_readings
from ocr_core.training.udml import dml, feature_distance


class RecognizerTask:
    """See `ocr_core.training.task.Task`."""

    figure = "character_accuracy"

    def __init__(
        self,
        recipe: RecognizerRecipe,
        students: RecognizerStudents,
        batcher: Batcher,
        held_out: HeldOut,
        charset: Charset,
        skips: Skips,
        seed: int,
    ) -> None:
        self.module = students
        self.frozen: list[nn.Module] = []
        self.charset = charset
        self.skips = skips
        """What was left out of which set, and why."""
        self._recipe = recipe
        self._batcher = batcher
        self._held_out = held_out
        self._seed = seed
        self._centered = False
        self._began_with = _copied(students.first) if recipe.keep else {}

    @property
    def labelled(self) -> LineSet:
        """The labelled lines it learns from."""
        return self._batcher.sources[0].lines

    def batch(self, number: int) -> LineBatch:
        """See Task.batch."""
        return self._batcher.batch(number)

    def loss(self, batch: LineBatch, progress: float) -> Terms:
        """See Task.loss; its parts are sums over the students."""
        self._find_centers(progress)
        outputs = self.module(batch.images)
        with full_precision(batch.images.device):
            parts = self._weighted(outputs, batch, progress)
        total = torch.stack(list(parts.values())).sum()
        return Terms(total, {name: value.detach() for name, value in parts.items()})

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        """See Task.evaluate; the second student's figures end in `_second`."""
        figures: dict[str, float] = {}
        each = [self.deployable(module), *_students(module).each()[1:]]
        for ending, network in zip(("", "_second"), each, strict=False):
            counts = read_counts(network, self._held_out, self.charset)
            figures |= {f"{name}{ending}": value for name, value in figures_of(counts).items()}
        return figures

    def deployable(self, module: nn.Module) -> RecognizerNetwork:
        """See Task.deployable; a copy if it is given back some of the weights it began with."""
        first = _students(module).first
        return _mixed(first, self._began_with, self._recipe.keep) if self._began_with else first

    def _weighted(
        self, outputs: Sequence[RecognizerOutputs], batch: LineBatch, progress: float
    ) -> dict[str, Tensor]:
        """The terms of the loss by name, weighted."""
        recipe = self._recipe
        parts = {"ctc": _sum(self._ctc(seen, batch) for seen in outputs)}
        if recipe.ace:
            known = _only(batch, batch.weights > 0)
            parts["ace"] = recipe.ace * _sum(ace(o.logits[known[0]], known[1]) for o in outputs)
        if recipe.distillation is not None and batch.soft is not None:
            soft = batch.soft
            seen_by_teacher = _sum(divergence(seen.logits, soft) for seen in outputs)
            parts["soft"] = recipe.distillation.soft * seen_by_teacher
        if recipe.mutual is not None and (strength := recipe.mutual.strength(progress)):
            parts |= self._mutual(outputs, strength)
        if self._pulled(progress):
            parts["center"] = self._pull(outputs)
        return parts

    def _ctc(self, seen: RecognizerOutputs, batch: LineBatch) -> Tensor:
        losses = ctc(seen.logits, batch.targets)
        if self._recipe.focal:
            losses = focal(losses, self._recipe.focal)
        return line_mean(losses, batch.weights)

    def _mutual(self, outputs: Sequence[RecognizerOutputs], strength: float) -> dict[str, Tensor]:
        mutual, (a, b) = self._recipe.mutual, outputs
        assert mutual is not None
        parts = {}
        if mutual.dml:
            parts["dml"] = strength * mutual.dml * dml(a.logits, b.logits, mutual.scale)
        if mutual.feature:
            distance = feature_distance(a.backbone, b.backbone)
            parts["feature"] = strength * mutual.feature * distance
        return parts

    def _pulled(self, progress: float) -> bool:
        pull = self._recipe.centers
        return pull is not None and pull.weight > 0 and progress >= pull.start

    def _pull(self, outputs: Sequence[RecognizerOutputs]) -> Tensor:
        assert self._recipe.centers is not None
        places = zip(outputs, self.module.centers, self.module.known, strict=True)
        return self._recipe.centers.weight * _sum(
            center(seen.features, seen.logits, values, known) for seen, values, known in places
        )

    def _find_centers(self, progress: float) -> None:
        """Compute the centres when their time has come, once: a resumed run has them already."""
        if self._centered or not self._pulled(progress):
            return
        self._centered = True
        if bool(self.module.known.any()):
            return
        for number, network in enumerate(self.module.each()):
            self.module.set_centers(number, self._centers_of(network, number))

    def _centers_of(self, network: RecognizerNetwork, number: int) -> Centers:
        assert self._recipe.centers is not None
        if self._recipe.centers.origin == "random":
            classes, size = network.head.weight.shape
            return random_centers(classes, size, self._seed * 2 + number)
        return centers_of(network, self.labelled)


def make_task(
    recipe: RecognizerRecipe,
    lines: Sequence[LineLabel],
    held_out: Sequence[LineLabel],
    *,
    unlabelled: Sequence[LineLabel] = (),
    replay: Sequence[LineLabel] = (),
    teacher: Bundle | None = None,
    start: Bundle | None = None,
    charset: Charset | None = None,
    centers: Path | None = None,
    readings: Path | None = None,
    seed: int = 0,
) -> RecognizerTask:
    """A task ready for the loop; everything random in it follows from the seed.

    `unlabelled` lines are read by the teacher, whose place the model the run starts from takes if
    there is none: so it is held to what it said before. Texts of unlabelled lines are not looked
    at. `replay` are general labelled lines; `charset` is used instead of what the recipe says;
    `centers` is a file of class centres; `readings` a folder where the teacher's are kept.
    Raises EmptyTrainingSet, RecipeIncomplete or CentersOfAnotherCharset.
    """
    _check(recipe, start)
    if charset is None:
        charset = choose_charset(recipe.charset, lines, start.charset if start else None)
    students = make_students(recipe, charset, start, seed)
    if centers is not None and recipe.centers is not None:
        for number in range(recipe.students):
            students.set_centers(number, load_centers(centers, charset.characters))
    skips, network = Skips(), students.first
    form = LineForm(network.height, recipe.lines.widest, network.steps)
    sources = [
        Source(
            labelled_lines(lines, charset, form, skips),
            recipe.lines.labelled,
            recipe.lines.augment,
            seed,
        )
    ]
    if recipe.lines.replay and replay:
        general = labelled_lines(replay, charset, form, skips)
        sources.append(Source(general, recipe.lines.replay, recipe.lines.replay_augment, seed + 1))
    if recipe.lines.unlabelled and unlabelled:
        taught = _taught(recipe, unlabelled, charset, form, teacher or start, readings, skips)
        count, augment = recipe.lines.unlabelled, recipe.lines.unlabelled_augment
        sources.append(Source(taught, count, augment, seed + 2))
    batcher = Batcher(
        sources,
        seed,
        stride=_stride(network),
        steps=network.steps,
        widest=recipe.lines.widest,
        space=charset.encode(SPACE)[0] if SPACE in charset else None,
    )
    measured = cut_held_out(held_out, form, skips)
    return RecognizerTask(recipe, students, batcher, measured, charset, skips, seed)


def _check(recipe: RecognizerRecipe, start: Bundle | None) -> None:
    if recipe.network is None and start is None:
        raise RecipeIncomplete("it fine-tunes and needs a model to start from")
    if recipe.charset != "data" and start is None:
        raise RecipeIncomplete("its charset is that of a model to start from")


def _taught(
    recipe: RecognizerRecipe,
    labels: Sequence[LineLabel],
    charset: Charset,
    form: LineForm,
    teacher: Bundle | None,
    readings: Path | None,
    skips: Skips,
) -> LineSet:
    """Unlabelled lines with the teacher's labels; a folder keeps what it has read."""
    if teacher is None or recipe.distillation is None:
        raise RecipeIncomplete("unlabelled lines need a teacher and a distillation term")
    key = reading_key(teacher.sha256, charset.characters, form, labels)
    kept = None if readings is None else readings / f"{key}.npz"
    if kept is not None and kept.is_file():
        store, _ = cut_lines(labels, form.height, form.widest, skips)
        read = load_readings(kept)
    else:
        store, read = read_by_teacher(LineTeacher(teacher, charset), labels, form, skips)
    if kept is not None and not kept.is_file():
        save_readings(read, kept)
    return taught_lines(store, read, charset, form, recipe.distillation, skips)


def _stride(network: RecognizerNetwork) -> int:
    """Columns in one frame: what a hundred frames more need, over a hundred."""
    wide = 6400
    return wide // network.steps(wide)


def _students(module: nn.Module) -> RecognizerStudents:
    return cast(RecognizerStudents, module)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _mixed(
    network: RecognizerNetwork, other: Mapping[str, Tensor], share: float
) -> RecognizerNetwork:
    """A copy of a network with `share` of another one's weights."""
    mixed = copy.deepcopy(network)
    for name, value in mixed.state_dict().items():
        if value.is_floating_point():
            value.lerp_(other[name].to(value.device), share)
    return mixed


def _sum(terms: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()


def _only(batch: LineBatch, wanted: Tensor) -> tuple[Tensor, Targets]:
    """The rows and texts of some lines of a batch."""
    rows = torch.nonzero(wanted).flatten()
    lines = batch.targets.lines()
    kept = wanted.to(lines.device)[lines]
    return rows, Targets(batch.targets.ids[kept], batch.targets.lengths[rows])
