"""A detector is trained: alone, with a second student, with a teacher, on pages without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from ocr_core.bundle import load_bundle
from ocr_core.detection.differentiable import DifferentiableDB
from ocr_core.detection.loss import PAPER, SHIPPED
from ocr_core.detection.mobilenet_db import MobileNetDB, MobileNetDBConfig
from ocr_core.networks import load_network
from ocr_core.training.cml import CML, DISTILL, DML, LABELS_ONLY, Collaboration
from ocr_core.training.copy_paste import CopyPaste
from ocr_core.training.detector_recipes import DETECTOR_RECIPES, DetectorRecipe, profile
from ocr_core.training.detector_task import DetectorTask, Students, Teacher, make_task
from ocr_core.training.devices import Device
from ocr_core.training.errors import EmptyTrainingSet, RecipeIncomplete
from ocr_core.training.labelled import PageLabel, Region
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.page_augment import PageAugment
from ocr_core.training.page_batches import PageBatches, PageNumbers
from ocr_core.training.page_evaluation import detection_on
from ocr_core.training.page_store import PageStore

NETWORK = MobileNetDBConfig(size="small", scale=0.35, neck=16)
SMALL = DetectorRecipe(
    network=NETWORK,
    loss=PAPER,
    pages=PageNumbers(
        labelled=2, augment=PageAugment(size=96, zoom=(0.8, 1.1), rotation=3.0, perspective=0.3)
    ),
    loop=LoopOptions(steps=2, lr=5e-3, clip=5.0),
)
PAIR = replace(SMALL, students=2)

Pages = Callable[..., list[PageLabel]]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Pages with two words each in random places."""
    folder = tmp_path_factory.mktemp("pages")

    def draw(count: int = 3, seed: int = 0) -> list[PageLabel]:
        numbers = [(seed, i) for i in range(count)]
        return [_page(folder / f"{s}-{i}.png", np.random.default_rng((s, i))) for s, i in numbers]

    return draw


def _page(path: Path, rng: np.random.Generator) -> PageLabel:
    image = np.full((96, 112, 3), rng.integers(180, 256), np.uint8)
    regions = []
    for row in range(2):
        x, y = int(rng.integers(4, 30)), int(12 + 42 * row + rng.integers(0, 14))
        text = "".join(rng.choice(list("HAMBURGEFONTS"), 5))
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
        cv2.putText(image, text, (x, y + height), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 2)
        box = [[x, y], [x + width, y], [x + width, y + height + 2], [x, y + height + 2]]
        regions.append(Region(np.array(box, np.float32), text))
    cv2.imwrite(str(path), image)
    return PageLabel(path, tuple(regions))


def task_with_teacher(recipe: DetectorRecipe, pages: Pages, *, bare: int = 0) -> DetectorTask:
    """A task whose teacher is an untrained network: enough to see where gradients go."""
    torch.manual_seed(9)
    teacher = MobileNetDB(NETWORK).eval().requires_grad_(False)
    stores = [PageStore(some, page_pixels=960 * 736) for some in (pages(), pages(bare or 1, 7))]
    batches = PageBatches(stores[0], stores[1] if bare else None, recipe.pages, 0)
    torch.manual_seed(0)
    students = Students([DifferentiableDB(MobileNetDB(NETWORK)) for _ in range(recipe.students)])
    numbers = profile(recipe)
    return DetectorTask(recipe, students, batches, pages(1), numbers, Teacher(teacher, numbers))


def gradients(module: torch.nn.Module) -> list[Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None and p.grad.any()]


