"""From names on a command line to a task: the recipe, its models and its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ocr_core.bundle import Bundle, file_hash, load_bundle, settled_name
from ocr_core.geometry import ImageArray
from ocr_core.image import MAX_SIDE, read_image
from ocr_core.training.detector_recipes import DETECTOR_RECIPES, DetectorRecipe
from ocr_core.training.detector_recipes import profile as detector_profile
from ocr_core.training.detector_task import DetectorTask
from ocr_core.training.detector_task import make_task as make_detector_task
from ocr_core.training.errors import RecipeUnknown, SettingRefused
from ocr_core.training.labelled import LineLabel, PageLabel
from ocr_core.training.line_store import cut_lines
from ocr_core.training.options import LoopOptions
from ocr_core.training.overrides import with_settings
from ocr_core.training.recognizer_recipes import RECOGNIZER_RECIPES, RecognizerRecipe
from ocr_core.training.recognizer_recipes import profile as recognizer_profile
from ocr_core.training.recognizer_task import RecognizerTask
from ocr_core.training.recognizer_task import make_task as make_recognizer_task
from ocr_core.training.skips import Skips
from ocr_core.training.sources import Sources, digest
from ocr_core.wheel import ModelKind

Subject = Literal["det", "rec"]
Recipe = DetectorRecipe | RecognizerRecipe
KINDS: Mapping[Subject, ModelKind] = {"det": "detector", "rec": "recognizer"}

_PROVED_ON = 4
"""Held-out images that the published graph is compared on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models a run may need, by name or folder."""

    start: str | None = None
    """What the run begins with, and the parent of what comes out."""
    teacher: str | None = None
    centers: Path | None = None
    """Class centres of `pagemill train centers`."""


class Prepared(NamedTuple):
    """A task with all that will be said of what it trains."""

    task: DetectorTask | RecognizerTask
    labels: Skips
    """What was left out when labels were read."""
    learned: int
    """Pages or lines to learn from."""
    measured: int
    """Pages or lines to measure on."""
    profile: dict[str, Any]
    charset: tuple[str, ...] | None
    samples: list[ImageArray]
    """Real pages or lines to prove the published graph on."""
    parent: Bundle | None
    identity: dict[str, str]
    """What a resumed run must agree in."""

    @property
    def skips(self) -> Skips:
        """What was left out so far: by the readers of labels and by the task."""
        both = Skips()
        both.merge(self.labels)
        both.merge(self.task.skips)
        return both


def recipes(subject: Subject) -> Mapping[str, Recipe]:
    """The recipes by name."""
    return DETECTOR_RECIPES if subject == "det" else RECOGNIZER_RECIPES


def chosen_recipe(subject: Subject, name: str, settings: Sequence[str]) -> Recipe:
    """A recipe with some numbers changed; raises RecipeUnknown or SettingRefused."""
    known = recipes(subject)
    if name not in known:
        raise RecipeUnknown(f"{name!r} is none of {', '.join(known)}")
    return with_settings(known[name], settings)


def prepare(recipe: Recipe, models: Models, sources: Sources) -> Prepared:
    """Read labels and models and make the task.

    Raises EmptyTrainingSet and the other errors of labels, ModelMissing, SettingRefused for a model
    of another kind, RecipeIncomplete.
    """
    if isinstance(recipe, DetectorRecipe):
        return _detector(recipe, models, sources)
    return _recognizer(recipe, models, sources)


def _detector(recipe: DetectorRecipe, models: Models, sources: Sources) -> Prepared:
    skips = Skips()
    start, teacher = _bundle(models.start, "detector"), _bundle(models.teacher, "detector")
    pages, held_out = sources.pages(skips)
    unlabelled = sources.unlabelled_images(skips)
    bare = [PageLabel(image, ()) for image in unlabelled]
    task = make_detector_task(
        recipe,
        pages,
        held_out,
        unlabelled=unlabelled,
        teacher=teacher,
        start=start,
        seed=recipe.loop.seed,
    )
    return Prepared(
        task=task,
        labels=skips,
        learned=len(pages),
        measured=len(held_out),
        profile=detector_profile(recipe),
        charset=None,
        samples=[read_image(page.image) for page in held_out[:_PROVED_ON]],
        parent=start,
        identity=_identity(recipe, [*pages, *held_out, *bare], start, teacher),
    )


def _recognizer(recipe: RecognizerRecipe, models: Models, sources: Sources) -> Prepared:
    skips = Skips()
    start, teacher = _bundle(models.start, "recognizer"), _bundle(models.teacher, "recognizer")
    lines, held_out = sources.lines(skips)
    unlabelled, replay = sources.unlabelled_lines(skips), sources.replayed_lines(skips)
    used = [*lines, *held_out, *unlabelled, *replay]
    task = make_recognizer_task(
        recipe,
        lines,
        held_out,
        unlabelled=unlabelled,
        replay=replay,
        teacher=teacher,
        start=start,
        centers=models.centers,
        seed=recipe.loop.seed,
    )
    profile = recognizer_profile(recipe, start.profile if start else None)
    return Prepared(
        task=task,
        labels=skips,
        learned=len(task.labelled),
        measured=len(held_out),
        profile=profile,
        charset=task.charset.characters,
        samples=_crops(held_out, int(profile["height"])),
        parent=start,
        identity=_identity(recipe, used, start, teacher, models.centers),
    )


def _bundle(name: str | None, kind: ModelKind) -> Bundle | None:
    if name is None:
        return None
    bundle = load_bundle(settled_name(name))
    if bundle.kind != kind:
        raise SettingRefused(f"{name} is a {bundle.kind}, and a {kind} is trained")
    return bundle


def _crops(lines: Sequence[LineLabel], height: int) -> list[ImageArray]:
    store, _ = cut_lines(lines[: 2 * _PROVED_ON], height, MAX_SIDE, Skips())
    return [store[number] for number in range(len(store))]


def _identity(
    recipe: Recipe,
    labels: Sequence[PageLabel | LineLabel],
    start: Bundle | None,
    teacher: Bundle | None,
    centers: Path | None = None,
) -> dict[str, str]:
    """The loop's own options are compared by themselves."""
    numbers = repr(replace(recipe, loop=LoopOptions(steps=1)))
    return {
        "the recipe": hashlib.sha256(numbers.encode()).hexdigest()[:16],
        "the labels": digest(labels),
        "--start": start.sha256[:16] if start else "none",
        "--teacher": teacher.sha256[:16] if teacher else "none",
        "--centers": file_hash(centers)[:16] if centers else "none",
    }
