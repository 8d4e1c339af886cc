from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from ocr_core.bundle import load_bundle
from ocr_core.charset import Charset
from ocr_core.recognition.crnn_lcnet import CrnnConfig, CrnnLCNet
from ocr_core.training.devices import Device
from ocr_core.training.enhanced_ctc import Pull
from ocr_core.training.errors import EmptyTrainingSet, RecipeIncomplete
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_augment import NONE
from ocr_core.training.loop import train
from ocr_core.training.options import LoopOptions
from ocr_core.training.recognizer_recipes import (
    OF_THE_DATA,
    RECOGNIZER_RECIPES,
    LineNumbers,
    RecognizerRecipe,
    profile,
)
from ocr_core.training.recognizer_students import change_charset
from ocr_core.training.recognizer_task import RecognizerTask, make_task
from ocr_core.training.udml import U_DML

SMALL = RecognizerRecipe(
    network=CrnnConfig(
        classes=OF_THE_DATA, scale=0.125, layers=0, middle=8, time_stride=8, height=16
    ),
    lines=LineNumbers(labelled=4, augment=NONE),
    loop=LoopOptions(steps=8, lr=3e-3),
)
PAIR = replace(SMALL, students=2)

Lines = Callable[..., list[LineLabel]]


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """Bars at different places, "a" for one, "b" for two: as much of a text as a test needs."""

    def draw(count: int = 12, texts: str = "ab") -> list[LineLabel]:
        labels = []
        for n in range(count):
            text = texts[n % len(texts)]
            picture = np.full((16, 48 + 8 * (n % 3), 3), 250, np.uint8)
            for bar in range(1 + texts.index(text)):
                picture[2:14, 10 + 14 * bar : 14 + 14 * bar] = 10
            path = tmp_path / f"{n}-{text}.png"
            Image.fromarray(picture).save(path)
            labels.append(LineLabel(path, text))
        return labels

    return draw


def terms(task: RecognizerTask, progress: float, number: int = 0) -> dict[str, float]:
    loss = task.loss(task.batch(number), progress)
    assert loss.total.item() == pytest.approx(sum(map(float, loss.parts.values())), rel=1e-5)
    return {name: float(value) for name, value in loss.parts.items()}


def test_a_batch_is_a_function_of_its_number(lines: Lines) -> None:
    task, again = (make_task(SMALL, lines(), lines(4), seed=3) for _ in range(2))
    task.batch(0)
    assert torch.equal(task.batch(5).images, again.batch(5).images)
    assert not torch.equal(task.batch(5).images, task.batch(6).images)


def test_every_line_comes_once_before_any_comes_again(lines: Lines) -> None:
    task = make_task(SMALL, lines(12), lines(4))
    epoch = torch.cat([task.batch(n).targets.lengths for n in range(3)])
    assert len(epoch) == 12
    ids = torch.cat([task.batch(n).targets.ids for n in range(3)]).tolist()
    assert sorted(ids) == [1] * 6 + [2] * 6


def test_both_students_learn_from_each_other(lines: Lines) -> None:
    task = make_task(replace(PAIR, mutual=U_DML), lines(), lines(4))
    assert set(terms(task, 0.1)) == {"ctc"}
    assert set(terms(task, 0.3)) == {"ctc", "dml", "feature"}
    task.loss(task.batch(0), 0.3).total.backward()
    for network in task.module.each():
        grads = [p.grad for p in network.parameters()]
        assert all(g is not None for g in grads)
        assert sum(float(g.abs().sum()) for g in grads if g is not None) > 0


def test_the_students_start_differently(lines: Lines) -> None:
    a, b = make_task(PAIR, lines(), lines(4)).module.each()
    assert not torch.equal(a.head.weight, b.head.weight)


def test_equal_students_have_nothing_to_tell_each_other(lines: Lines) -> None:
    task = make_task(replace(PAIR, mutual=U_DML), lines(), lines(4))
    a, b = task.module.each()
    b.load_state_dict(a.state_dict())
    parts = terms(task, 0.5)
    assert parts["dml"] == 0.0
    assert parts["feature"] == 0.0


def test_enhanced_ctc_without_weight_is_ctc(lines: Lines) -> None:
    plain = make_task(SMALL, lines(), lines(4), seed=1)
    pulled = make_task(replace(SMALL, centers=Pull(weight=0.0)), lines(), lines(4), seed=1)
    assert terms(plain, 0.9) == terms(pulled, 0.9)