@pytest.mark.parametrize("only", [DML, DISTILL, replace(CML, labels=0.0)])
def test_every_term_teaches_both_students_and_never_the_teacher(
    only: Collaboration, pages: Pages
) -> None:
    task = task_with_teacher(replace(PAIR, collaboration=replace(only, labels=0.0)), pages)
    before = {name: value.clone() for name, value in task.frozen[0].state_dict().items()}
    task.module.train()
    task.loss(task.batch(0), 0.5).total.backward()
    assert all(gradients(student.network) for student in task.module.networks)
    teacher = task.frozen[0]
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    own = {id(p) for p in task.module.parameters()}
    assert not own & {id(p) for p in teacher.parameters()}
    assert not any("teacher" in name for name in task.module.state_dict())


def test_the_parts_of_a_loss_add_up(pages: Pages) -> None:
    task = task_with_teacher(replace(PAIR, collaboration=CML), pages)
    terms = task.loss(task.batch(0), 0.5)
    assert set(terms.parts) == {"text", "binary", "threshold", "mutual", "distill"}
    assert torch.isclose(sum(terms.parts.values(), torch.zeros(())), terms.total)


def test_terms_that_have_not_begun_cost_nothing(pages: Pages) -> None:
    late = replace(CML, mutual_start=0.25, distill_start=0.5)
    task = task_with_teacher(replace(PAIR, collaboration=late), pages)
    named = [set(task.loss(task.batch(0), share).parts) for share in (0.0, 0.3, 0.6)]
    extra = [names - {"text", "binary", "threshold"} for names in named]
    assert extra == [set(), {"mutual"}, {"mutual", "distill"}]


@pytest.mark.parametrize("loss", [SHIPPED, PAPER], ids=["dice", "bce_ohem"])
def test_pages_without_labels_say_nothing_in_the_terms_of_labels(
    loss: object, pages: Pages
) -> None:
    numbers = replace(SMALL.pages, unlabelled=2)
    recipe = replace(PAIR, pages=numbers, loss=loss, collaboration=CML)  # type: ignore[arg-type]
    task = task_with_teacher(recipe, pages, bare=2)
    batch = task.batch(0)
    assert batch.images.shape == (4, 3, 96, 96)
    assert not batch.target.mask[2:].any()
    assert batch.counts[2:].all()
    answers = task.module(torch.randn(4, 3, 96, 96))
    maps = [one._replace(text=one.text.detach().requires_grad_()) for one in answers]
    parts = task._weighted(maps, batch, 0.5)
    (parts["text"] + parts["binary"] + parts["threshold"]).backward(retain_graph=True)
    assert not any(one.text.grad is None or one.text.grad[2:].any() for one in maps)
    (parts["mutual"] + parts["distill"]).backward()
    assert all(one.text.grad is not None and one.text.grad[2:].any() for one in maps)


def test_a_batch_is_a_function_of_seed_and_number(pages: Pages) -> None:
    recipe = replace(SMALL, pages=replace(SMALL.pages, copy_paste=CopyPaste(share=1.0)))
    one, same, other = (make_task(recipe, pages(), pages(1), seed=seed) for seed in (3, 3, 4))
    one.batch(0)  # what was asked before does not matter
    first, again, different = one.batch(5), same.batch(5), other.batch(5)
    assert torch.equal(first.images, again.images)
    assert all(torch.equal(a, b) for a, b in zip(first.target, again.target, strict=True))
    assert not torch.equal(first.images, different.images)
    assert not torch.equal(one.batch(6).images, first.images)


def test_every_page_comes_once_before_any_comes_twice(pages: Pages) -> None:
    class Noting(PageStore):
        asked: list[int] = []  # noqa: RUF012 (one store in this test)

        def __getitem__(self, number: int):  # type: ignore[no-untyped-def]
            self.asked.append(number)
            return super().__getitem__(number)

    store = Noting(pages(6), page_pixels=960 * 736)
    batches = PageBatches(store, None, SMALL.pages, 0)
    for number in range(6):
        batches[number]
    epochs = [tuple(store.asked[i : i + 6]) for i in (0, 6)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(6))] * 2
    assert epochs[0] != epochs[1]


