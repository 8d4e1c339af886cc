"""Training of a detector, alone or as two students, with or without a teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ocr_core.bundle import Bundle
from ocr_core.detection.detector import DetectorProfile
from ocr_core.detection.differentiable import DifferentiableDB, Maps
from ocr_core.detection.loss import Target
from ocr_core.networks import DetectorNetwork, load_network
from ocr_core.training.cml import distillation, mutual, teacher_text
from ocr_core.training.detector_recipes import DetectorRecipe, new_network, profile
from ocr_core.training.devices import full_precision
from ocr_core.training.errors import EmptyTrainingSet, RecipeIncomplete
from ocr_core.training.labelled import PageLabel
from ocr_core.training.page_batches import PageBatch, PageBatches
from ocr_core.training.page_evaluation import detection_on
from ocr_core.training.page_store import PageStore
from ocr_core.training.skips import Skips
from ocr_core.training.task import Terms

PRIOR = 0.1
"""Share of text that a network says before it has learned anything."""


class Students(nn.Module):
    """One network to train, or two that learn together; the first is the one to publish."""

    def __init__(self, networks: Sequence[DifferentiableDB]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    @property
    def first(self) -> DifferentiableDB:
        """The student that is evaluated and published."""
        return cast(DifferentiableDB, self.networks[0])

    def forward(self, images: Tensor) -> list[Maps]:
        """(N, 3, H, W) to the maps of each student."""
        return [network(images) for network in self.networks]


class Teacher(NamedTuple):
    """A frozen network, with the numbers by which it wants its input."""

    network: nn.Module
    """(N, 3, H, W) to (N, 1, H, W) logits."""
    profile: Mapping[str, Any]


class DetectorTask:
    """See `ocr_core.training.task.Task`."""

    figure = "hmean"

    def __init__(
        self,
        recipe: DetectorRecipe,
        students: Students,
        batches: PageBatches,
        held_out: Sequence[PageLabel],
        numbers: Mapping[str, Any],
        teacher: Teacher | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """`numbers` are the students' profile; `names` of the labelled pages are for `skips`."""
        self.module = students
        self.frozen: list[nn.Module] = [] if teacher is None else [teacher.network]
        self.skips = Skips()
        self._recipe = recipe
        self._batches = batches
        self._held_out = held_out
        self._teacher = teacher
        self._names = names
        self._missed: set[int] = set()
        self._profile = numbers

    def batch(self, number: int) -> PageBatch:
        """See Task.batch."""
        return self._batches[number]

    def loss(self, batch: PageBatch, progress: float) -> Terms:
        """See Task.loss; its parts are sums over the students."""
        self._note(batch.replaced)
        maps = self.module(_scaled(batch.images, self._profile))
        with full_precision(batch.images.device):
            return _terms(self._weighted(maps, batch, progress))

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        """See Task.evaluate."""
        return detection_on(self.deployable(module), self._held_out, self._profile)

    def deployable(self, module: nn.Module) -> nn.Module:
        """See Task.deployable."""
        return cast(Students, module).first.network

    def _weighted(
        self, maps: Sequence[Maps], batch: PageBatch, progress: float
    ) -> dict[str, Tensor]:
        weights, loss = self._recipe.collaboration, self._recipe.loss
        target = Target(*(part.float() for part in batch.target))
        labels = [loss(one, target) for one in maps]
        parts = {
            name: weights.labels * torch.stack([getattr(terms, name) for terms in labels]).sum()
            for name in labels[0]._fields
        }
        if len(maps) == 2 and (share := weights.mutual_at(progress)):
            parts["mutual"] = share * mutual(maps[0].probability, maps[1].probability)
        if self._teacher is not None and (share := weights.distill_at(progress)):
            text, counts = self._asked(batch.images), batch.counts.float()
            each = [distillation(m, text, counts, loss, weights.text_weight) for m in maps]
            parts["distill"] = share * torch.stack(each).sum()
        return parts

    @torch.no_grad()
    def _asked(self, images: Tensor) -> Tensor:
        """(N, H, W) text by the teacher, dilated."""
        assert self._teacher is not None
        logits = self._teacher.network(_scaled(images, self._teacher.profile))
        weights = self._recipe.collaboration
        return teacher_text(
            torch.sigmoid(logits.float()).squeeze(1), weights.teacher_threshold, weights.dilation
        )

    def _note(self, replaced: Tensor) -> None:
        """Count each page that could not be decoded, once."""
        for number in [] if replaced.numel() == 0 else replaced.tolist():
            if number not in self._missed:
                self._missed.add(number)
                self.skips.add("unreadable_image", str(self._names[number]))