def test_centers_come_at_half_of_the_schedule_and_stay(lines: Lines) -> None:
    task = make_task(replace(SMALL, centers=Pull(origin="random")), lines(), lines(4))
    assert "center" not in terms(task, 0.49)
    assert terms(task, 0.5)["center"] > 0
    before = task.module.centers.clone()
    task.loss(task.batch(1), 0.6).total.backward()
    assert torch.equal(task.module.centers, before)
    assert not task.module.centers.requires_grad


def test_a_published_network_has_neither_centers_nor_a_second_student(lines: Lines) -> None:
    task = make_task(replace(PAIR, centers=Pull()), lines(), lines(4))
    deployed = task.deployable(task.module)
    assert deployed is task.module.networks[0]
    assert not any("centers" in name for name in deployed.state_dict())


def test_a_run_learns_what_bars_mean(lines: Lines) -> None:
    recipe = replace(SMALL, loop=LoopOptions(steps=60, lr=1e-2, seed=1))
    task = make_task(recipe, lines(24), lines(8), seed=1)
    done = train(task, recipe.loop, Device.of("cpu"))
    assert done.metrics["line_accuracy"] == 1.0
    assert done.metrics["cer"] == 0.0


def test_lines_that_cannot_be_learned_are_counted_and_left_out(lines: Lines) -> None:
    good = lines(8)
    long = replace(good[0], text="a" * 12)
    task = make_task(SMALL, [*good, long], good)
    assert task.skips.counts == {"too_long": 1}
    assert len(task.labelled) == 8
    with pytest.raises(EmptyTrainingSet, match="too_long"):
        make_task(SMALL, [long], good)


def test_a_held_out_text_that_cannot_be_written_counts_as_an_error(lines: Lines) -> None:
    good = lines(4)
    task = make_task(SMALL, good, [replace(good[0], text="xyz")])
    task.module.eval()
    figures = task.evaluate(task.module)
    assert figures["cer"] > 0.5
    assert figures["line_accuracy"] == 0.0


def test_a_changed_charset_keeps_the_rows_it_can() -> None:
    torch.manual_seed(0)
    network = CrnnLCNet(CrnnConfig(classes=4, scale=0.125, layers=0, middle=8, height=16)).eval()
    old, new = Charset("ab "), Charset("bcd ")
    image = torch.randn(1, 3, 16, 64)
    before = network(image)
    change_charset(network, old, new)
    after = network(image)
    assert network.config.classes == 5
    assert torch.allclose(after[..., [0, 1, 4]], before[..., [0, 2, 3]], atol=1e-6)


def test_recipes_say_what_they_need(lines: Lines) -> None:
    with pytest.raises(RecipeIncomplete, match="start from"):
        make_task(RECOGNIZER_RECIPES["finetune-rec"], lines(), lines(4))
    with pytest.raises(RecipeIncomplete, match="teacher"):
        make_task(RECOGNIZER_RECIPES["cpu-rec-distill"], lines(), lines(4), unlabelled=lines(4))
    with pytest.raises(ValueError, match="two students"):
        replace(SMALL, mutual=U_DML)


def test_the_reader_finds_the_numbers_of_a_recipe() -> None:
    numbers = profile(RECOGNIZER_RECIPES["ppocrv2-rec"])
    assert (numbers["height"], numbers["stride"]) == (32, 4)
    assert profile(RECOGNIZER_RECIPES["finetune-rec"], {"height": 48})["height"] == 48


def test_a_fine_tuned_network_is_published_with_a_part_of_what_it_was(lines: Lines) -> None:
    recipe = replace(RECOGNIZER_RECIPES["finetune-rec-new-characters"], keep=0.25)
    parent = load_bundle("ppocrv6-small-rec")
    added = [replace(line, text="\ue000" if n == 0 else "a") for n, line in enumerate(lines())]
    task = make_task(recipe, added, lines(2), unlabelled=lines(2), start=parent)
    assert task.charset.classes == 18711
    bias = task.module.first.head.bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias += 1
    published = cast(CrnnLCNet, task.deployable(task.module))
    assert torch.allclose(published.head.bias, before + 0.75, atol=1e-6)
    assert torch.allclose(bias, before + 1)
    assert set(terms(task, 0.0)) == {"ctc", "soft"}