def test_two_students_differ_from_the_start(pages: Pages) -> None:
    first, second = make_task(PAIR, pages(), pages(1), seed=1).module.networks
    weights = [next(student.network.parameters()) for student in (first, second)]
    assert not torch.equal(*weights)


def test_the_seed_alone_decides_the_start(pages: Pages) -> None:
    torch.manual_seed(123)
    one = make_task(SMALL, pages(), pages(1), seed=1).module.state_dict()
    after = torch.rand(1)
    torch.manual_seed(123)
    assert torch.equal(torch.rand(1), after)  # the global generator is as it was
    two = make_task(SMALL, pages(), pages(1), seed=1).module.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_image_lost_during_training_is_replaced_and_counted(
    pages: Pages, tmp_path: Path
) -> None:
    kept = pages(2)
    gone = PageLabel(tmp_path / "gone.png", kept[0].regions)
    task = make_task(SMALL, [*kept, gone], pages(1))
    for number in range(4):
        assert torch.isfinite(task.loss(task.batch(number), 0.0).total)
    assert task.skips.counts == {"unreadable_image": 1}
    assert task.skips.examples["unreadable_image"] == [str(gone.image)]
    lost = make_task(SMALL, [gone], pages(1))
    with pytest.raises(EmptyTrainingSet, match="none of 1"):
        lost.batch(0)


def test_pages_without_a_text_that_counts_are_refused(pages: Pages) -> None:
    ignored = [
        replace(page, regions=tuple(replace(r, ignore=True) for r in page.regions))
        for page in pages()
    ]
    with pytest.raises(EmptyTrainingSet, match="3 pages"):
        make_task(SMALL, ignored, pages(1))


def test_recipes_say_what_they_need(pages: Pages) -> None:
    with pytest.raises(RecipeIncomplete, match="teacher"):
        make_task(DETECTOR_RECIPES["ppocrv2-det-cml"], pages(), pages(1))
    with pytest.raises(RecipeIncomplete, match="start from"):
        make_task(DETECTOR_RECIPES["finetune-det"], pages(), pages(1))
    with pytest.raises(ValueError, match="1 or 2"):
        replace(SMALL, students=3)
    with pytest.raises(ValueError, match="two students"):
        replace(SMALL, collaboration=DML)


def test_the_recipes_of_pp_ocrv2_are_its_networks() -> None:
    student = DETECTOR_RECIPES["ppocrv2-det"]
    assert isinstance(student.network, MobileNetDBConfig)
    trained = DifferentiableDB(MobileNetDB(student.network))
    assert sum(p.numel() for p in trained.parameters()) == 583_234
    cml = DETECTOR_RECIPES["ppocrv2-det-cml-copypaste"]
    assert (cml.students, cml.collaboration, cml.loss) == (2, CML, SHIPPED)
    assert cml.pages.copy_paste == CopyPaste()
    assert cml.pages.augment.size == 960


def test_fine_tuning_begins_with_what_the_model_says(pages: Pages) -> None:
    start = load_bundle("ppocrv6-small-det")
    task = make_task(DETECTOR_RECIPES["finetune-det"], pages(), pages(2), start=start)
    task.module.eval()
    published = detection_on(load_network(start), pages(2), start.profile)
    assert task.evaluate(task.module) == published
    assert task.deployable(task.module) is task.module.first.network


def test_a_run_learns_to_find_words(pages: Pages) -> None:
    recipe = replace(
        SMALL,
        collaboration=LABELS_ONLY,
        pages=replace(SMALL.pages, labelled=4, augment=PageAugment(size=128, zoom=(0.9, 1.1))),
        loop=LoopOptions(steps=60, lr=1e-2, clip=5.0, seed=1),
    )
    task = make_task(recipe, pages(8), pages(4, seed=1), seed=1)
    done = train(task, recipe.loop, Device.of("cpu"))
    assert set(done.metrics) == {"hmean", "precision", "recall"}
    assert done.metrics["hmean"] > 0.5