def make_task(
    recipe: DetectorRecipe,
    pages: Sequence[PageLabel],
    held_out: Sequence[PageLabel],
    *,
    unlabelled: Sequence[Path] = (),
    teacher: Bundle | None = None,
    start: Bundle | None = None,
    seed: int = 0,
) -> DetectorTask:
    """A task ready for the loop; everything random in it follows from the seed.

    `unlabelled` are images that only the teacher and the other student say something about.
    `start` is what both students begin with. Raises EmptyTrainingSet or RecipeIncomplete.
    """
    _check(recipe, pages, teacher, start)
    numbers = profile(recipe, start.profile if start else None)
    bare = [PageLabel(path, ()) for path in unlabelled] if recipe.pages.unlabelled else []
    zoom = recipe.pages.augment.zoom[1]
    batches = PageBatches(
        _store(pages, numbers, zoom),
        _store(bare, numbers, zoom) if bare else None,
        recipe.pages,
        seed,
    )
    return DetectorTask(
        recipe,
        _students(recipe, start, seed),
        batches,
        held_out,
        numbers,
        None if teacher is None else Teacher(load_network(teacher), teacher.profile),
        [str(page.image) for page in pages],
    )


def _check(
    recipe: DetectorRecipe, pages: Sequence[PageLabel], teacher: Bundle | None, start: Bundle | None
) -> None:
    if not any(not region.ignore for page in pages for region in page.regions):
        raise EmptyTrainingSet(f"{len(pages)} pages without a region that counts")
    if recipe.collaboration.distill and teacher is None:
        raise RecipeIncomplete("its distillation term needs a teacher")
    if recipe.network is None and start is None:
        raise RecipeIncomplete("it fine-tunes and needs a model to start from")


def _store(pages: Sequence[PageLabel], numbers: Mapping[str, Any], closest: float) -> PageStore:
    reader = DetectorProfile.of_bundle(numbers)
    store = PageStore(
        pages,
        page_pixels=reader.first_pixels,
        largest_zoom=reader.largest_zoom,
        closest=closest,
    )
    store.warm()
    return store


def _students(recipe: DetectorRecipe, start: Bundle | None, seed: int) -> Students:
    """Students with weights of the seed; the numbers drawn elsewhere are not disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Students([_student(recipe, start) for _ in range(recipe.students)])


def _student(recipe: DetectorRecipe, start: Bundle | None) -> DifferentiableDB:
    if start is not None:
        network = cast(DetectorNetwork, load_network(start))
        return DifferentiableDB(network)
    assert recipe.network is not None
    student = DifferentiableDB(new_network(recipe.network))
    for branch in (student.network.text, student.threshold):
        _expect(cast(nn.Module, branch), PRIOR)
    return student


def _expect(branch: nn.Module, share: float) -> None:
    """Let a map begin at the share of text that pages have.

    From one half, all that a first step can do is to push every pixel of the page down, and a map
    that has fallen to 0 everywhere hardly comes back: a dead start.
    """
    draw = cast(nn.ConvTranspose2d, branch.draw)
    nn.init.normal_(draw.weight, std=0.05)
    nn.init.constant_(cast(Tensor, draw.bias), math.log(share / (1 - share)))


def _scaled(images: Tensor, numbers: Mapping[str, Any]) -> Tensor:
    """(N, 3, H, W) bytes → floats as a network wants them, channels last."""
    mean = images.new_tensor(numbers["mean"], dtype=torch.float32).view(1, 3, 1, 1)
    std = images.new_tensor(numbers["std"], dtype=torch.float32).view(1, 3, 1, 1)
    scaled = (images.float() / 255 - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)


def _terms(parts: Mapping[str, Tensor]) -> Terms:
    total = torch.stack(list(parts.values())).sum()
    return Terms(total, {name: part.detach() for name, part in parts.items()})
